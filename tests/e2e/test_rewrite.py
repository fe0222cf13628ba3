"""What a route changes in paths and headers, and how large it lets a request be; all of it without a reload."""
import json
import subprocess

import pytest

from conftest import GUESTS, wait_for


def route(name, **rest):
    return {"name": name, "match": {"path": {"prefix": f"/{name}"}}, "service": "echo", **rest}


HEADERS = {"requestHeaders": {"remove": ["X-Secret"], "set": [{"name": "X-Set", "value": "${client} ${host} ${method} ${path} ${route} ${scheme} ${service}"},
                                                              {"name": "User-Agent", "value": "weir"}],
                              "add": [{"name": "x-add", "value": "a"}, {"name": "x-id", "value": "<${request_id}> $5 $${x}"}]},
           "responseHeaders": {"remove": ["x-up", "server"], "set": [{"name": "Cache-Control", "value": "no-store"}, {"name": "x-route", "value": "${route}"}],
                               "add": [{"name": "Set-Cookie", "value": "c=3"}]}}


def config(echo):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [route("whole", rewrite={"path": "/one"}), route("regex", rewrite={"regex": "/regex/([0-9]+)/(.*)", "replacement": "/$2/by/$1"}),
                       route("headers", **HEADERS), route("plugged", **HEADERS), route("down", service="down", responseHeaders=HEADERS["responseHeaders"]),
                       {"name": "away", "match": {"path": {"prefix": "/away"}}, "redirect": {"path": "/x"}, "responseHeaders": HEADERS["responseHeaders"]},
                       route("body", limits={"requestBody": "10KiB"}), route("read", limits={"requestBody": "10KiB"}),
                       route("count", limits={"headerCount": 5}), route("bytes", limits={"headerBytes": 200})],
            "plugins": [{"name": "p", "url": f"file:{GUESTS}/host/probe_body-0_2_100.wasm",
                         "matchRules": [{"route": ["plugged", "read"], "config": {}}]}]}


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo):
    c = config(echo)
    c["services"].append({"name": "down", "endpoints": ["127.0.0.1:1"]})
    return gateways(c, "--workers", "1")


@pytest.mark.parametrize("path,seen", [
    ("/whole", "/one"), ("/whole/a?q=1", "/one?q=1"), ("/regex/12/a/b?x=/y", "/a/b/by/12?x=/y"), ("/regex/1/a%20b", "/a%20b/by/1"),
    ("/regex/no", "/regex/no"), ("/regex/1/", "//by/1")])
def test_paths(gw, path, seen):
    assert gw.send(path).seen["path"] == seen


@pytest.mark.parametrize("path", ["/headers", "/plugged"])
def test_request_headers(gw, path):
    r = gw.send(path + "?q", headers=[("Host", "a.example:1"), ("X-Secret", "s"), ("x-set", "mine"), ("X-Set", "two"), ("X-Add", "b"), ("X-Request-Id", "id")])
    assert r.seen_header("x-secret") is None and r.seen_all("user-agent") == ["weir"]
    assert r.seen_all("x-set") == [f"127.0.0.1 a.example:1 GET {path}?q {path[1:]} http echo"]
    assert r.seen_all("x-add") == ["b", "a"] and r.seen_header("x-id") == "<id> $5 ${x}"


@pytest.mark.parametrize("path", ["/headers", "/plugged"])
def test_response_headers(gw, path):
    r = gw.send(path + "?header=X-Up:1&header=Set-Cookie:a=1&header=Set-Cookie:b=2&header=Cache-Control:max-age%3D3")
    assert r.header("x-up") is None and r.all("server") == ["weir"] and r.all("cache-control") == ["no-store"]
    assert r.all("set-cookie") == ["a=1", "b=2", "c=3"] and r.all("x-route") == [path[1:]]


def test_answers_of_the_gateway_have_them_too(gw):
    for path, status in (("/down", 502), ("/away", 302)):
        r = gw.send(path)
        assert (r.status, r.header("cache-control"), r.header("x-route")) == (status, "no-store", path[1:])
    r = gw.send("/plugged", headers=[("x-request", "local 403 d no -1")])
    assert (r.status, r.header("cache-control")) == (403, "no-store")


def test_changes_are_after_plugins(gw):
    r = gw.send("/plugged", headers=[("x-request", "add 0 x-secret p; replace 0 x-set p"), ("x-response", "add 2 x-up p; replace 2 cache-control p")])
    assert r.seen_header("x-secret") is None and "echo" in r.seen_header("x-set")
    assert r.header("x-up") is None and r.header("cache-control") == "no-store"


@pytest.mark.parametrize("path", ["/body", "/read"])
def test_bodies(gw, path, tmp_path):
    assert gw.send(path, method="POST", body=b"x" * 10240).seen["body_bytes"] == 10240
    r = gw.send(path, method="POST", body=b"x" * 10241)
    assert (r.status, r.text) == (413, "the body of the request is too large\n")
    assert gw.access(route=path[1:], status=413)["details"] == "request_too_large"
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    for n, status in ((10240, b"200"), (10241, b"413")):
        assert gw.raw(head + b"%x\r\n%s\r\n0\r\n\r\n" % (n, b"y" * n), until_close=True)[9:12] == status
    for n, status in ((10240, b"200"), (10241, b"413"), (300000, b"413")):  # the last is more than a client may send at once
        (tmp_path / "body").write_bytes(b"z" * n)
        out = subprocess.run(["nghttp", "-v", "--no-content-length", "-d", str(tmp_path / "body"), f"http://127.0.0.1:{gw.port}{path}"],
                             capture_output=True, check=False).stdout
        assert b":status: " + status in out, n


def test_header_count_and_bytes(gw):
    few = [("Host", "a"), ("Accept", "b")]
    assert gw.send("/count", headers=few + [(f"x-{i}", "1") for i in range(3)]).status == 200
    r = gw.send("/count", headers=few + [(f"x-{i}", "1") for i in range(4)])
    assert (r.status, r.text) == (431, "the headers of the request are too large\n")
    assert gw.send("/bytes", headers=few + [("x", "1" * 180)]).status == 200
    assert gw.send("/bytes", headers=few + [("x", "1" * 200)]).status == 431


def test_changing_them_takes_no_reload(gateway, echo):
    c = config(echo)
    c["services"].append({"name": "down", "endpoints": ["127.0.0.1:1"]})
    g = gateway(c)
    workers = g.workers()
    assert g.send("/count", headers=[(f"x-{i}", "1") for i in range(9)]).status == 431
    for r in c["routes"]:
        r.pop("limits", None)
        if r["name"] == "whole":
            r["rewrite"] = {"path": "/two"}
    with open(g.config, "w", encoding="utf-8") as f:
        f.write(json.dumps(c))
    wait_for("the change", lambda: [g.send("/whole").seen["path"] for _ in range(8)] == ["/two"] * 8)
    wait_for("it in all workers", lambda: {g.send("/count", headers=[(f"x-{i}", "1") for i in range(9)]).status for _ in range(20)} == {200})
    assert g.workers() == workers
