"""Requests that leave for the upstream while their body is still sent: both directions at once, framing, slow and early upstreams.

`probe_body` does what request headers spell. The upstreams are scripts, one for each kind of behaviour."""
import os
import random
import re
import threading

import h2.config
import h2.connection
import h2.events
import pytest

from conftest import GUESTS, PATIENCE_S, SANITIZED, free_port, wait_for
from upstreams import Upstream, ok, read_exactly, read_head

PLUGINS = {"no plugin": [], "bodies": ["probe_body-0_2_100"], "two": ["probe_body-0_2_100", "probe_body-0_2_100"]}


def read_chunk(s):
    line = b""
    while not line.endswith(b"\r\n"):
        part = s.recv(1)
        if not part:
            return None
        line += part
    data = read_exactly(s, int(line, 16))
    read_exactly(s, 2)
    return data


def parrot(upstream, s):
    """Answers each chunk as it comes, in a chunk, "parrot: " before it."""
    upstream.seen = read_head(s).lower()
    s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while data := read_chunk(s):
        data = b"parrot: " + data
        s.sendall(b"%x\r\n" % len(data) + data + b"\r\n")
    upstream.ended = data == b""
    s.sendall(b"0\r\n\r\n")


def sluggish(upstream, s):
    """Reads no body until it is let, then answers how much there was and its sum of bytes."""
    upstream.seen = read_head(s).lower()
    upstream.let.wait(PATIENCE_S)
    total = 0
    if b"transfer-encoding: chunked" in upstream.seen:
        while data := read_chunk(s):
            total += len(data)
    else:
        left = int(re.search(rb"content-length: (\d+)", upstream.seen).group(1))
        while left > total and (data := s.recv(65536)):
            total += len(data)
    s.sendall(ok(b"%d" % total, b"Connection: close\r\n"))


def refuse(_upstream, s):
    """Answers before it has read the body, and closes."""
    read_head(s)
    s.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
    s.recv(1)


def config(upstream, modules, endpoints=None):
    plugins = [{"name": f"p{i}", "url": "file:" + os.path.join(GUESTS, f"host/{m}.wasm"), "defaultConfig": {}} for i, m in enumerate(modules)]
    return {"services": [{"name": "up", "endpoints": endpoints or [upstream.address]}],
            "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "up"}], "plugins": plugins}


@pytest.fixture(name="start")
def fixture_start(gateways):
    """start(serve, modules): (gateway with one worker, upstream)"""
    upstreams = []

    def start(serve, modules, **rest):
        upstream = Upstream(serve)
        upstream.let, upstream.seen, upstream.ended = threading.Event(), b"", False
        upstreams.append(upstream)
        return gateways(config(upstream, modules, **rest), "--workers", "1"), upstream

    yield start
    for upstream in upstreams:
        upstream.let.set()
        upstream.close()


def post(extra=b"", framing=b"Transfer-Encoding: chunked"):
    return b"POST / HTTP/1.1\r\nHost: h\r\n" + extra + framing + b"\r\n\r\n"


@pytest.mark.parametrize("plugins", PLUGINS)
@pytest.mark.parametrize("headers", [b"", b"x-request: ret 1\r\n"])
def test_a_request_that_never_ends(start, plugins, headers):
    """Each answer is there before the next chunk is sent; with the second set, headers are held until the first body callback."""
    gw, upstream = start(parrot, PLUGINS[plugins])
    with gw.connect() as s:
        s.sendall(post(headers))
        for i in range(5):
            s.sendall(b"5\r\nhi %d\n\r\n" % i)
            if i == 0:
                assert read_head(s).startswith(b"HTTP/1.1 200")
            assert read_chunk(s) == b"parrot: hi %d\n" % i
        assert not upstream.ended
        s.sendall(b"0\r\n\r\n")
        assert read_chunk(s) == b"" and upstream.ended


@pytest.mark.parametrize("plugins", PLUGINS)
def test_a_request_that_never_ends_http2(start, plugins):
    gw, upstream = start(parrot, PLUGINS[plugins])
    with gw.connect() as s:
        c = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        c.initiate_connection()
        c.send_headers(1, [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "h")])
        got = b""
        ended = False
        for i in range(6):
            c.send_data(1, b"hi %d\n" % i if i < 5 else b"", end_stream=i == 5)
            s.sendall(c.data_to_send())
            want = b"".join(b"parrot: hi %d\n" % n for n in range(min(i, 4) + 1))
            while got != want or (i == 5 and not ended):
                data = s.recv(65536)
                assert data, got
                for event in c.receive_data(data):
                    if isinstance(event, h2.events.DataReceived):
                        got += event.data
                        c.acknowledge_received_data(event.flow_controlled_length, 1)
                    ended |= isinstance(event, h2.events.StreamEnded)
                s.sendall(c.data_to_send())
        assert upstream.ended


def test_a_client_that_leaves_a_stream(start):
    gw, upstream = start(parrot, PLUGINS["bodies"])
    with gw.connect() as s:
        s.sendall(post(b"x-log: log 2 left\r\n") + b"2\r\nhi\r\n")
        assert read_head(s).startswith(b"HTTP/1.1 200") and read_chunk(s) == b"parrot: hi"
    gw.wait_log("log 2 left = 0")
    wait_for("the upstream's end", lambda: upstream.seen)
    assert not upstream.ended


def test_framing(start):
    """A length as long as nobody took it away or changed what went by; else chunks."""
    gw, upstream = start(sluggish, PLUGINS["bodies"])
    upstream.let.set()
    body = b"x" * 300000
    for headers, length, framing in [
            ([], 300000, b"content-length: 300000"), ([("x-request", "remove 0 content-length")], 300000, b"transfer-encoding: chunked"),
            ([("x-reqbody", "setbuf 0 0 0 <|ret 0")], 300001, b"transfer-encoding: chunked"),
            ([("x-reqbody", "hold 1")], 300000, b"content-length: 300000"),
            ([("x-reqbody", "hold 1; setbuf 0 0 1 _")], 299999, b"content-length: 299999")]:
        r = gw.send("/", method="POST", headers=headers, body=body)
        assert (r.status, r.body) == (200, b"%d" % length), headers
        assert framing in upstream.seen, (headers, upstream.seen)


def test_changed_length_too_late(start):
    """The first chunk kept its length, so Content-Length is out when the second one breaks it."""
    gw, upstream = start(sluggish, PLUGINS["bodies"])
    gw.allowed.append("changed the length of a request")
    with gw.connect() as s:
        s.sendall(post(b"x-reqbody: ret 0|setbuf 0 0 0 more|ret 0\r\n", b"Content-Length: 10") + b"hello")
        wait_for("the request's headers", lambda: b"content-length: 10" in upstream.seen)
        s.sendall(b"hello")
        assert read_head(s).startswith(b"HTTP/1.1 500")
    gw.wait_log("changed the length of a request")


def test_headers_on_their_way_do_not_change(start):
    gw, upstream = start(parrot, PLUGINS["bodies"])
    with gw.connect() as s:
        s.sendall(post(b"x-reqbody: add 0 x-late yes\r\n"))
        wait_for("the request's headers", lambda: upstream.seen)
        s.sendall(b"2\r\nhi\r\n")
        assert read_head(s).startswith(b"HTTP/1.1 200") and read_chunk(s) == b"parrot: hi"
    assert b"\r\nx-late:" not in upstream.seen
    gw.wait_log("add 0 x-late yes = 2")


@pytest.mark.parametrize("reqbody", ["ret 0", "setbuf 0 0 0 +", "ret 2|ret 2|ret 2|setbuf 0 0 0 +; ret 0|ret 1|ret 0"])
def test_a_slow_upstream_costs_no_memory(start, reqbody):
    """64 MiB wait at the client, not in the worker, while the upstream does not read; then all of it arrives."""
    gw, upstream = start(sluggish, PLUGINS["bodies"])
    pid = gw.workers()[0]

    def kib():
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    block = random.Random(1).randbytes(1 << 16)
    most = 300 << 10 if SANITIZED else 6144  # a sanitizer keeps freed memory for a while
    before = kib()
    with gw.connect() as s:
        s.sendall(post(b"x-request: remove 0 content-length\r\nx-reqbody: " + reqbody.encode() + b"\r\n", b"Content-Length: %d" % (64 << 20)))

        def upload():
            try:
                for _ in range(1024):
                    s.sendall(block)
            except OSError:
                pass  # a test that failed has closed it

        sender = threading.Thread(target=upload)
        sender.start()
        wait_for("the request's headers", lambda: upstream.seen)
        sender.join(0.5)
        assert sender.is_alive() and kib() - before < most, "the worker read it all"
        upstream.let.set()
        sender.join(PATIENCE_S)
        head = read_head(s)
        total = int(read_exactly(s, int(re.search(rb"Content-Length: (\d+)", head).group(1))))
        assert total >= 64 << 20 and (reqbody != "ret 0" or total == 64 << 20)
    assert kib() - before < most


@pytest.mark.parametrize("plugins", ["no plugin", "bodies"])
def test_an_early_refusal_reaches_the_client(start, plugins):
    gw, _ = start(refuse, PLUGINS[plugins])
    gw.allowed.append("reset by peer|Broken pipe")
    for _ in range(10):
        with gw.connect() as s:
            s.sendall(post(b"", b"Content-Length: 30000000"))
            try:
                for _ in range(64):
                    s.sendall(b"x" * 65536)
            except OSError:
                pass
            assert read_head(s).startswith(b"HTTP/1.1 403") and read_exactly(s, 3) == b"no\n"


def test_another_endpoint(start):
    """One that cannot be reached is passed over, for a stream as for a whole body; none is tried after a stream began."""
    gw, upstream = start(sluggish, PLUGINS["bodies"], endpoints=None)
    assert upstream.connections == 0
    upstream.let.set()
    dead = f"127.0.0.1:{free_port()}"
    gw2, _ = start(sluggish, PLUGINS["bodies"], endpoints=[dead, upstream.address, dead])
    gw2.allowed.append("Connection refused")
    for size in (10, 300000) * 3:
        r = gw2.send("/", method="POST", body=b"x" * size)
        assert (r.status, r.body) == (200, b"%d" % size)
    assert gw.send("/", method="POST", body=b"x").status == 200


def test_an_answer_while_the_body_streams(start):
    """A plugin answers from a body callback when the upstream has the headers; once response headers are out, the connection ends."""
    script = b"x-reqbody: ret 1|local 418 d tea -1\r\n"
    for serve in (sluggish, parrot):
        gw, upstream = start(serve, PLUGINS["bodies"])
        with gw.connect() as s:
            s.sendall(post(script) + b"2\r\nhi\r\n")
            wait_for("the request's headers", lambda u=upstream: u.seen)
            if serve == parrot:
                assert read_head(s).startswith(b"HTTP/1.1 200")
                s.sendall(b"2\r\nho\r\n")
                assert s.recv(100) == b""
            else:
                s.sendall(b"2\r\nho\r\n")
                assert read_head(s).startswith(b"HTTP/1.1 418") and read_exactly(s, 3) == b"tea"
