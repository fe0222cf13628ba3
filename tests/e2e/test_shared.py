"""What plugins of two workers share, and what wakes them: data, queues, metrics, ticks; a worker that is killed.

The guest is `probe`; which worker did what is told by the process number in the error log."""
import json
import os
import re
import signal
import threading

import pytest

from conftest import Echo, free_port, send, wait_for


def config(echo, module, **plugin):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": "p", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
            "plugins": [{"name": "probe", "url": module, "defaultConfig": {k: f"{k}: {v}" for k, v in plugin.items()}}]}


def lines(gw, text):
    """[(pid, what follows `text`)] of the plugin's lines that begin with `text`."""
    return [(int(pid), rest) for pid, rest in
            re.findall(r"(\d+)#\d+: .*?\[weir\] plugin probe: (?:trace: )?" + re.escape(text) + r"(.*?)(?: while [a-z ]+)?(?:, client: .*)?$", gw.error_log, re.M)]


def run(gw, script):
    assert gw.send("/", headers=[("x-request", script), ("Connection", "close")]).status == 200


def run_on_both(gw, script, text):
    """Send it until each worker ran it; what each logged last."""
    seen = {}

    def both():
        run(gw, script)
        seen.update(lines(gw, text))
        return len(set(seen) & set(gw.workers())) == 2
    wait_for("both workers to run " + script, both)
    return [seen[pid] for pid in gw.workers()]


@pytest.fixture(name="gw")
def fixture_gw(gateway, echo, probe_module):
    return lambda *options, **plugin: gateway(config(echo, probe_module, **plugin), "--workers", "2", *options)


def test_two_workers_share_data(gw):
    g = gw()
    run(g, "sset greeting hello 0")
    assert run_on_both(g, "sget greeting", "sget greeting = ") == ["0 hello"] * 2


def test_data_outlives_workers(gw):
    g = gw()
    run(g, "sset greeting hello 0")
    old = g.workers()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    g.allowed.append("exited on signal 9")
    g.wait_replaced(*old)
    assert run_on_both(g, "sget greeting", "sget greeting = ") == ["0 hello"] * 2


def test_queue_ready_on_the_registering_worker(gw):
    g = gw("--plugin-log-level", "trace", configure="qreg q", queue="deq 1")
    wait_for("both workers to register", lambda: len(lines(g, "qreg q = 0 1")) == 2)
    for i in range(40):
        run(g, f"enq 1 item{i}")
    wait_for("40 entries", lambda: len(lines(g, "deq 1 = 0 item")) == 40)
    assert len({pid for pid, _ in lines(g, "enq 1")}) == 2, "both workers put entries"
    ready = lines(g, "on_queue_ready ")
    assert len(ready) == 40 and len({pid for pid, _ in ready}) == 1 and {rest for _, rest in ready} == {"1 1"}
    assert [int(rest) for _, rest in lines(g, "deq 1 = 0 item")] == list(range(40)), "in order"


def test_a_queue_whose_receiver_is_killed(gw):
    g = gw("--plugin-log-level", "trace", configure="qreg q", queue="deq 1")
    run(g, "enq 1 first")
    wait_for("an entry", lambda: lines(g, "deq 1 = 0 first"))
    receiver = lines(g, "on_queue_ready ")[0][0]
    os.kill(receiver, signal.SIGKILL)
    g.allowed.append("exited on signal 9")
    run(g, "enq 1 second")
    wait_for("the worker after it", lambda: lines(g, "deq 1 = 0 second"))
    assert lines(g, "deq 1 = 0 second")[0][0] != receiver


def test_ticks_in_each_worker(gw):
    g = gw("--plugin-log-level", "trace", configure="tick 20", tick="sset ticked yes 0")
    wait_for("ticks", lambda: all([pid for pid, _ in lines(g, "on_tick 1")].count(w) >= 5 for w in g.workers()))
    run(g, "tick 0; sget ticked")
    assert lines(g, "sget ticked = ")[0][1] == "0 yes"


def test_ticks_do_not_keep_a_worker(gw):
    g = gw(configure="tick 10")
    assert g.stop() == 0


def test_metrics_are_summed(gw):
    g = gw(configure="mdef 0 requests; mdef 1 level; mdef 2 sizes")
    for i in range(30):
        run(g, f"minc 4 2; mrec 5 {i}; mrec 6 {i}")
    metrics = {m["name"]: m for m in g.worker_status()["metrics"]}
    assert metrics["requests"] == {"name": "requests", "type": "counter", "value": 60}
    assert metrics["level"] == {"name": "level", "type": "gauge", "value": 29}
    sizes = metrics["sizes"]
    assert (sizes["count"], sizes["sum"]) == (30, sum(range(30)))
    assert sizes["buckets"][:5] == [[1, 2], [5, 4], [10, 5], [25, 15], [50, 4]] and sizes["buckets"][-1] == [None, 0]


def test_a_worker_killed_under_load(gw):
    """Counting by compare and swap goes on, nobody waits for a lock, every count that was answered is there."""
    g = gw(configure="mdef 0 n; qreg q", queue="deq 1")
    g.allowed.append("exited on signal 9")
    answered, failed = [0], [0]
    stop = threading.Event()

    def client():
        while not stop.is_set():
            try:
                r = send(g.port, "/", headers=[("x-request", "minc 4 1; sset a value 0; sget a; enq 1 x"), ("Connection", "close")])
                answered[0] += r.status == 200
            except (OSError, AssertionError, Exception):  # pylint: disable=broad-except
                failed[0] += 1
    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(5):
        before = answered[0]
        wait_for("traffic", lambda: answered[0] > before + 20)  # pylint: disable=cell-var-from-loop
        victim = g.workers()[0]
        os.kill(victim, signal.SIGKILL)
        g.wait_replaced(victim)
    stop.set()
    for t in threads:
        t.join()
    counted = next(m["value"] for m in g.worker_status()["metrics"] if m["name"] == "n")
    assert answered[0] <= counted <= answered[0] + failed[0]
    assert run_on_both(g, "sget a", "sget a = ")[0] == "0 value"
    shared = g.worker_status()["shared"]
    assert shared["used_bytes"] < shared["bytes"] and shared["queues"] == 1


# ---- endpoints of a service and routes chosen again ----------------------------------------------------


@pytest.fixture(name="two", scope="module")
def fixture_two(gateways, echo, tmp_path_factory, probe_module):
    other = Echo(str(tmp_path_factory.mktemp("other") / "echo.log"))
    yield gateways({"services": [{"name": "both", "endpoints": [echo.address, other.address]}, {"name": "other", "endpoints": [other.address]},
                                 {"name": "half", "endpoints": [echo.address, f"127.0.0.1:{free_port()}"]}],
                    "routes": [{"name": "both", "match": {"path": {"prefix": "/"}}, "service": "both"},
                               {"name": "by-header", "match": {"path": {"prefix": "/"}, "headers": [{"name": "x-model", "exact": "big"}]}, "service": "other"},
                               {"name": "half", "match": {"path": {"prefix": "/half"}}, "service": "half"}],
                    "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1"), echo, other
    assert other.stop() == 0


def test_upstream_hosts(two):
    g, echo, other = two
    run(g, "hosts")
    wait_for("the hosts", lambda: lines(g, "hosts = "))
    hosts = lines(g, "hosts = ")[-1][1]
    assert hosts.startswith("0 n=2 ") and all(f'{a}={{"health_status":"Healthy"' in hosts for a in (echo.address, other.address))


def test_an_unhealthy_upstream_host(two):
    g, _, _ = two
    assert all(g.send("/half").status == 200 for _ in range(4)), "one endpoint is down, the other answers"
    assert g.send("/half", headers=[("x-request", "hosts; log 2 looked")]).status == 200
    wait_for("the hosts", lambda: lines(g, "looked"))
    assert '"health_status":"Unhealthy"' in lines(g, "hosts = ")[-1][1]
    g.allowed.append("Connection refused")


def test_override_host(two):
    g, echo, other = two
    for i, target in enumerate([other, echo, other, other, echo] * 3):
        assert g.send("/", headers=[("x-request", f"override {target.address}"), ("x-request-id", f"override-{i}-{target.port}")]).status == 200

    def logged():
        return [json.loads(line) for line in g.read("logs/access.log").splitlines() if '"override-' in line]
    wait_for("15 lines", lambda: len(logged()) == 15)
    assert all(e["request_id"].split("-")[2] == e["upstream"].rsplit(":", 1)[1] for e in logged())


def test_override_with_a_host_of_another_service(two):
    g, _, _ = two
    assert g.send("/", headers=[("x-request", "override 192.0.2.1:9; override nonsense")]).status == 200


def test_a_changed_header_chooses_the_route_again(two):
    g, _, other = two
    assert g.send("/", headers=[("x-request", "add 0 x-model big"), ("x-request-id", "again")]).status == 200
    entry = g.access(request_id="again")
    assert (entry["route"], entry["service"], entry["upstream"]) == ("by-header", "other", other.address)
    assert g.send("/", headers=[("x-request", "setprop clear_route_cache off; add 0 x-model big"), ("x-request-id", "kept")]).status == 200
    assert g.access(request_id="kept")["route"] == "both"
    assert g.send("/", headers=[("x-request", "setprop clear_route_cache off; add 0 x-model big; foreign clear_route_cache _"), ("x-request-id", "asked")]).status == 200
    assert g.access(request_id="asked")["route"] == "by-header"


def test_compress_in_nginx(two):
    g, _, _ = two
    run(g, "foreign compress hello")
    wait_for("the result", lambda: lines(g, "foreign compress hello = 0 78"))
