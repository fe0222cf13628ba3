"""Plugins in the path of requests: key-auth, and policies for plugins that fail."""
import json
import os
import shutil
import subprocess

import pytest

from conftest import GUESTS, KEY_AUTH, SANITIZED, example, free_port, make


def consumers(*names, **rest):
    return {"consumers": [{"name": n, "credential": n + "-key"} for n in names], "keys": ["x-api-key"], **rest}

from storm import storm


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo):
    """key-auth with a default, a route rule, a domain rule, a service rule, and rules that switch it off."""
    routes = [{"name": n, "match": {"path": {"prefix": "/" + n}}, "service": "echo"} for n in ("orders", "open", "plain")]
    return gateways({
        "services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "other", "endpoints": [echo.address]}],
        "routes": routes + [{"name": "other", "match": {"path": {"prefix": "/other"}}, "service": "other"},
                            {"name": "move", "match": {"path": {"prefix": "/move"}}, "redirect": {"prefix": "/plain"}}],
        "plugins": [{
            "name": "key-auth", "url": KEY_AUTH, "phase": "AUTHN", "priority": 310,
            "defaultConfig": consumers("default"),
            "matchRules": [
                {"route": ["orders"], "config": consumers("order", "clerk")},
                {"route": ["open"], "configDisable": True},
                {"domain": ["*.partner.example"], "config": consumers("partner")},
                {"service": ["other"], "config": consumers("service")},
            ]}]})


def ask(gw, path, key=None, host="a.example"):
    return gw.send(path, headers=[("Host", host)] + ([("X-Api-Key", key)] if key else []))


@pytest.mark.parametrize("path,host,key,consumer", [
    ("/plain", "a.example", "default-key", "default"), ("/plain", "a.example", "order-key", None),
    ("/orders/1", "a.example", "order-key", "order"), ("/orders/1", "a.example", "clerk-key", "clerk"),
    ("/orders/1", "a.example", "default-key", None), ("/orders/1", "x.partner.example", "order-key", "order"),
    ("/plain", "x.partner.example", "partner-key", "partner"), ("/plain", "x.partner.example:8080", "partner-key", "partner"),
    ("/plain", "x.partner.example", "default-key", None), ("/plain", "partner.example", "default-key", "default"),
    ("/other", "a.example", "service-key", "service"), ("/other", "a.example", "default-key", None),
    ("/other", "x.partner.example", "partner-key", "partner")])
def test_each_request_has_its_configuration(gw, path, host, key, consumer):
    response = ask(gw, path, key, host)
    assert response.status == (200 if consumer else 401)
    if consumer:
        assert response.seen_header("x-mse-consumer") == consumer
    else:
        assert response.header("www-authenticate") == "Key realm=MSE Gateway" and response.body == b""


def test_a_disabled_rule_lets_everything_through(gw):
    for key in (None, "default-key", "nonsense"):
        response = ask(gw, "/open", key, "x.partner.example")
        assert response.status == 200 and response.seen_header("x-mse-consumer") is None


def test_no_key(gw):
    response = ask(gw, "/plain/none")
    assert response.status == 401
    entry = gw.access(path="/plain/none")
    assert (entry["plugin"], entry["route"], entry["upstream"]) == ("key-auth", "plain", "")
    assert entry["details"].startswith("Request_denied_by_Key_Auth_check."), entry


def test_a_redirect_is_behind_the_plugins(gw):
    assert ask(gw, "/move").status == 401
    assert ask(gw, "/move", "default-key").status == 302


def test_a_refused_body_leaves_the_connection_in_order(gw):
    import http.client
    c = http.client.HTTPConnection("127.0.0.1", gw.port, timeout=20)
    assert gw.send("/plain", method="POST", body=b"x" * 200000, connection=c).status == 401
    assert gw.send("/open", connection=c).status == 200
    c.close()


def test_http2(gw):
    url = f"http://127.0.0.1:{gw.port}/plain"
    curl = ["curl", "-sS", "-i", "--max-time", "20", "--http2-prior-knowledge"]
    assert subprocess.run(curl + [url], capture_output=True, check=True).stdout.startswith(b"HTTP/2 401")
    out = subprocess.run(curl + ["-H", "x-api-key: default-key", url], capture_output=True, check=True).stdout
    assert out.startswith(b"HTTP/2 200") and b'["x-mse-consumer", "default"]' in out


def h2_statuses(gw, requests):
    """Send requests (path, body) on one HTTP/2 connection without waiting; the statuses, by order of request."""
    h2 = pytest.importorskip("h2.connection")
    events = pytest.importorskip("h2.events")
    c = h2.H2Connection()
    c.initiate_connection()
    streams, statuses, ended = [], {}, set()
    for path, body in requests:
        stream = c.get_next_available_stream_id()
        streams.append(stream)
        c.send_headers(stream, [(":method", "POST"), (":path", path), (":scheme", "http"), (":authority", "a.example")])
        for at in range(0, len(body), 16384):
            c.send_data(stream, body[at:at + 16384])
        c.end_stream(stream)
    with gw.connect() as s:
        s.sendall(c.data_to_send())
        while len(ended) < len(streams):
            data = s.recv(65536)
            assert data, "the connection was closed"
            for event in c.receive_data(data):
                if isinstance(event, events.ResponseReceived):
                    statuses[event.stream_id] = int(dict(event.headers)[b":status"])
                elif isinstance(event, (events.StreamEnded, events.StreamReset)):
                    ended.add(event.stream_id)
                elif isinstance(event, events.ConnectionTerminated):
                    pytest.fail("GOAWAY")
            s.sendall(c.data_to_send())
    return [statuses.get(stream) for stream in streams]


def test_http2_refused_body(gw):
    body = b"x" * 20000
    assert h2_statuses(gw, [("/plain", body), ("/open", body), ("/plain", b""), ("/open", b"")]) == [401, 200, 401, 200]


def test_a_changed_header_does_not_draw_another_service(gateway, echo, probe_module):
    """The plugin runs for service `with` only, and changes a header; what it let through goes to that service."""
    g = gateway({"services": [{"name": "with", "endpoints": [echo.address]}, {"name": "without", "endpoints": [echo.address]}],
                 "routes": [{"name": "split", "match": {}, "services": ["with", "without"]}],
                 "plugins": [{"name": "probe", "url": probe_module, "defaultConfigDisable": True,
                              "matchRules": [{"service": ["with"], "config": {}}]}]}, "--workers", "1")
    for i in range(100):
        g.send(f"/{i}", headers=[("x-request", "add 0 x-marked 1"), ("X-Request-Id", f"n{i}")])
    g.access(request_id="n99")
    lines = [json.loads(line) for line in g.read("logs/access.log").splitlines()]
    services = {line["request_id"]: line["service"] for line in lines}
    marked = g.error_log.count("plugin probe: add 0 x-marked 1 = 0")
    assert 10 < marked < 90 and marked == sum(1 for s in services.values() if s == "with")


def test_allow_list(gateway, echo):
    config = {**consumers("alice", "bob"), "global_auth": True, "_rules_": [{"_match_route_": ["only"], "allow": ["alice"]}]}
    g = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}],
                 "routes": [{"name": "only", "match": {}, "service": "echo"}],
                 "plugins": [{"name": "key-auth", "url": KEY_AUTH, "pluginConfig": config}]})
    assert ask(g, "/", "alice-key").status == 200
    response = ask(g, "/", "bob-key")
    assert (response.status, response.header("www-authenticate")) == (403, "Basic realm=MSE Gateway")


def test_a_wasmplugin_document(gateway, echo, tmp_path):
    port = free_port()
    (tmp_path / "a.yaml").write_text(f"""
listeners: [{{ address: 127.0.0.1:{port} }}]
services: [{{ name: echo, endpoints: ["{echo.address}"] }}]
routes:
  - {{ name: r, match: {{ path: {{ prefix: /r }} }}, service: echo }}
  - {{ name: s, match: {{ path: {{ prefix: /s }} }}, service: echo }}
---
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: {{ name: key-auth, namespace: higress-system }}
spec:
  url: {KEY_AUTH}
  phase: AUTHN
  priority: 310
  defaultConfig: {json.dumps(consumers("d"))}
  matchRules:
    - ingress: [s]
      config: {json.dumps(consumers("s"))}
""")
    g = gateway((tmp_path / "a.yaml").read_text())
    assert g.port == port
    assert [ask(g, "/r", "d-key").status, ask(g, "/r", "s-key").status, ask(g, "/s", "s-key").status] == [200, 401, 200]


# ---- plugins that fail


def trapper(echo, module, **rest):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": "r", "match": {}, "service": "echo"}],
            "plugins": [{"name": "trapper", "url": module, "defaultConfig": {}, **rest}]}


@pytest.mark.parametrize("how", ["unreachable", "oob", "div0", "stack"])
def test_a_trap_fails_closed(gateway, echo, trapper_module, how):
    g = gateway(trapper(echo, trapper_module), "--workers", "1")
    workers = g.workers()
    for _ in range(3):
        assert g.send("/ok").status == 200
        assert g.send("/trap", headers=[("x-trap", how)]).status == 503
    assert g.send("/ok").status == 200
    assert g.workers() == workers, "a trap costs no worker"
    assert g.access(path="/trap")["plugin"] == "trapper"
    assert "[weir] plugin trapper: " in g.error_log


@pytest.mark.parametrize("where", ["request", "response"])
def test_a_trap_fails_open(gateway, echo, trapper_module, where):
    g = gateway(trapper(echo, trapper_module, failStrategy="FAIL_OPEN"))
    for _ in range(3):
        response = g.send(headers=[("x-trap", "oob"), ("x-trap-in", where)])
        assert response.status == 200 and response.seen["method"] == "GET"


def test_a_trap_in_the_response(gateway, echo, trapper_module):
    g = gateway(trapper(echo, trapper_module))
    response = g.send("/?bytes=100000", headers=[("x-trap", "unreachable"), ("x-trap-in", "response")])
    assert response.status == 503 and b"abc" not in response.body
    assert g.send().status == 200


@pytest.mark.parametrize("strategy,status", [("FAIL_CLOSE", 503), ("FAIL_OPEN", 200)])
def test_a_plugin_that_does_not_start(gateway, echo, strategy, status):
    config = trapper(echo, KEY_AUTH, failStrategy=strategy, defaultConfig={"consumers": "none"})
    config["plugins"][0]["name"] = "key-auth"
    g = gateway(config)
    assert "weir: plugin key-auth does not run: " in g.output()
    assert "[weir] plugin key-auth does not run: " in g.error_log
    assert [g.send().status for _ in range(3)] == [status] * 3


@pytest.mark.parametrize("strategy,status", [("FAIL_CLOSE", 503), ("FAIL_OPEN", 200)])
def test_a_module_that_is_none(gateway, echo, tmp_path, strategy, status):
    (tmp_path / "no.wasm").write_bytes(b"\0asm\1\0\0\0 this is no module")
    g = gateway(trapper(echo, f"file:{tmp_path}/no.wasm", failStrategy=strategy))
    assert "weir: plugin trapper does not run: malformed" in g.output()
    assert g.send().status == status



# ---- the example


def test_the_example(gateway, echo):
    g = gateway(example(echo))
    tries = [line.strip().split("#")[0] for line in g.output().splitlines() if line.startswith("  curl ")]
    assert len(tries) == 3
    answers = [subprocess.run(t, shell=True, capture_output=True, text=True, check=True).stdout for t in tries]
    assert answers[0].startswith("HTTP/1.1 401 ") and "www-authenticate" in answers[0].lower()
    assert answers[1].startswith("HTTP/1.1 200 ") and '["x-mse-consumer", "alice"]' in answers[1]
    assert answers[2].startswith("HTTP/1.1 200 ")
    assert g.send("/", headers={"Host": "shop.example", "x-api-key": "guest-key"}).status == 200
    assert g.send("/", headers={"Host": "b.shop.example", "x-partner-key": "partner-key"}).status == 200
    assert g.send("/", headers={"Host": "b.shop.example", "x-api-key": "guest-key"}).status == 401


def test_a_short_storm(gateway, echo):
    if shutil.which("wrk") is None or shutil.which("h2load") is None:
        pytest.skip("wrk and h2load are not installed (make deps-test)")
    _, wrong = storm(gateway(example(echo), "--workers", "2"), 2, 4, flat=not SANITIZED)
    assert not wrong, "\n".join(wrong)
