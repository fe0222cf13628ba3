"""What users of nginx rely on, through weir's routes: framing, hop-by-hop headers, conditions and ranges, resets, HTTP/2 streams."""
import http.client
import socket
import struct
import threading
import time

import h2.config
import h2.connection
import h2.events
import pytest

from conftest import PATIENCE_S, free_port, wait_for
from upstreams import Upstream, ok, read_head


def answer(raw):
    """serve: every request of a connection gets these bytes."""
    def serve(_u, s):
        while read_head(s):
            s.sendall(raw)
    return serve


@pytest.fixture(name="through")
def fixture_through(gateway):
    """through(serve, **service): (gateway, upstream)."""
    made = []

    def make(serve, **service):
        u = Upstream(serve)
        made.append(u)
        return gateway({"services": [{"name": "s", "endpoints": [u.address], **service}], "routes": [{"name": "all", "service": "s"}]}, "--workers", "1"), u

    yield make
    for u in made:
        u.close()


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo):
    return gateways({"services": [{"name": "s", "endpoints": [echo.address]}], "routes": [{"name": "all", "service": "s"}]}, "--workers", "1")


# ---- HTTP/1.1


def test_chunks_both_ways(gw):
    body = b"".join(b"%x;ext=1\r\n%s\r\n" % (n, b"c" * n) for n in (1, 4096, 100000)) + b"0\r\nX-Trailer: t\r\n\r\n"
    got = gw.raw(b"POST /?bytes=30000&chunked=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + body, True)
    head, rest = got.split(b"\r\n\r\n", 1)
    assert b"transfer-encoding: chunked" in head.lower() and b"content-length" not in head.lower() and rest.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: -1",
                                     b"Content-Length: 5x", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: xchunked"])
def test_ambiguous_framing_is_refused(gw, framing):
    got = gw.raw(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n", True)
    assert got[9:12] in (b"400", b"501"), got[:40]


def test_ambiguous_responses_do_not_go_on(through):
    g, _ = through(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
    r = g.send()
    assert r.status == 502 or (r.body == b"ok" and r.header("content-length") is None), "the chunks count, the length goes"


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                                  b"GET / HTTP/2.5\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n"])
def test_bad_heads_are_refused(gw, head):
    assert gw.raw(head, True)[9:12] in (b"400", b"505")


def test_absolute_uri(gw):
    got = gw.raw(b"GET http://abs.example:81/p?q HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n", True)
    assert b'"path": "/p?q"' in got and b'"Host", "other"' in got, "one host, the header's, for the route and for the upstream"


def test_connection_close(gw, through):
    got = gw.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", True)
    assert b"connection: close" in got.split(b"\r\n\r\n")[0].lower()
    g, u = through(answer(ok(b"x", b"Connection: close\r\n")))
    assert [g.send().status for _ in range(3)] == [200] * 3 and u.connections == 3, "an upstream that says close is not used again"


def test_what_the_connection_header_names(through):
    heads = []

    def serve(_u, s):
        heads.append(read_head(s).decode().lower())
        s.sendall(ok(b"x", b"Keep-Alive: timeout=3\r\nProxy-Authenticate: x\r\nX-Mine: 1\r\n"))

    g, _ = through(serve)
    r = g.send("/", headers=[("Connection", "close"), ("Keep-Alive", "x"), ("Proxy-Connection", "keep-alive"), ("TE", "trailers"), ("Trailer", "x")])
    assert "keep-alive:" not in heads[0] and "\nte:" not in heads[0] and "\nconnection:" not in heads[0]
    assert r.header("x-mine") == "1" and r.header("keep-alive") is None


def test_an_idle_connection_closed_by_the_upstream(through):
    closed = threading.Event()

    def serve(_u, s):
        assert read_head(s)
        s.sendall(ok())
        s.shutdown(socket.SHUT_RDWR)
        closed.set()

    g, u = through(serve)
    for _ in range(5):
        closed.clear()
        assert g.send(method="POST", body=b"not twice").status == 200
        assert closed.wait(PATIENCE_S)
        time.sleep(0.05)
    assert u.connections == 5


def test_conditions_and_ranges_are_the_upstreams(through):
    heads = []

    def serve(_u, s):
        while head := read_head(s).decode().lower():
            heads.append(head)
            if "if-none-match" in head:
                s.sendall(b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n")
            elif "range:" in head:
                s.sendall(b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab")
            else:
                s.sendall(ok(b"abcdefghi", b"ETag: \"e\"\r\nAccept-Ranges: bytes\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"))

    g, u = through(serve)
    c = http.client.HTTPConnection("127.0.0.1", g.port, timeout=PATIENCE_S)
    r = g.send(connection=c, headers=[("If-None-Match", '"e"')])
    assert (r.status, r.header("etag"), r.body) == (304, '"e"', b"")
    r = g.send(connection=c, headers=[("Range", "bytes=0-1")])
    assert (r.status, r.header("content-range"), r.body) == (206, "bytes 0-1/9", b"ab")
    r = g.send(connection=c, headers=[("If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT")])
    assert (r.status, r.body) == (200, b"abcdefghi"), "what the upstream answered, it answered"
    assert u.connections == 1
    assert "if-none-match" in heads[0] and "range" in heads[1]
    c.close()


def test_bodies_of_responses_without_length(through):
    g, u = through(lambda _u, s: read_head(s) and s.sendall(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"))
    assert g.send().body == b"until the end" and g.send().body == b"until the end" and u.connections == 2


def test_large_response_headers(through):
    g, _ = through(answer(ok(b"x", b"X-Large: " + b"v" * 20000 + b"\r\n")))
    assert len(g.send().header("x-large")) == 20000
    g, _ = through(answer(ok(b"x", b"X-Large: " + b"v" * 40000 + b"\r\n")))
    assert g.send().status == 502 and "too big header" in g.error_log


def test_nginx_headers_mean_nothing(through):
    g, _ = through(answer(ok(b"x", b"X-Accel-Redirect: /other\r\nX-Accel-Limit-Rate: 1\r\nX-Accel-Buffering: no\r\nX-Accel-Charset: koi8-r\r\n")))
    r = g.send()
    assert (r.status, r.body) == (200, b"x")


# ---- upstreams that go


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def test_a_reset_before_and_inside_of_the_answer(through):
    g, _ = through(lambda _u, s: (read_head(s), reset(s)))
    assert g.send(method="POST", body=b"x").status == 502
    g, _ = through(lambda _u, s: (read_head(s), s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), time.sleep(0.2), reset(s)))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        g.send()
    assert g.send("/", method="HEAD").status == 200


def test_time_outs(through):
    hold = threading.Event()
    g, _ = through(lambda _u, s: (read_head(s), hold.wait(PATIENCE_S)), readTimeout="200ms")
    assert g.send().status == 504
    g, _ = through(lambda _u, s: (read_head(s), s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), hold.wait(PATIENCE_S)), readTimeout="200ms")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        g.send()
    hold.set()


def test_an_early_refusal_of_an_upload(through):
    g, _ = through(lambda _u, s: (read_head(s), s.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"), time.sleep(0.2)))
    with g.connect() as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        assert s.recv(100).startswith(b"HTTP/1.1 403 ")


# ---- HTTP/2


class H2:
    """A client connection; run(until) pumps frames and keeps events by stream."""

    def __init__(self, g):
        self.s = g.connect()
        self.c = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.c.initiate_connection()
        self.events, self.g = [], g
        self.flush()

    def flush(self):
        self.s.sendall(self.c.data_to_send())

    def get(self, stream, path, end=True, method="GET"):
        self.c.send_headers(stream, [(":method", method), (":path", path), (":scheme", "http"), (":authority", "a")], end_stream=end)
        self.flush()

    def run(self, until, acknowledge=True):
        end = time.monotonic() + PATIENCE_S
        while not until(self.events):
            assert time.monotonic() < end
            data = self.s.recv(65536)
            assert data, "the connection ended"
            for e in self.c.receive_data(data):
                self.events.append(e)
                if acknowledge and isinstance(e, h2.events.DataReceived):
                    self.c.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
            self.flush()

    def ended(self, stream):
        return any(isinstance(e, h2.events.StreamEnded) and e.stream_id == stream for e in self.events)

    def bytes(self, stream):
        return sum(len(e.data) for e in self.events if isinstance(e, h2.events.DataReceived) and e.stream_id == stream)


def test_many_http2_streams(gw):
    c = H2(gw)
    for i in range(100):
        c.get(2 * i + 1, f"/?bytes={1000 + i}")
    c.run(lambda _: all(c.ended(2 * i + 1) for i in range(100)))
    assert [c.bytes(2 * i + 1) for i in range(100)] == [1000 + i for i in range(100)]
    c.s.close()


def test_a_stream_that_is_not_read_holds_up_no_other(gw):
    c = H2(gw)
    c.c.increment_flow_control_window(10000000)
    c.get(1, "/?bytes=5000000")
    c.run(lambda _: c.bytes(1) >= 65535, acknowledge=False)
    c.get(3, "/?bytes=10")
    c.run(lambda _: c.ended(3), acknowledge=False)
    assert c.bytes(1) == 65535 and not c.ended(1)
    c.c.increment_flow_control_window(10000000, 1)
    c.flush()
    c.run(lambda _: c.ended(1))
    assert c.bytes(1) == 5000000
    c.s.close()


def test_resetting_a_stream_ends_the_upstreams_work(through):
    gone = threading.Event()

    def serve(_u, s):
        read_head(s)
        if not s.recv(1):
            gone.set()

    g, _ = through(serve)
    c = H2(g)
    c.get(1, "/")
    wait_for("the request", lambda: g.worker_status()["live"]["requests"] >= 1)
    time.sleep(0.1)
    c.c.reset_stream(1, 8)
    c.flush()
    assert gone.wait(PATIENCE_S)
    c.s.close()


def test_no_upstream_at_all(gateway):
    g = gateway({"services": [{"name": "s", "endpoints": [f"127.0.0.1:{free_port()}"]}], "routes": [{"name": "all", "service": "s"}]})
    c = H2(g)
    c.get(1, "/")
    c.run(lambda _: c.ended(1))
    assert (":status", "502") in next(e.headers for e in c.events if isinstance(e, h2.events.ResponseReceived))
    c.s.close()
