"""What only workers know, from all of them: health of endpoints, plugins that heal, a worker that says nothing."""
import http.client
import json
import os
import signal
import subprocess

from conftest import PATIENCE_S, WEIR, free_port, send, wait_for
from test_api import Checked, ask
from test_balance import Zone
from test_reload import both, route


def endpoints(g, service):
    return next(s for s in ask(g, "GET", "/v1/endpoints").json["items"] if s["name"] == service)


def test_endpoints_as_all_workers_see_them(gateway, echo):
    """One worker meets a dead endpoint, then both do; a check knows of it at once."""
    dead = f"127.0.0.1:{free_port()}"
    c = {"services": [{"name": "s", "endpoints": [echo.address, {"address": dead, "weight": 2}],
                       "health": {"passive": {"failures": 1, "ejectTime": "1h", "maxEjected": 100}}},
                      {"name": "asked", "endpoints": [dead], "health": {"active": {"interval": "50ms", "timeout": "1s"}}}],
         "routes": [{"name": "all", "service": "s"}]}
    g = gateway(c, "--workers", "2")
    both(g)
    api = Checked(g)
    connection = http.client.HTTPConnection("127.0.0.1", g.port, timeout=PATIENCE_S)  # of one worker
    wait_for("a failure", lambda: send(g.port, connection=connection) and endpoints(g, "s")["endpoints"][1]["failed"])
    found = endpoints(g, "s")["endpoints"]
    assert [(e["address"], e["weight"], e["state"]) for e in found] == [(echo.address, 1, "healthy"), (dead, 2, "mixed")]
    assert sorted(w["pid"] for w in found[1]["workers"]) == sorted(g.workers())
    assert sorted(w["state"] for w in found[1]["workers"]) == ["ejected", "healthy"]
    assert found[0]["requests"] == sum(w["requests"] for w in found[0]["workers"]) >= 1
    assert found[1]["failure"]["reason"] == "it cannot be reached" and not found[1]["failure"]["check"] and found[1]["failure"]["ms"] > 1.7e12
    connection.close()
    wait_for("the other worker's", lambda: g.send(headers={"Connection": "close"}) and endpoints(g, "s")["endpoints"][1]["state"] == "ejected")
    wait_for("the check's verdict", lambda: endpoints(g, "asked")["endpoints"][0]["state"] == "unhealthy")
    assert endpoints(g, "asked")["endpoints"][0]["failure"]["check"]
    assert api("GET", "/v1/endpoints").json["silent"] == []
    out = subprocess.run([WEIR, "services", "--state", g.state], capture_output=True, text=True, check=False)
    assert out.returncode == 3 and f"{dead:24} unhealthy" in out.stdout and "check: it cannot be reached" in out.stdout
    assert json.loads(subprocess.run([WEIR, "services", "--state", g.state, "--json"], capture_output=True, check=False).stdout)["items"]


def test_names_and_requests_under_way(gateway, echo):
    port = echo.port
    dns = Zone({"there.example": (["127.0.0.1", "127.0.0.2"], 60), "silent.example": None})
    g = gateway({"services": [{"name": "s", "endpoints": [f"there.example:{port}", f"silent.example:{port}"]}],
                 "routes": [{"name": "all", "service": "s"}]}, "--workers", "2", "--resolver", dns.address)

    def known():
        s = endpoints(g, "s")
        return s if len(s["endpoints"]) == 2 else None
    s = wait_for("the addresses", known)
    assert s["names"][0]["name"] == "there.example" and sorted(s["names"][0]["addresses"]) == ["127.0.0.1", "127.0.0.2"]
    assert s["names"][1]["addresses"] == []
    told = [subprocess.run([WEIR, "services", "--state", g.state, *how], capture_output=True, text=True, check=False) for how in ([], ["--json"])]
    assert "silent.example" in told[0].stdout and "unknown" in told[0].stdout
    assert told[0].returncode == told[1].returncode != 0, "the exit code does not depend on how it is printed"
    with g.connect() as c:
        c.sendall(b"POST /?read=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 100000)
        wait_for("the request", lambda: endpoints(g, "s")["requests"] == 1)
    wait_for("its end", lambda: endpoints(g, "s")["requests"] == 0)


def test_a_plugin_that_heals_in_one_worker(gateway, echo, trapper_module):
    """Whichever worker is asked first: its state is told, and where."""
    g = gateway(route(echo, "first", [{"name": "trapper", "url": trapper_module}]), "--workers", "2")
    g.allowed = [r"trap", r"failed"]
    both(g)
    connection = http.client.HTTPConnection("127.0.0.1", g.port, timeout=PATIENCE_S)
    for _ in range(11):  # five failures in a row, and longer and longer waits
        send(g.port, headers={"x-trap": "unreachable"}, connection=connection)
    connection.close()
    for _ in range(5):
        plugin = ask(g, "GET", "/v1/status").json["plugins"][0]
        assert plugin["state"] == "healing" or not plugin["healing"]
        if not plugin["healing"]:  # it is tried again by now
            break
        assert len(plugin["healing"]) == 1 and plugin["healing"][0] in g.workers()
    traps = [w["report"]["plugins"][0]["traps"] for w in ask(g, "GET", "/v1/workers").json["items"]]
    assert sorted(traps)[0] == 0 and sorted(traps)[1] >= 5


def test_a_worker_that_says_nothing(gateway, echo):
    g = gateway(route(echo, "first"), "--workers", "2")
    both(g)
    pid = g.workers()[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        api = Checked(g)
        assert api("GET", "/v1/endpoints").json["silent"] == [pid]
        late = api("PUT", "/v1/routes/more?timeout=1", {"match": {"path": {"prefix": "/m"}}, "service": "echo"}, status=504).json
        assert "not all workers" in late["error"] and not late["ready"]
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("both again", lambda: ask(g, "GET", "/v1/status").json["ready"])
    assert ask(g, "GET", "/v1/endpoints").json["silent"] == []


def test_a_worker_that_dies_is_left_out(gateway, echo):
    g = gateway(route(echo, "first"), "--workers", "2")
    g.allowed = ["exited on signal 9"]
    pid = g.workers()[0]
    os.kill(pid, signal.SIGKILL)
    now = g.wait_replaced(pid)
    wait_for("its successor", lambda: sorted(i["pid"] for i in ask(g, "GET", "/v1/workers").json["items"]) == sorted(now))
