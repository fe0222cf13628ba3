"""Bytes that plugins put into responses by themselves, on a real nginx over HTTP/1.1 and HTTP/2 (host facts 2.5)."""
import socket

import pytest

from conftest import PATIENCE_S
from test_bodies import PROTOCOLS, curl, plugin
from upstreams import Upstream, ok, read_head


def serve(_upstream, s):
    """By path: a body by length or in chunks, none, 204, a stream without an end."""
    while head := read_head(s):
        path = head.split(b" ")[1].split(b"?")[0]
        if path == b"/length":
            s.sendall(ok(b"one,two"))
        elif path == b"/chunked":
            s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n")
        elif path == b"/empty":
            s.sendall(ok(b""))
        elif path == b"/none":
            s.sendall(b"HTTP/1.1 204 None\r\n\r\n")
        elif path == b"/head":
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
        elif path == b"/endless":
            s.sendall(b"HTTP/1.1 200 OK\r\n\r\nfirst")
            while s.recv(1):
                pass
            return
        else:
            s.sendall(ok(b"answer"))


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways):
    upstream = Upstream(serve)
    yield gateways({"services": [{"name": "up", "endpoints": [upstream.address]}], "routes": [{"name": "all", "match": {}, "service": "up"}],
                    "plugins": [plugin("probe", "probe_body-0_2_100", {})]}, "--workers", "1")
    upstream.close()


@pytest.fixture(name="get", params=PROTOCOLS)
def fixture_get(request, gw, tmp_path):
    """get(path, {callback: script}): (status, headers in lower case, body); the exchange must end well."""

    def get(path, scripts, *headers):
        status, head, body, done = curl(gw.port, path, request.param, tmp_path, headers=[("x-" + k, v) for k, v in scripts.items()] + list(headers))
        assert done.returncode == 0, done.stderr
        return status, head.lower(), body
    return get


BY = {"call": "inject %s %d", "foreign": "injectby inject_encoded_data_to_filter_chain %s %d",
      "on_header": "injectby inject_encoded_data_to_filter_chain_on_header %s %d"}


@pytest.mark.parametrize("path", ["/length", "/chunked"])
@pytest.mark.parametrize("by", BY)
def test_before_and_instead(get, path, by):
    status, head, body = get(path, {"respbody": f"{BY[by] % ('A', 0)}"})
    assert status == 200 and body.startswith(b"A") and body.replace(b"A", b"") == b"one,two"
    status, head, body = get(path, {"respbody": f"{BY[by] % ('A', 0)}; setbuf 1 0 99 _|{BY[by] % ('B', 0)}; setbuf 1 0 99 _"})
    assert status == 200 and body.replace(b"B", b"") == b"A" and "content-length: 7" not in head


@pytest.mark.parametrize("by", BY)
def test_the_end(get, by):
    assert get("/length", {"respbody": BY[by] % ("A", 1)})[2] == b"A"
    assert get("/chunked", {"respbody": BY[by] % ("A", 1)})[2] == b"A"
    assert get("/chunked", {"response": BY[by] % ("A", 1) + "; ret 1"})[2] == b"A"


def test_the_end_of_a_response_without_one(get, gw):
    """The upstream would go on for ever; the client has its end, and the gateway lets the upstream go."""
    for _ in range(3):
        assert get("/endless", {"respbody": "inject A 1"})[2] == b"A"
    assert gw.access(path="/endless")["status"] == 200


@pytest.mark.parametrize("by", BY)
def test_a_response_without_a_body(get, by):
    for result in 0, 1, 4:
        status, head, body = get("/empty", {"response": f"{BY[by] % ('made', 1)}; ret {result}"})
        assert status == 200 and body == b"made" and "content-length: 0" not in head


def test_bare_responses_stay_bare(get):
    assert get("/none", {"response": "inject A 1"})[::2] == (204, b"")
    assert get("/none", {"response": "inject A 1; ret 1"})[::2] == (204, b"")
    assert get("/length", {})[2] == b"one,two"


def test_head(gw):
    with socket.create_connection(("127.0.0.1", gw.port), timeout=PATIENCE_S) as s:
        for script in "inject A 1", "inject A 1; ret 1":
            s.sendall(b"HEAD /head HTTP/1.1\r\nHost: a\r\nx-response: " + script.encode() + b"\r\n\r\n")
            assert read_head(s).startswith(b"HTTP/1.1 200")
        s.sendall(b"GET /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head = read_head(s)
        assert head.startswith(b"HTTP/1.1 200") and s.recv(99) == b"one,two"


def test_from_a_callout(get):
    for path, result in ("/empty", 1), ("/empty", 4), ("/length", 4), ("/chunked", 4):
        assert get(path, {"response": f"call up /answer 5000 _ then; ret {result}", "then": "effective @; inject late 1"})[2] == b"late"
    script = {"response": "call up /answer 5000 _ then; ret 4", "then": "effective @; inject late 0; continue 1"}
    assert get("/empty", script)[2] == b"late" and get("/length", script)[2] == b"lateone,two" and get("/chunked", script)[2] == b"lateone,two"


def test_a_lot(get):
    status, _, body = get("/length", {"respbody": "injectfill 60000 0; injectfill 60000 0"})
    assert status == 200 and body.startswith(b"i" * 120000) and body.replace(b"i", b"") == b"one,two"


def test_a_local_response(get):
    assert get("/length", {"request": "local 418 d body -1", "response": "inject A 0"})[::2] == (418, b"Abody")
