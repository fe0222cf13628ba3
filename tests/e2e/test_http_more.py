"""More of what users of nginx rely on, through weir's routes: interim answers, encodings, cookies, refused upgrades, methods, HTTP/2's bounds."""
import gzip
import http.client
import socket
import threading

import h2.config
import h2.connection
import h2.events
import pytest

from conftest import PATIENCE_S, wait_for
from test_http_habits import H2, answer, fixture_gw, fixture_through  # noqa: F401 - fixtures
from upstreams import ok, read_head


# ---- HTTP/1.1


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
                                     b"HTTP/1.1 102 Processing\r\n\r\n" * 2])
def test_interim_answers_of_the_upstream(through, interim):
    """They are not the answer; what follows is, and the connection is kept."""
    g, u = through(answer(interim + ok(b"final", b"X-Final: 1\r\n")))
    for _ in range(3):
        r = g.send()
        assert (r.status, r.body, r.header("x-final"), r.header("link")) == (200, b"final", "1", None)
    assert u.connections == 1


def test_encoded_bodies_pass(through):
    packed = gzip.compress(b"words " * 1000)
    heads = []

    def serve(_u, s):
        while head := read_head(s):
            heads.append(head.lower())
            s.sendall(ok(packed, b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nETag: \"e\"\r\n"))
    g, _ = through(serve)
    r = g.send(headers={"Accept-Encoding": "gzip, br;q=0.5"})
    assert b"accept-encoding: gzip, br;q=0.5" in heads[0] and r.body == packed
    assert (r.header("content-encoding"), r.header("vary"), r.header("etag"), r.header("content-length")) == ("gzip", "Accept-Encoding", '"e"', str(len(packed)))


def test_cookies_and_places_are_not_touched(through):
    g, u = through(answer(ok(b"x", b"Set-Cookie: a=1; Path=/app; Domain=inner.example\r\nSet-Cookie: b=2\r\nLocation: http://127.0.0.1:1/inner\r\n"
                                   b"Refresh: 5; url=/x\r\nExpires: 0\r\nCache-Control: no-store\r\n")))
    r = g.send()
    assert r.all("set-cookie") == ["a=1; Path=/app; Domain=inner.example", "b=2"]
    assert (r.header("location"), r.header("refresh"), r.header("expires"), r.header("cache-control")) == ("http://127.0.0.1:1/inner", "5; url=/x", "0", "no-store")


def test_answers_without_bodies_keep_connections_in_order(through):
    """HEAD with a length, 204, 304: what follows on the same connections is the next answer."""
    def serve(_u, s):
        while head := read_head(s):
            if head.startswith(b"HEAD"):
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            elif b"/204" in head:
                s.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            elif b"/304" in head:
                s.sendall(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n")
            else:
                s.sendall(ok(b"body"))
    g, u = through(serve)
    c = http.client.HTTPConnection("127.0.0.1", g.port, timeout=PATIENCE_S)
    for path, method, status, body in (("/", "HEAD", 200, b""), ("/", "GET", 200, b"body"), ("/204", "GET", 204, b""), ("/304", "GET", 304, b""), ("/", "GET", 200, b"body")):
        r = g.send(path, method, connection=c)
        assert (r.status, r.body) == (status, body)
        assert method != "HEAD" or r.header("content-length") == "1000"
    c.close()
    assert u.connections == 1


def test_an_old_client_gets_no_chunks(through):
    g, _ = through(answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
    got = g.raw(b"GET / HTTP/1.0\r\n\r\n", True)
    head, body = got.split(b"\r\n\r\n", 1)
    assert b"transfer-encoding" not in head.lower() and body == b"abcde"
    got = g.raw(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True)  # its length is not known: it ends with the connection
    assert got.endswith(b"abcde")


def test_an_upgrade_that_the_upstream_refuses(through):
    g, u = through(answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))
    with g.connect() as s:
        for _ in range(2):
            s.sendall(b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n")
            got = b""
            while not got.endswith(b"\r\n\r\nno"):
                got += s.recv(65536)
            assert got.startswith(b"HTTP/1.1 403 ") and b"upgrade:" not in got.lower()


@pytest.mark.parametrize("line,status", [(b"CONNECT a:80 HTTP/1.1", (400, 405)), (b"TRACE / HTTP/1.1", (405,)), (b"GET /" + b"x" * 40000 + b" HTTP/1.1", (414,)),
                                         (b"BREW / HTTP/1.1", (200,)), (b"OPTIONS / HTTP/1.1", (200,)), (b"PATCH / HTTP/1.1", (200,))])
def test_methods_and_long_lines(gw, line, status):
    got = gw.raw(line + b"\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", True)
    assert int(got[9:12]) in status, got[:60]


def test_interim_answers_have_a_bound(through):
    g, _ = through(answer(b"HTTP/1.1 102 Processing\r\n\r\n" * 5000 + ok(b"final")))
    assert g.send().status == 502 and "too big header" in g.error_log


def test_an_interim_answer_is_not_the_answer_to_a_retry(through):
    """Broken off behind it: as if nothing had come."""
    def serve(u, s):
        read_head(s)
        s.sendall(b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n")
        if u.connections > 1:
            s.sendall(ok(b"second"))
    g, u = through(serve, retries={"on": ["reset"], "attempts": 1})
    r = g.send()
    assert (r.status, r.body, r.header("x-early"), u.connections) == (200, b"second", None, 2)


def test_a_half_closed_client_gets_its_answer_or_none(through):
    """nginx takes the end of what a client sends for its end, so the upstream is told."""
    gone = threading.Event()

    def serve(_u, s):
        read_head(s)
        while s.recv(100):
            pass
        gone.set()
    g, _ = through(serve)
    with g.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for("the request", lambda: g.worker_status()["live"]["requests"] >= 1)
        s.shutdown(socket.SHUT_WR)
        assert gone.wait(PATIENCE_S) and s.recv(100) == b""
    assert g.access(path="/")["status"] == 499


# ---- HTTP/2


def test_cookies_of_http2_are_one_header(gw):
    c = H2(gw)
    c.c.send_headers(1, [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "a"), ("cookie", "a=1"), ("cookie", "b=2")], end_stream=True)
    c.flush()
    c.run(lambda _: c.ended(1))
    body = b"".join(e.data for e in c.events if isinstance(e, h2.events.DataReceived))
    assert b'"a=1; b=2"' in body
    c.s.close()


def test_more_streams_than_there_may_be(through):
    """Those beyond the bound are refused, to be sent again; the others go on."""
    go = threading.Event()

    def serve(_u, s):
        while read_head(s):
            go.wait(PATIENCE_S)
            s.sendall(ok(b"x"))
    g, _ = through(serve)
    c = H2(g)
    c.run(lambda events: any(isinstance(e, h2.events.RemoteSettingsChanged) for e in events))
    most = c.c.remote_settings.max_concurrent_streams
    assert 100 <= most <= 1000
    c.c.remote_settings[3] = most + 5  # MAX_CONCURRENT_STREAMS, as if we did not know
    c.c.remote_settings.acknowledge()
    for i in range(most + 3):
        c.get(2 * i + 1, "/")
    c.run(lambda events: sum(isinstance(e, h2.events.StreamReset) for e in events) == 3)
    assert {e.error_code for e in c.events if isinstance(e, h2.events.StreamReset)} == {7}, "REFUSED_STREAM"
    go.set()
    c.run(lambda _: all(c.ended(2 * i + 1) for i in range(most)))
    c.s.close()


def test_ping(gw):
    c = H2(gw)
    c.c.ping(b"12345678")
    c.get(1, "/?bytes=10")
    c.run(lambda events: c.ended(1) and any(isinstance(e, h2.events.PingAckReceived) for e in events))
    c.s.close()


@pytest.mark.parametrize("headers", [[("connection", "close")], [("Upper", "x")], [("te", "gzip")], [(":path", "/twice")]])
def test_what_http2_forbids_reaches_no_upstream(gw, headers):
    """Refused, or without what is forbidden."""
    c = H2(gw)
    c.c.config = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False)
    c.c.send_headers(1, [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "a"), *headers], end_stream=True)
    c.flush()
    c.run(lambda events: c.ended(1) or any(isinstance(e, (h2.events.StreamReset, h2.events.ConnectionTerminated)) for e in events))
    body = b"".join(e.data for e in c.events if isinstance(e, h2.events.DataReceived))
    assert b'"Upper"' not in body and b'"te"' not in body.lower() and b"twice" not in body and b'"connection", "close"' not in body.lower()
    c.s.close()


def test_a_reset_upload_frees_the_upstream(through):
    gone = threading.Event()

    def serve(_u, s):
        read_head(s)
        while s.recv(65536):
            pass
        gone.set()
    g, u = through(serve)
    c = H2(g)
    c.get(1, "/", end=False, method="POST")
    c.c.send_data(1, b"x" * 1000)
    c.flush()
    wait_for("the upload", lambda: u.connections == 1 or g.worker_status()["live"]["requests"] >= 1)
    c.c.reset_stream(1, 8)
    c.flush()
    wait_for("its end", lambda: gone.is_set() or (u.connections == 0 and not g.worker_status()["live"]["requests"]))
    wait_for("nothing left", lambda: g.worker_status()["live"]["requests"] == 0)
    c.s.close()
