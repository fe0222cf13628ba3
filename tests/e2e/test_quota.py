"""Quotas behind a real nginx: what the plugin and its clients get, what the operator reads."""
import os
import re

import pytest

from conftest import GUESTS, wait_for
from upstreams import Upstream, read_head

TIERS = ("interp", "aot")
LOG_LINES = 100


@pytest.fixture(name="silent", scope="module")
def fixture_silent():
    """A service that takes requests and says nothing."""
    u = Upstream(lambda _, s: read_head(s) and s.recv(1))
    yield u
    u.close()


@pytest.fixture(name="gw", scope="module", params=TIERS)
def fixture_gw(request, gateways, echo, silent):
    g = gateways({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "up", "endpoints": [silent.address]}],
                  "routes": [{"name": "b", "match": {"path": {"prefix": "/b"}}, "service": "echo"},
                             {"name": "all", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
                  "plugins": [{"name": "wants", "url": "file:" + os.path.join(GUESTS, "host/quota.wasm"),
                               "vm": {"runtime": request.param}, "defaultConfig": {}, "matchRules": [{"route": ["b"], "config": {"b": 1}}],
                               "limits": {"queue": 5, "sharedData": 1000, "metrics": 3, "logLines": LOG_LINES, "contexts": 2, "timers": 1,
                                          "callouts": 2, "calloutBody": 1000, "bufferedBody": "2KiB", "body": "1MiB"}}]}, "--workers", "1")
    wait_for("the tier", lambda: g.worker_status()["plugins"][0]["tier"] == request.param, 120)
    return g


def hits(gw):
    return gw.worker_status()["plugins"][0]["quotas"]


def ask(gw, what, times, size=0, path="/", **rest):
    """(how often it went well, the first other status or 0, what the operator reads) of so many calls."""
    before = len(gw.error_log)
    assert gw.send(path, headers={"x-do": what, "x-times": str(times), "x-bytes": str(size)}, **rest).status == 200
    log = gw.error_log[before:]
    return int(re.findall(r": ok=(\d+)", log)[-1]), int(re.findall(r": status=(\d+)", log)[-1]), log


INTERNAL_FAILURE, BAD_ARGUMENT = 10, 2


@pytest.mark.parametrize("what,quota,size,most,status", [
    ("q", "queue", 10, 5, INTERNAL_FAILURE), ("s", "sharedData", 300, 3, INTERNAL_FAILURE), ("m", "metrics", 0, 3, INTERNAL_FAILURE),
    ("c", "callouts", 10, 2, INTERNAL_FAILURE), ("c", "calloutBody", 1001, 0, BAD_ARGUMENT), ("g", "calloutBody", 1001, 0, BAD_ARGUMENT)])
def test_calls_are_refused_and_counted(gw, what, quota, size, most, status):
    wait_for("earlier calls' end", lambda: gw.worker_status()["plugins"][0]["callouts"] == 0)
    before = hits(gw).get(quota, 0)
    assert ask(gw, what, 9, size)[:2] == (most, status)
    assert hits(gw)[quota] == before + 1
    assert f"wants more than limits.{quota}, which is" in gw.error_log


def test_callouts_that_ended_count_no_more(gw):
    """They end by their timeout, a second."""
    for _ in range(2):
        wait_for("earlier calls' end", lambda: gw.worker_status()["plugins"][0]["callouts"] == 0)
        assert ask(gw, "c", 2)[:2] == (2, 0)


def test_timers_of_two_configurations(gw):
    """One may tick; it may change its period, too."""
    assert ask(gw, "t", 3)[:2] == (3, 0)
    before = hits(gw).get("timers", 0)
    assert ask(gw, "t", 1, path="/b")[:2] == (0, INTERNAL_FAILURE)
    assert hits(gw)["timers"] == before + 1 and "wants more than limits.timers, which is 1" in gw.error_log
    assert ask(gw, "t", 1)[:2] == (1, 0)


def test_a_body_that_is_made_longer(gw):
    ok, status, _ = ask(gw, "b", 9, 300, method="POST", body=b"x")
    assert 1 <= ok <= 6 and status == INTERNAL_FAILURE


def test_bodies_held_together(gw):
    """One that fits waits; the next is too much of both; when the first is gone there is room again."""
    with gw.connect() as first:
        first.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nx-hold: 1\r\nContent-Length: 3000\r\n\r\n" + b"x" * 1500)
        wait_for("the first body", lambda: gw.worker_status()["live"]["bodies"] == 1)
        assert gw.send("/", "POST", headers={"x-hold": "1"}, body=b"y" * 1000).status == 413
        assert hits(gw)["bufferedBody"] >= 1
    wait_for("the first to be gone", lambda: gw.worker_status()["live"]["streams"] == 0)
    with gw.connect() as again:
        again.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nx-hold: 1\r\nContent-Length: 3000\r\n\r\n" + b"x" * 1500)
        wait_for("the body", lambda: gw.worker_status()["live"]["bodies"] == 1)
    wait_for("it to be gone", lambda: gw.worker_status()["live"]["streams"] == 0)


def test_contexts(gw):
    """Two requests wait for their bodies; a third takes failStrategy."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    with gw.connect() as a, gw.connect() as b:
        for s in a, b:
            s.sendall(head)
        wait_for("two contexts", lambda: gw.worker_status()["live"]["contexts"] == 2)
        assert gw.send("/", headers={"X-Request-Id": "the-third"}).status == 503
        assert hits(gw)["contexts"] >= 1
    assert gw.access(request_id="the-third")["plugins"][0]["outcome"] == "refused"
    wait_for("them to be gone", lambda: gw.worker_status()["live"]["contexts"] == 0)
    assert gw.send("/").status == 200


def test_log_lines(gw):
    """At most so many a second; they may fall into two."""
    before = gw.error_log.count(": line")
    assert gw.send("/", headers={"x-do": "l", "x-times": "500", "x-bytes": "0"}).status == 200
    assert gw.error_log.count(": line") - before <= 2 * LOG_LINES
    assert hits(gw)["logLines"] >= 500 - 2 * LOG_LINES
