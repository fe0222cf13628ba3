"""gRPC through routes: unary calls and streams, trailers, deadlines and errors, over clear text and TLS, with plugins and without."""
import json
import queue
import subprocess
import time

import grpc
import pytest

from conftest import GUESTS, free_port, wait_for
from rpc import Client, Server
from upstreams import Upstream


@pytest.fixture(name="rpc", scope="module")
def fixture_rpc():
    server = Server()
    yield server
    server.close()


def config(rpc, probe_module=None, **service):
    def route(name, path, service, *headers):
        return {"name": name, "match": {"path": {"prefix": path}, **({"headers": list(headers)} if headers else {})}, "service": service}

    routes = [route("rpc", "/weir.Test", "rpc"), route("down", "/weir.Down", "down"),
              *(route(p, "/weir.Test", "rpc", {"name": "x-plug", "exact": p}) for p in ("headers", "bodies"))]
    plugins = [{"name": "probe", "url": probe_module, "matchRules": [{"route": ["headers"], "config": {}}]},
               {"name": "bodies", "url": f"file:{GUESTS}/host/probe_body-0_2_100.wasm", "matchRules": [{"route": ["bodies"], "config": {}}]},
               ] if probe_module else []
    return {"services": [{"name": "rpc", "endpoints": [rpc.address], "protocol": "grpc", **service},
                         {"name": "down", "endpoints": [f"127.0.0.1:{free_port()}"], "protocol": "grpc"}],
            "routes": routes, "plugins": plugins}


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, rpc, probe_module):
    return gateways(config(rpc, probe_module), "--workers", "1", "--plugin-log-level", "trace")


@pytest.fixture(name="client")
def fixture_client(gw):
    with Client(gw.port) as c:
        yield c


PLUGGED, BODIES = (("x-plug", "headers"),), (("x-plug", "bodies"),)
EITHER = pytest.mark.parametrize("metadata", [(), PLUGGED, BODIES], ids=["bare", "headers", "bodies"])


@EITHER
def test_unary(client, metadata):
    answer, call = client.unary("Echo", b"hello", metadata=metadata)
    assert answer == b"hello" and ("x-initial", "i") in call.initial_metadata()
    assert ("x-trailing", "t") in call.trailing_metadata() and call.code() == grpc.StatusCode.OK
    big = bytes(range(256)) * 12000  # flow control on both sides
    assert client.unary("Echo", big, metadata=metadata)[0] == big
    assert client.unary("Echo", b"", metadata=metadata)[0] == b""


@EITHER
def test_server_streams(client, metadata):
    call = client.down("Down", b"500", metadata=metadata)
    assert list(call) == [b"%d" % i for i in range(500)] and ("x-trailing", "t") in call.trailing_metadata()
    assert not list(client.down("Down", b"0", metadata=metadata))


@EITHER
def test_client_streams(client, metadata):
    assert client.up("Up", iter([b"x" * 1000] * 300), metadata=metadata) == b"300000"
    assert client.up("Up", iter([]), metadata=metadata) == b"0"


@EITHER
def test_both_stream(client, metadata):
    """Each answer comes before the next question is asked."""
    questions = queue.Queue()
    call = client.both("Both", iter(questions.get, None), metadata=metadata)
    for i in range(50):
        questions.put(b"%d" % i)
        assert next(call) == b"%d" % i
    questions.put(None)
    assert not list(call) and call.code() == grpc.StatusCode.OK and ("x-trailing", "t") in call.trailing_metadata()


def test_many_streams_at_once(client):
    queues = [queue.Queue() for _ in range(20)]
    calls = [client.both("Both", iter(q.get, None)) for q in queues]
    for turn in range(5):
        for q in queues:
            q.put(b"%d" % turn)
        assert [next(c) for c in calls] == [b"%d" % turn] * 20
    for q in queues:
        q.put(None)
    assert [c.code() for c in calls] == [grpc.StatusCode.OK] * 20


def meta(client, **kwargs):
    return dict(map(tuple, json.loads(client.unary("Meta", **kwargs)[0])))


def test_what_the_upstream_sees(gw, client):
    seen = meta(client, metadata=(("x-mine", "m"),), timeout=20)
    assert seen["x-mine"] == "m" and seen["authority"] == f"127.0.0.1:{gw.port}" and "x-forwarded-for" in seen
    assert 10 < seen["deadline"] < 21 and "te" not in seen and "host" not in seen


@EITHER
@pytest.mark.parametrize("code", [1, 5, 13, 16])
def test_errors_of_the_upstream_pass(client, code, metadata):
    with pytest.raises(grpc.RpcError) as e:
        client.unary("Fail", b"%d" % code, metadata=metadata)
    assert e.value.code().value[0] == code and e.value.details() == "no é %"


def test_errors_of_the_gateway(gw, client):
    with pytest.raises(grpc.RpcError) as e:
        client.unary("Echo", service="weir.Nowhere")
    assert (e.value.code(), e.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, "no route matches this request")
    with pytest.raises(grpc.RpcError) as e:
        client.unary("Echo", service="weir.Down")
    assert (e.value.code(), e.value.details()) == (grpc.StatusCode.UNAVAILABLE, "the upstream cannot be reached or broke off")
    assert gw.send("/weir.Down/x").status == 502, "who does not speak gRPC gets HTTP"


def test_answers_of_plugins(client):
    for command, code in (("local 403 x no -1", grpc.StatusCode.PERMISSION_DENIED), ("local 429 x slow -1", grpc.StatusCode.UNAVAILABLE),
                          ("local 403 x no 9", grpc.StatusCode.FAILED_PRECONDITION), ("local 200 x no 10", grpc.StatusCode.ABORTED), ("trap", grpc.StatusCode.UNAVAILABLE)):
        with pytest.raises(grpc.RpcError) as e:
            client.unary("Echo", b"x", metadata=(*PLUGGED, ("x-request", command)))
        assert e.value.code() == code, command


def test_plugins_see_trailers(gw, client):
    _, call = client.unary("Echo", b"x", metadata=(*BODIES, ("x-resptrailers", "pairs 3; replace 3 x-trailing changed; add 3 x-more m")))
    assert {("x-trailing", "changed"), ("x-more", "m")} <= set(call.trailing_metadata()) and call.code() == grpc.StatusCode.OK
    assert "grpc-status=0" in next(line for line in gw.error_log.splitlines() if "pairs 3 =" in line)
    with pytest.raises(grpc.RpcError) as e:
        client.unary("Echo", b"x", metadata=(*BODIES, ("x-resptrailers", "replace 3 grpc-status 9; replace 3 grpc-message changed")))
    assert (e.value.code(), e.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "changed")


def test_plugins_hold_messages(client):
    """A plugin that waits for the whole of a request or of a response; the trailers come behind it."""
    for script in (("x-reqbody", "hold 1"), ("x-respbody", "hold 1"), ("x-resptrailers", "replace 3 x-trailing late")):
        answer, call = client.unary("Echo", b"y" * 100000, metadata=(*BODIES, script))
        assert answer == b"y" * 100000 and call.code() == grpc.StatusCode.OK, script


def test_deadline(rpc, gw, client):
    rpc.cancelled.clear()
    start = time.monotonic()
    with pytest.raises(grpc.RpcError) as e:
        client.unary("Wait", timeout=0.3)
    assert e.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - start < 5
    assert rpc.cancelled.wait(20), "the upstream's call ends, too"
    assert gw.send("/weir.Test/Wait", method="POST", headers=[("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "200m")],
                   body=b"\0\0\0\0\0").header("grpc-status") == "4", "a client that does not keep its own deadline"


def test_deadline_in_a_plugin(gw):
    r = gw.send("/weir.Test/Echo", method="POST", body=b"\0\0\0\0\0",
                headers=[("content-type", "application/grpc"), ("grpc-timeout", "200m"), ("x-plug", "headers"), ("x-request", "ret 1")])
    assert (r.status, r.header("grpc-status"), r.header("content-type")) == (200, "4", "application/grpc")


@pytest.mark.parametrize("value", ["", "m", "12", "123456789S", "-1S", "1x", "1 S", "99999999H"])
def test_deadlines_that_are_none(gw, value):
    r = gw.send("/weir.Test/Echo", method="POST", headers=[("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", value)],
                body=b"\0\0\0\0\0")
    assert r.status in (200, 400) and r.header("grpc-status") != "4"


def test_a_deadline_takes_the_place_of_the_read_timeout(gateway, rpc):
    rpc.release.clear()
    g = gateway(config(rpc, readTimeout="200ms"))
    with Client(g.port) as c:
        with pytest.raises(grpc.RpcError) as e:
            c.unary("Wait", timeout=None)
        assert e.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        call = c.channel.unary_unary("/weir.Test/Wait").future(b"w", timeout=30)
        with pytest.raises(grpc.FutureTimeoutError):
            call.result(timeout=0.6)
        rpc.release.set()
        assert call.result() == b"w"
    rpc.release.clear()


def test_cancel(rpc, client):
    rpc.cancelled.clear()
    call = client.channel.unary_unary("/weir.Test/Wait").future(b"w", timeout=30)
    time.sleep(0.1)
    call.cancel()
    assert rpc.cancelled.wait(20)


def test_connections_are_kept(gateway, rpc):
    g = gateway(config(rpc), "--workers", "1")

    def connections():
        out = subprocess.run(["ss", "-Htn", "state", "established", f"( dport = :{rpc.port} )"], capture_output=True, text=True, check=True).stdout
        return len(out.splitlines())

    others = connections()
    with Client(g.port) as c:
        for _ in range(50):
            c.unary("Echo", b"x")
    assert connections() - others <= 3


def test_http1_clients(gw):
    r = gw.send("/weir.Test/Echo", method="POST", headers=[("content-type", "application/grpc"), ("te", "trailers")], body=b"\0\0\0\0\2hi")
    assert r.status == 200 and r.body == b"\0\0\0\0\2hi"


def test_tls(gateway, tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=rpc.example", "-addext", "subjectAltName=DNS:rpc.example"], check=True, capture_output=True)
    server = Server(grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())]))
    try:
        g = gateway(config(server, tls={"ca": str(cert), "serverName": "rpc.example"}))
        with Client(g.port) as c:
            for _ in range(3):
                assert c.unary("Echo", b"secret")[0] == b"secret"
            assert list(c.both("Both", iter([b"a", b"b"]))) == [b"a", b"b"]
    finally:
        server.close()


def test_a_change_of_the_protocol_takes_no_reload(gateway, rpc, echo):
    """Streams go on while their service becomes another one; the next calls go by the new configuration."""
    c = config(rpc)
    g = gateway(c)
    workers = g.workers()
    questions = queue.Queue()
    with Client(g.port) as client:
        call = client.both("Both", iter(questions.get, None))
        questions.put(b"1")
        assert next(call) == b"1"
        c["services"][0] = {"name": "rpc", "endpoints": [echo.address]}
        with open(g.config, "w", encoding="utf-8") as f:
            f.write(json.dumps(c))
        wait_for("the change", lambda: g.send("/weir.Test/x").status == 200)
        questions.put(b"2")
        assert next(call) == b"2"
        questions.put(None)
        assert not list(call) and call.code() == grpc.StatusCode.OK
    assert g.workers() == workers


def test_an_upstream_that_speaks_no_http2(gateway):
    u = Upstream(lambda _u, s: (s.recv(1000), s.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")))
    g = gateway(config(u))
    with Client(g.port) as c, pytest.raises(grpc.RpcError) as e:
        c.unary("Echo")
    assert e.value.code() == grpc.StatusCode.UNAVAILABLE
    u.close()


def test_a_deadline_while_the_service_is_full(gateway, rpc):
    rpc.release.clear()
    g = gateway(config(rpc, limits={"requests": 1, "pending": 5, "pendingTimeout": "20s"}), "--workers", "1")
    with Client(g.port) as c:
        first = c.channel.unary_unary("/weir.Test/Wait").future(b"w", timeout=30)
        wait_for("the first call", lambda: rpc.cancelled.clear() or g.worker_status()["live"]["requests"] >= 1)
        r = g.send("/weir.Test/Echo", method="POST", body=b"\0\0\0\0\0", headers=[("content-type", "application/grpc"), ("grpc-timeout", "300m")])
        assert r.header("grpc-status") == "4"
        rpc.release.set()
        assert first.result() == b"w" and c.unary("Echo", b"x")[0] == b"x"
    rpc.release.clear()
