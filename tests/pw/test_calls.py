"""HTTP callouts (host facts 1.20): what a plugin may ask for, what it hears, when."""
import pytest
from conftest import ABIS, outcomes, statuses, values

RESPONSE = {"headers": [["server", "up"]], "body": "from upstream"}
ANSWER = {"status": 201, "headers": [["X-Found", "yes"], ["x-found", "again"]], "body": "the answer", "trailers": [["t", "1"]]}
PAIRS = ":method GET :path /x :authority a"


def callbacks(answer):
    return [line[len("trace: "):] for line in answer["logs"] if line.startswith("trace: on_http_call_response")]


@pytest.mark.parametrize("abi", ABIS)
def test_answer(probe, abi):
    script = ("pairs 6; pairs 7; get 6 X-Found; get 6 nothing; buf 4 0 99; buf 4 4 3; bufstatus 4; size 6; add 6 a b; setbuf 4;"
              "status; effective @; get 6 :status; add 0 x-got @; continue 0" if abi != "0_1_0" else
              "pairs 6; get 6 nothing; effective @; add 0 x-got @; continue_request")
    answer = probe({"request": "call svc /a?b=c 500 _ then; get 6 :status; pairs 6; buf 4 0 9; ret 1", "then": script},
                   abi=abi, response=RESPONSE, callouts=[ANSWER])
    assert answer["action"] == "continue" and values(answer["request_headers"], "x-got") == ["@"]
    assert callbacks(answer) == ["on_http_call_response 1 4 3 10 1"]
    assert answer["callouts"] == [{"service": "svc", "timeout_ms": 500, "body": "", "headers": [
        [":method", "GET"], [":path", "/a?b=c"], [":authority", "callout.example"]]}]
    said = outcomes(answer)
    assert said["call svc /a?b=c 500 _ then"] == "0 4"
    assert said["pairs 6"] == "0 n=3 :status=201 x-found=yes x-found=again"  # the later of the two
    if abi == "0_1_0":
        assert said["get 6 nothing"] == "0  null" or said["get 6 nothing"] == "0 null"
        return
    assert said["pairs 7"] == "0 n=1 t=1" and said["get 6 X-Found"] == "0 yes" and said["get 6 nothing"] == "1"
    assert said["buf 4 0 99"] == "0 the answer" and said["buf 4 4 3"] == "0 ans" and said["bufstatus 4"] == "0 10 0"
    assert (said["size 6"], said["add 6 a b"], said["setbuf 4"]) == ("2 77", "2", "2")
    assert said["status"] == "0 0" and said["get 6 :status"] == "0 201"


def test_nothing_is_at_hand_outside_of_the_callback(probe):
    said = outcomes(probe({"request": "get 6 :status; pairs 6; pairs 7; buf 4 0 9; bufstatus 4; status"}))
    assert said == {"get 6 :status": "2", "pairs 6": "0 null", "pairs 7": "0 null", "buf 4 0 9": "1", "bufstatus 4": "1 77 77",
                    "status": "0 0"}


@pytest.mark.parametrize("call,status", [
    (f"callpairs svc 10 {PAIRS}", 0), ("callpairs svc 10 :method GET :path /x", 2), ("callpairs svc 10 :method GET :authority a", 2),
    ("callpairs svc 10 :path / :authority a", 2), (f"callpairs svc -1 {PAIRS}", 2), (f"callpairs svc 0 {PAIRS}", 0),
    ("callpairs svc 10 :method GET :path _ :authority a", 2), ("callpairs svc 10 :method _ :path / :authority a", 2),
    ("callpairs svc 10 :method GET :path / :authority _", 2), (f"callpairs svc 10 {PAIRS} a:b v", 2),
    (f"callpairs svc 10 {PAIRS} a b~c", 2), ("callpairs svc 10 :method G(T :path / :authority a", 2),
    ("callpairs svc 10", 2), (f"callpairs svc 10 {PAIRS} X-Upper v", 0)])
def test_arguments(probe, call, status):
    answer = probe({"request": call})
    assert statuses(answer) == [status]
    if "X-Upper" in call:
        assert ["x-upper", "v"] in answer["callouts"][0]["headers"]


def test_refused(probe):
    answer = probe({"request": "call a / 0 _ _; call b / 0 _ _; call c / 0 _ _"},
                   callouts=[{"no_service": True}, {"refuse": True}, {"status": 200}])
    assert statuses(answer) == [2, 10, 0]
    assert outcomes(answer)["call c / 0 _ _"] == "0 12"  # a number is not used twice


@pytest.mark.parametrize("answers", [[{"fail": True}], []])
def test_failure(probe, answers):
    answer = probe({"request": "call svc / 500 _ then; ret 1", "then": "status; pairs 6; buf 4 0 9; effective @; local 502 d b -1"},
                   callouts=answers)
    assert callbacks(answer) == ["on_http_call_response 1 4 0 0 0"]
    assert outcomes(answer)["status"] == "0 11 reset" and outcomes(answer)["pairs 6"] == "0 null"
    assert (answer["action"], answer["status"]) == ("local", 502)


def test_timeout(probe):
    answer = probe({"request": "call svc / 500 _ then; ret 1", "then": "status; get 6 :status; effective @; continue 0"},
                   callouts=[{"delay_ms": 500}])
    assert outcomes(answer)["get 6 :status"] == "0 504" and outcomes(answer)["status"] == "0 0"
    assert answer["action"] == "continue"


def test_several_in_flight(probe):
    """Answers come when they come; the stream goes on with the last of them."""
    answer = probe({"request": "call a /1 0 _ one; call b /2 0 _ two; call c /3 0 _ three; ret 1", "one": "effective @; continue 0",
                    "two": "buf 4 0 9", "three": "get 6 :status"},
                   callouts=[{"delay_ms": 30}, {"delay_ms": 20, "body": "two"}, {"delay_ms": 10, "status": 404}])
    assert callbacks(answer) == ["on_http_call_response 1 12 1 0 0", "on_http_call_response 1 8 1 3 0",
                                 "on_http_call_response 1 4 1 0 0"]
    assert answer["action"] == "continue" and outcomes(answer)["buf 4 0 9"] == "0 two"


def test_a_call_from_a_callback(probe):
    answer = probe({"request": "call a /1 0 _ one; ret 1", "one": "effective @; call b /2 0 body two", "two": "effective @; continue 0"},
                   callouts=[{}, {}])
    assert answer["action"] == "continue" and [c["service"] for c in answer["callouts"]] == ["a", "b"]
    assert answer["callouts"][1]["body"] == "body" and [":method", "POST"] in answer["callouts"][1]["headers"]


def test_body_and_trailers(probe):
    answer = probe({"request": "call svc / 0 some_body _ t1 v1 t2 v2"})
    assert answer["callouts"][0]["trailers"] == [["t1", "v1"], ["t2", "v2"]] and answer["callouts"][0]["body"] == "some_body"


def test_the_stream_ends_before_the_answer(run):
    """The root still hears of it; the stream is not known any more."""
    result = run("probe", [{"headers": [["x-request", "call svc / 0 _ then"], ["x-then", "effective @; get 6 :status"]], "callouts": [{}]}])
    assert result[0]["action"] == "continue" and callbacks(result[0]) == ["on_http_call_response 1 4 1 0 0"]
    assert outcomes(result[0])["effective @"] == "2" and outcomes(result[0])["get 6 :status"] == "0 200"
    assert result[0]["logs"].index("trace: on_delete 2") < result[0]["logs"].index("trace: on_http_call_response 1 4 1 0 0")


def test_response_phase(probe):
    answer = probe({"response": "call svc / 0 _ then; ret 1", "then": "effective @; add 2 x-late v; continue 1"}, response=RESPONSE, callouts=[{}])
    assert answer["action"] == "continue" and values(answer["response_headers"], "x-late") == ["v"]
    answer = probe({"response": "call svc / 0 _ then; ret 1", "then": "effective @; local 403 d b -1"}, response=RESPONSE, callouts=[{}])
    assert (answer["action"], answer["status"]) == ("local", 403)
    answer = probe({"request": "call svc / 0 _ then; ret 1", "then": "effective @; close 0"}, callouts=[{}])
    assert answer["action"] == "closed"


def test_from_configure(run):
    """It waits for the first request; nobody serves a request while the plugin starts."""
    result = run("probe", [{"headers": [["x-request", "call svc /2 0 _ then; ret 1"], ["x-then", "effective @; continue 0"]], "callouts": [{}, {}]}],
                 "configure: call svc /1 0 _ then\nthen: get 6 :status")
    assert callbacks(result[0]) == ["on_http_call_response 1 4 1 0 0", "on_http_call_response 1 8 1 0 0"]
    assert result[0]["action"] == "continue" and outcomes(result[0])["get 6 :status"] == "0 200"


def test_of_two_roots(run):
    """Each root hears of its own."""
    result = run("probe", [{"headers": [["x-request", "call svc / 0 _ then; ret 1"], ["x-then", "effective @; continue 0"]], "callouts": [{}, {}]}], ["a", "b"])
    assert result[0]["action"] == "continue"
    assert callbacks(result[0]) == ["on_http_call_response 1 4 1 0 0", "on_http_call_response 2 8 1 0 0"]


def test_nothing_can_be_sent_from_the_last_callbacks(run):
    """on_done of a root has nobody to answer to; on_log of a stream has its root."""
    result = run("probe", [{"headers": [["x-log", "call svc / 0 _ _"]], "callouts": [{}]}])
    assert outcomes(result[0])["call svc / 0 _ _"] == "0 4" and callbacks(result[0]) == ["on_http_call_response 1 4 1 0 0"]


@pytest.mark.parametrize("policy,action", [((), "trap"), (("--fail-open",), "continue")])
def test_a_trap_in_the_callback(run, policy, action):
    """The paused stream fails by the policy; the VM's other calls are never answered, the next VM starts with none."""
    requests = [{"headers": [["x-request", "call a / 0 _ then; call b / 0 _ then; ret 1"], ["x-then", "trap"]], "callouts": [{}, {}]},
                {"headers": [["x-request", "call a / 0 _ then; ret 1"], ["x-then", "effective @; continue 0"]], "callouts": [{}]}]
    result = run("probe", requests, "", *policy)
    assert [r["action"] for r in result.lines] == [action, "continue"]
    assert [len(callbacks(r)) for r in result.lines] == [1, 1]


def test_a_trap_with_calls_in_flight(run):
    result = run("probe", [{"headers": [["x-request", "call a / 0 _ then; trap"], ["x-then", "log 2 heard"]], "callouts": [{}]}])
    assert result[0]["action"] == "trap" and callbacks(result[0]) == []


def test_a_start_that_fails_drops_its_calls(run):
    result = run("probe", [{"headers": []}], "configure: call a / 0 _ _; ret 0")
    assert result.code == 1 and result[0]["configure"] is False
