"""How a service's endpoints are chosen, watched, spared and tried again: on real connections, changed without a reload."""
import collections
import ipaddress
import re
import socket
import struct
import threading
import time

import pytest

from certificates import Authority, server_context
from conftest import PATIENCE_S, free_port, send, wait_for
from test_dns import Dns
from test_reload import write
from test_tls import Tls
from upstreams import Upstream, ok, read_exactly, read_head


def named(name, seen=None):
    """An upstream that answers with its name."""
    def serve(_upstream, s):
        while head := read_head(s):
            if seen is not None:
                seen.append(head)
            s.sendall(ok(name.encode()))
    return Upstream(serve)


def answering(status, count, body=b"no"):
    """Counts requests, answers each with this status (callable: by number)."""
    def serve(_upstream, s):
        while head := read_head(s):
            count.append(head)
            code = status(len(count)) if callable(status) else status
            s.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body)
    return Upstream(serve)


def config(endpoints, route=None, **service):
    return {"services": [{"name": "s", "endpoints": list(endpoints), **service}],
            "routes": [{"name": "all", "match": {}, "service": "s", **(route or {})}]}


def services(g):
    return g.worker_status("/services")


def endpoint(g, address, service=0):
    return next(e for e in services(g)[service]["endpoints"] if e["address"] == address)


@pytest.fixture(name="four", scope="module")
def fixture_four():
    ups = {n: named(n) for n in "abcd"}
    yield ups
    for u in ups.values():
        u.close()


class Traffic:
    """Requests from a few threads until the end; what failed."""

    def __init__(self, port, threads=4, **kwargs):
        self.port, self.kwargs, self.end = port, kwargs, threading.Event()
        self.failed, self.done, self.seen = [], 0, collections.Counter()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.end.is_set():
            try:
                r = send(self.port, **self.kwargs)
                self.seen[r.body] += 1
                if r.status != 200:
                    self.failed.append((r.status, r.body))
            except OSError as e:
                self.failed.append(repr(e))
            self.done += 1

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        for t in self.threads:
            t.join()


# ---- policies


def test_weights_and_a_change_of_policy_under_traffic(gateway, four):
    e = [{"address": four[n].address, "weight": w} for n, w in zip("abcd", (1, 2, 3, 4))]
    g = gateway(config(e), "--workers", "1")
    seen = collections.Counter(g.send().text for _ in range(50))
    assert seen == {"a": 5, "b": 10, "c": 15, "d": 20}
    master = g.master()
    with Traffic(g.port) as t:
        for policy in {"policy": "leastRequests"}, {"policy": "consistentHash", "hash": {"address": True}}, {}:
            before = g.worker_status()["generation"]
            write(g, config(e, **policy))
            wait_for("the change", lambda b=before: g.worker_status()["generation"] != b)
            done = t.done
            wait_for("traffic on it", lambda d=done: t.done > d + 50)
    assert not t.failed and g.master() == master


def test_a_hundred_endpoints_all_get_requests(gateway):
    """More than the 64 there once was room for; so much that one that does not answer is passed by."""
    ups = [named(str(i)) for i in range(100)]
    dead = f"127.0.0.1:{free_port()}"
    try:
        g = gateway(config([u.address for u in ups] + [dead]), "--workers", "1")
        seen = collections.Counter(g.send().text for _ in range(202))
        assert set(seen) == {str(i) for i in range(100)} and max(seen.values()) <= 4
        assert endpoint(g, dead)["state"] == "ejected"
    finally:
        for u in ups:
            u.close()


def test_least_requests_avoids_the_slow_one(gateway, four):
    gate = threading.Event()

    def slow(_upstream, s):
        while read_head(s):
            gate.wait(PATIENCE_S)
            s.sendall(ok(b"slow"))
    stuck = Upstream(slow)
    g = gateway(config([stuck.address, four["a"].address], policy="leastRequests"), "--workers", "1")
    held = []
    while not stuck.connections:  # until one request hangs there; ties are broken at random
        t = threading.Thread(target=lambda: held.append(g.send().text))
        t.start()
        held.append(t)
        wait_for("an answer, or a request that hangs", lambda t=t: stuck.connections or not t.is_alive())
    assert {g.send().text for _ in range(30)} == {"a"}
    gate.set()
    for t in [h for h in held if not isinstance(h, str)]:
        t.join()
    stuck.close()


@pytest.mark.parametrize("hash_, header", [({"header": "X-User"}, lambda k: {"x-user": k}),
                                           ({"cookie": "sid"}, lambda k: {"cookie": f"other=1; sid={k}; x=2"})])
def test_consistent_hash_is_stable(gateway, four, hash_, header):
    three = [four[n].address for n in "abc"]
    g = gateway(config(three, policy="consistentHash", hash=hash_), "--workers", "2")
    keys = [f"user-{i}" for i in range(60)]
    first = {k: g.send(headers=header(k)).text for k in keys}
    assert set(first.values()) == {"a", "b", "c"}
    assert all(g.send(headers=header(k)).text == first[k] for k in keys)
    write(g, config(three + [four["d"].address], policy="consistentHash", hash=hash_))
    wait_for("the change", lambda: all(len(services(g)[0]["endpoints"]) == 4 for _ in range(10)))
    second = {k: g.send(headers=header(k)).text for k in keys}
    moved = {k for k in keys if second[k] != first[k]}
    assert moved and all(second[k] == "d" for k in moved) and len(moved) < 30
    write(g, config(three, policy="consistentHash", hash=hash_))
    wait_for("the change back", lambda: all(len(services(g)[0]["endpoints"]) == 3 for _ in range(10)))
    assert {k: g.send(headers=header(k)).text for k in keys} == first


def test_consistent_hash_by_address_goes_on_when_the_endpoint_dies(gateway):
    ups = {n: named(n) for n in "abc"}
    g = gateway(config([u.address for u in ups.values()], policy="consistentHash", hash={"address": True}), "--workers", "1")
    (first,) = {g.send().text for _ in range(10)}
    ups[first].close()
    wait_for("its port is closed", lambda: socket.socket().connect_ex(("127.0.0.1", ups[first].port)))
    others = {g.send(headers={"connection": "close"}).text for _ in range(20)} - {first}
    assert len(others) <= 1
    for u in ups.values():
        if u is not ups[first]:
            u.close()


# ---- peers go


def test_peers_of_old_endpoints_are_freed(gateway, four):
    def other(i):
        return config([four["a"].address, f"127.1.{i // 250}.{i % 250 + 1}:1"],
                      health={"active": {"interval": "1h", "timeout": "10ms"}})
    g = gateway(other(0), "--workers", "1")
    with Traffic(g.port, threads=2) as t:
        heap = 0
        for i in range(1, 1001):
            before = g.worker_status()["generation"]
            write(g, other(i))
            wait_for("the change", lambda b=before: g.worker_status()["generation"] != b)
            if i == 200:
                heap = g.worker_status()["heap_bytes"]
    assert not t.failed
    wait_for("the old generations' end", lambda: g.worker_status()["generations"] == 1)
    assert g.worker_status()["peers"] == 2
    assert g.worker_status()["heap_bytes"] < heap * 1.05 + 200000


# ---- names


class Zone(Dns):
    """Names of the test's choice: {"a.example": (["127.0.0.1"], ttl)}; None: no answer, not there: NXDOMAIN."""

    def __init__(self, zone):
        self.zone = zone
        super().__init__()

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        name, question = ".".join(labels), query[12:at + 5]
        self.asked.append(name)
        if name in self.zone and self.zone[name] is None:
            return None
        addresses, ttl = self.zone.get(name, ([], 0))
        found = [ipaddress.ip_address(a) for a in addresses]
        found = [a.packed for a in found if a.version == {1: 4, 28: 6}.get(kind)]
        flags = 0x8180 if name in self.zone else 0x8183
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + question + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(a)) + a for a in found)


class At(Upstream):
    """An upstream at another loopback address, on a port that others may have elsewhere."""

    def __init__(self, host, port, name):
        def serve(_upstream, s):
            while read_head(s):
                s.sendall(ok(name.encode()))
        self.serve, self.connections, self.lock = serve, 0, threading.Lock()
        self.listener = socket.create_server((host, port), backlog=128)
        self.port, self.address = port, f"{host}:{port}"
        threading.Thread(target=self.accept, daemon=True).start()


def test_names_are_resolved_again(gateway):
    port = free_port()
    a, b = At("127.0.0.1", port, "a"), At("127.0.0.2", port, "b")
    dns = Zone({"s.example": (["127.0.0.1"], 1)})
    g = gateway(config([f"s.example:{port}"]), "--workers", "1", "--resolver", dns.address)
    with Traffic(g.port, threads=2) as t:
        wait_for("requests to the first address", lambda: t.seen[b"a"] > 10)
        dns.zone["s.example"] = (["127.0.0.1", "127.0.0.2"], 1)
        wait_for("requests to both", lambda: t.seen[b"b"] > 10)
        dns.zone["s.example"] = (["127.0.0.2"], 1)
        wait_for("one address", lambda: [e["address"] for e in services(g)[0]["endpoints"]] == [b.address])
        assert {g.send().text for _ in range(10)} == {"b"}
        del dns.zone["s.example"]  # the server fails: the last answer stays
        wait_for("a failure", lambda: services(g)[0]["names"][0]["failures"] >= 2)
        assert {g.send().text for _ in range(10)} == {"b"}
        dns.zone["s.example"] = (["127.0.0.1"], 1)
        wait_for("the next answer", lambda: [e["address"] for e in services(g)[0]["endpoints"]] == [a.address])
    assert not t.failed and g.worker_status()["peers"] == 1
    a.close()
    b.close()


def test_a_name_that_nobody_knows_blocks_nobody(gateway, four):
    """A server that is silent: others are served at once, requests for the name wait for connectTimeout, or its answer."""
    dns = Zone({"silent.example": None})
    c = {"services": [{"name": "s", "endpoints": [f"silent.example:{four['a'].port}"], "connectTimeout": "300ms"},
                      {"name": "t", "endpoints": [four["b"].address]}],
         "routes": [{"name": "s", "match": {"path": {"prefix": "/s"}}, "service": "s"}, {"name": "t", "match": {}, "service": "t"}]}
    g = gateway(c, "--workers", "1", "--resolver", dns.address)
    began = time.monotonic()
    assert g.send("/").text == "b"
    r = g.send("/s")
    assert r.status == 503 and "no endpoints" in r.text and time.monotonic() - began > 0.25
    assert g.access(path="/s")["details"] == "no_healthy_upstream"
    before = g.worker_status()["generation"]
    c["services"][0]["connectTimeout"] = "20s"
    write(g, c)
    wait_for("the change", lambda: g.worker_status()["generation"] != before)
    result = []
    t = threading.Thread(target=lambda: result.append(g.send("/s").text))
    t.start()
    dns.zone["silent.example"] = (["127.0.0.1"], 60)
    t.join(PATIENCE_S)
    assert result in (["a"], ["the service has no endpoints\n"])
    wait_for("the answer", lambda: g.send("/s").text == "a")


def test_callouts_wait_for_the_first_address(gateway, echo, four, probe_module):
    """A server that says nothing at first: the callout goes on when it does, or when the callout's time is over."""
    dns = Zone({"later.example": None})
    port = four["a"].port
    c = {"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "svc", "endpoints": [f"later.example:{port}"]}],
         "routes": [{"name": "p", "match": {}, "service": "echo"}],
         "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}
    g = gateway(c, "--workers", "1", "--plugin-log-level", "trace", "--resolver", dns.address)

    def ask(timeout_ms):
        return g.send("/p", headers={"x-request": f"call svc /ok {timeout_ms} _ then; ret 1",
                                     "x-then": "get 6 :status; effective @; continue 0"}).status
    assert ask(100) == 200 and "get 6 :status = 0 504" in g.error_log
    result = []
    t = threading.Thread(target=lambda: result.append(ask(PATIENCE_S * 1000)))
    t.start()
    wait_for("the callout", lambda: g.worker_status()["live"]["callouts"] == 1)
    dns.zone["later.example"] = (["127.0.0.1"], 60)
    t.join(PATIENCE_S)
    assert result == [200] and "get 6 :status = 0 200" in g.error_log
    dns.zone["later.example"] = None
    write(g, {**c, "services": c["services"] + [{"name": "other", "endpoints": ["never.example:1"]}]})
    wait_for("the change", lambda: g.worker_status()["generations"] == 1 and len(services(g)) == 3)
    assert ask(5000) == 200  # what is known stays known


# ---- health


def test_server_errors_eject_and_a_good_answer_brings_back(gateway, four):
    count, status = [], [500]
    bad = answering(lambda n: status[0], count)
    g = gateway(config([bad.address, four["a"].address],
                       health={"passive": {"serverErrors": 3, "ejectTime": "300ms", "maxEjectTime": "10s"}}), "--workers", "1")
    for _ in range(20):
        g.send()
    assert len(count) == 3 and endpoint(g, bad.address)["state"] == "ejected"
    assert {g.send().text for _ in range(6)} == {"a"}
    status[0] = 200
    wait_for("its return", lambda: g.send().text == "no")
    assert endpoint(g, bad.address)["state"] == "healthy"
    bad.close()


def test_ejections_take_longer_each_time(gateway, four):
    dead = f"127.0.0.1:{free_port()}"
    g = gateway(config([dead, four["a"].address], health={"passive": {"ejectTime": "50ms", "maxEjectTime": "200ms"}}), "--workers", "1")
    with Traffic(g.port, threads=1) as t:
        wait_for("five ejections", lambda: g.error_log.count("is left alone") >= 5)
    assert re.findall(r"left alone for (\d+) ms", g.error_log)[:5] == ["50", "100", "200", "200", "200"]
    assert not t.failed


def test_only_a_share_is_ejected(gateway):
    dead = [f"127.0.0.1:{free_port()}" for _ in range(4)]
    g = gateway(config(dead, health={"passive": {"maxEjected": 50}}), "--workers", "1")
    assert g.send().status == 502
    assert sorted(e["state"] for e in services(g)[0]["endpoints"]) == ["ejected", "ejected", "healthy", "healthy"]


def test_panic_uses_all(gateway, four):
    dead = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    g = gateway(config([*dead, four["a"].address], health={"panic": 50}), "--workers", "1")
    assert {g.send().text for _ in range(12)} == {"a"}
    assert [endpoint(g, d)["state"] for d in dead] == ["ejected"] * 2
    assert all(endpoint(g, d)["failed"] > 2 for d in dead)  # asked all the same: one in three is less than half


def test_active_checks_take_out_and_bring_back_slowly(gateway, four):
    healthy, probes = [True], []

    def serve(_upstream, s):
        while head := read_head(s):
            if head.startswith(b"GET /health "):
                probes.append(head)
                s.sendall(ok() if healthy[0] else b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
            else:
                s.sendall(ok(b"checked"))
    checked = Upstream(serve)
    c = config([checked.address, four["a"].address], health={
        "active": {"path": "/health", "host": "probe.example", "interval": "20ms", "timeout": "2s", "healthy": 2, "unhealthy": 2},
        "slowStart": "2s"})
    g = gateway(c, "--workers", "1")
    with Traffic(g.port, threads=2) as t:
        # the other one answers GET /health like anything else
        wait_for("checks", lambda: len(probes) > 3)
        assert b"host: probe.example" in probes[0].lower()
        healthy[0] = False
        wait_for("the verdict", lambda: endpoint(g, checked.address)["state"] == "unhealthy")
        assert {g.send().text for _ in range(10)} == {"a"}
        healthy[0] = True
        wait_for("the return", lambda: endpoint(g, checked.address)["state"] != "unhealthy")
        slow = endpoint(g, checked.address)
        assert slow["state"] == "slow" and 10 <= slow["share"] < 100
        wait_for("its whole share", lambda: endpoint(g, checked.address)["state"] == "healthy")
        del c["services"][0]["health"]["active"]
        healthy[0] = False
        wait_for("unhealthy", lambda: endpoint(g, checked.address)["state"] == "unhealthy")
        write(g, c)  # nobody asks any more, so it counts again
        wait_for("the end of the checks", lambda: endpoint(g, checked.address)["state"] in ("healthy", "slow"))
    assert not t.failed
    checked.close()


def test_active_checks_by_connection(gateway, four):
    port = free_port()
    g = gateway(config([f"127.0.0.1:{port}", four["a"].address], health={"active": {"interval": "20ms", "healthy": 1}}), "--workers", "1")
    wait_for("the verdict", lambda: endpoint(g, f"127.0.0.1:{port}")["state"] == "unhealthy")
    assert {g.send().text for _ in range(6)} == {"a"}
    late = At("127.0.0.1", port, "late")
    wait_for("its return", lambda: endpoint(g, late.address)["state"] == "healthy")
    assert {g.send().text for _ in range(6)} == {"a", "late"}
    late.close()


@pytest.mark.parametrize("path", [{}, {"path": "/health"}])
def test_active_checks_over_tls(gateway, tmp_path, path):
    authority = Authority(tmp_path)
    good = Tls(server_context(*authority.make("up", "IP:127.0.0.1")))
    wrong = Tls(server_context(*authority.make("other", "DNS:other.example")))
    clear = named("clear")
    g = gateway(config([u.address for u in (good, wrong, clear)], tls={"ca": authority.ca}, health={
        "active": {"interval": "20ms", "timeout": "1s", **path}}), "--workers", "1")
    wait_for("verdicts", lambda: [e["state"] for e in services(g)[0]["endpoints"]] == ["healthy", "unhealthy", "unhealthy"])
    assert all(g.send().status == 200 for _ in range(6))
    for u in good, wrong, clear:
        u.close()


def test_a_check_that_takes_too_long(gateway, four):
    def hang(_upstream, s):
        read_exactly(s, 1 << 20)
    stuck, busy = Upstream(hang), answering(204, [], b"")
    g = gateway(config([stuck.address, busy.address, four["a"].address], health={
        "active": {"path": "/h", "interval": "20ms", "timeout": "50ms", "status": 200}}), "--workers", "1")
    wait_for("verdicts", lambda: [e["state"] for e in services(g)[0]["endpoints"]] == ["unhealthy", "unhealthy", "healthy"])
    assert {g.send().text for _ in range(6)} == {"a"}
    stuck.close()
    busy.close()


def test_tcp_connections_and_grpc_calls_count(gateway, four, probe_module):
    """They go by another endpoint at once, and tell requests what they met."""
    dead, front = f"127.0.0.1:{free_port()}", free_port()
    c = config([dead, four["a"].address], policy="consistentHash", hash={"address": True})
    c["listeners"] = [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{front}", "protocol": "tcp", "service": "s"}]
    c["services"].append({"name": "rpc", "endpoints": [f"127.0.0.1:{free_port()}"]})
    c["plugins"] = [{"name": "probe", "url": probe_module, "defaultConfig": {}}]
    g = gateway(c, "--workers", "1", "--plugin-log-level", "trace")
    for _ in range(4):
        assert send(front).text == "a"
    assert endpoint(g, four["a"].address)["requests"] >= 4
    assert g.send(headers={"x-request": "grpccall rpc pkg.Svc Echo 5000 hello then; ret 1", "x-then": "|effective @; continue 0"}).text == "a"
    assert services(g)[1]["endpoints"][0]["state"] == "ejected"
    assert [e["active"] for s in services(g) for e in s["endpoints"]] == [0, 0, 0]


# ---- retries


def test_statuses_are_retried(gateway, four):
    count = []
    bad = answering(503, count)
    g = gateway(config([bad.address, four["a"].address], retries={"on": ["503", "connect-failure"], "attempts": 1}), "--workers", "1")
    assert all(g.send().text == "a" for _ in range(10))
    assert len(count) == 5
    assert g.send(method="POST", body=b"x").status in (200, 503)
    posts = [g.send(method="POST", body=b"x").status for _ in range(4)]
    assert sorted(posts) == [200, 200, 503, 503]  # what a POST did is not known
    assert g.access(upstream_status="503, 200")["retries"] == 1
    write(g, config([bad.address, four["a"].address], retries={"on": ["503"], "anyMethod": True}))
    wait_for("the change", lambda: all(g.send(method="POST", body=b"x").status == 200 for _ in range(4)))
    bad.close()


def test_the_last_answer_reaches_the_client_as_it_is(gateway):
    count = []
    bad = answering(503, count, b"overloaded")
    g = gateway(config([bad.address], retries={"on": ["5xx"], "attempts": 3}), "--workers", "1")
    r = g.send()
    assert (r.status, r.text, len(count)) == (503, "overloaded", 4)
    write(g, config([bad.address], route={"retries": {"on": ["5xx"], "attempts": 0}}, retries={"on": ["5xx"], "attempts": 3}))
    wait_for("the route's own", lambda: (count.clear(), g.send(), len(count))[2] == 1)
    bad.close()


def breaking(count):
    """Reads a request and closes."""
    def serve(_upstream, s):
        if read_head(s):
            count.append(1)
    return Upstream(serve)


def test_which_failures_are_retried(gateway, four):
    count = []
    bad, dead = breaking(count), f"127.0.0.1:{free_port()}"
    never = {"passive": {"failures": 0}}
    g = gateway(config([bad.address, four["a"].address], retries={"on": ["connect-failure"]}, health=never), "--workers", "1")
    assert sorted(g.send().status for _ in range(10)) == [200] * 5 + [502] * 5
    write(g, config([bad.address, four["a"].address], retries={"on": ["reset"]}, health=never))
    wait_for("resets", lambda: all(g.send().status == 200 for _ in range(4)))
    write(g, config([dead, four["a"].address], retries={"on": ["reset"]}, health=never))
    wait_for("no connection", lambda: sorted(g.send().status for _ in range(4)) == [200, 200, 502, 502])
    write(g, config([dead, four["a"].address], retries={"on": ["connect-failure"]}, health=never))
    wait_for("connections", lambda: all(g.send(method="POST", body=b"x").status == 200 for _ in range(4)))
    bad.close()


def test_each_try_has_its_time(gateway, four):
    def hang(_upstream, s):
        read_head(s)
        read_exactly(s, 1)
    stuck = Upstream(hang)
    g = gateway(config([stuck.address, four["a"].address], readTimeout="30s", health={"passive": {"failures": 0}},
                       retries={"perTryTimeout": "100ms", "attempts": 1}), "--workers", "1")
    began = time.monotonic()
    assert all(g.send().text == "a" for _ in range(4))
    assert 0.2 <= time.monotonic() - began < 10
    write(g, config([stuck.address], readTimeout="30s", retries={"perTryTimeout": "100ms", "attempts": 1}))
    wait_for("one endpoint", lambda: len(services(g)[0]["endpoints"]) == 1)
    assert g.send().status == 504
    stuck.close()


def test_retries_have_a_budget(gateway):
    """Requests that hang after their retry use it up; further ones get the first answer."""
    gate, count, lock = threading.Event(), [], threading.Lock()

    def serve(_upstream, s):
        while head := read_head(s):
            with lock:
                first = head not in count
                count.append(head)
            if not first:
                gate.wait(PATIENCE_S)
            s.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (503 if first else 200))
    up = Upstream(serve)
    g = gateway(config([up.address], retries={"on": ["503"], "attempts": 1}, retryBudget={"share": 0, "minimum": 2}), "--workers", "1")
    held = []
    threads = [threading.Thread(target=lambda i=i: held.append(g.send(f"/{i}").status)) for i in range(2)]
    for t in threads:
        t.start()
    wait_for("two retries", lambda: services(g)[0]["retries"] == 2)
    assert [g.send(f"/further/{i}").status for i in range(3)] == [503] * 3
    gate.set()
    for t in threads:
        t.join()
    assert held == [200, 200]
    wait_for("the budget", lambda: services(g)[0]["retries"] == 0)
    assert g.send("/again").status == 200
    up.close()


# ---- limits


class Gate:
    """An upstream whose answers wait; how many wait at most."""

    def __init__(self):
        self.open, self.waiting, self.most, self.lock = threading.Event(), 0, 0, threading.Lock()
        self.upstream = Upstream(self.serve)

    def serve(self, _upstream, s):
        while read_head(s):
            with self.lock:
                self.waiting += 1
                self.most = max(self.most, self.waiting)
            self.open.wait(PATIENCE_S)
            with self.lock:
                self.waiting -= 1
            s.sendall(ok())


def start(g, n, path="/"):
    statuses, threads = [], []
    for _ in range(n):
        t = threading.Thread(target=lambda: statuses.append(g.send(path).status))
        t.start()
        threads.append(t)
    return statuses, threads


@pytest.mark.parametrize("limit", ["requests", "connections"])
def test_limits_and_the_queue_before_them(gateway, limit):
    gate = Gate()
    g = gateway(config([gate.upstream.address], limits={limit: 2, "pending": 3, "pendingTimeout": "60s"}), "--workers", "1")
    statuses, threads = start(g, 5)
    wait_for("two under way and three that wait", lambda: (services(g)[0]["pending"], gate.waiting) == (3, 2))
    r = g.send("/too-many")
    assert r.status == 503 and "busy" in r.text and r.header("retry-after") == "1"
    assert g.access(path="/too-many")["details"] == "upstream_overflow"
    assert services(g)[0]["refused"] == 1
    gate.open.set()
    for t in threads:
        t.join()
    assert statuses == [200] * 5 and gate.most == 2
    wait_for("the end", lambda: (services(g)[0]["requests"], services(g)[0]["pending"]) == (0, 0))
    gate.upstream.close()


def test_who_waits_too_long_is_refused_and_who_leaves_makes_room(gateway):
    gate = Gate()
    g = gateway(config([gate.upstream.address], limits={"requests": 1, "pending": 1, "pendingTimeout": "100ms"}), "--workers", "1")
    statuses, threads = start(g, 1)
    wait_for("the first", lambda: gate.waiting == 1)
    assert g.send("/waits").status == 503
    assert g.access(path="/waits")["details"] == "upstream_pending_timeout"
    write(g, config([gate.upstream.address], limits={"requests": 1, "pending": 1, "pendingTimeout": "60s"}))
    wait_for("the change", lambda: g.worker_status()["generations"] == 2)
    with g.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for("one that waits", lambda: services(g)[0]["pending"] == 1)
    wait_for("it left", lambda: services(g)[0]["pending"] == 0)
    gate.open.set()
    for t in threads:
        t.join()
    assert statuses == [200]
    gate.upstream.close()
