"""Local responses, pausing, continue, close (host facts 1.9 to 1.12)."""
import pytest
from conftest import ABIS, outcomes, statuses, values

RESPONSE = {"headers": [["server", "up"]], "body": "from upstream"}


@pytest.mark.parametrize("abi", ABIS)
def test_local_response(probe, abi):
    answer = probe({"request": "local 403 not_allowed body -1 X-Why because; ret 0"}, abi=abi, response=RESPONSE)
    assert (answer["action"], answer["status"], answer["body"]) == ("local", 403, "body")
    assert answer["details"] == "not_allowed" and answer["headers"] == [["x-why", "because"]]
    assert "grpc_status" not in answer
    assert values(answer["response_headers"], "server") == []  # the upstream was not asked


def test_local_response_passes_the_response_callbacks(probe):
    answer = probe({"request": "local 403 d b -1", "response": "get 2 :status; add 2 x-late v"})
    assert outcomes(answer)["get 2 :status"] == "0 403"
    assert values(answer["response_headers"], "x-late") == ["v"]


def test_response_chain_of_a_local_response(run):
    """Only contexts the request reached: the first step answers, the second is not asked."""
    result = run("probe", [{"headers": [["x-request", "local 403 d b -1"], ["x-response", "add 2 x-ctx @"]]}], ["a", "b"])
    assert values(result[0]["response_headers"], "x-ctx") == ["@"]
    assert not any("context_create 4" in line for line in result[0]["logs"])


def test_details_without_white_space(probe):
    assert probe({"request": "local 403 a\tb\nc b -1"})["details"] == "a_b_c"


@pytest.mark.parametrize("status,sent", [(200, 200), (999, 999), (0, 500), (100, 500), (1000, 500), (99999, 500)])
def test_status(probe, status, sent):
    assert probe({"request": f"local {status} d b -1"})["status"] == sent


@pytest.mark.parametrize("grpc,out", [("0", 0), ("16", 16), ("17", None), ("-1", None), ("99", None)])
def test_grpc_status(probe, grpc, out):
    assert probe({"request": f"local 403 d b {grpc}"}).get("grpc_status") == out


@pytest.mark.parametrize("raw", ["garbage", "~", "~~~~~", "_"])
def test_malformed_headers_are_none(probe, raw):
    answer = probe({"request": f"localraw {raw}"})
    assert (answer["action"], answer["status"], answer["headers"], answer["body"]) == ("local", 200, [], "b")


def test_illegal_headers_are_left_out(probe):
    answer = probe({"request": "local 403 d b -1 a:b v"})
    assert answer["headers"] == [] and answer["action"] == "local"


def test_second_local_response_is_ignored(probe):
    answer = probe({"request": "local 403 d first -1; local 404 d second -1", "response": "local 500 d third -1"})
    assert (answer["status"], answer["body"]) == (403, "first") and statuses(answer) == [0, 0, 0]


def test_local_response_replaces_the_response(probe):
    answer = probe({"response": "local 502 d mine -1 x-own 1"}, response=RESPONSE)
    assert (answer["action"], answer["status"], answer["body"]) == ("local", 502, "mine")
    assert values(answer["response_headers"], "server") == [] and values(answer["response_headers"], ":status") == ["502"]
    # It goes out as it is: the callback is not called for it again.
    assert sum("on_response_headers" in line for line in answer["logs"]) == 1


def test_local_response_too_late_or_in_a_root(probe, run):
    assert probe({"log": "local 403 d b -1"}, response=RESPONSE)["action"] == "continue"
    result = run("probe", [{"headers": []}], "configure: local 403 d b -1; continue 0; close 0; setprop a b")
    assert result[0]["action"] == "continue"
    for line in ["local 403 d b -1 = 0", "continue 0 = 0", "close 0 = 0", "setprop a b = 1"]:
        assert line in result.stderr


@pytest.mark.parametrize("abi", ABIS)
@pytest.mark.parametrize("value,action", [(0, "continue"), (1, "paused"), (2, "continue"), (3, "paused"), (4, "paused"),
                                          (5, "paused"), (77, "paused"), ("-1", "paused")])
def test_return_values(probe, abi, value, action):
    assert probe({"request": f"ret {value}"}, abi=abi)["action"] == action
    assert probe({"response": f"ret {value}"}, abi=abi, response={"headers": []})["action"] == action


def test_pause_holds_the_chain(run):
    result = run("probe", [{"headers": [["x-request", "ret 1"]], "response": RESPONSE}], ["a", "b"])
    assert result[0]["action"] == "paused" and "response_headers" not in result[0]
    assert [line for line in result[0]["logs"] if "on_" in line] == [
        "trace: on_context_create 3 1", "trace: on_request_headers 3 5 1", "trace: on_done 3", "trace: on_log 3",
        "trace: on_delete 3"]


@pytest.mark.parametrize("script,action", [
    ("continue 0; ret 1", "continue"),  # takes effect after the call, so after the pause
    ("continue_request; ret 1", "continue"), ("continue 1; ret 1", "paused"),
    ("continue 0; local 403 d b -1", "local"), ("local 403 d b -1; continue 0", "local"), ("close 0", "closed"),
    ("close 1", "closed"), ("close 2", "closed"), ("close 3", "closed"), ("local 403 d b -1; close 0", "local")])
def test_control(probe, script, action):
    assert probe({"request": script}, response=RESPONSE)["action"] == action


def test_statuses_of_control(probe):
    answer = probe({"log": "continue 0; continue 1; continue 2; continue 3; continue 4; close 4; close 0"})
    assert statuses(answer) == [0, 0, 0, 12, 2, 2, 0]


def test_local_response_in_context_create(probe):
    answer = probe({"create": "local 401 d b -1"})
    assert (answer["action"], answer["status"]) == ("local", 401)
    assert not any("on_request_headers" in line for line in answer["logs"])


def test_a_stream_takes_so_much_memory(run):
    """16 MiB: what does not fit is PW_INTERNAL_FAILURE (10), and the request goes on."""
    answer = run("greedy", [{}], [""])[0]
    said = dict(line.removeprefix("info: ").split("=") for line in answer["logs"])
    assert (said["status"], said["answer"]) == ("10", "10") and 3000 < int(said["changes"]) < 4096
    assert answer["action"] == "continue"
