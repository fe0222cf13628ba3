"""Redis, as Higress has it (host facts 2.2), with scripted answers: arguments, replies, failures, roots, traps."""
import pytest

from conftest import outcomes, statuses

GO = "effective @; continue 0"


def callbacks(answer):
    return [line[len("trace: "):] for line in answer["logs"] if line.startswith("trace: on_redis_call_response")]


def ask(probe, request, then=GO, redis=({"reply": "v"},), **scripts):
    return probe({"request": request + "; ret 1", "then": then, **scripts}, redis=list(redis))


def test_reply(probe):
    """The reply is in buffer 9 during the callback, on the root; the low bits of its token say Redis."""
    answer = ask(probe, "redis svc then GET key", "bufstatus 9; buf 9 0 99; buf 9 2 3; status; setbuf 9; buf 4 0 9; " + GO)
    said = outcomes(answer)
    assert answer["action"] == "continue" and callbacks(answer) == ["on_redis_call_response 1 7 0 7"]
    assert said["redis svc then GET key"] == "0 7" and said["status"] == "0 0"
    assert (said["bufstatus 9"], said["buf 9 0 99"], said["buf 9 2 3"]) == ("0 7 0", "0 $1\r\nv\r\n", "0 \r\nv")
    assert said["setbuf 9"] == "2" and said["buf 4 0 9"] == "1"
    assert answer["redis"] == [{"service": "svc", "command": ["GET", "key"], "db": 0, "timeout_ms": 1000, "flush_ms": 3, "flush_bytes": 1024}]


@pytest.mark.parametrize("reply,text", [
    ({"status": "OK"}, "+OK\r\n"), ({"error": "WRONGTYPE no"}, "-WRONGTYPE no\r\n"), (-5, ":-5\r\n"), (None, "$-1\r\n"), ("", "$0\r\n\r\n"),
    (["a", 1, [None]], "*3\r\n$1\r\na\r\n:1\r\n*1\r\n$-1\r\n"), ([], "*0\r\n")])
def test_kinds_of_replies(probe, reply, text):
    """An error of Redis is a reply, too."""
    answer = ask(probe, "redis svc then GET key", "buf 9 0 99; " + GO, [{"reply": reply}])
    assert outcomes(answer)["buf 9 0 99"] == "0 " + text
    assert callbacks(answer) == [f"on_redis_call_response 1 7 0 {len(text)}"]


@pytest.mark.parametrize("redis,message", [([{"fail": True}], "reset"), ([{"unreachable": True}], "refused"), ([], "refused"),
                                           ([{"reply": "late", "delay_ms": 1000}], "timeout")])
def test_failures(probe, redis, message):
    answer = ask(probe, "redis svc then GET key", "status; buf 9 0 9; bufstatus 9; " + GO, redis)
    said = outcomes(answer)
    assert answer["action"] == "continue" and callbacks(answer) == ["on_redis_call_response 1 7 1 0"]
    assert (said["status"], said["buf 9 0 9"], said["bufstatus 9"]) == ("0 11 " + message, "1", "1 77 77")


def test_nothing_is_at_hand_outside_of_the_callback(probe):
    assert outcomes(probe({"request": "buf 9 0 9; status"})) == {"buf 9 0 9": "1", "status": "0 0"}


@pytest.mark.parametrize("query,status", [
    ("*1^$4^PING^", 0), ("PING^", 2), ("_", 2), ("*0^", 2), ("*-1^", 2), ("*1^+PING^", 2), ("*2^$4^PING^", 2), ("*1^$4^PING^*1^$4^PING^", 2),
    ("*1^$5^PING^", 2), ("*1^$-1^", 2), ("*1^$0^^", 0), ("$4^PING^", 2)])
def test_queries(probe, query, status):
    assert statuses(probe({"request": "redisraw svc _ " + query}, redis=[{"reply": 1}])) == [status]


@pytest.mark.parametrize("command", ["SUBSCRIBE a", "psubscribe a", "MONITOR", "SELECT 1", "AUTH x", "HELLO 3", "MULTI", "exec", "WATCH a", "QUIT",
                                     "CLIENT REPLY OFF", "client tracking on", "RESET", "SYNC"])
def test_commands_that_cannot_share_a_connection(probe, command):
    answer = probe({"request": f"redis svc _ {command}; redis svc _ GET a; redis svc _ CLIENT ID"}, redis=[{"reply": 1}, {"reply": 1}])
    assert statuses(answer) == [2, 0, 0] and len(answer["redis"]) == 2


@pytest.mark.parametrize("init,status,options", [
    ("svc u p 500", 0, {"user": "u", "password": "p", "timeout_ms": 500}),
    ("svc _ p 0", 0, {"password": "p", "timeout_ms": 1000}),
    ("svc?db=2&buffer_flush_timeout=0&max_buffer_size_before_flush=4096 _ _ 500", 0, {"timeout_ms": 500, "db": 2, "flush_ms": 0, "flush_bytes": 4096}),
    ("svc?other=x&db=3&& _ _ 500", 0, {"timeout_ms": 500, "db": 3}),
    ("svc?db=x _ _ 500", 2, {}), ("svc?db= _ _ 500", 2, {}), ("svc?db=99999999999 _ _ 500", 2, {}), ("_ _ _ 500", 2, {}), ("?db=1 _ _ 500", 2, {})])
def test_init(probe, init, status, options):
    """Options stand behind the name; the call's own are not looked at."""
    answer = probe({"request": f"rinit {init}; redis svc?db=9 _ GET a"}, redis=[{"reply": 1}])
    assert statuses(answer) == [status, 0]
    assert answer["redis"] == [{"service": "svc", "command": ["GET", "a"], "db": 0, "timeout_ms": 1000, "flush_ms": 3, "flush_bytes": 1024, **options}]


def test_a_second_init_counts(probe):
    answer = probe({"request": "rinit svc?db=1 a b 100; rinit svc?db=2 c d 200; redis svc _ GET a"}, redis=[{"reply": 1}])
    assert (answer["redis"][0]["user"], answer["redis"][0]["db"], answer["redis"][0]["timeout_ms"]) == ("c", 2, 200)


def test_refused(probe):
    answer = probe({"request": "redis a _ GET a; redis b _ GET b; redis c _ GET c"}, redis=[{"no_service": True}, {"refuse": True}, {"reply": 1}])
    assert statuses(answer) == [2, 10, 0] and outcomes(answer)["redis c _ GET c"] == "0 15"


def test_no_service_has_an_empty_name(probe):
    """The SDK asks so whether there is Redis at all: no answer is taken for it."""
    answer = probe({"request": "redis _ _ PING; redis svc then GET a", "then": "buf 9 0 9"}, redis=[{"reply": "v"}])
    assert statuses(answer) == [2, 0, 0] and len(answer["redis"]) == 1 and outcomes(answer)["buf 9 0 9"] == "0 $1\r\nv\r\n"


def test_roots_have_their_own_inits(run):
    """What a root said counts for it; one that said nothing takes what another said."""
    request = {"headers": [["x-request", "redis svc _ GET a; redis other _ GET b"]], "redis": [{"reply": 1}] * 6}
    result = run("probe", [request], ["configure: rinit svc?db=1 _ _ 100", "configure: rinit svc?db=2 _ _ 200; rinit other?db=3 _ _ 300", "-"])
    assert [(c["service"], c["db"]) for c in result[0]["redis"]] == [("svc", 1), ("other", 3), ("svc", 2), ("other", 3), ("svc", 2), ("other", 3)]


def test_several_in_flight(probe):
    answer = ask(probe, "redis a one SET a 1; redis b then GET b; call svc / 0 _ http", one="buf 9 0 9", http="get 6 :status",
                 redis=[{"reply": {"status": "OK"}, "delay_ms": 10}, {"reply": "b", "delay_ms": 20}])
    assert answer["action"] == "continue"
    assert callbacks(answer) == ["on_redis_call_response 1 7 0 5", "on_redis_call_response 1 11 0 7"]


def test_a_command_from_a_callback(probe):
    answer = ask(probe, "redis svc one GET a", one="effective @; redis svc then GET b", redis=[{"reply": "x"}, {"reply": "y"}])
    assert answer["action"] == "continue" and [c["command"] for c in answer["redis"]] == [["GET", "a"], ["GET", "b"]]


def test_the_stream_ends_before_the_reply(run):
    result = run("probe", [{"headers": [["x-request", "redis svc then GET a"], ["x-then", "effective @; buf 9 0 9"]], "redis": [{"reply": "v"}]}])
    assert result[0]["action"] == "continue" and callbacks(result[0]) == ["on_redis_call_response 1 7 0 7"]
    assert outcomes(result[0])["effective @"] == "2" and outcomes(result[0])["buf 9 0 9"] == "0 $1\r\nv\r\n"


@pytest.mark.parametrize("policy,action", [((), "trap"), (("--fail-open",), "continue")])
def test_a_trap_in_the_callback(run, policy, action):
    """The VM's other commands are never answered; the next VM knows the service still."""
    requests = [{"headers": [["x-request", "redis svc then GET a; redis svc then GET b; ret 1"], ["x-then", "trap"]], "redis": [{"reply": 1}, {"reply": 2}]},
                {"headers": [["x-request", "redis svc then GET c; ret 1"], ["x-then", GO]], "redis": [{"reply": 3}]}]
    result = run("probe", requests, "configure: rinit svc?db=7 _ _ 50", *policy)
    assert [r["action"] for r in result.lines] == [action, "continue"]
    assert [len(callbacks(r)) for r in result.lines] == [1, 1] and result[1]["redis"][0]["db"] == 7


def test_a_trap_with_a_command_in_flight(run):
    result = run("probe", [{"headers": [["x-request", "redis svc then GET a; trap"], ["x-then", "log 2 heard"]], "redis": [{"reply": 1}]}])
    assert result[0]["action"] == "trap" and callbacks(result[0]) == []


def test_from_configure(run):
    result = run("probe", [{"headers": [], "redis": [{"reply": "v"}]}], "configure: redis svc then GET a\nthen: buf 9 0 9")
    assert callbacks(result[0]) == ["on_redis_call_response 1 7 0 7"] and outcomes(result[0])["buf 9 0 9"] == "0 $1\r\nv\r\n"


def test_a_module_without_the_callback(run):
    """It sends and hears nothing; the command is carried out."""
    result = run("redis_deaf", [{"headers": [], "redis": [{"reply": 1}]}])
    assert result.code == 0 and result[0]["action"] == "continue" and statuses(result[0]) == [0]
    assert result[0]["redis"][0]["command"] == ["PING"]
