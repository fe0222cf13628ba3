"""Quotas behind a real nginx: what clients get, what the operator reads."""
import os

import pytest

from conftest import GUESTS, wait_for

TIERS = ("interp", "aot")


@pytest.fixture(name="gw", scope="module", params=TIERS)
def fixture_gw(request, gateways, echo):
    g = gateways({"services": [{"name": "echo", "endpoints": [echo.address]}],
                  "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
                  "plugins": [{"name": "wants", "url": "file:" + os.path.join(GUESTS, "host/quota.wasm"),
                               "vm": {"runtime": request.param}, "defaultConfig": {},
                               "limits": {"queue": 5, "sharedData": 1000, "metrics": 3, "logLines": 20, "contexts": 2,
                                          "bufferedBody": "2KiB", "body": "1MiB"}}]}, "--workers", "1")
    if request.param == "aot":
        wait_for("the image", lambda: g.worker_status()["plugins"][0]["tier"] == "aot")
    return g


def hits(gw):
    return gw.worker_status()["plugins"][0]["quotas"]


@pytest.mark.parametrize("what,quota,size", [("q", "queue", 10), ("s", "sharedData", 300), ("m", "metrics", 0)])
def test_calls_are_refused_and_counted(gw, what, quota, size):
    before = hits(gw).get(quota, 0)
    assert gw.send("/", headers={"x-do": what, "x-times": "9", "x-bytes": str(size)}).status == 200
    assert hits(gw)[quota] == before + 1
    assert f"wants more than limits.{quota}, which is" in gw.error_log


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
        assert gw.send("/").status == 503
        assert hits(gw)["contexts"] >= 1
    wait_for("them to be gone", lambda: gw.worker_status()["live"]["contexts"] == 0)
    assert gw.send("/").status == 200


def test_log_lines(gw):
    before = gw.error_log.count(": line")
    assert gw.send("/", headers={"x-do": "l", "x-times": "500", "x-bytes": "0"}).status == 200
    assert gw.error_log.count(": line") - before <= 20
    assert hits(gw)["logLines"] >= 400
