"""TCP connections through `weir try`: probe_tcp's scripts are lines of its configuration (host facts 1.8 to 1.11)."""
import pytest
from conftest import outcomes

ALL = [{"downstream": "hello"}, {"upstream": "world"}, {"downstream": "", "end": True}, {"upstream": "", "end": True}]


@pytest.fixture(name="tcp")
def fixture_tcp(run):
    """tcp(events, script...): the answer; each script is one more step."""

    def tcp(events, *scripts, options=(), **rest):
        configs = ["\n".join(f"{k}: {v}" for k, v in s.items()) for s in scripts] or [""]
        result = run("probe_tcp", [{"connection": events, **rest}], configs, *options)
        assert result.code == 0, result.stderr
        return result[0]

    return tcp


def trace(answer, *names):
    """The callbacks, without "trace: "; with names only those."""
    lines = [line[len("trace: "):] for line in answer["logs"] if line.startswith("trace: ")]
    return [line for line in lines if not names or line.split()[0] in names]


def got(answer):
    return answer["upstream_got"], answer["upstream_ended"], answer["downstream_got"], answer["downstream_ended"]


def test_order(tcp):
    answer = tcp(ALL)
    assert answer["action"] == "continue" and got(answer) == ("hello", True, "world", True)
    assert trace(answer) == [
        "on_context_create 2 1", "on_new_connection 2", "on_downstream_data 2 5 0", "on_upstream_data 2 5 0",
        "on_downstream_data 2 0 1", "on_upstream_data 2 0 1", "on_upstream_close 2 2", "on_downstream_close 2 2",
        "on_done 2", "on_log 2", "on_delete 2"]


def test_steps_in_order_and_in_reverse(tcp):
    answer = tcp(ALL[:2], {}, {})
    assert trace(answer, "on_new_connection", "on_downstream_data", "on_upstream_data") == [
        "on_new_connection 3", "on_new_connection 4", "on_downstream_data 3 5 0", "on_downstream_data 4 5 0",
        "on_upstream_data 4 5 0", "on_upstream_data 3 5 0"]
    assert [line for line in trace(answer) if line.startswith(("on_done", "on_log", "on_delete"))] == [
        "on_done 3", "on_log 3", "on_delete 3", "on_done 4", "on_log 4", "on_delete 4"]


@pytest.mark.parametrize("last,lines", [
    ({"close": "downstream"}, ["on_upstream_close 2 1", "on_downstream_close 2 2"]),
    ({"close": "upstream"}, ["on_upstream_close 2 2", "on_downstream_close 2 1"]),
    ({"upstream": "", "end": True}, ["on_upstream_close 2 2", "on_downstream_close 2 1"]),
    ({"downstream": "", "end": True}, ["on_upstream_close 2 1", "on_downstream_close 2 2"]),
])
def test_who_closed(tcp, last, lines):
    assert trace(tcp([last]), "on_upstream_close", "on_downstream_close") == lines


def test_no_upstream_no_close_of_it(tcp):
    answer = tcp([{"close": "downstream"}], {"new": "ret 1"})
    assert answer["action"] == "paused" and trace(answer, "on_upstream_close", "on_downstream_close") == ["on_downstream_close 2 2"]


def test_data_changed_both_ways(tcp):
    answer = tcp(ALL, {"down": "setbuf 2 0 1 J; setbuf 2 99 0 ! | ret 0", "up": "setbuf 3 0 5 w; setbuf 3 2 0 ? | ret 0"})
    assert got(answer) == ("Jello!", True, "w?", True)
    assert set(outcomes(answer).values()) == {"0"}


def test_buffers_are_those_of_the_callback(tcp):
    answer = tcp(ALL[:2], {"down": "bufstatus 2; bufstatus 3; bufstatus 0; bufstatus 1; setbuf 3; setbuf 2 1 1 x",
                           "up": "buf 3 1 2; bufstatus 2"})
    assert [line.split(" = ")[1] for line in answer["logs"] if " = " in line] == [
        "0 5 0", "1 77 77", "1 77 77", "1 77 77", "1", "2", "0 or", "1 77 77"]


def test_bodies_have_no_data_buffers(probe):
    answer = probe({"request": "bufstatus 2; bufstatus 3; setbuf 2; continue 2; continue 3; close 9"})
    assert [line.split(" = ")[1] for line in answer["logs"] if " = " in line] == ["1 77 77", "1 77 77", "1", "0", "12", "2"]


def test_statuses_of_control(tcp):
    answer = tcp(ALL[:1], {"down": "continue 0; continue 1; continue 2; continue 3; continue 4; close 0; close 1; close 4; "
                                   "local 403 d b -1; get 0 :path; add 0 a b; clearroute"})
    assert answer["action"] == "continue" and answer["upstream_got"] == "hello"
    assert [line.split(" = ")[1] for line in answer["logs"] if " = " in line] == [
        "0", "0", "0", "0", "2", "0", "0", "2", "0", "2", "2", "0"]


@pytest.mark.parametrize("value", [1, 2, 3, 4, 77])
def test_paused_data_gathers(tcp, value):
    answer = tcp([{"downstream": "ab"}, {"downstream": "cd"}, {"downstream": "ef"}], {"down": f"ret {value} | ret {value} | ret 0"})
    assert trace(answer, "on_downstream_data") == ["on_downstream_data 2 2 0", "on_downstream_data 2 4 0", "on_downstream_data 2 6 0"]
    assert answer["upstream_got"] == "abcdef"


def test_paused_for_ever(tcp):
    answer = tcp(ALL, {"down": "ret 1"})
    assert answer["action"] == "continue" and got(answer) == ("", False, "world", True)


def test_paused_end_of_stream(tcp):
    answer = tcp([{"downstream": "ab", "end": True}, {"answer": True}], {"down": "call svc /p 100 _ x; ret 1", "answer": "effective @; continue 2"},
                 callouts=[{}])
    assert (answer["upstream_got"], answer["upstream_ended"]) == ("ab", True)
    assert trace(answer, "on_downstream_data") == ["on_downstream_data 2 2 1"]


def test_continue_undoes_the_pause_of_its_own_call(tcp):
    assert tcp(ALL[:1], {"down": "continue 2; ret 1"})["upstream_got"] == "hello"
    assert tcp(ALL[:2], {"up": "continue 3; ret 1"})["downstream_got"] == "world"


def test_data_while_an_answer_is_awaited(tcp):
    """Held data can be changed from the callout's callback; both directions can be resumed by it."""
    answer = tcp([{"downstream": "ab"}, {"upstream": "xy"}, {"downstream": "cd"}, {"answer": True}, {"downstream": "ef"}],
                 {"down": "call svc /p 100 _ x; ret 1 | ret 1 | ret 0", "up": "ret 1",
                  "answer": "effective @; buf 2 0 99; setbuf 2 99 0 +; continue 2; continue 3"}, callouts=[{}])
    assert outcomes(answer)["buf 2 0 99"] == "0 abcd"
    assert got(answer) == ("abcd+ef", False, "xy", False)


def test_a_resumed_step_hands_on_to_the_next(tcp):
    answer = tcp([{"downstream": "ab"}, {"answer": True}], {"down": "call svc /p 100 _ x; ret 1", "answer": "effective @; continue 2"},
                 {"down": "setbuf 2 0 0 2"}, callouts=[{}])
    assert answer["upstream_got"] == "2ab" and trace(answer, "on_downstream_data") == ["on_downstream_data 3 2 0", "on_downstream_data 4 2 0"]


def test_each_direction_resumes_the_other(tcp):
    answer = tcp([{"downstream": "ab"}, {"upstream": "xy"}], {"down": "ret 1", "up": "continue 2"})
    assert got(answer) == ("ab", False, "xy", False)


def test_ticks_resume(tcp):
    answer = tcp([{"downstream": "ab"}, {"wait_ms": 20}], {"configure": "tick 10", "tick": "effective @; continue 2", "down": "ret 1"},
                 options=["--now-ns", "1000000000"])
    assert answer["upstream_got"] == "ab"


def test_new_connection_stops_the_later_steps(tcp):
    answer = tcp([{"upstream": "lost"}], {"new": "ret 1"}, {})
    assert answer["action"] == "paused" and trace(answer, "on_new_connection", "on_upstream_data") == ["on_new_connection 3"]
    assert not any("create 4" in line for line in answer["logs"])


def test_data_that_continues_lets_the_connection_go(tcp):
    answer = tcp([{"downstream": "ab"}, {"downstream": "cd"}, {"upstream": "xy"}], {"new": "ret 1", "down": "ret 1 | ret 0"}, {})
    assert got(answer) == ("abcd", False, "xy", False)
    assert trace(answer, "on_new_connection", "on_downstream_data") == [
        "on_new_connection 3", "on_downstream_data 3 2 0", "on_downstream_data 3 4 0", "on_new_connection 4", "on_downstream_data 4 4 0"]


def test_a_stopped_connection_is_resumed(tcp):
    answer = tcp([{"answer": True}, {"upstream": "xy"}], {"new": "call svc /p 100 _ x; ret 1", "answer": "effective @; continue 2"}, callouts=[{}])
    assert answer["action"] == "continue" and answer["downstream_got"] == "xy"


def test_without_a_data_callback_data_waits(run):
    result = run("tcp_blind", [{"connection": [{"downstream": "ab", "end": True}, {"wait_ms": 10}]},
                               {"connection": [{"downstream": "ab", "end": True}, {"wait_ms": 100}]}], "", "--now-ns", "1000000000")
    assert (result[0]["action"], result[0]["upstream_got"]) == ("paused", "")
    assert (result[1]["action"], result[1]["upstream_got"], result[1]["upstream_ended"]) == ("continue", "ab", True)


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("where,events", [("new", []), ("down", [{"downstream": "ab"}]), ("up", [{"upstream": "xy"}])])
def test_close(tcp, where, events, kind):
    answer = tcp([*events, {"downstream": "late"}], {where: f"close {kind}"})
    assert answer["action"] == "closed" and got(answer)[0] == "" and got(answer)[2] == ""
    assert trace(answer, "on_downstream_close", "on_done", "on_log", "on_delete") == [
        "on_downstream_close 2 1", "on_done 2", "on_log 2", "on_delete 2"]


def test_close_from_a_callout_and_from_a_close_callback(tcp):
    answer = tcp([{"downstream": "ab"}, {"answer": True}, {"downstream": "late"}], {"down": "call svc /p 100 _ x", "answer": "effective @; close 2"},
                 callouts=[{}])
    assert answer["action"] == "closed" and answer["upstream_got"] == "ab"
    answer = tcp([{"upstream": "xy", "end": True}, {"downstream": "late"}], {"upclose": "close 2"})
    assert answer["action"] == "closed" and got(answer) == ("", False, "xy", True)


def test_what_is_held_can_be_let_go_when_the_upstream_closes(tcp):
    answer = tcp([{"upstream": "xy", "end": True}], {"up": "ret 1", "upclose": "continue 3"})
    assert got(answer) == ("", False, "xy", True)


@pytest.mark.parametrize("where,events", [("new", []), ("down", [{"downstream": "ab"}]), ("up", [{"upstream": "xy"}])])
def test_trap_closes(tcp, where, events):
    answer = tcp([*events, {"downstream": "late"}], {where: "trap"}, {})
    assert answer["action"] == "trap" and answer["upstream_got"] == "" and answer["downstream_got"] == ""
    assert trace(answer, "on_done", "on_log", "on_delete") == []  # both contexts are of the VM that is dead


@pytest.mark.parametrize("where,events", [("new", []), ("down", [{"downstream": "ab"}]), ("up", [{"upstream": "xy"}]),
                                          ("upclose", [{"upstream": "xy", "end": True}])])
def test_trap_passes_by_with_fail_open(tcp, where, events):
    answer = tcp([*events, {"downstream": "later"}], {where: "trap"}, options=["--fail-open"])
    assert answer["action"] == "continue" and answer["upstream_got"].endswith("later")


def test_fail_open_lets_go_what_the_other_direction_holds(tcp):
    answer = tcp([{"downstream": "ab", "end": True}, {"upstream": "xy"}], {"down": "ret 1", "up": "trap"}, options=["--fail-open"])
    assert got(answer) == ("ab", True, "xy", False)


def test_the_vm_dies_in_a_tick(tcp):
    events = [{"downstream": "ab", "end": True}, {"wait_ms": 20}, {"upstream": "xy"}]
    script = {"configure": "tick 10", "tick": "trap", "down": "ret 1"}
    answer = tcp(events, script, options=["--now-ns", "1000000000"])
    assert answer["action"] == "trap" and got(answer)[0] == ""
    answer = tcp(events, script, options=["--now-ns", "1000000000", "--fail-open"])
    assert got(answer) == ("ab", True, "xy", False)


def test_healing_after_a_trap(run):
    result = run("probe_tcp", [{"connection": [{"downstream": "a"}]}, {"connection": [{"downstream": "b"}]}], "down: trap")
    assert [line["action"] for line in result.lines] == ["trap", "trap"]
    assert "trace: on_new_connection 2" in result[1]["logs"]  # a new VM


def test_limit_is_back_pressure(tcp):
    chunk = "x" * 600000
    events = [{"downstream": chunk}, {"downstream": chunk}, {"downstream": "more"}]
    answer = tcp(events, {"down": "ret 1"})
    assert answer["blocked"] == "downstream" and len(answer["upstream_got"]) == 0
    assert sum("holds more of a connection than limits.body" in line for line in answer["logs"]) == 1
    answer = tcp(events, {"down": "call svc /p 100 _ x; ret 1 | ret 1 | ret 0", "answer": "effective @; continue 2"}, callouts=[{}])
    assert "blocked" not in answer and len(answer["upstream_got"]) == 1200004
    answer = tcp([{"upstream": "0123456789"}, {"upstream": "more"}], {"up": "setprop set_encoder_buffer_limit 9; ret 1"})
    assert answer["blocked"] == "upstream"


def test_properties_and_shared_data(tcp):
    answer = tcp(ALL[:1], {"new": "setprop mine v; prop plugin_name; sset key value 0", "down": "prop mine; sget key; prop source~address; prophex connection~id; "
                           "prop request~path; propmap request~headers; hosts; override 10.0.0.1:1"},
                 properties={"source.address": "1.2.3.4:5", "connection.id": 7}, upstream_hosts={"10.0.0.1:1": True})
    found = outcomes(answer)
    assert found["prop mine"] == "0 v" and found["sget key"] == "0 value" and found["prop source~address"] == "0 1.2.3.4:5"
    assert found["prophex connection~id"] == "0 0700000000000000" and found["prop request~path"] == "1"
    assert found["hosts"].startswith("0 n=1 10.0.0.1:1=") and answer["upstream_override"] == "10.0.0.1:1"


def test_an_http_plugin_passes_connections_by(run):
    result = run("silent", [{"connection": ALL}])
    assert got(result[0]) == ("hello", True, "world", True)


def test_wrong_events(run):
    for events in ["x", ["x"], [{}], [{"close": "x"}], [{"wait_ms": -1}]]:
        result = run("probe_tcp", [{"connection": events}])
        assert result.code == 1 and "connection" in result.stderr
