"""Plugins on somebody else's SDK (tests/guests/assemblyscript) through `weir try`, on both tiers."""
import pytest

from assemblyscript import module
from test_plugins import TIERS, run_try, values


@pytest.fixture(name="run", params=TIERS)
def fixture_run(request, tmp_path):
    def run(name, config, requests, *options):
        code, lines = run_try(module(name), config, requests, request.param, tmp_path, options)
        assert code == 0 and len(lines) == len(requests), lines[-1:]
        return lines
    return run


def test_headers(run):
    requests = [{"headers": [], "response": {"headers": [[":status", "200"]]}},
                {"headers": [["x-block", "why"]]}] * 50
    lines = run("headers", "hello", requests)
    for passed, blocked in zip(lines[::2], lines[1::2]):
        assert passed["action"] == "continue"
        assert values(passed["request_headers"], "x-as-request") == ["hello"]
        assert values(passed["response_headers"], "x-as-response") == ["hello"]
        assert (blocked["action"], blocked["status"], blocked["body"]) == ("local", 403, "blocked: why")
        assert values(blocked["headers"], "x-as") == ["blocked"]
        assert any("as-headers blocks: why" in str(line) for line in blocked["logs"])


@pytest.mark.parametrize("tier", TIERS)
def test_a_refused_configuration(tier, tmp_path):
    code, lines = run_try(module("headers"), "refuse", [], tier, tmp_path)
    assert code == 1 and lines[-1]["configure"] is False


def test_without_configuration(run):
    assert values(run("headers", "", [{"headers": []}])[0]["request_headers"], "x-as-request") == [""]


def test_body(run):
    body = "hold me " * 1000
    line, = run("body", "before ", [{"headers": [[":method", "POST"]], "body": body,
                                     "response": {"headers": [[":status", "200"], ["content-length", "3"]], "body": "abc"}}])
    assert line["request_body"] == body.upper()
    assert line["response_body"] == "before abc" and values(line["response_headers"], "content-length") == []


def test_callout(run):
    answers = [{"status": 200, "headers": [["x-user", "alice"]], "body": "checked"}, {"status": 401}, {"fail": True}, {"no_service": True}]
    passed, refused, failed, none = run("callout", '{"service": "auth"}', [{"headers": [["x-token", "t"]], "callouts": [a]} for a in answers])
    assert passed["action"] == "continue"
    assert values(passed["request_headers"], "x-user") == ["alice"] and values(passed["request_headers"], "x-check") == ["checked"]
    assert (refused["action"], refused["status"], refused["body"]) == ("local", 403, "refused")
    assert (failed["status"], failed["body"]) == (403, "no answer")
    assert (none["status"], none["body"]) == (403, "cannot ask")


def test_shared_data(run):
    lines = run("shared", '{"key": "as-hits"}', [{"headers": [], "response": {"headers": [[":status", "200"]]}}] * 20)
    assert [values(line["response_headers"], "x-hits") for line in lines] == [[str(n)] for n in range(1, 21)]


def test_tick(run):
    lines = run("tick", '{"period_ms": 1000}', [{"headers": [], "now_ns": int(s * 1e9)} for s in (0.5, 3.5, 9.5)], "--now-ns", "0")
    assert [values(line["request_headers"], "x-ticks") for line in lines] == [["0"], ["3"], ["9"]]
