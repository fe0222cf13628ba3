"""What a VM leaves when it dies, and what the next one has: streams, callouts, shared data, ticks, metrics, queues.

One gateway a tier; each plugin is a `probe` on a route of its own."""
import re
import threading

import pytest

from conftest import PATIENCE_S, wait_for
from upstreams import Upstream, ok, read_head

TIERS = ("interp", "aot")
POLICIES = {"FAIL_CLOSE": 503, "FAIL_OPEN": 200}
GO = "effective @; continue 0"
# Name and route of a plugin: its lines of configuration.
PLUGINS = {"fail-close": {}, "fail-open": {}, "other": {}, "ticks": {"a": "configure: tick 30; mdef 0 seen", "b": "tick: log 2 ticked"},
           "queue": {"a": "configure: qreg q", "b": "queue: deq 1"}, "calls": {"a": "configure: call svc /configured 20000 _ then"}, "slow": {"a": "configure: busy 300"}}


class Service(Upstream):
    """Answers all paths but /hold, which wait for `go`."""

    def __init__(self):
        self.go, self.paths = threading.Event(), []
        super().__init__(self.answer)

    def answer(self, _self, s):
        while head := read_head(s):
            path = head.split(b" ")[1].decode()
            self.paths.append(path)
            if path == "/hold":
                self.go.wait(PATIENCE_S)
            s.sendall(ok(b"fine"))


@pytest.fixture(name="svc", scope="module")
def fixture_svc():
    service = Service()
    yield service
    service.go.set()
    service.close()


@pytest.fixture(name="gw", scope="module", params=TIERS)
def fixture_gw(request, gateways, echo, probe_module, svc):
    g = gateways({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "svc", "endpoints": [svc.address]}],
                  "routes": [{"name": name, "match": {"path": {"prefix": "/" + name}}, "service": "echo"} for name in PLUGINS],
                  "plugins": [{"name": name, "url": probe_module, "vm": {"runtime": request.param}, "defaultConfigDisable": True, "limits": {"cpu": "50ms", "startCpu": "5s"},
                               "failStrategy": "FAIL_OPEN" if name == "fail-open" else "FAIL_CLOSE",
                               "matchRules": [{"route": [name], "config": lines}]} for name, lines in PLUGINS.items()]},
                 "--workers", "1", "--plugin-log-level", "trace")
    wait_for("the tier", lambda: {p["tier"] for p in g.worker_status()["plugins"]} == {request.param}, 120)
    return g


def logs(g, name, before=0):
    return re.findall(rf"\[weir\] plugin {name}: (.*?)(?: while [a-z ]+)?(?:, client: .*)?$", g.error_log[before:], re.M)


def ask(g, name, script, then=GO):
    """(status, {command: outcome}) of one request."""
    before = len(g.error_log)
    response = g.send("/" + name, headers=[("x-request", script), ("x-then", then)])
    return response.status, dict(line.split(" = ", 1) for line in logs(g, name, before) if " = " in line)


def trap(g, name):
    assert ask(g, name, "trap")[0] == POLICIES["FAIL_OPEN" if name == "fail-open" else "FAIL_CLOSE"]


def plugin(g, name):
    return next(p for p in g.worker_status()["plugins"] if p["name"] == name)


@pytest.mark.parametrize("policy", POLICIES)
def test_streams_of_the_vm_fail_with_it(gw, policy):
    """Once, and by the policy; those of other plugins wait on."""
    name = policy.lower().replace("_", "-")
    head = "GET /{0} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: {1}\r\nx-request: ret 1\r\n\r\n"
    with gw.connect() as a, gw.connect() as b, gw.connect() as other:
        a.sendall(head.format(name, "held-a-" + name).encode())
        b.sendall(head.format(name, "held-b-" + name).encode())
        other.sendall(head.format("other", "unheld").encode())
        wait_for("all to wait", lambda: gw.worker_status()["live"]["contexts"] == 3)
        trap(gw, name)
        for s in a, b:
            answer = s.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 %d " % POLICIES[policy]) and answer.count(b"HTTP/1.1 ") == 1
        assert gw.worker_status()["live"]["contexts"] == 1
    assert gw.access(request_id="held-a-" + name)["plugins"][0]["outcome"] == "vm_died"
    wait_for("the other's end", lambda: gw.worker_status()["live"]["contexts"] == 0)
    assert ask(gw, name, "get 0 :path")[1] == {"get 0 :path": "0 /" + name}


@pytest.mark.parametrize("policy", POLICIES)
def test_callouts_are_dropped(gw, svc, policy):
    """Their answers come to nobody; those that the next VM sends come to it."""
    name = policy.lower().replace("_", "-")
    svc.go.clear()
    before = len(gw.error_log)
    assert ask(gw, name, "call svc /hold 20000 _ then; call svc /hold 20000 _ then; trap")[0] == POLICIES[policy]
    assert plugin(gw, name)["callouts"] == 0
    svc.go.set()
    status, said = ask(gw, name, "call svc /ok 5000 _ then; ret 1", "get 6 :status; " + GO)
    assert status == 200 and said["get 6 :status"] == "0 200"
    assert sum("on_http_call_response" in line for line in logs(gw, name, before)) == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_shared_data_survives(gw, policy):
    name = policy.lower().replace("_", "-")
    assert ask(gw, name, f"sset key-{name} value 0")[0] == 200
    trap(gw, name)
    assert ask(gw, name, "sget key-" + name)[1] == {"sget key-" + name: "0 value"}


def configured(g, name):
    return sum(line.startswith("trace: on_configure ") for line in logs(g, name))


def test_ticks_and_metrics_are_as_after_configure(gw):
    """From the snapshot: nothing is configured again."""
    assert ask(gw, "ticks", "minc 4 5")[1]["minc 4 5"] == "0"
    counted = int(ask(gw, "ticks", "mget 4")[1]["mget 4"].split()[1])
    trap(gw, "ticks")
    assert ask(gw, "ticks", "mget 4; minc 4 1")[1]["mget 4"] == f"0 {counted}"
    assert next(m for m in gw.worker_status()["metrics"] if m["name"] == "seen")["value"] == counted + 1
    before = len(gw.error_log)
    wait_for("ticks", lambda: logs(gw, "ticks", before).count("ticked") >= 3)
    assert configured(gw, "ticks") == 1


def test_queues_are_registered_again(gw):
    """A VM that registered one is started anew: a snapshot would not have it."""
    def through(item):
        before = len(gw.error_log)
        assert ask(gw, "queue", "enq 1 " + item)[0] == 200
        wait_for(item, lambda: f"deq 1 = 0 {item}" in logs(gw, "queue", before))
    through("first")
    trap(gw, "queue")
    assert ask(gw, "queue", "get 0 :path")[0] == 200
    through("second")
    assert configured(gw, "queue") == 2


def test_a_vm_that_called_in_its_configuration_is_started_anew(gw, svc):
    """Its snapshot would wait for an answer that does not come again."""
    sent, times = svc.paths.count("/configured"), configured(gw, "calls")
    trap(gw, "calls")
    assert ask(gw, "calls", "get 0 :path")[0] == 200
    wait_for("the call", lambda: svc.paths.count("/configured") == sent + 1)
    assert configured(gw, "calls") == times + 1
    wait_for("its answer", lambda: plugin(gw, "calls")["callouts"] == 0)


def test_a_start_has_a_budget_of_its_own(gw):
    """Its configuration takes several times what a request may."""
    assert ask(gw, "slow", "get 0 :path")[0] == 200
    before = len(gw.error_log)
    assert ask(gw, "slow", "loop")[0] == 503
    assert any("deadline exceeded" in line for line in logs(gw, "slow", before))
    assert ask(gw, "slow", "get 0 :path")[0] == 200
