"""Traps: the policy for the stream, a fresh VM for the next one (host facts 1.9, 2.3)."""
import pytest
from conftest import ABIS, values

FINE = {"headers": [], "response": {"headers": [["server", "up"]]}}


def trap(where="request", kind="unreachable"):
    return {"headers": [["x-" + where, "trap " + kind]], "response": {"headers": [["server", "up"]]}}


@pytest.mark.parametrize("abi", ABIS)
@pytest.mark.parametrize("kind,text", [("unreachable", "unreachable"), ("memory", "out of bounds memory access"),
                                       ("division", "integer divide by zero")])
def test_fail_closed(run, abi, kind, text):
    result = run("probe-" + abi, [FINE, trap(kind=kind), FINE])
    assert [line["action"] for line in result.lines] == ["continue", "trap", "continue"]
    failed = result[1]
    assert (failed["status"], failed["details"], failed["grpc_status"], failed["body"]) == (503, "wasm_fail_stream", 14, "")
    assert values(failed["response_headers"], ":status") == ["503"]
    log = [line for line in failed["logs"] if line.startswith("critical: ")]
    assert len(log) == 1 and "trap in proxy_on_request_headers: " + text in log[0] and "crash" in log[0]
    # The VM was replaced by what it was after its configuration, which did not run again; ids start over.
    assert result.stderr.count("on_configure 1 0") == 1
    assert "trace: on_context_create 2 1" in result[2]["logs"]
    # Nobody calls a dead VM.
    assert not any("on_done" in line or "on_log" in line for line in failed["logs"])


@pytest.mark.parametrize("where", ["create", "request", "response"])
def test_fail_open(run, where):
    result = run("probe", [trap(where), FINE], "", "--fail-open")
    assert [line["action"] for line in result.lines] == ["continue", "continue"]
    assert values(result[0]["response_headers"], "server") == ["up"]
    assert any("trap in proxy_on_" in line for line in result[0]["logs"])
    assert "trace: on_request_headers 2 4 1" in result[1]["logs"]


@pytest.mark.parametrize("where", ["create", "response"])
def test_fail_closed_elsewhere(run, where):
    result = run("probe", [trap(where), FINE])
    assert [line["action"] for line in result.lines] == ["trap", "continue"]
    assert result[0]["status"] == 503 and values(result[0]["response_headers"], "server") == []


@pytest.mark.parametrize("where", ["done", "log", "delete"])
def test_trap_at_the_end(run, where):
    """The client has his answer by then."""
    result = run("probe", [trap(where), FINE])
    assert [line["action"] for line in result.lines] == ["continue", "continue"]
    assert any("trap in proxy_on_" + where in line for line in result[0]["logs"])
    assert "trace: on_context_create 2 1" in result[1]["logs"]


def test_trap_after_a_local_response(run):
    """In the same call the failure counts; in the response callbacks of the local response the response stands."""
    same = {"headers": [["x-request", "local 403 d b -1; trap"]]}
    later = {"headers": [["x-request", "local 403 d b -1"], ["x-response", "trap"]]}
    result = run("probe", [same, later, FINE])
    assert (result[0]["action"], result[0]["status"]) == ("trap", 503)
    assert (result[1]["action"], result[1]["status"]) == ("local", 403)
    assert result[2]["action"] == "continue"


def test_second_step_of_a_dead_vm(run):
    """Both steps are in one VM: failing open, the second is passed by, too."""
    result = run("probe", [trap()], ["a", "b"], "--fail-open")
    assert result[0]["action"] == "continue"
    assert sum("on_request_headers" in line for line in result[0]["logs"] if line.startswith("trace")) == 1


def test_failures_in_a_row_are_healed_with_patience(run):
    """A few at once; then the VM waits, and requests fail without running the guest."""
    result = run("probe", [trap()] * 8 + [FINE])
    assert [line["action"] for line in result.lines] == ["trap"] * 9
    # The first ones go on from the state after the configuration, without running the start functions again.
    assert result.stderr.count("_initialize") == 1
    assert result[8]["logs"] == []
    # A stream that went well in between starts the count again.
    result = run("probe", [trap()] * 5 + [FINE] + [trap()] * 5 + [FINE])
    assert result[5]["action"] == "continue" and result[11]["action"] == "continue"


def test_exit_is_a_failure(run):
    result = run("probe", [{"headers": [["x-request", "exit 3"]]}, FINE])
    assert result[0]["action"] == "trap" and any("exited with code 3" in line for line in result[0]["logs"])
    assert result[1]["action"] == "continue"
