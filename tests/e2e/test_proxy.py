"""How requests and responses pass: connections, bodies, protocols, upstreams that fail."""
import http.client
import socket
import subprocess
import threading

import pytest

from conftest import PATIENCE_S, free_port, send
from upstreams import Upstream, keepalive, ok, read_exactly, read_head, websocket


@pytest.fixture(name="upstream")
def fixture_upstream():
    """make(serve): an Upstream that lives as long as the test."""
    made = []

    def make(serve):
        made.append(Upstream(serve))
        return made[-1]

    yield make
    for u in made:
        u.close()


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo):
    return gateways({"services": [{"name": "echo", "endpoints": [echo.address]}],
                     "routes": [{"name": "all", "match": {}, "service": "echo"}]})


def one_service(*endpoints, **service):
    return {"services": [{"name": "s", "endpoints": list(endpoints), **service}],
            "routes": [{"name": "all", "match": {}, "service": "s"}]}


# ---- connections


def test_client_keepalive(gw):
    c = http.client.HTTPConnection("127.0.0.1", gw.port, timeout=PATIENCE_S)
    first = c.sock
    for i in range(5):
        assert send(gw.port, f"/{i}", connection=c).seen["path"] == f"/{i}"
        first = first or c.sock
        assert c.sock is first
    c.close()


def test_pipelining(gw):
    with gw.connect() as s:
        s.sendall(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2?close=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = b""
        while part := s.recv(65536):
            got += part
    assert got.index(b'"path": "/1"') < got.index(b'"path": "/2?close=1"')


def test_upstream_keepalive(gateway, upstream):
    u = upstream(keepalive)
    g = gateway(one_service(u.address), "--workers", "1")
    assert [g.send().text for _ in range(10)] == ["1"] * 10


def test_upstream_without_keepalive(gateway, upstream):
    u = upstream(keepalive)
    g = gateway(one_service(u.address, keepalive=0), "--workers", "1")
    assert [g.send().text for _ in range(3)] == ["1", "2", "3"]


def test_idle_connections_are_limited(gateway, upstream):
    barrier = threading.Barrier(4)

    def together(_upstream, s):
        while read_head(s):
            barrier.wait(PATIENCE_S)
            s.sendall(ok())

    u = upstream(together)
    g = gateway(one_service(u.address, keepalive=2), "--workers", "1")
    for _ in range(3):
        threads = [threading.Thread(target=g.send) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert u.connections == 4 + 2 + 2, "two of four stay each time"


def test_a_kept_connection_that_the_upstream_closed_is_not_an_error(gateway, upstream):
    def once(_upstream, s):
        assert read_head(s)
        s.sendall(ok())
        read_head(s)  # the next request finds the connection closed after it was sent

    u = upstream(once)
    g = gateway(one_service(u.address), "--workers", "1")
    for _ in range(20):
        assert g.send().status == 200


def test_round_robin(gateway, upstream):
    ups = [upstream(lambda _u, s, i=i: read_head(s) and s.sendall(ok(b"%d" % i))) for i in range(3)]
    g = gateway(one_service(*[u.address for u in ups]), "--workers", "1")
    seen = [g.send().text for _ in range(9)]
    assert seen[:3] * 3 == seen and sorted(seen[:3]) == ["0", "1", "2"]


def test_weighted_endpoints(gateway, upstream):
    ups = [upstream(lambda _u, s, i=i: read_head(s) and s.sendall(ok(b"%d" % i))) for i in range(2)]
    g = gateway(one_service({"address": ups[0].address, "weight": 3}, ups[1].address), "--workers", "1")
    seen = [g.send().text for _ in range(8)]
    assert seen.count("0") == 6 and "000" not in "".join(seen)[:3], seen


# ---- upstreams that fail


def test_upstream_down(gateway):
    g = gateway(one_service(f"127.0.0.1:{free_port()}"))
    response = g.send("/x")
    assert (response.status, response.text) == (502, "the upstream cannot be reached or broke off\n")
    assert response.header("content-type") == "text/plain"
    assert g.access(path="/x")["details"] == "upstream_failed"
    assert g.send("/x", method="HEAD").status == 502


def test_a_dead_endpoint_is_passed_by(gateway, upstream):
    u = upstream(keepalive)
    g = gateway(one_service(f"127.0.0.1:{free_port()}", u.address), "--workers", "1")
    assert [g.send().status for _ in range(20)] == [200] * 20
    assert g.error_log.count("connect() failed") <= 2, "once it failed it is left alone for a while"


def test_upstream_that_breaks_off(gateway, upstream):
    u = upstream(lambda _u, s: read_head(s))
    g = gateway(one_service(u.address))
    assert g.send().status == 502
    assert g.send(method="POST", body=b"x").status == 502
    assert u.connections == 2


def test_upstream_that_breaks_off_inside_the_body(gateway, upstream):
    u = upstream(lambda _u, s: read_head(s) and s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"))
    g = gateway(one_service(u.address))
    with pytest.raises(http.client.IncompleteRead):
        g.send()


def test_upstream_that_speaks_nonsense(gateway, upstream):
    u = upstream(lambda _u, s: read_head(s) and s.sendall(b"\x00\x01nonsense\r\n\r\n"))
    g = gateway(one_service(u.address))
    response = g.send()
    assert (response.status, response.text) == (502, "the upstream cannot be reached or broke off\n")
    assert g.send(method="HEAD").status == 502


def test_post_is_not_sent_twice(gateway, upstream):
    broken = [upstream(lambda _u, s: read_head(s)) for _ in range(2)]
    g = gateway(one_service(*[u.address for u in broken]), "--workers", "1")
    assert g.send(method="POST", body=b"pay").status == 502
    assert sum(u.connections for u in broken) == 1
    assert g.send().status == 502
    assert sum(u.connections for u in broken) == 3, "a GET may be"


def test_slow_upstream(gateway, echo):
    g = gateway(one_service(echo.address, readTimeout="150ms"))
    assert g.send("/?delay_ms=30000").status == 504


# ---- bodies


def test_large_bodies(gw):
    body = bytes(range(256)) * 40000  # 10 MB
    assert gw.send("/up", method="POST", body=body).seen["body_bytes"] == len(body)
    down = gw.send("/?bytes=10000000").body
    assert len(down) == 10000000 and down[:26] * 2 == b"abcdefghijklmnopqrstuvwxyz" * 2
    assert gw.send("/?bytes=3000001&chunked=1").body == down[:3000001]


def test_chunked_request(gw):
    parts = b"".join(b"%x\r\n%s\r\n" % (n, b"y" * n) for n in (1, 1000, 70000)) + b"0\r\n\r\n"
    got = gw.raw(b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + parts, True)
    assert b'"body_bytes": 71001' in got


def test_bad_chunks(gw):
    got = gw.raw(b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", True)
    assert got.startswith(b"HTTP/1.1 400 ")


def test_expect_continue(gw):
    with gw.connect() as s:
        s.sendall(b"POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(b"abc")
        assert b'"body_bytes": 3' in s.recv(65536)


def test_a_response_streams(gateway, upstream):
    gate = threading.Event()

    def stream(_u, s):
        read_head(s)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        assert gate.wait(PATIENCE_S)
        s.sendall(b"7\r\nsecond\n\r\n0\r\n\r\n")

    u = upstream(stream)
    g = gateway(one_service(u.address))
    c = http.client.HTTPConnection("127.0.0.1", g.port, timeout=PATIENCE_S)
    c.request("GET", "/")
    r = c.getresponse()
    assert r.readline() == b"first\n", "before the upstream ended its answer"
    gate.set()
    assert r.read() == b"second\n"
    c.close()


def test_a_request_streams(gateway, upstream):
    first = threading.Event()

    def sink(_u, s):
        read_head(s)
        assert read_exactly(s, 3) == b"abc"
        first.set()
        assert read_exactly(s, 3) == b"def"
        s.sendall(ok())

    u = upstream(sink)
    g = gateway(one_service(u.address))
    with g.connect() as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        assert first.wait(PATIENCE_S), "the upstream gets what is there"
        s.sendall(b"def")
        assert s.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 500, 503, 599])
def test_status_passes(gw, status):
    response = gw.send(f"/?status={status}")
    assert response.status == status
    assert (response.body == b"") == (status in (204, 304))


def test_head(gw):
    response = gw.send("/?bytes=1234", method="HEAD")
    assert (response.status, response.header("content-length"), response.body) == (200, "1234", b"")


# ---- headers


def test_headers_pass(gw):
    response = gw.send("/?header=X-Up:1&header=Set-Cookie:a=1&header=Set-Cookie:b=2&header=X-Accel-Redirect:/inner&header=X_Under:u",
                       headers=[("X-Many", "1"), ("x-many", "2"), ("under_score", "u"), ("Cookie", "a=1; b=2"), ("X-Empty", "")])
    assert response.status == 200
    assert response.header("x-up") == "1" and response.all("set-cookie") == ["a=1", "b=2"]
    assert response.header("x_under") == "u"
    assert response.header("server") == "echo", "the upstream's name stays"
    assert len(response.all("date")) == 1, "the gateway's, as the upstream has none"
    assert response.seen_all("x-many") == ["1", "2"] and response.seen_header("under_score") == "u"
    assert response.seen_header("cookie") == "a=1; b=2" and response.seen_header("x-empty") == ""


def test_hop_by_hop_headers_stay(gw):
    response = gw.send("/", headers=[("Connection", "keep-alive"), ("Keep-Alive", "timeout=5"), ("TE", "trailers"), ("Upgrade", "h2c")])
    for name in ("keep-alive", "te"):
        assert response.seen_header(name) is None


def test_many_and_large_headers(gw):
    pairs = [(f"X-H{i}", "v" * 100) for i in range(90)] + [("X-Large", "l" * 30000)]
    response = gw.send("/", headers=pairs)
    assert response.status == 200
    for name, value in pairs:
        assert response.seen_header(name) == value
    assert gw.send("/", headers=[("X-Huge", "h" * 40000)]).status == 400


# ---- protocols


def curl(*args):
    done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_S), *args], capture_output=True, check=False)
    return done.returncode, done.stdout


def test_http2(gw):
    code, out = curl("--http2-prior-knowledge", "-i", "-H", "X-A: 1", f"http://127.0.0.1:{gw.port}/two?x=y")
    assert code == 0 and out.startswith(b"HTTP/2 200")
    assert b'"path": "/two?x=y"' in out and b'"protocol": "HTTP/1.1"' in out and b'["x-a", "1"]' in out
    assert b'"Host", "127.0.0.1:%d"' % gw.port in out


def test_http2_bodies(gw, tmp_path):
    (tmp_path / "body").write_bytes(b"z" * 1500000)
    url = f"http://127.0.0.1:{gw.port}/"
    code, out = curl("--http2-prior-knowledge", "--data-binary", f"@{tmp_path}/body", url)
    assert code == 0 and b'"body_bytes": 1500000' in out
    code, out = curl("--http2-prior-knowledge", url + "?bytes=2000000&chunked=1")
    assert code == 0 and len(out) == 2000000
    assert curl("--http2-prior-knowledge", "-I", url + "?bytes=10")[0] == 0


def test_http2_preface_in_pieces(gw):
    with gw.connect() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
        for i in range(len(preface)):
            s.sendall(preface[i:i + 1])
        got = s.recv(9)
        assert got[3] == 4, "a SETTINGS frame"


def test_only_websocket_upgrades(gateway, upstream):
    heads = []

    def accepts_anything(_upstream, s):
        heads.append(read_head(s).decode().lower())
        s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        while data := s.recv(65536):
            s.sendall(data)

    g = gateway(one_service(upstream(accepts_anything).address))
    with g.connect() as s:  # behind a tunnel no route and no plugin would be asked
        s.sendall(b"GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\nGET /inside HTTP/1.1\r\n\r\n")
        got = s.recv(65536)
    assert got.startswith(b"HTTP/1.1 502 ") and b"/inside" not in got
    assert "upgrade" not in heads[0] and "connection" not in heads[0]


@pytest.mark.parametrize("status", [b"101 Switching Protocols", b"000 Zero"])
def test_an_upstream_cannot_put_a_response_inside_of_a_response(gateway, upstream, status):
    inner = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    g = gateway(one_service(upstream(lambda _u, s: (read_head(s), s.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n" + inner))).address))
    with g.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = b""
        while part := s.recv(65536):
            got += part
    assert got.startswith(b"HTTP/1.1 502 ") and b"forged" not in got


def test_something_like_the_preface(gw):
    assert gw.raw(b"PRI / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert gw.raw(b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert gw.raw(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    with gw.connect() as s:
        s.sendall(b"PRI")
    assert gw.send().status == 200


def test_http2_switched_off(gateway, echo):
    config = one_service(echo.address)
    config["listeners"] = [{"address": f"127.0.0.1:{free_port()}", "http2": False}]
    g = gateway(config)
    assert curl("--http2-prior-knowledge", f"http://127.0.0.1:{g.port}/")[0] != 0
    assert g.send().status == 200


def test_several_listeners(gateway, echo):
    ports = [free_port(), free_port()]
    g = gateway({**one_service(echo.address), "listeners": [f"127.0.0.1:{p}" for p in ports]})
    assert [send(p).status for p in ports] == [200, 200]
    assert g.port == ports[0]


def test_http10(gw):
    got = gw.raw(b"GET /?bytes=5 HTTP/1.0\r\nHost: a\r\n\r\n", until_close=True)
    assert got.startswith(b"HTTP/1.1 200 ") and got.endswith(b"\r\n\r\nabcde")
    got = gw.raw(b"GET /?bytes=5&chunked=1 HTTP/1.0\r\nHost: a\r\n\r\n", until_close=True)
    assert got.endswith(b"\r\n\r\nabcde") and b"chunked" not in got


def test_websocket(gateway, upstream):
    g = gateway(one_service(upstream(websocket).address))
    with g.connect() as s:
        s.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        head = read_head(s)
        assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        for message in (b"hello", b"x" * 100000):
            s.sendall(message)
            assert read_exactly(s, len(message)) == message
        s.shutdown(socket.SHUT_WR)
        assert s.recv(10) == b""


def test_a_client_that_leaves(gw):
    for path in ("/?delay_ms=100", "/?bytes=50000000"):
        with gw.connect() as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    with gw.connect() as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
    assert gw.send().status == 200
