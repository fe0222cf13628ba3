#!/usr/bin/python3
"""Plugins that leak 1 MiB a request, under load, for ten minutes; then a version of them that does not.

  [WEIR_BUILD=build/san] leak_storm.py [--minutes 10] [--rate 100] [--out FILE]

Four plugins leak, each on a route of its own: interpreted and compiled, with VMs that are replaced when they have grown (limits.growth) and with
VMs that grow up to limits.memory, where the request that gets nothing traps.  A fifth route has no plugin.  Each route gets `rate` requests a
second.  Exits 1 unless
- the plugins whose VMs are replaced answer no request with 5xx, nor does the route without a plugin; the others' 5xx are those requests
  whose plugin trapped, by the access log, and no more than one in six;
- the memory of each worker stays within what two VMs of each plugin may have;
- with the fixed version no request fails, and memory is within 2 MiB of what it was before the first request that leaked;
- workers stay the same processes and the error log says nothing but the traps."""
import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time

import conftest
from conftest import BUILD, GUESTS, SANITIZED, wait_for
from storm_kit import finish, h2load, heading, rss_kb, statuses

TIERS = {"interp": "interp", "aot": "auto"}
MODES = {"replaced": {"memory": "64MiB", "growth": "16MiB"}, "trapping": {"memory": "8MiB", "growth": "64MiB"}}
LARGEST_MIB = {"replaced": 16 + 2, "trapping": 8}  # a VM: limits.growth is looked at between two requests
LEAKING = [f"{tier}-{mode}" for tier in TIERS for mode in MODES]
WORKERS = 2
BOUND_MIB = sum(2 * LARGEST_MIB[name.split("-")[1]] for name in LEAKING) + 8  # and what malloc keeps
BACK_KB = 2048
ROUND_S = 5
CONNECTIONS = 4  # a route


def config(port, echo, module):
    def plugin(name):
        tier, mode = name.split("-")
        return {"name": name, "url": "file:" + os.path.join(GUESTS, f"host/{module}.wasm"), "vm": {"runtime": TIERS[tier]}, "limits": MODES[mode],
                "defaultConfigDisable": True, "matchRules": [{"route": [name], "config": {}}]}
    return {"listeners": [f"127.0.0.1:{port}"], "services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": name, "match": {"path": {"prefix": "/" + name}}, "service": "echo"} for name in [*LEAKING, "free"]],
            "plugins": [plugin(name) for name in LEAKING]}


class Storm:
    def __init__(self, folder, rate):
        self.rate, self.wrong = rate, []
        self.answers, self.failed = dict.fromkeys([*LEAKING, "free"], 0), dict.fromkeys([*LEAKING, "free"], 0)
        self.echo = conftest.Echo(os.path.join(folder, "echo.log"))
        self.gateway = conftest.Gateway(config(conftest.free_port(), self.echo, "leak"), os.path.join(folder, "state"), ["--workers", str(WORKERS)])
        self.before, self.after, self.most, self.figures = [], [], [], []

    def stop(self):
        code = self.gateway.stop()
        self.echo.stop()
        if code != 0:
            self.wrong.append(f"weir run ended with {code}")

    # ---- load

    def load_route(self, name, seconds, headers):
        """Rounds of some seconds, so that connections are made anew."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0.1 and len(self.wrong) < 20:
            total = max(CONNECTIONS, int(min(left, ROUND_S) * self.rate))
            options = ["--h1", f"-c{CONNECTIONS}", f"-n{total}", f"--rps={max(1, self.rate // CONNECTIONS)}", *headers]
            by_status, lost, _ = h2load(options, [f"http://127.0.0.1:{self.gateway.port}/{name}"])
            self.answers[name] += sum(by_status)
            self.failed[name] += by_status[3]
            if lost or by_status[1] or by_status[2] or (by_status[3] and "trapping" not in name):
                self.wrong.append(f"{name}: {by_status} (2xx 3xx 4xx 5xx), {lost} without an answer")

    def load(self, seconds, leak):
        """All routes at once, while the workers' memory is looked at; the most of each worker, KiB."""
        headers = ["-H", f"x-leak: {1024 if leak else 0}"]
        threads = [threading.Thread(target=self.load_route, args=(name, seconds, headers)) for name in self.answers]
        most = [0] * WORKERS
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            most = [max(m, rss_kb(w)) for m, w in zip(most, self.workers)]
            threads[0].join(0.1)
        return most

    # ---- what is judged

    def quiet(self):
        """Each worker's memory once one generation is left and nothing is under way."""
        wait_for("silence", lambda: all(s["generations"] == 1 and not any(s["live"].values()) for s in statuses(self.gateway, self.workers).values()))
        return [rss_kb(w) for w in self.workers]

    def wait_tiers(self):
        wait_for("compiled code", lambda: all(p["tier"] == "aot" for s in statuses(self.gateway, self.workers).values() for p in s["plugins"]
                                              if p["name"].startswith("aot")), 120)

    def fix(self):
        before = self.gateway.output().count(" is in force")
        with open(self.gateway.config, "w", encoding="utf-8") as f:
            json.dump(config(self.gateway.port, self.echo, "quota"), f)
        wait_for("the fixed version", lambda: self.gateway.output().count(" is in force") > before)
        self.wait_tiers()

    def trapped(self):
        """By the access log: how many requests of each route failed because their plugin trapped."""
        found = dict.fromkeys(self.answers, 0)
        wait_for("the access log", lambda: self.logged() >= sum(self.answers.values()))
        with open(os.path.join(self.gateway.state, "logs/access.log"), encoding="utf-8") as f:
            for line in f:
                if '"status":5' not in line:
                    continue
                entry = json.loads(line)
                if [p["outcome"] for p in entry["plugins"]] == ["trapped"]:
                    found[entry["route"]] += 1
                else:
                    self.wrong.append(f"failed without a trap: {line[:300]}")
        return found

    def logged(self):
        with open(os.path.join(self.gateway.state, "logs/access.log"), "rb") as f:
            return sum(part.count(b"\n") for part in iter(lambda: f.read(1 << 20), b""))

    def judge(self):
        trapped = self.trapped()
        for name in self.answers:
            if self.failed[name] != trapped[name]:
                self.wrong.append(f"{name}: {self.failed[name]} requests failed, {trapped[name]} of them trapped")
            if "trapping" in name and not 0 < self.failed[name] <= self.answers[name] / 6:
                self.wrong.append(f"{name}: {self.failed[name]} of {self.answers[name]} requests trapped")
        if self.gateway.workers() != self.workers:
            self.wrong.append(f"workers were replaced: {self.workers}, then {self.gateway.workers()}")
        if not SANITIZED:  # freed memory is kept for a while
            if any(max(minute) - b > BOUND_MIB * 1024 for minute, b in zip(zip(*self.most), self.before)):
                self.wrong.append(f"memory is not bounded by {BOUND_MIB} MiB: {self.before}, then {self.most} kB")
            if any(a - b > BACK_KB for a, b in zip(self.after, self.before)):
                self.wrong.append(f"memory is not what it was: {self.before}, then {self.after} kB")
        self.wrong += self.gateway.bad_lines()[:5]

    def run(self, seconds, slices):
        self.gateway.wait_ready()
        self.workers = self.gateway.workers()
        self.wait_tiers()
        self.load(min(10, seconds / 4), False)
        self.before = self.quiet()
        self.most = [self.load(seconds / slices, True) for _ in range(slices)]
        self.fix()
        self.load(min(10, seconds / 4), True)
        self.after = self.quiet()
        self.judge()


def leak(folder, seconds, rate, slices):
    """(lines of figures, what was wrong)"""
    storm = Storm(folder, rate)
    try:
        storm.run(seconds, slices)
    except AssertionError as e:
        storm.wrong.append(str(e))
    finally:
        storm.stop()
    lines = [f"{'route':20}{'requests':>10}{'5xx':>8}"]
    lines += [f"{name:20}{storm.answers[name]:10}{storm.failed[name]:8}" for name in storm.answers]
    lines += ["", f"each worker's memory, kB: {storm.before} before the first request that leaks",
              f"the most, in each {seconds / slices:.0f} s: {' '.join(map(str, storm.most))}; the bound is {BOUND_MIB * 1024} over before",
              f"with the fixed version: {storm.after}"]
    return lines, storm.wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=100, help="requests a second on each of five routes")
    parser.add_argument("--out")
    args = parser.parse_args()
    assert os.path.exists(os.path.join(BUILD, "weir")), "make it first"
    head = heading("make storm-leak", f"{args.minutes:g} minutes of plugins that leak 1 MiB a request, {args.rate} requests a second on each route, {WORKERS} workers")
    folder = tempfile.mkdtemp(prefix="weir-leak-")
    figures, wrong = leak(folder, args.minutes * 60, args.rate, 10)
    if wrong:
        wrong.append(f"logs are in {folder}")
    else:
        shutil.rmtree(folder)
    return finish([*head, *figures], wrong, args.out)


if __name__ == "__main__":
    sys.exit(main())
