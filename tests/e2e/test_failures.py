"""docs/failure-model.md, row by row: each way a guest can fail × policy × tier, and what others of the worker notice."""
import json
import subprocess

import pytest

from conftest import SANITIZED, WEIR, wait_for

BUDGET_MS = 50
KINDS = {"unreachable": "unreachable", "oob": "out of bounds memory access", "stack": "call stack exhausted",
         "div0": "integer divide by zero", "call": "indirect call type mismatch", "alloc": "unreachable",
         "null": "unreachable", "throw": "abort called",
         "loop": "deadline exceeded", "fib": "deadline exceeded", "host": "deadline exceeded", "work": "deadline exceeded",
         "copy": "deadline exceeded"}


TIERS = ("interp", "aot")
POLICIES = {"FAIL_CLOSE": 503, "FAIL_OPEN": 200}


def start(gateways, echo, module, tier, strategy, budget_ms):
    g = gateways({"services": [{"name": "echo", "endpoints": [echo.address]}],
                  "routes": [{"name": "all", "match": {"path": {"prefix": "/trapped"}}, "service": "echo"},
                             {"name": "free", "match": {"path": {"prefix": "/free"}}, "service": "echo"}],
                  "plugins": [{"name": "trapper", "url": module, "failStrategy": strategy, "vm": {"runtime": tier},
                               "defaultConfigDisable": True, "matchRules": [{"route": ["all"], "config": {}}],
                               "limits": {"cpu": f"{budget_ms}ms", "memory": "4MiB"}}]}, "--workers", "1")
    if tier == "aot":
        wait_for("the image", lambda: g.worker_status()["plugins"][0]["tier"] == "aot", 120)
    g.expected = POLICIES[strategy]
    return g


@pytest.fixture(name="gw", scope="module", params=[(t, s) for t in TIERS for s in POLICIES], ids="-".join)
def fixture_gw(request, gateways, echo, trapper_module):
    return start(gateways, echo, trapper_module, *request.param, BUDGET_MS)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_request_that_trapped(gw, kind):
    before, pids = len(gw.error_log), gw.workers()
    assert gw.send("/trapped", headers={"x-trap": kind}).status == gw.expected
    assert gw.send("/trapped").status == 200
    assert gw.workers() == pids
    line = next(l for l in gw.error_log[before:].splitlines() if "trap in proxy_on_request_headers" in l)
    assert KINDS[kind] in line, line
    assert "trap_" + kind in line or kind == "stack", line


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(l for l in f if l.startswith("VmRSS")).split()[1])


@pytest.mark.parametrize("tier,count", [("interp", 1000), ("aot", 10000)])
def test_thousands_of_loops_leave_the_worker_as_it_was(gateway, echo, trapper_module, tier, count):
    """The first hundred warm it up; each loop ends, every request between is served, memory is flat."""
    gw = start(gateway, echo, trapper_module, tier, "FAIL_CLOSE", 1)
    pids = gw.workers()

    def loops(n):
        for _ in range(n):
            assert gw.send("/trapped", headers={"x-trap": "loop"}).status == gw.expected
            assert gw.send("/trapped").status == 200
    loops(100)
    before = rss_kib(pids[0])
    loops((count if not SANITIZED else 1000) - 100)
    assert gw.workers() == pids
    assert SANITIZED or rss_kib(pids[0]) - before < 2048


def cpu_ms(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e6


def test_a_loop_takes_its_budget_of_the_worker_and_no_more(gw):
    """In the worker's CPU time, which is what others wait for where it has a core to itself: each and every loop."""
    pid, costs = gw.workers()[0], []
    for _ in range(10):
        before = cpu_ms(pid)
        assert gw.send("/trapped", headers={"x-trap": "loop"}).status == gw.expected
        costs.append(cpu_ms(pid) - before)
        assert gw.send("/trapped").status == 200
    assert BUDGET_MS - 1 < min(costs) and max(costs) < BUDGET_MS + 10, costs


@pytest.mark.parametrize("tier", TIERS)
def test_traps_after_an_update(gateway, echo, trapper_module, tier):
    """The new VM runs the same image as the old one, which goes: its code is still code whose faults are traps."""
    g = start(gateway, echo, trapper_module, tier, "FAIL_CLOSE", BUDGET_MS)
    pids = g.workers()
    for n in range(2):
        update(g, n)
        for kind in KINDS:
            assert g.send("/trapped", headers={"x-trap": kind}).status == g.expected, kind
            assert g.send("/trapped").status == 200
    assert g.workers() == pids


def update(g, n):
    """Another configuration of the plugin, hence a new VM; the old one is gone."""
    before = g.worker_status()["generation"]
    with open(g.config, encoding="utf-8") as f:
        c = json.load(f)
    c["plugins"][0]["matchRules"][0]["config"] = {"n": n}
    with open(g.config, "w", encoding="utf-8") as f:
        json.dump(c, f)
    wait_for("the update", lambda: g.worker_status()["generation"] != before and g.worker_status()["generations"] == 1)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("strategy", POLICIES)
def test_failures_in_a_row_back_off(gateway, echo, trapper_module, strategy, tier):
    """While it heals, requests take the policy and the guest does not run; then it serves again."""
    g = start(gateway, echo, trapper_module, tier, strategy, 50)

    def state():
        return g.worker_status()["plugins"][0]["state"]
    assert state() == "running"
    for n in range(12):
        assert g.send("/trapped", headers={"x-trap": "unreachable", "X-Request-Id": f"n{n}"}).status == g.expected
    assert state() == "healing"
    outcomes = [g.access(request_id=f"n{n}")["plugins"][0]["outcome"] for n in range(12)]
    assert outcomes[0] == "trapped" and set(outcomes) == {"trapped", "healing"}
    assert "plugin trapper: healing" in subprocess.run([WEIR, "status", "--state", g.state], capture_output=True, text=True, timeout=60,
                                                       check=False).stdout
    assert 5 < g.error_log.count("trap in proxy_on_request_headers") < 12
    assert g.send("/free").status == 200

    def serves():
        assert g.send("/trapped").status in (200, g.expected)
        return state() == "running"
    wait_for("the plugin to run again", serves)
    assert g.send("/trapped").status == 200
