"""Which route a request takes, and what a route does to it."""
import collections
import http.client
import json

import pytest



@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo):
    def route(name, match, **rest):
        """Unless the route does something else, the Host that the upstream sees is the route's name."""
        plain = {"service": "echo", "rewrite": {"host": name}}
        return {"name": name, "match": match, **(rest if "redirect" in rest or "services" in rest else {**plain, **rest})}

    routes = [
        route("exact-host", {"hosts": ["shop.example"]}),
        route("suffix-host", {"hosts": ["*.shop.example"]}),
        route("exact-path", {"path": {"exact": "/exact"}}),
        route("prefix-path", {"path": {"prefix": "/prefix"}}),
        route("as-sent", {"path": {"prefix": "/as-sent"}}, rewrite={}),
        route("longer-prefix", {"path": {"prefix": "/prefix/longer"}}),
        route("regex-path", {"path": {"regex": "/item/[0-9]+"}}),
        route("method", {"path": {"prefix": "/m"}, "methods": ["POST", "PURGE"]}),
        route("header-exact", {"path": {"prefix": "/h"}, "headers": [{"name": "X-Env", "exact": "canary"}]}),
        route("header-regex", {"path": {"prefix": "/h"}, "headers": [{"name": "x-env", "regex": "b.*"}]}),
        route("rewrite", {"path": {"prefix": "/old"}}, rewrite={"prefix": "/new/place"}),
        route("rewrite-root", {"path": {"prefix": "/strip"}}, rewrite={"prefix": "/"}),
        route("rewrite-host", {"path": {"prefix": "/rh"}}, rewrite={"host": "inner.example:81"}),
        route("redirect-prefix", {"path": {"prefix": "/away"}}, redirect={"status": 308, "prefix": "/there"}),
        route("redirect-https", {"path": {"prefix": "/tls"}}, redirect={"scheme": "https", "host": "safe.example", "status": 301}),
        route("timeout", {"path": {"prefix": "/slow"}}, timeout="200ms"),
        route("split", {"path": {"prefix": "/split"}}, services=[{"name": "a", "weight": 3}, {"name": "b", "weight": 1}]),
        route("none", {"path": {"prefix": "/zero"}}, services=[{"name": "a", "weight": 0}, {"name": "b", "weight": 1}]),
    ]
    services = [{"name": "echo", "endpoints": [echo.address]}, {"name": "a", "endpoints": [echo.address]},
                {"name": "b", "endpoints": [echo.address]}]
    return gateways({"services": services, "routes": routes}, "--workers", "1")  # one access log buffer


def routed(gw, path, **kwargs):
    """Name of the route a request took ("" for none), and the response."""
    response = gw.send(path, **kwargs)
    return response.seen_header("host") if response.status == 200 else "", response


@pytest.mark.parametrize("host,route", [
    ("shop.example", "exact-host"), ("SHOP.example", "exact-host"), ("shop.example:8080", "exact-host"),
    ("a.shop.example", "suffix-host"), ("a.b.shop.example:80", "suffix-host"), ("shop.example.org", ""),
    ("xshop.example", "")])
def test_hosts(gw, host, route):
    name, response = routed(gw, "/any", headers=[("Host", host)])
    assert (name, response.status) == (route, 200 if route else 404)


def test_host_as_sent(gw):
    assert gw.send("/as-sent", headers=[("Host", "Any.example:8080")]).seen_header("host") == "Any.example:8080"
    assert b'"Host", "echo"' in gw.raw(b"GET /as-sent HTTP/1.0\r\n\r\n", until_close=True), "HTTP/1.0 may have none"


@pytest.mark.parametrize("path,route", [
    ("/exact", "exact-path"), ("/exact/", ""), ("/exact?q=/", "exact-path"), ("/prefix", "prefix-path"), ("/prefix/", "prefix-path"),
    ("/prefix/x", "prefix-path"), ("/prefixes", ""), ("/prefix/longer/x", "longer-prefix"), ("/item/42", "regex-path"),
    ("/item/42x", ""), ("/item/", ""),
    ("/%65xact", "exact-path"), ("/prefix%2Fx", "prefix-path")])
def test_paths(gw, path, route):
    name, response = routed(gw, path)
    assert (name, response.status) == (route, 200 if route else 404)
    if route:
        assert response.seen["path"] == path, "the upstream gets the path as it was written"


@pytest.mark.parametrize("path,seen", [
    ("/other/../exact?q=/../x", "/exact?q=/../x"), ("/prefix/%2e%2e/exact", "/exact"), ("//exact", "/exact"),
    ("/other/..%2Fexact", "/exact"), ("/exact#/../other", "/exact"), ("/%70refix/./a%20b%25%3f", "/prefix/a%20b%25%3F")])
def test_what_was_matched_is_what_the_upstream_gets(gw, path, seen):
    assert gw.send(path).seen["path"] == seen


def test_a_path_above_the_root_is_refused(gw):
    assert gw.send("/prefix/../../exact").status == 400


def test_methods(gw):
    assert routed(gw, "/m", method="POST", body=b"")[0] == "method"
    assert routed(gw, "/m/purge", method="PURGE")[0] == "method"
    assert routed(gw, "/m/get")[1].status == 404


def test_headers(gw):
    assert routed(gw, "/h/1", headers=[("x-env", "canary")])[0] == "header-exact"
    assert routed(gw, "/h/2", headers=[("X-ENV", "blue")])[0] == "header-regex"
    assert routed(gw, "/h/3", headers=[("x-env", "x")])[1].status == 404
    assert routed(gw, "/h/4")[1].status == 404


def test_not_found(gw):
    response = gw.send("/nowhere")
    assert (response.status, response.text) == (404, "no route matches this request\n")
    assert response.header("content-type") == "text/plain"
    assert gw.access(path="/nowhere")["details"] == "route_not_found"


@pytest.mark.parametrize("path,seen", [
    ("/old", "/new/place"), ("/old/", "/new/place/"), ("/old/a/b?x=1&y=%20", "/new/place/a/b?x=1&y=%20"),
    ("/old/a%20b", "/new/place/a%20b"), ("/old/x/../y?z", "/new/place/y?z"), ("/old?", "/new/place?"),
    ("/strip/a?b", "/a?b"), ("/strip", "/"), ("/rh/a", "/rh/a")])
def test_rewrite(gw, path, seen):
    assert gw.send(path).seen["path"] == seen


def test_rewrite_of_an_escaped_slash_does_not_change_its_meaning(gw):
    # %2F is no separator for matching's sake only: /old%2Fx normalises to /old/x, which is what is sent on
    assert gw.send("/old%2Fx").seen["path"] == "/new/place/x"


def test_rewrite_host(gw):
    response = gw.send("/rh", headers=[("Host", "outer.example")])
    assert response.seen_header("host") == "inner.example:81"


def test_redirects(gw):
    response = gw.send("/away/x?q=1", headers=[("Host", "a.example:99")])
    assert (response.status, response.header("location")) == (308, "http://a.example:99/there/x?q=1")
    assert response.body == b""
    response = gw.send("/tls/y?z")
    assert (response.status, response.header("location")) == (301, "https://safe.example/tls/y?z")
    assert gw.send("/away", method="HEAD").status == 308


def test_redirect_leaves_the_connection_in_order(gw):
    c = http.client.HTTPConnection("127.0.0.1", gw.port, timeout=20)
    assert gw.send("/away", method="POST", body=b"x" * 100000, connection=c).status == 308
    assert gw.send("/exact", connection=c).status == 200
    c.close()


def test_timeout(gw):
    response = gw.send("/slow?delay_ms=20000")
    assert (response.status, response.text) == (504, "the upstream did not answer in time\n")
    assert 0.19 <= gw.access(route="timeout", status=504)["duration_s"] < 10
    assert gw.send("/slow?delay_ms=10").status == 200


def test_weights(gw):
    for i in range(400):
        assert gw.send(f"/split/{i}").status == 200
    gw.send("/split/last", headers=[("X-Request-Id", "split-last")])
    gw.access(request_id="split-last")
    counts = collections.Counter(json.loads(line)["service"] for line in gw.read("logs/access.log").splitlines()
                                 if json.loads(line)["route"] == "split")
    assert 220 <= counts["a"] <= 370, counts  # 300 expected; chances outside are below one in a million
    for _ in range(20):
        assert gw.send("/zero").status == 200
    gw.send("/zero/last", headers=[("X-Request-Id", "zero-last")])
    gw.access(request_id="zero-last")
    assert '"route":"none","service":"a"' not in gw.read("logs/access.log")


def test_forwarded(gw):
    response = gw.send("/exact")
    assert response.seen_header("x-forwarded-for") == "127.0.0.1"
    assert response.seen_header("x-forwarded-proto") == "http"
    assert len(response.seen_header("x-request-id")) == 32
    response = gw.send("/exact", headers=[("X-Forwarded-For", "1.2.3.4"), ("x-forwarded-for", "5.6.7.8"),
                                          ("X-Forwarded-Proto", "https"), ("X-Request-Id", "mine")])
    assert response.seen_all("x-forwarded-for") == ["1.2.3.4, 5.6.7.8, 127.0.0.1"]
    assert response.seen_all("x-forwarded-proto") == ["http"]
    assert response.seen_all("x-request-id") == ["mine"]
