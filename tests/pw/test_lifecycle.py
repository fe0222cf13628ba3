"""Order of calls, context ids, start functions, configuration, ABI detection (host facts 1.1, 1.5, 1.8)."""
import re

import pytest
from conftest import ABIS, outcomes, statuses


def calls(text):
    """The callbacks a probe traced."""
    return re.findall(r"trace: ([a-z_]+(?: \d+)*)$", text, re.M)


def stream_calls(answer):
    return calls("\n".join(answer["logs"]))


@pytest.mark.parametrize("abi", ABIS)
def test_order(run, abi):
    """Start functions, the root with its configuration, a stream, the root's end."""
    result = run("probe-" + abi, [{"headers": [], "response": {"headers": []}}], "12345", vm_config=" ;")
    assert calls(result.stderr) == ["_initialize", "main 0 0", "on_context_create 1 0", "on_vm_start 1 2",
                                    "on_configure 1 5", "on_done 1", "on_delete 1"]
    assert stream_calls(result[0]) == ["on_context_create 2 1", "on_request_headers 2 4 1",
                                       "on_response_headers 2 1 1", "on_done 2", "on_log 2", "on_delete 2"]


def test_every_configuration_is_a_root_of_one_vm(run):
    result = run("probe", [{"headers": [], "response": {"headers": []}}] * 2, ["a", "bb", ""])
    assert calls(result.stderr)[2:11] == [
        "on_context_create 1 0", "on_vm_start 1 0", "on_configure 1 1",
        "on_context_create 2 0", "on_vm_start 2 0", "on_configure 2 2",
        "on_context_create 3 0", "on_vm_start 3 0", "on_configure 3 0"]
    # The request passes the three in order, the response in reverse; ids are not used again.
    for first, line in ((4, result[0]), (7, result[1])):
        a, b, c = first, first + 1, first + 2
        assert stream_calls(line) == [
            f"on_context_create {a} 1", f"on_request_headers {a} 4 1",
            f"on_context_create {b} 2", f"on_request_headers {b} 4 1",
            f"on_context_create {c} 3", f"on_request_headers {c} 4 1",
            f"on_response_headers {c} 1 1", f"on_response_headers {b} 1 1", f"on_response_headers {a} 1 1",
            f"on_done {a}", f"on_log {a}", f"on_delete {a}", f"on_done {b}", f"on_log {b}", f"on_delete {b}",
            f"on_done {c}", f"on_log {c}", f"on_delete {c}"]


def test_body_is_no_end_of_stream(run):
    line = run("probe", [{"headers": [], "body": "x"}])[0]
    assert "on_request_headers 2 4 0" in stream_calls(line)


def test_configuration_is_there_when_it_should_be(run):
    config = "create: buf 7 0 99; bufstatus 7\nconfigure: buf 7 0 9; buf 7 10 3; buf 7 999 1; bufstatus 7; setbuf 7"
    result = run("probe", [{"headers": [["x-request", "buf 7 0 9; bufstatus 7; setbuf 7; buf 6 0 99; setbuf 6; conf"]]}],
                 config, vm_config="buf 6 0 8; bufstatus 6; bufstatus 7; conf")
    size = len(config)
    log = result.stderr
    assert f"bufstatus 7 = 0 {size} 0" in log and "buf 7 0 9 = 0 create: b" in log and "buf 7 10 3 = 0 f 7" in log
    assert "buf 7 999 1 = 0 null" in log and "setbuf 7 = 2" in log
    assert "buf 6 0 8 = 0 buf 6 0 " in log and "bufstatus 7 = 1 77 77" in log
    assert "conf = 0 buf 6 0 8; bufstatus 6; bufstatus 7; conf" in log
    assert outcomes(result[0]) == {"buf 7 0 9": "1", "bufstatus 7": "1 77 77", "setbuf 7": "1",
                                   "buf 6 0 99": "0 buf 6 0 8; bufstatus 6; bufstatus 7; conf", "setbuf 6": "2",
                                   "conf": "0 null"}


def test_buffer_statuses(probe):
    answer = probe({"request": "buf 0 0 9; buf 1 0 9; buf 4 0 9; buf 8 0 9; buf 9 0 9; buf 10 0 9; bufstatus 10; setbuf 10; setbuf 0"})
    assert statuses(answer) == [1, 1, 1, 1, 1, 2, 2, 2, 1]


@pytest.mark.parametrize("abi", ABIS)
def test_get_configuration_of_0_1_0(run, abi):
    result = run("probe-" + abi, [], "configure: conf", vm_config="conf")
    assert "conf = 0 configure: conf" in result.stderr and "conf = 0 conf" in result.stderr


def test_old_abi_shapes(run):
    """Two parameters, _start that exits with 0, proxy_on_memory_allocate, calls without results."""
    result = run("old", [{"headers": [["a", "b"]]}])
    assert result[0]["logs"] == ["info: count=5", "info: missing=0", "info: length=0"]
    assert result[0]["action"] == "continue"  # continue_request undid the pause of the same call


def test_silent_plugin(run):
    result = run("silent", [{"headers": [], "response": {"headers": [["a", "b"]]}}])
    assert result[0]["action"] == "continue" and result[0]["logs"] == []
    assert result[0]["response_headers"] == [[":status", "200"], ["a", "b"]]


@pytest.mark.parametrize("config,what", [("configure: ret 0", "proxy_on_configure"),
                                         ("configure: trap", "unreachable"), ("create: trap", "unreachable")])
def test_refused_configuration(run, config, what):
    result = run("probe", [{"headers": []}], config)
    assert result.code == 1 and len(result.lines) == 1
    assert result[0]["configure"] is False and what in result[0]["error"]


def test_second_configuration_refused(run):
    result = run("probe", [], ["fine", "configure: ret 0"])
    assert result[0]["configure"] is False and "configuration 1" in result[0]["error"]


def test_refused_start(run):
    result = run("probe", [], vm_config="ret 0")
    assert result.code == 1 and "proxy_on_vm_start" in result[0]["error"]


@pytest.mark.parametrize("name,what", [("no_marker", "proxy_abi_version"), ("no_allocator", "malloc"),
                                       ("unknown_import", "proxy_make_coffee"), ("bad_type", "proxy_on_request_headers")])
def test_modules_that_do_not_load(run, name, what):
    result = run(name, [{"headers": []}])
    assert result.code == 1 and result[0]["configure"] is False and what in result[0]["error"]


def test_environment(run):
    result = run("probe", [{"headers": [["x-request", "env"]]}], "", "--env", "A=1", "--env", "B=x=y")
    assert outcomes(result[0])["env"] == "0 A=1 B=x=y"


def test_effective_context(run):
    """Unknown ids are BAD_ARGUMENT; the effective context is another until the call ends, also for logs."""
    script = "effective 99; effective 0; effective 1; get 0 :path; prop plugin_name; effective @; get 0 :path; done"
    result = run("probe", [{"headers": [["x-request", script + "; effective 1"], ["x-response", "get 0 :path"]],
                            "response": {"headers": []}}])
    assert statuses(result[0]) == [2, 2, 0, 0, 1, 0]  # what the root did is in the other log
    for line in ["effective 1 = 0", "get 0 :path = 2", "prop plugin_name = 0 try"]:
        assert "info: " + line + "\n" in result.stderr


def test_proxy_done(run):
    """NOT_FOUND unless the host waits for it; every root is deleted once."""
    log = run("root_done", [], ["a", "b"]).stderr
    assert re.findall(r"info: (.*)$", log, re.M) == ["done early=1", "done early=1", "done=0", "done again=1", "delete=1",
                                                     "done=0", "done again=1", "delete=2"]


def test_other_context_of_the_same_stream(run):
    """The second step answers for the first."""
    request = {"headers": [["x-request", "effective 3; local 403 d b -1"]]}
    result = run("probe", [request], ["a", "b"])
    assert (result[0]["action"], result[0]["status"]) == ("local", 403)
