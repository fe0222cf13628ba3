"""A plugin that leaks: its worker's memory stays bounded, nobody else notices, and all of it comes back."""
import concurrent.futures
import glob
import json
import os
import re
import signal
import subprocess

import pytest

from conftest import GUESTS, SANITIZED, WEIR, send, wait_for

MIB = 1024
TIERS = ("interp", "aot")


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def config(echo, tier, module, limits):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
            "plugins": [{"name": "leaks", "url": "file:" + os.path.join(GUESTS, f"host/{module}.wasm"),
                         "vm": {"runtime": "auto" if tier == "aot" else tier}, "defaultConfig": {}, "limits": limits}]}


def start(gateway, echo, tier, limits):
    g = gateway(config(echo, tier, "leak", limits), "--workers", "1")
    wait_for("the tier", lambda: g.worker_status()["plugins"][0]["tier"] == tier)
    return g


def load(g, n, headers, clients=4):
    """Statuses of n requests."""
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return [r.status for r in pool.map(lambda _: send(g.port, "/", headers=headers), range(n))]


@pytest.mark.parametrize("tier", TIERS)
def test_a_leak_is_bounded_and_comes_back(gateway, echo, tier):
    """1 MiB a request, ten times what a VM may have: no request fails, at most the VM and the one that drains are there."""
    g = start(gateway, echo, tier, {"memory": "64MiB", "growth": "16MiB"})
    pid = g.workers()[0]
    assert load(g, 200, {}) == [200] * 200
    before, most = rss_kib(pid), 0
    for _ in range(13):
        assert load(g, 50, {"x-leak": "1024"}) == [200] * 50
        most = max(most, rss_kib(pid) - before)
    assert g.workers() == [pid]
    assert "trap" not in g.error_log
    assert SANITIZED or most < 2 * (16 + 2 + 4) * MIB, most
    # A fixed version: the listeners stay, the worker stays.
    fixed = config(echo, tier, "quota", {"memory": "64MiB", "growth": "16MiB"})
    fixed["listeners"] = [f"127.0.0.1:{g.port}"]
    old = g.worker_status()["generation"]
    with open(g.config, "w", encoding="utf-8") as f:
        json.dump(fixed, f)
    wait_for("the fixed version", lambda: g.worker_status()["generation"] != old)
    wait_for("the tier", lambda: g.worker_status()["plugins"][0]["tier"] == tier)
    assert load(g, 200, {"x-leak": "1024"}) == [200] * 200
    wait_for("the old generation to go", lambda: g.worker_status()["generations"] == 1)
    assert g.workers() == [pid]
    assert SANITIZED or rss_kib(pid) - before < 2 * MIB, rss_kib(pid) - before


@pytest.mark.parametrize("tier", TIERS)
def test_a_leak_past_the_limit_traps_and_heals(gateway, echo, tier):
    """Growth is not looked at before the limit: one request in eight traps, all others are served."""
    g = start(gateway, echo, tier, {"memory": "8MiB", "growth": "64MiB"})
    pid = g.workers()[0]
    load(g, 50, {"x-leak": "1024"}, 1)
    before, statuses = rss_kib(pid), load(g, 400, {"x-leak": "1024"}, 1)
    assert set(statuses) == {200, 503}
    assert 40 <= statuses.count(503) <= 70, statuses.count(503)
    assert g.workers() == [pid]
    assert SANITIZED or abs(rss_kib(pid) - before) < 10 * MIB


@pytest.mark.parametrize("tier", TIERS)
def test_a_vm_serves_so_many_requests(gateway, echo, tier):
    """What a VM took is gone with it."""
    g = start(gateway, echo, tier, {"requests": 10, "memory": "64MiB"})

    def memory():
        return g.worker_status()["plugins"][0]["memory_bytes"] / MIB / MIB
    assert load(g, 5, {"x-leak": "1024"}, 1) == [200] * 5
    assert memory() > 5
    assert load(g, 20, {}, 1) == [200] * 20
    assert memory() < 2


@pytest.mark.parametrize("tier", TIERS)
def test_a_vm_that_grew_drains_with_its_streams(gateway, echo, tier):
    """A stream ends on the VM it began with; while one drains no other is replaced, however much it grows."""
    c = config(echo, tier, "counter", {"growth": "128KiB", "memory": "16MiB"})
    g = gateway(c, "--workers", "1")
    wait_for("the tier", lambda: g.worker_status()["plugins"][0]["tier"] == tier, 120)

    def seen(what=""):
        before = len(g.error_log)
        assert send(g.port, "/", headers={"x-do": what}).status == 200
        return int(re.findall(r"seen (\d+) left", g.error_log[before:])[-1])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: send(g.port, "/?delay_ms=3000").status)
        wait_for("the slow one", lambda: g.worker_status()["live"]["contexts"] == 1)
        assert [seen("grow") for _ in range(3)] == [2, 3, 4]
        assert [seen("grow") for _ in range(6)] == [1, 2, 3, 4, 5, 6], "a new one, and no second while the first drains"
        assert not slow.done(), "too slow to tell anything"
        assert slow.result() == 200
    wait_for("its end", lambda: g.worker_status()["live"]["contexts"] == 0)
    assert seen() == 1 and "trap" not in g.error_log


def test_plugins_fit_into_the_memory_they_are_given(gateway, echo):
    """Two workers, 3 MiB: one plugin of 1 MiB fits, a second does not start, and says why; a request of it fails."""
    conf = config(echo, "interp", "quota", {})
    second = {**conf["plugins"][0], "name": "second"}
    g = gateway(conf, "--workers", "2", "--plugin-mib", "3")
    assert g.send("/").status == 200
    pids = set(g.workers())
    conf["plugins"].append(second)
    with open(g.config, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    g.wait_log("plugin second does not run: it has ")
    line = next(line for line in g.error_log.splitlines() if "plugin second does not run" in line)
    assert "in 2 workers, that is more than the 3072 KiB of weir run --plugin-mib" in line
    wait_for("the new generation", lambda: len(g.worker_status()["plugins"]) == 2)
    assert g.worker_status()["plugins"][1]["error"] != "" and g.send("/").status == 503
    assert set(g.workers()) == pids


def module_in_force(g):
    newest = max(glob.glob(g.state + "/generation-*.json"), key=lambda path: int(re.search(r"(\d+)\.json", path)[1]))
    with open(newest, encoding="utf-8") as f:
        return json.load(f)["plugins"][0]["url"]


def test_the_version_that_ran_is_kept_and_no_other(gateway, echo, tmp_path):
    """Two changes, one soon after the other, to versions that no worker can run for their memory: the one before them serves, also in a new worker."""
    conf = config(echo, "interp", "stamp", {})
    conf["plugins"][0]["defaultConfig"] = {"mark": "m"}
    g = gateway(conf, "--workers", "1", "--plugin-mib", "1")
    before, worker = module_in_force(g), g.workers()[0]
    os.kill(worker, signal.SIGSTOP)  # it says nothing of the first one before the second is published
    try:
        for n in range(2):
            with open(os.path.join(GUESTS, "host/quota.wasm"), "rb") as f:  # has more than 1 MiB
                (tmp_path / f"{n}.wasm").write_bytes(f.read() + b"\0\x03\x01n" + bytes([n]))
            was, conf["plugins"][0]["url"] = module_in_force(g), f"file:{tmp_path}/{n}.wasm"
            with open(g.config, "w", encoding="utf-8") as f:
                json.dump(conf, f)
            wait_for("the change", lambda was=was: module_in_force(g) != was)
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for("the version before", lambda: module_in_force(g) == before)
    told = json.loads(subprocess.run([WEIR, "status", "--json", "--state", g.state], capture_output=True, check=False).stdout)["plugins"][0]
    assert told["kept"] and "--plugin-mib" in told["cause"], told
    assert g.send("/").header("x-stamp")
    g.allowed = ["exited on signal 9"]
    os.kill(worker, signal.SIGKILL)
    g.wait_replaced(worker)
    assert g.send("/").header("x-stamp")
