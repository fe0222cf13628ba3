"""A day in some minutes: valid load, traps, deadlines, plugin updates, Redis that goes and comes, workers that are killed.

  [WEIR_BUILD=build/san] day_storm.py [--minutes 20] [--out FILE]

Two workers; the older one is never killed, so what leaks shows there. The time is cut into rounds: load and events, then silence, in which the
worker, nginx's master and the control process are looked at. Ends with figures, and exits 1 unless
- every request was answered as it deserves: 200, 401 or 403 by its key, 503 only where its own plugin trapped; a connection may break only
  if a worker was killed while it was open, and the next one must serve;
- from the first round after the warm-up to the last: no more memory (6 MiB), descriptors, timers, contexts, bodies, generations or wakeups in silence;
- the error log says nothing but the traps, and who was killed."""
import argparse
import http.client
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

import conftest
from conftest import BUILD, GUESTS, KEY_AUTH, ROOT, SANITIZED, wait_for
from redis_server import RedisServer
from storm_kit import descriptors, finish, heading, proc, rss_kb, statuses
from test_failures import KINDS

LIMIT = "file:" + os.path.join(ROOT, "build/plugins/cluster-key-rate-limit.wasm")
TRAPPER = "file:" + os.path.join(GUESTS, "trapper.wasm")
PROBE = "file:" + os.path.join(GUESTS, "host/probe-0_2_1.wasm")
GROWTH_KB = 6144
SLACK_FDS = 6
KILLED = re.compile(r"exited on signal 9")


def variant(url, folder):
    """The same module with one more custom section: to the gateway it is another one."""
    path = os.path.join(folder, "variant-" + os.path.basename(url))
    with open(url.removeprefix("file:"), "rb") as f:
        code = f.read()
    with open(path, "wb") as f:
        f.write(code + b"\0\x05\x04vary")
    return "file:" + path


def config(port, echo, redis, modules, n, large="auto"):
    """The n-th version: modules take turns, configurations change.  `large`: how modules run that take long to compile."""
    def own(route, rest):
        return {"defaultConfigDisable": True, "matchRules": [{"route": [route], "config": rest}]}

    def trapper(tier):
        return {"name": "trap-" + tier, "url": modules["trapper"][n // 2 % 2], "vm": {"runtime": tier},
                "limits": {"cpu": "20ms", "memory": "4MiB"}, **own("trap-" + tier, {"n": n % 7})}
    consumers = [{"name": "ann", "credential": "ann-key"}] + [{"name": f"c{i}", "credential": f"k{i}"} for i in range(n % 5)]
    return {"listeners": [f"127.0.0.1:{port}"],
            "services": [{"name": "echo", "endpoints": [echo.address], "keepaliveTimeout": "1s"},
                         {"name": "redis", "endpoints": [redis.address], "connectTimeout": "100ms"}],
            "routes": [{"name": name, "match": {"path": {"prefix": "/" + name}}, "service": "echo"}
                       for name in ("key", "trap-interp", "trap-aot", "limited", "free")],
            "plugins": [{"name": "key-auth", "url": modules["key-auth"][n % 2], "phase": "AUTHN",
                         **own("key", {"keys": ["x-k"], "consumers": consumers})},
                        trapper("interp"), trapper("aot"),
                        {"name": "limit", "url": LIMIT, "vm": {"runtime": large}, "limits": {"cpu": "1s"}, **own("limited", {
                            "rule_name": "day", "global_threshold": {"query_per_second": 1000000},
                            "redis": {"service_name": "redis.static", "timeout": 200}})},
                        {"name": "ticks", "url": PROBE, "vm": {"runtime": large}, "pluginConfig": {"a": "configure: tick 50", "b": "tick: call echo /tick 1000 _ _", "n": n % 3}}]}


class Client:
    """One after the other on a connection that is kept: (path, headers, body, statuses that are right)."""

    def __init__(self, storm, requests):
        self.storm, self.requests, self.n = storm, requests, 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        connection, since = None, time.monotonic()
        while not self.storm.pause.is_set():
            path, headers, body, right = self.requests[self.n % len(self.requests)]
            self.n += 1
            if connection is None:
                connection, since = http.client.HTTPConnection("127.0.0.1", self.storm.gateway.port, timeout=conftest.PATIENCE_S), time.monotonic()
            try:
                answer = conftest.send(self.storm.gateway.port, path, "GET" if body is None else "POST", headers, body, connection)
                self.storm.answers += 1
                self.storm.by_status[answer.status] = self.storm.by_status.get(answer.status, 0) + 1
                if answer.status not in right:
                    self.storm.wrong.append(f"{path} {headers}: {answer.status}, not {right}: {answer.body[:100]}")
            except (OSError, http.client.HTTPException) as e:
                if any(since <= k for k in self.storm.kills):
                    self.storm.broken += 1
                else:
                    self.storm.wrong.append(f"{path} {headers}: {e!r}, and no worker was killed since its connection was made")
                connection.close()
                connection = None
                continue
            if self.n % 500 == 0:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def traps(tier):
    """Each second one is served: more failures in a row would be healed with patience."""
    for kind in KINDS:
        yield "/trap-" + tier, {"x-trap": kind}, None, (503,)
        yield "/trap-" + tier, {}, None, (200,)


WORK = [[("/key", {"x-k": "ann-key"}, None, (200,)), ("/key", {"x-k": "no"}, None, (401,)), ("/key", {}, None, (401,))],
        [("/key", {"x-k": "ann-key"}, b"b" * 150_000, (200,))],
        [("/limited", {}, None, (200,))],
        [("/free", {}, None, (200,))],
        list(traps("interp")), list(traps("aot"))]


class Storm:
    def __init__(self, folder, large):
        self.large = large
        self.folder, self.wrong, self.kills, self.by_status = folder, [], [], {}
        self.answers = self.broken = self.updates = self.outages = 0
        self.pause = threading.Event()
        self.echo = conftest.Echo(os.path.join(folder, "echo.log"))
        self.redis = RedisServer(os.path.join(folder, "redis"))
        self.modules = {name: [url, variant(url, folder)] for name, url in (("key-auth", KEY_AUTH), ("trapper", TRAPPER))}
        self.gateway = conftest.Gateway(config(conftest.free_port(), self.echo, self.redis, self.modules, 0, large), os.path.join(folder, "state"),
                                        ["--workers", "2", "--plugin-log-level", "warn"])

    def stop(self):
        code = self.gateway.stop()
        self.echo.stop()
        self.redis.kill()
        if code != 0:
            self.wrong.append(f"weir run ended with {code}")

    def workers(self):
        return wait_for("both workers", lambda: len(found := self.gateway.workers()) == 2 and found)

    # ---- events

    def update(self):
        self.updates += 1
        before, text = self.gateway.output().count(" is in force"), config(self.gateway.port, self.echo, self.redis, self.modules, self.updates, self.large)
        with open(self.gateway.config + ".new", "w", encoding="utf-8") as f:
            f.write(conftest.json.dumps(text))
        os.rename(self.gateway.config + ".new", self.gateway.config)
        wait_for("the update", lambda: self.gateway.output().count(" is in force") > before)

    def outage(self):
        self.outages += 1
        self.redis.kill()
        time.sleep(0.3)
        self.redis.start()

    def kill(self):
        victim = next(w for w in self.workers() if w != self.survivor)
        self.kills.append(time.monotonic())
        os.kill(victim, signal.SIGKILL)
        wait_for("the killed worker's end", lambda: victim not in self.gateway.workers())
        self.workers()
        self.kills[-1] = time.monotonic()  # a connection that was accepted in its last moments

    def round(self, seconds):
        self.pause.clear()
        clients = [Client(self, work) for work in WORK]
        for c in clients:
            c.thread.start()
        end, n = time.monotonic() + seconds, 0
        events = (self.update, self.outage, self.update, self.kill)
        while time.monotonic() < end and len(self.wrong) < 20:
            events[n % len(events)]()
            n += 1
            time.sleep(0.5)
        self.pause.set()
        for c in clients:
            c.thread.join(2 * conftest.PATIENCE_S)
            if c.thread.is_alive():
                self.wrong.append(f"a client hangs: {c.requests[0][0]}")

    # ---- silence

    def quiet_status(self):
        """The survivor's, once nothing is under way and one generation is left."""
        last = {}

        def silent():
            last.update(statuses(self.gateway, [self.survivor])[self.survivor])
            live = last["live"]
            return live["requests"] <= 1 and live["streams"] == live["callouts"] == 0 and last["generations"] == 1
        try:
            wait_for("silence in the survivor", silent)
        except AssertionError as e:
            raise AssertionError(f"{e}: {last}") from e
        return last

    def look(self):
        time.sleep(1.5)  # idle upstream connections go
        status = self.quiet_status()
        pid, master, control = self.survivor, self.gateway.master(), self.gateway.child.pid
        switches = proc(pid, "voluntary_ctxt_switches")
        time.sleep(1)
        return {"rss_kb": rss_kb(pid), "fds": descriptors(pid), "contexts": status["live"]["contexts"], "heap_kb": status["heap_bytes"] >> 10,
                "wakeups": proc(pid, "voluntary_ctxt_switches") - switches, "peers": status["peers"],
                "timers": status["timers"], "bodies": status["live"]["bodies"],
                "master_rss_kb": rss_kb(master), "master_fds": descriptors(master),
                "control_rss_kb": rss_kb(control), "control_fds": descriptors(control)}

    def judge(self, looks):
        bounds = {"rss_kb": GROWTH_KB, "heap_kb": 1024, "fds": SLACK_FDS, "contexts": 0, "wakeups": 60, "peers": 0, "timers": 4, "bodies": 0, "master_rss_kb": 1024,
                  "master_fds": 0, "control_rss_kb": GROWTH_KB, "control_fds": 1}
        for name, most in bounds.items():
            if SANITIZED and name.endswith("_kb"):
                continue  # freed memory is kept for a while
            values = [look[name] for look in looks]
            begin, end = values[1:3], values[-2:]
            if min(end) - max(begin) > most:  # a round in which the machine was busy with something else shows less than there is
                self.wrong.append(f"{name} grows: {values}")
        for line in self.gateway.bad_lines():
            if not KILLED.search(line):
                self.wrong.append(line.rstrip())
        if self.survivor not in self.gateway.workers():
            self.wrong.append("the worker that nobody killed is gone")

    def run(self, seconds, rounds=6):
        self.gateway.wait_ready()
        self.survivor = self.workers()[0]
        compiled = ["key-auth", "trap-aot"] + (["limit", "ticks"] if self.large == "auto" else [])
        wait_for("the images", lambda: all(p["tier"] == "aot" for p in self.gateway.worker_status()["plugins"] if p["name"] in compiled),
                 300 if SANITIZED else 120)  # the compiler has sanitizers, too
        looks = []
        for _ in range(rounds):
            self.round(seconds / rounds)
            looks.append(self.look())
            if self.wrong:
                break
        if len(looks) == rounds:
            self.judge(looks)
        return looks


def day(folder, seconds, rounds=6, large="auto"):
    """(figures, what was wrong)"""
    storm = Storm(folder, large)
    looks = []
    try:
        looks = storm.run(seconds, rounds)
    except AssertionError as e:
        storm.wrong.append(str(e))
    finally:
        storm.stop()
    lines = [f"{storm.answers} answers {dict(sorted(storm.by_status.items()))}, {storm.broken} connections broken by {len(storm.kills)} killed workers, "
             f"{storm.updates} updates, {storm.outages} Redis restarts"]
    if looks:
        lines += [f"  {name:15} " + " ".join(f"{look[name]:7}" for look in looks) for name in looks[0]]
    if len(looks) > 3:
        slope = (looks[-1]["rss_kb"] - looks[1]["rss_kb"]) / (len(looks) - 2) / (seconds / rounds) * 3600 / 1024
        lines.append(f"  the older worker's memory: {slope:+.1f} MiB an hour after the warm-up")
    return "\n".join(lines), storm.wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--out")
    args = parser.parse_args()
    assert os.path.exists(os.path.join(BUILD, "weir")), "make it first"
    head = heading("make storm-day", f"{args.minutes:g} minutes of valid load, traps, deadlines, plugin updates, Redis restarts and killed workers; 2 workers, "
                   "the older one is looked at in silence, six times")
    folder = tempfile.mkdtemp(prefix="weir-day-")
    figures, wrong = day(folder, args.minutes * 60)
    if wrong:
        wrong.append(f"logs are in {folder}")
    else:
        shutil.rmtree(folder)
    return finish([*head, figures], wrong, args.out)


if __name__ == "__main__":
    sys.exit(main())
