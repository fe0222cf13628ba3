"""GET /metrics: what Prometheus's own parser makes of it, against what was sent; names that plugins choose to do harm."""
import os
import re
import signal
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import ROOT, free_port, wait_for
from test_api import Unix
from test_reload import both, key_auth, route


def scrape(g):
    c = Unix(g.state + "/admin.sock")
    c.request("GET", "/metrics")
    r = c.getresponse()
    assert r.status == 200 and r.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    text = r.read().decode()
    c.close()
    return text


class Metrics:
    def __init__(self, g):
        self.text = scrape(g)
        self.families = list(text_string_to_metric_families(self.text))
        self.samples = [s for f in self.families for s in f.samples]
        seen = [(s.name, tuple(sorted(s.labels.items()))) for s in self.samples]
        assert len(seen) == len(set(seen)), "no series twice"
        heads = re.findall(r"^# TYPE (\S+) ", self.text, re.M)
        assert len(heads) == len(set(heads)), "no family twice"

    def sum(self, name, **labels):
        return sum(s.value for s in self.samples if s.name == name and all(s.labels.get(k) == v for k, v in labels.items()))

    def one(self, name, **labels):
        (found,) = [s for s in self.samples if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]
        return found


def test_what_is_counted(gateway, echo):
    c = route(echo, "a", [key_auth("k1")])
    c["services"].append({"name": "dead", "endpoints": [f"127.0.0.1:{free_port()}"]})
    c["routes"].insert(0, {"name": "dead", "match": {"path": {"prefix": "/dead"}}, "service": "dead"})
    g = gateway(c, "--workers", "2")
    both(g)
    before = Metrics(g)
    assert {s.labels["worker"] for s in before.samples if s.name == "weir_requests_active"} == {"0", "1"}
    for i in range(30):
        assert g.send(headers={"x-k": "k1", "Connection": "close"}).status == 200
    for _ in range(5):
        assert g.send().status == 401
    assert g.send("/dead", headers={"x-k": "k1"}).status == 502

    def counted():  # nginx writes its log, and counts, after the answer
        m = Metrics(g)
        return m if m.sum("weir_plugin_requests_total") - before.sum("weir_plugin_requests_total") == 36 else None
    m = wait_for("the last request's end", counted)

    def more(name, **labels):
        return m.sum(name, **labels) - before.sum(name, **labels)
    assert more("weir_service_requests_total", service="echo") == more("weir_service_requests_total", service="echo", code="2xx") == 30
    assert more("weir_service_requests_total", service="dead", code="5xx") == 1
    assert more("weir_service_request_seconds_count", service="echo") == more("weir_service_request_seconds_bucket", service="echo", le="+Inf") == 30
    assert more("weir_service_request_seconds_bucket", service="echo", le="0.005") <= 30
    assert more("weir_endpoint_requests_total", endpoint=echo.address) == 30 and more("weir_endpoint_failures_total", endpoint=echo.address) == 0
    assert more("weir_endpoint_failures_total", service="dead") >= 1
    assert more("weir_plugin_requests_total", plugin="key-auth", outcome="ok") == 31
    assert more("weir_plugin_requests_total", plugin="key-auth", outcome="answered") == 5
    assert 0 < more("weir_plugin_seconds_total", plugin="key-auth") < 60
    assert more("weir_nginx_requests_total") >= 36
    assert m.one("weir_ready").value == 1 and m.one("weir_workers").value == 2 and m.one("weir_workers_silent").value == 0
    assert m.sum("weir_plugin_state", plugin="key-auth") == 1
    assert m.sum("weir_plugin_state", state="ready") + m.sum("weir_plugin_state", state="compiling") == 1
    # Nothing of a change: the same service and plugin go on counting.
    g.allowed.append("exited on signal 9")
    lost = g.workers()[0]
    os.kill(lost, signal.SIGKILL)
    g.wait_replaced(lost)
    wait_for("its successor", lambda: Metrics(g).one("weir_workers").value == 2)
    assert {s.labels["worker"] for s in Metrics(g).samples if s.name == "weir_requests_active"} == {"0", "1"}, "in the same place"


def test_traps_are_counted(gateway, echo, trapper_module):
    g = gateway(route(echo, "first", [{"name": "trapper", "url": trapper_module}]), "--workers", "1")
    g.allowed = [r"trap", r"failed"]
    assert g.send(headers={"x-trap": "unreachable"}).status == 503

    def counted():
        m = Metrics(g)
        return m if m.sum("weir_plugin_requests_total", plugin="trapper") else None
    m = wait_for("the request's end", counted)
    assert m.sum("weir_plugin_traps_total", plugin="trapper") == m.sum("weir_plugin_requests_total", outcome="trapped") == 1


HOSTILE = ["a.b", "a_b", "a-b", "a:b", "9lives", "weir_ready", 'x"y\\z', "x\\ny", "caf\u00e9", "\u00ff\u00fe", "nul~byte", "#TYPE", "hist_count", "hist_bucket", "a_b_gauge", "{}=", "le"]


def test_names_of_plugins(gateway, echo, probe_module):
    """The guest's own script defines them, byte by byte; `~` is a NUL."""
    ai = "route.ai-route.internal.upstream.outbound|443||llm.dns.model.qwen-turbo.consumer.none.metric.input_token"
    defines = [f"mdef 0 {n}" for n in HOSTILE] + ["mdef 1 a.b", "mdef 2 hist", "mdef 1 level", f"mdef 0 {ai}", "mdef 0 route.r.upstream.u.model.m.metric.n"]
    g = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}], "routes": [{"name": "p", "service": "echo"}],
                 "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "2")
    ids = {n: 4 * (i + 1) for i, n in enumerate(HOSTILE)}
    level, hist, token = 9, 6, 4 * (len(HOSTILE) + 1)
    script = "; ".join(defines + [f"minc {i} {i}" for i in ids.values()]) + f"; minc {level} -7; mrec {hist} 3; mrec {hist} 30; minc {token} 24"
    assert g.send("/", headers={"x-request": script}).status == 200
    m = Metrics(g)
    counted = {s.value for s in m.samples if not s.name.startswith(("weir_", "hist_histogram_", "route_"))}
    assert {float(i) for i in ids.values()} <= counted, "none is lost"
    assert m.one("weir_ready").value == 1 and m.one("plugin_weir_ready_total").value == ids["weir_ready"]
    assert m.one("level").value == -7
    assert m.one("a_b_total", metric="a_b").value == ids["a_b"] and m.one("a_b_total", metric="a-b").value == ids["a-b"]
    assert m.one("route_upstream_model_consumer_metric_input_token_total").labels == {
        "ai_route": "ai-route.internal", "ai_cluster": "outbound|443||llm.dns", "ai_model": "qwen-turbo", "ai_consumer": "none"}
    assert "\nroute_upstream_model_consumer_metric_input_token{" in m.text, "the parser adds _total to counters, the gateway does not"
    assert m.sum("route_upstream_model_metric_n_total", ai_model="m") == 0 and "route_upstream_model_metric_n{" in m.text


def test_all_of_it_is_documented(gateway, echo):
    with open(os.path.join(ROOT, "docs/metrics.md"), encoding="utf-8") as f:
        rows = re.findall(r"^\| `(weir_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", f.read(), re.M)
    g = gateway(route(echo, "a", [key_auth("k1")]), "--workers", "1")
    text = scrape(g)
    assert [(n, t) for n, t, _, _ in rows] == re.findall(r"^# TYPE (weir_\w+) (\w+)$", text, re.M)
    assert [(n, h) for n, _, _, h in rows] == re.findall(r"^# HELP (weir_\w+) (.*)$", text, re.M)
    for name, _, labels, _ in rows:
        wanted = set(filter(None, labels.split(", ")))
        for found in re.findall(rf"^{name}(?:_bucket|_sum|_count)?\{{(.*)\}} ", text, re.M):
            assert {k for k in re.findall(r'(?:^|,)(\w+)="', found) if k != "le"} == wanted, name


def test_with_a_token(gateway, echo, tmp_path):
    (tmp_path / "token").write_text("correct-horse-battery\n")
    port = free_port()
    gateway(route(echo, "first"), "--workers", "1", "--admin", f"127.0.0.1:{port}", "--admin-token-file", str(tmp_path / "token"))
    out = [subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *extra, f"http://127.0.0.1:{port}/metrics"],
                          capture_output=True, text=True, check=True).stdout
           for extra in ([], ["-H", "Authorization: Bearer correct-horse-battery"])]
    assert out == ["401", "200"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_can_only_be_read(gateway, echo, method):
    g = gateway(route(echo, "first"), "--workers", "1")
    c = Unix(g.state + "/admin.sock")
    c.request(method, "/metrics")
    assert c.getresponse().status == 405
