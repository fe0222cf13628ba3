"""gRPC calls and streams (host facts 1.21) on the fake server: what a plugin may ask for, what it hears, when."""
import json
import re

import pytest
from conftest import outcomes, statuses

GO = "effective @; continue 0"
INITIAL, TRAILING = [["x-initial", "i"]], [["x-trailing", "t"]]
ECHO = {"echo": True, "initial": INITIAL, "trailing": TRAILING}
RESPONSE = {"body": ""}


@pytest.fixture(name="ask")
def fixture_ask(probe):
    """ask(request script, then script, *answers): (answer, {command: outcome}, [callback])."""

    def ask(request, then, *answers, **rest):
        answer = probe({"request": request, "then": then}, grpc=list(answers), response=RESPONSE, **rest)
        lines = [line[len("trace: on_grpc_"):] for line in answer["logs"] if line.startswith("trace: on_grpc_")]
        return answer, outcomes(answer), [re.sub(r" \d+ \d+ ", " ", line) for line in lines]

    return ask


def test_unary(ask):
    answer, said, callbacks = ask("grpccall rpc pkg.Svc Echo 5000 hello then x-md v; ret 1", "buf 5 0 99; bufstatus 5; pairs 4; status; setbuf 5; " + GO,
                                  {"messages": ["world"], "initial": INITIAL, "trailing": TRAILING})
    assert callbacks == ["receive 5"] and answer["action"] == "continue"
    assert (said["buf 5 0 99"], said["bufstatus 5"], said["pairs 4"], said["status"], said["setbuf 5"]) == (
        "0 world", "0 5 0", "0 null", "0 0", "2")
    assert answer["grpc"] == [{"service": "rpc", "path": "/pkg.Svc/Echo", "metadata": [["x-md", "v"]], "messages": ["hello"], "unary": True,
                               "ended": True, "cancelled": False, "timeout_ms": 5000}]


@pytest.mark.parametrize("scripted,status,text", [
    ({"status": 9, "message": "a b"}, 9, "a b"), ({"fail": True}, 14, "reset"), ({"hold": True}, 4, "the deadline is over"),
    ({"delay_ms": 500}, 4, "the deadline is over"), ({}, 13, ""), ({"messages": ["x"], "status": 2}, 2, "")])
def test_unary_failures(ask, scripted, status, text):
    answer, said, callbacks = ask("grpccall rpc pkg.Svc M 500 hello then; ret 1", "log 2 never|status; " + GO, scripted)
    assert answer["action"] == "continue" and callbacks == [f"close {status}"]
    assert said["status"] == f"0 {status} {text}".strip() and "info: never" not in answer["logs"]


def test_no_answer(ask):
    assert ask("grpccall rpc s m 500 hello then; ret 1", "|" + GO)[2] == ["close 14"]


def test_refused(ask):
    answer, _, _ = ask("grpccall a s m 500 x then; grpcstream b s m then; grpccall c s m 0 x then; grpccall d s a~b 500 x then; grpccall e s m -1 x then",
                       "|", {"no_service": True}, {"no_service": True}, {"refuse": True})
    assert statuses(answer) == [4, 4, 10, 10, 10]


def test_a_serialised_service(ask):
    answer, said, callbacks = ask("grpccall %rpc s m 500 hello then; ret 1", "buf 5 0 99; " + GO, {"no_service": True}, ECHO)
    assert callbacks == ["receive 5"] and said["buf 5 0 99"] == "0 hello" and [c["service"] for c in answer["grpc"]][-1] == "rpc"


def test_stream(ask):
    answer, said, callbacks = ask("grpcstream rpc pkg.Svc Echo then x-md v; grpcsend 0 one 0; grpcsend 0 two 1; grpcsend 0 three 1; ret 1",
                                  "buf 5 0 99|status; " + GO, ECHO)
    assert callbacks == ["initial 1", "receive 3", "receive 3", "trailing 1", "close 0"]
    assert said["pairs 4"] == "0 n=1 x-initial=i" and said["pairs 5"] == "0 n=1 x-trailing=t"
    assert said["buf 5 0 99"] == "0 two" and said["status"] == "0 0" and said["grpcsend 0 three 1"] == "2"
    assert answer["grpc"][0]["messages"] == ["one", "two"] and answer["grpc"][0]["ended"] and not answer["grpc"][0]["unary"]


def test_a_conversation(ask):
    """Sending and closing from inside of the callbacks."""
    answer, _, callbacks = ask("grpcstream rpc s m then; grpcsend 0 one 0; ret 1", "grpcclose 0; grpcclose 0|" + GO, ECHO)
    assert callbacks == ["initial 1", "receive 3", "trailing 1", "close 0"] and answer["grpc"][0]["ended"]


def test_messages_of_the_other_side(ask):
    _, said, callbacks = ask("grpcstream rpc s m then; ret 1", "buf 5 0 99|status; " + GO, {"messages": ["a", "", "c"], "status": 5, "message": "no"})
    assert callbacks == ["initial 0", "receive 1", "receive 0", "receive 1", "trailing 0", "close 5"] and said["status"] == "0 5 no"


def test_cancel(ask):
    answer, said, callbacks = ask("grpcstream rpc s m then; grpcsend 0 one 0; ret 1", "grpccancel 0; grpccancel 0; grpcsend 0 x 0; " + GO + "|log 2 no", ECHO)
    assert callbacks == ["initial 1", "receive 3"] and said["grpcsend 0 x 0"] == "1" and said["grpccancel 0"] == "1"
    assert answer["grpc"][0]["cancelled"] and "info: no" not in answer["logs"]
    answer, said, callbacks = ask("grpccall rpc s m 0 one then; grpcclose 0; grpcsend 0 x 0", "log 2 no|log 2 no", {"hold": True})
    assert callbacks == [] and said["grpcclose 0"] == "0" and said["grpcsend 0 x 0"] == "2" and answer["grpc"][0]["cancelled"]
    answer, _, _ = ask("grpccancel 4; grpcclose 6; grpcsend 4 x 0; grpcsend 6 x 0", "")
    assert statuses(answer) == [1, 1, 2, 1]


def test_held(ask):
    """Nothing ends it, so the request stays where it is; the plugin's end is its end."""
    answer, _, callbacks = ask("grpcstream rpc s m then; ret 1", "", {"hold": True, "messages": ["a"]})
    assert answer["action"] == "paused" and callbacks == ["initial 0", "receive 1"]


def test_several(ask):
    answer, _, callbacks = ask("grpcstream a s m then; grpccall b s m 500 x then; call h / 500 _ then; ret 1", "|" + GO,
                               {"delay_ms": 30, "messages": ["late"]}, {"delay_ms": 20, "messages": ["early"]}, callouts=[{}])
    assert callbacks[:2] == ["receive 5", "initial 0"] and answer["action"] == "continue"
    assert answer["logs"].index("trace: on_http_call_response 1 12 1 0 0") < answer["logs"].index("trace: on_grpc_receive 1 9 5")


def test_a_trap_in_a_callback(ask):
    answer, _, callbacks = ask("grpcstream rpc s m then; grpcsend 0 one 0; grpcsend 0 two 0; ret 1", "trap", ECHO)
    assert answer["action"] == "trap" and callbacks == ["initial 1", "receive 3"]


def test_after_the_stream(run):
    result = run("probe", [{"headers": [["x-request", "grpccall svc s m 0 x then"], ["x-then", "effective @; buf 5 0 9"]], "grpc": [{"messages": ["m"]}]}])
    assert result[0]["action"] == "continue" and outcomes(result[0]) == {"grpccall svc s m 0 x then": "0 5", "effective @": "2", "buf 5 0 9": "0 m"}


def test_from_configure(run):
    """It is told while the first request is served."""
    result = run("probe", [{"headers": [], "grpc": [{"messages": ["m"]}]}], "configure: grpccall svc s m 0 x then\nthen: log 2 heard")
    assert "trace: on_grpc_receive 1 5 1" in result[0]["logs"]


@pytest.mark.parametrize("answers,what", [
    ({}, "\"grpc\" must be an array"), ([1], "must be an object"), ([{"status": 17}], "a number to 16"), ([{"messages": "x"}], "an array of strings"),
    ([{"messages": [1]}], "an array of strings"), ([{"message": 1}], "a string"), ([{"delay_ms": -1}], "\"delay_ms\" one"), ([{"initial": 1}], "headers")])
def test_wrong_answers(run, answers, what):
    result = run("probe", json.dumps([{"headers": [], "grpc": answers}]))
    assert result.code == 1 and what in result.stderr
