"""`isolation` behind a real nginx: what one request leaves in a VM, and who finds it."""
import concurrent.futures
import os
import re

import pytest

from conftest import GUESTS, send, wait_for

TIERS = ("interp", "aot")


def start(gateway, echo, tier, isolation):
    g = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}],
                 "routes": [{"name": name, "match": {"path": {"prefix": "/" + name}}, "service": "echo"} for name in ("a", "b")],
                 "plugins": [{"name": "counts", "url": "file:" + os.path.join(GUESTS, "host/counter.wasm"), "isolation": isolation,
                              "vm": {"runtime": tier}, "defaultConfigDisable": True,
                              "matchRules": [{"route": [name], "config": {"for": name}} for name in ("a", "b")]}]}, "--workers", "1")
    if tier == "aot":
        wait_for("the image", lambda: g.worker_status()["plugins"][0]["tier"] == "aot")
    return g


def seen(gw):
    return [(int(n), left) for n, left in re.findall(r"seen (\d+) left (\S*) sum", gw.error_log)]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("isolation,expected", [
    ("shared", [(1, "nothing"), (2, "one"), (3, "two"), (4, "three")]),
    ("route", [(1, "nothing"), (1, "nothing"), (2, "one"), (2, "two")]),
    ("request", [(1, "nothing")] * 4)])
def test_who_shares(gateway, echo, tier, isolation, expected):
    g = start(gateway, echo, tier, isolation)
    for path, secret in (("/a", "one"), ("/b", "two"), ("/a", "three"), ("/b", "four")):
        assert g.send(path, headers={"x-secret": secret}).status == 200
    assert seen(g) == expected


@pytest.mark.parametrize("tier", TIERS)
def test_requests_of_their_own_at_once(gateway, echo, tier):
    """Traps, growing memories and plain requests side by side: each answers for itself, nothing stays."""
    g = start(gateway, echo, tier, "request")
    pid = g.workers()
    kinds = ["", "t", "g", ""] * 50
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda k: send(g.port, "/a", headers={"x-secret": "s", "x-do": k}).status, kinds))
    assert got == [503 if k == "t" else 200 for k in kinds]
    assert set(seen(g)) == {(1, "nothing")} and len(seen(g)) == len(kinds)
    assert g.workers() == pid
    status = g.worker_status()
    assert status["plugins"][0]["state"] == "running" and status["live"]["contexts"] == 0
