"""The client behind trusted proxies: logs, plugins, hashing and headers have it, and nobody can pretend to be another.
And the log level of plugins, which is a single value of the configuration, too."""
import json
import os
import socket
import subprocess
import threading

import pytest

from conftest import free_port, wait_for


def configuration(echo, probe_module, **more):
    return {"listeners": [f"127.0.0.1:{free_port()}"],
            "services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "echo",
                        "requestHeaders": {"set": [{"name": "x-client", "value": "${client}"}]}}],
            "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}], **more}


def rewrite(gw, config):
    temp = gw.config + ".new"
    with open(temp, "w", encoding="utf-8") as f:
        json.dump(config, f)
    os.rename(temp, gw.config)


LOCAL = {"trusted": ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"]}


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module):
    return gateways(configuration(echo, probe_module, clientAddress=LOCAL))


CASES = [
    ([], "127.0.0.1", None),
    (["203.0.113.9"], "203.0.113.9", 0),
    (["203.0.113.9:4711"], "203.0.113.9", 4711),
    (["6.6.6.6, 203.0.113.9"], "203.0.113.9", 0),
    (["6.6.6.6", "203.0.113.9, 10.1.1.1", "10.2.2.2"], "203.0.113.9", 0),
    (["[2001:db8::9]:80, fd00::1"], "2001:db8::9", 80),
    (["2001:db8::9"], "2001:db8::9", 0),
    (["::ffff:203.0.113.9"], "203.0.113.9", 0),
    (["203.0.113.9, unknown"], "127.0.0.1", None),
    (["203.0.113.9, 10.1.1.1, <script>, 10.2.2.2"], "10.2.2.2", 0),
    (["203.0.113.9, 1.2.3.4.5"], "127.0.0.1", None),
    (["a" * 8000], "127.0.0.1", None),
    (["203.0.113.9" + ", 10.1.1.1" * 2500], "10.1.1.1", 0),
    ([",,, , 203.0.113.9 ,,"], "203.0.113.9", 0),
    (["\x80\xff, 203.0.113.9:99999"], "127.0.0.1", None),
]


@pytest.mark.parametrize("number,case", enumerate(CASES), ids=[str(c[0])[:40] for c in CASES])
def test_the_client_is_known(gw, number, case):
    values, client, port = case
    path = f"/case-{number}"
    before = len(gw.error_log)
    r = gw.send(path, headers=[("X-Forwarded-For", v) for v in values] + [("x-request", "prop source~address; log 3 here")])
    assert r.status == 200
    assert r.seen_header("x-client") == client
    if all(v.isascii() for v in values):
        assert r.seen_all("x-forwarded-for") == [", ".join(values + ["127.0.0.1"])]  # the proxy that asked is appended, not the client
    assert gw.access(path=path)["client"] == client
    shown = f"[{client}]" if ":" in client else client
    line = wait_for("the plugin's line", lambda: next((x for x in gw.error_log[before:].splitlines() if "prop source~address" in x), None))
    assert f" {shown}:{port}" in line if port is not None else f" {client}:" in line
    assert f"client: {client}" in line


def test_a_connection_has_many_clients(gw):
    with gw.connect() as s:
        for client in ["198.51.100.1", None, "198.51.100.2", None]:
            header = f"X-Forwarded-For: {client}\r\n" if client else ""
            s.sendall(f"GET /kept HTTP/1.1\r\nHost: h\r\n{header}\r\n".encode())
            got = b""
            while b'"x-client"' not in got.lower() or not got.rstrip().endswith(b"}"):
                got += s.recv(65536)
            assert (client or "127.0.0.1").encode() in got.lower().split(b'"x-client"')[1].split(b"]")[0]


def test_the_scheme_of_trusted_proxies_stays(gw):
    for said, seen in [("https", "https"), ("http", "http"), ("gopher", "http"), (None, "http")]:
        r = gw.send("/", headers=[("X-Forwarded-Proto", said)] if said else [])
        assert r.seen_all("x-forwarded-proto") == [seen]


def test_it_changes_without_a_reload(gateway, echo, probe_module):
    config = configuration(echo, probe_module)
    gw = gateway(config, "--workers", "2")
    wait_for("both workers", lambda: len(gw.workers()) == 2)
    workers = gw.workers()

    def client(**headers):
        r = gw.send("/", headers=[(k.replace("_", "-"), v) for k, v in headers.items()])
        assert r.status == 200
        return r.seen_header("x-client")

    assert client(x_forwarded_for="203.0.113.9") == "127.0.0.1"
    rewrite(gw, {**config, "clientAddress": {"trusted": ["10.0.0.0/8"]}})  # not us
    wait_for("the change", lambda: "generation-2" in gw.worker_status()["generation"])
    assert client(x_forwarded_for="203.0.113.9") == "127.0.0.1"
    rewrite(gw, {**config, "clientAddress": {"trusted": ["127.0.0.1"], "header": "X-Real-IP"}})
    wait_for("the change", lambda: client(x_real_ip="203.0.113.9", x_forwarded_for="1.1.1.1") == "203.0.113.9")
    rewrite(gw, {**config, "clientAddress": LOCAL})
    wait_for("the change", lambda: client(x_forwarded_for="203.0.113.9", x_real_ip="1.1.1.1") == "203.0.113.9")
    rewrite(gw, config)
    wait_for("the change", lambda: client(x_forwarded_for="203.0.113.9") == "127.0.0.1")
    assert gw.workers() == workers and "nginx is reloaded" not in gw.output()


def test_hashing_by_address_goes_by_the_client(gateway, echo):
    from conftest import Echo
    upstreams = [Echo(os.path.join(os.path.dirname(echo.log), f"hash-{free_port()}.log")) for _ in range(3)]
    gw = gateway({"services": [{"name": "e", "endpoints": [u.address for u in upstreams], "policy": "consistentHash", "hash": {"address": True}}],
                  "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "e"}], "clientAddress": LOCAL})

    def endpoint(client, path):
        assert gw.send(path, headers=[("X-Forwarded-For", client)]).status == 200
        return gw.access(path=path)["upstream"]

    clients = [f"198.51.100.{i}" for i in range(20)]
    first = [endpoint(c, f"/a{i}") for i, c in enumerate(clients)]
    assert len(set(first)) == 3
    assert [endpoint(f"{6 + i}.6.6.6, {c}", f"/b{i}") for i, c in enumerate(clients)] == first
    for u in upstreams:
        assert u.stop() == 0


def test_the_log_level_changes_while_traffic_flows(gateway, echo, probe_module):
    config = configuration(echo, probe_module)
    gw = gateway(config)
    workers, failed, done = gw.workers(), [], threading.Event()

    def traffic():
        while not done.is_set():
            try:
                if gw.send("/traffic").status != 200:
                    failed.append("status")
            except (OSError, socket.timeout) as e:
                failed.append(repr(e))

    threads = [threading.Thread(target=traffic) for _ in range(2)]
    for t in threads:
        t.start()

    def logs(level, n=[0]):
        """Is a plugin's line of this level in the log? (The probe's own line about it begins with "log".)"""
        n[0] += 1
        mark = f"mark-{n[0]}-"
        gw.send("/", headers=[("x-request", f"log {level} {mark}a; log 5 {mark}b")])
        gw.wait_log(mark + "b")
        return f": {mark}a" in gw.error_log

    try:
        assert logs(2) and not logs(1)
        rewrite(gw, {**config, "logLevel": "trace"})
        wait_for("trace", lambda: logs(0))
        rewrite(gw, {**config, "logLevel": "error"})
        wait_for("errors only", lambda: not logs(3))
        assert logs(4)
        rewrite(gw, config)
        wait_for("what weir run was told", lambda: logs(2))
        assert not logs(1)
    finally:
        done.set()
        for t in threads:
            t.join()
    assert not failed and gw.workers() == workers and "nginx is reloaded" not in gw.output()


def test_http2_requests_have_their_clients(gw):
    for i in range(3):  # each its own connection: curl 7.88 does not use one again that it began with prior knowledge
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "--max-time", "20", "-H", f"X-Forwarded-For: 198.51.100.{i}",
                               f"http://127.0.0.1:{gw.port}/h2-{i}"], capture_output=True, text=True, timeout=60, check=True)
        assert f'["x-client", "198.51.100.{i}"]' in done.stdout
        assert gw.access(path=f"/h2-{i}")["client"] == f"198.51.100.{i}"
