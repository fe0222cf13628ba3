"""Bodies through plugins on a real nginx, HTTP/1.1 and HTTP/2: chunks, pauses, changes, limits, aborts.

The upstream gives every body back as it came, framed as the path says. `probe_body` does what request headers spell,
`pauser` holds and changes at random."""
import os
import random
import re
import socket
import subprocess
import threading
import time

import pytest

import chain_storm
from conftest import GUESTS, PATIENCE_S, SANITIZED, send, wait_for
from upstreams import Upstream, read_exactly, read_head

SIZES = [0, 1, 65536, 1 << 20]
PROTOCOLS = ["--http1.1", "--http2-prior-knowledge"]


def read_body(s, head):
    """The request's body, by Content-Length or chunked; and which it was."""
    fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            line = b""
            while not line.endswith(b"\r\n"):
                line += s.recv(1) or b"\r\n"
            n = int(line.strip() or b"0", 16)
            body += read_exactly(s, n)
            read_exactly(s, 2)
            if n == 0:
                return body, "chunked"
    return read_exactly(s, int(fields.get("content-length", 0))), fields.get("content-length", "none")


def reflect(upstream, s):
    """Gives bodies back; the request's framing is in X-Framing. /chunked: in chunks; /early: before it reads; /cut: breaks off."""
    while head := read_head(s):
        path = head.split(b" ")[1].decode()
        body, framing = read_body(s, head)
        upstream.seen = head
        extra = b"X-Framing: " + framing.encode() + b"\r\n"
        if path.startswith("/chunked"):
            s.sendall(b"HTTP/1.1 200 OK\r\n" + extra + b"Transfer-Encoding: chunked\r\n\r\n")
            for i in range(0, len(body), 10000):
                part = body[i:i + 10000]
                s.sendall(b"%x\r\n" % len(part) + part + b"\r\n")
            s.sendall(b"0\r\n\r\n")
        elif path.startswith("/cut"):
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + body)
            return
        else:
            s.sendall(b"HTTP/1.1 200 OK\r\n" + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body)


@pytest.fixture(name="mirror", scope="module")
def fixture_mirror():
    upstream = Upstream(reflect)
    yield upstream
    upstream.close()


def plugin(name, module, config, **rest):
    return {"name": name, "url": "file:" + os.path.join(GUESTS, f"host/{module}.wasm"), "defaultConfig": config, **rest}


def config(upstream, plugins):
    return {"services": [{"name": "mirror", "endpoints": [upstream.address]}],
            "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "mirror"}], "plugins": plugins}


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, mirror):
    return gateways(config(mirror, [plugin("probe", "probe_body-0_2_100", {})]), "--workers", "1")


@pytest.fixture(name="storm", scope="module")
def fixture_storm(gateways, mirror):
    plugins = [plugin(f"p{c}", "pauser", {"step": f"{c}{i}"}, limits={"body": "4MiB"}, priority=10 - i) for i, c in enumerate("ABC")]
    return gateways(config(mirror, plugins), "--workers", "1")


def curl(port, path, protocol, tmp_path, body=None, headers=(), chunked=False):
    """(status, headers text, body)"""
    command = ["curl", "-sS", "--max-time", str(PATIENCE_S), protocol, "-D", tmp_path / "head", "-o", tmp_path / "out",
               f"http://127.0.0.1:{port}{path}", "-H", "Expect:"]
    if body is not None:
        (tmp_path / "body").write_bytes(body)
        command += ["-X", "POST", "--data-binary", f"@{tmp_path / 'body'}", "-H", "Content-Type: x/y"]
    if chunked:
        command += ["-H", "Transfer-Encoding: chunked"]
    for name, v in headers:
        command += ["-H", f"{name}: {v}"]
    (tmp_path / "out").write_bytes(b"")
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S + 5, check=False)
    head = (tmp_path / "head").read_text()
    return (int(head.split()[1]) if head else 0), head, (tmp_path / "out").read_bytes(), done


def nghttp(port, path, tmp_path, body, headers=()):
    """As curl; it shows trailers, and responses that come before the request has ended."""
    (tmp_path / "body").write_bytes(body)
    command = ["nghttp", "-v", "-t", str(PATIENCE_S), "-d", tmp_path / "body", f"http://127.0.0.1:{port}{path}"]
    for name, v in headers:
        command += ["-H", f"{name}: {v}"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S + 5, check=False)
    text = done.stdout.decode("latin-1")
    head = "".join(line + "\n" for line in re.findall(r"recv \(stream_id=\d+\) (.*)", text))
    body = b"".join(re.findall(rb"^(.*?)\[ +[\d.]+\] recv DATA frame", done.stdout, re.M))
    return int(re.search(r":status: (\d+)", head).group(1)), head, body, done


def exchange(port, path, protocol, tmp_path, body, headers=(), **rest):
    if "2" in protocol:
        return nghttp(port, path, tmp_path, body, headers)
    return curl(port, path, protocol, tmp_path, body, headers, **rest)


def payload(size):
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_untouched(gw, tmp_path, protocol, chunked, size):
    body = payload(size)
    status, head, out, done = curl(gw.port, "/chunked" if chunked else "/", protocol, tmp_path, body, chunked=chunked and "1.1" in protocol)
    assert (status, done.returncode) == (200, 0) and out == body
    # The upstream gets the client's length, and one of what was there at once.
    if not chunked or "2" in protocol or size < 2:
        assert f"x-framing: {size}" in head.lower()
    if not chunked:
        assert f"content-length: {size}" in head.lower()


SCRIPTS = {
    "hold the request to its end": {"reqbody": "ret 1"},
    "hold request headers": {"request": "ret 1", "reqbody": "ret 1"},
    "hold the response to its end": {"respbody": "ret 1"},
    "hold response headers": {"response": "ret 1", "respbody": "ret 1"},
    "back-pressure": {"reqbody": "ret 2", "respbody": "ret 2"},
    "stop all and go on": {"request": "continue 0; ret 4", "response": "continue 1; ret 3"},
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", [1, 65536, 1 << 20])
@pytest.mark.parametrize("name", SCRIPTS)
def test_pauses(gw, tmp_path, protocol, size, name):
    """Held until end_of_stream comes, where the script's command for the last chunk lets go."""
    scripts = {k: v if k in ("request", "response") else v.replace("ret", "hold") for k, v in SCRIPTS[name].items()}
    body = payload(size)
    status, _, out, done = curl(gw.port, "/", protocol, tmp_path, body, [("x-" + k, v) for k, v in scripts.items()])
    assert (status, done.returncode) == (200, 0) and out == body


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("path", ["/", "/chunked"])
def test_changed_bodies(gw, tmp_path, protocol, path):
    body = payload(100000)
    status, head, out, _ = curl(gw.port, path, protocol, tmp_path, body, [
        ("x-reqbody", "hold 1; setbuf 0 0 0 <; setbuf 0 99999999 0 >")])
    assert status == 200 and out == b"<" + body + b">" and "x-framing: 100002" in head.lower()
    status, head, out, _ = curl(gw.port, path, protocol, tmp_path, body, [("x-respbody", "hold 1; setbuf 1 0 99999999 short")])
    assert status == 200 and out == b"short"
    if path == "/":
        assert "content-length: 5\n" in head.lower()  # all of it was there before the headers went
    status, head, out, _ = curl(gw.port, path, protocol, tmp_path, body, [("x-respbody", "setbuf 1 0 0 <|")])
    assert status == 200 and out == b"<" + body and "content-length" not in head.lower()


def test_changed_length_too_late(gw, tmp_path):
    """The first chunk kept its length, so Content-Length is out when the second one breaks it: the connection ends."""
    gw.allowed.append("changed the length of a response")
    _, head, _, done = curl(gw.port, "/", "--http1.1", tmp_path, payload(1 << 20), [("x-respbody", "ret 0|setbuf 1 0 0 more|")])
    assert "content-length: 1048576" in head.lower() and done.returncode != 0


def test_emptied_bodies(gw, tmp_path):
    status, head, out, _ = curl(gw.port, "/", "--http1.1", tmp_path, b"x" * 1000, [("x-reqbody", "setbuf 0 0 9999999 _"), ("x-respbody", "ret 0")])
    assert (status, out) == (200, b"") and "x-framing: 0" in head.lower()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_header_mutation_while_the_body_is_read(gw, tmp_path, protocol):
    status, _, out, _ = curl(gw.port, "/", protocol, tmp_path, payload(50000), [
        ("x-request", "ret 1"), ("x-reqbody", "hold 1; replace 0 :path /chunked?late"), ("x-response", "ret 1"),
        ("x-respbody", "hold 1; replace 2 :status 203; add 2 x-late yes")])
    assert status == 203 and out == payload(50000)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_local_responses(gw, tmp_path, protocol):
    body = payload(300000)
    before = len(gw.error_log)
    status, _, out, done = exchange(gw.port, "/", protocol, tmp_path, body, [("x-reqbody", "ret 0|local 403 d no -1")])
    assert (status, out) == (403, b"no"), done.stderr
    status, _, out, _ = exchange(gw.port, "/", protocol, tmp_path, body, [("x-reqbody", "hold 1; local 403 d no -1"), ("x-response", "add 2 x-c 1"), ("x-respbody", "setbuf 1 0 0 <")])
    assert (status, out) == (403, b"<no")
    status, _, out, _ = exchange(gw.port, "/", protocol, tmp_path, body, [("x-response", "ret 1"), ("x-respbody", "ret 1|local 418 d mine -1")])
    assert (status, out) == (418, b"mine")
    assert "alert" not in gw.error_log[before:]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_limits(gw, tmp_path, protocol):
    body = payload((1 << 20) + 1)
    for scripts in [{"reqbody": "hold 1"}, {"request": "ret 3"}, {"request": "ret 1", "reqbody": "hold 1"}]:
        status, _, out, _ = exchange(gw.port, "/", protocol, tmp_path, body, [("x-" + k, v) for k, v in scripts.items()])
        assert (status, out) == (413, b"Payload Too Large"), scripts
    status, _, _, _ = exchange(gw.port, "/", protocol, tmp_path, body, [("x-reqbody", "hold 1")], chunked="1.1" in protocol)
    assert status == 413
    status, _, _, _ = exchange(gw.port, "/chunked", protocol, tmp_path, body, [("x-response", "ret 1"), ("x-respbody", "hold 1")])
    assert status == 500
    status, _, out, _ = exchange(gw.port, "/", protocol, tmp_path, body, [("x-request", "setprop set_decoder_buffer_limit 2000000"), ("x-reqbody", "hold 1")])
    assert status == 200 and ("2" in protocol or out == body)


def test_limits_of_a_route(gateways, mirror, tmp_path):
    """More or less than the plugin's own; a plugin still has the last word."""
    hold = [("x-reqbody", "hold 1"), ("x-respbody", "hold 1")]
    c = config(mirror, [plugin("probe", "probe_body-0_2_100", {}, limits={"body": "64KiB"})])
    c["routes"] = [{"name": n, "match": {"path": {"prefix": "/" + n}}, "service": "mirror", **({"limits": {"body": size}} if size else {})}
                   for n, size in (("less", "1KiB"), ("more", "1MiB"), ("same", None))]
    gw = gateways(c, "--workers", "1")
    for path, good, bad in (("/less", 1024, 1025), ("/same", 65536, 65537), ("/more", 1 << 20, (1 << 20) + 1)):
        assert curl(gw.port, path, "--http1.1", tmp_path, payload(good), hold)[0] == 200
        assert curl(gw.port, path, "--http1.1", tmp_path, payload(bad), [("x-reqbody", "ret 1")])[0] == 413
        assert curl(gw.port, path, "--http1.1", tmp_path, payload(bad), [("x-response", "ret 1"), ("x-respbody", "ret 1")])[0] == 500
    assert curl(gw.port, "/less", "--http1.1", tmp_path, payload(5000), [("x-request", "setprop set_decoder_buffer_limit 5000"), hold[0]])[0] == 200


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_trailers_of_a_response(gw, tmp_path, protocol):
    status, head, out, _ = exchange(gw.port, "/", protocol, tmp_path, b"x" * 100, [("x-respbody", "hold 1; add 3 x-checksum 42")])
    assert status == 200 and out == b"x" * 100 and "x-checksum: 42" in head.lower()
    status, head, out, _ = exchange(gw.port, "/chunked", protocol, tmp_path, b"x" * 100000, [("x-respbody", "add 3 x-checksum 42")])
    assert status == 200 and out == b"x" * 100000 and "x-checksum: 42" in head.lower()


def test_upstream_that_breaks_off(gw, tmp_path):
    gw.allowed.append("prematurely closed")
    for respbody in ["ret 0", "ret 1", "hold 1"]:
        _, _, out, done = curl(gw.port, "/cut", "--http1.1", tmp_path, b"x" * 5000, [("x-respbody", respbody)])
        assert done.returncode != 0 or out == b""
    assert gw.send("/", method="POST", body=b"y").body == b"y"


def test_client_that_leaves(gw):
    """At every place where a request can wait; contexts go, the worker goes on."""
    before = gw.error_log.count("on_delete")
    heads = ["x-request: ret 4", "x-reqbody: ret 1", "x-response: ret 3", "x-respbody: ret 1", "x-respbody: ret 2"]
    for i, head in enumerate(heads):
        with gw.connect() as s:
            s.sendall(f"POST / HTTP/1.1\r\nHost: h\r\n{head}\r\nx-log: log 2 gone{i}\r\nContent-Length: 100000\r\n\r\n".encode() + b"x" * (50000 if i < 2 else 100000))
            threading.Event().wait(0.1)
        gw.wait_log(f"plugin probe: log 2 gone{i} = 0")
    assert gw.error_log.count("on_delete") >= before
    assert gw.send("/", method="POST", body=b"y" * 100).body == b"y" * 100


def test_keepalive_after_bodies(gw):
    """Pipelined: what follows a body on the connection is the next request."""
    request = b"POST / HTTP/1.1\r\nHost: h\r\nx-reqbody: hold 1\r\nContent-Length: %d\r\n\r\n"
    with gw.connect() as s:
        s.sendall(request % 5 + b"first" + request % 6 + b"second" + b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                  + b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        got = b""
        while part := s.recv(65536):
            got += part
    assert got.count(b"HTTP/1.1 200") == 4 and re.findall(rb"\r\n\r\n(first|second|abc)", got) == [b"first", b"second", b"abc"]


def test_large_bodies_need_no_memory(gw, tmp_path):
    """64 MiB each way, through body callbacks that hold nothing."""
    def worker_kib():
        with open(f"/proc/{gw.workers()[0]}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    body = payload(1 << 20) * 64
    assert curl(gw.port, "/", "--http1.1", tmp_path, body[:1 << 20])[0] == 200
    before = worker_kib()
    for protocol in PROTOCOLS:
        status, _, out, _ = curl(gw.port, "/", protocol, tmp_path, body)
        assert status == 200 and out == body
    status, _, out, _ = curl(gw.port, "/chunked", "--http1.1", tmp_path, body, [("x-respbody", "setbuf 1 0 0 +")])
    assert status == 200 and len(out) > len(body)
    assert SANITIZED or worker_kib() - before < 8192


def test_a_client_that_does_not_read(gw):
    """Of a body that a plugin changes the worker keeps no more than of others: the upstream waits, then all of it comes."""
    body = payload(1 << 20) * 64
    before = gw.worker_status()["heap_bytes"]
    with socket.create_connection(("127.0.0.1", gw.port)) as s:
        s.sendall(b"POST /chunked HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-respbody: setbuf 1 0 0 +\r\nContent-Length: %d\r\n\r\n" % len(body))
        s.sendall(body)  # the upstream reads all of it before it answers
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert gw.worker_status()["heap_bytes"] - before < 4 << 20
        s.settimeout(PATIENCE_S)
        got, last = 0, b""
        while part := s.recv(1 << 20):
            got, last = got + len(part), (last + part)[-5:]
    assert got > len(body) and last == b"0\r\n\r\n"


def test_a_chain_storm(gateways):
    """Some seconds of what `make storm` does for 100,000 requests."""
    upstreams = chain_storm.Upstreams()
    try:
        gw = gateways(chain_storm.config(upstreams.mirror, upstreams.delay), "--workers", "2")
        figures, wrong = chain_storm.storm(gw, 2, 1000, clients=32)
    finally:
        upstreams.close()
    assert not wrong, "\n".join(wrong + [figures])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("path", ["/", "/chunked"])
def test_storm(storm, tmp_path, protocol, path):
    for size in [0, 1, 10, 1000, 65536, 200000, 1 << 20] * 3:
        body = payload(size)
        status, _, out, done = curl(storm.port, path, protocol, tmp_path, body, chunked=size % 2 == 0 and "1.1" in protocol)
        assert status == 200, (done.stderr, size)
        # Each step of the request, then each of the response in reverse: first letters before, last behind.
        expected = body if size == 0 and "CBA" not in out.decode("latin-1") else b"ABCCBA" + body + b"ABCCBA"
        assert out == expected or out == b"ABC" + b"CBA" + body + b"ABC" + b"CBA", (size, len(out), out[:20])


def test_storm_of_clients(storm):
    """Many at once, a tenth of them leaving."""
    failures = []

    def client(seed):
        rnd = random.Random(seed)
        for _ in range(15):
            body = rnd.randbytes(rnd.choice([0, 1, 100, 30000, 300000]))
            if rnd.random() < 0.1:
                with socket.create_connection(("127.0.0.1", storm.port)) as s:
                    s.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (len(body) + rnd.choice([0, 5])) + body)
                    if rnd.random() < 0.5:
                        s.settimeout(0.2)
                        try:
                            s.recv(10)
                        except OSError:
                            pass
                continue
            try:
                r = send(storm.port, rnd.choice(["/", "/chunked"]), method="POST", body=body)
                inner = r.body[6:len(r.body) - 6] if body else r.body
                if r.status != 200 or (body and inner != body):
                    failures.append((r.status, len(body), len(r.body)))
            except OSError as e:
                failures.append(e)

    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
