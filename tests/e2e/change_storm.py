#!/usr/bin/python3
"""A storm of configuration changes under load: change_model.py changes, storm_load.py loads, this looks at what becomes of both.

  [WEIR_BUILD=build/san] change_storm.py [--changes 1000] [--warm 100] [--rate 20] [--seed 1] [--runs good broken] [--out FILE]

Each change is written to the file that `weir run` watches, in place or renamed into place; it has taken effect when a connection to each
worker is answered by it, and then what changed is looked at: routes, endpoints, the certificate shown, the plugins' configurations and the
plugin's module.  In the run `broken`, every tenth change also breaks a plugin: it stays as it was and the
rest takes effect.  Ends with a table and exits 1 unless: every request was answered 200, every WebSocket and gRPC stream carried its messages from before the
first change until after the last one, nginx was not reloaded, workers stayed the same processes, their memory is within 5% of what
it was when the `--warm` first changes were over, old generations are freed, and the logs have nothing to say."""
import argparse
import contextlib
import glob
import http.client
import os
import socket
import ssl
import statistics
import sys
import tempfile
import time

import conftest
from certificates import Authority
from change_model import BREAKS, Model
from conftest import PATIENCE_S, wait_for
from rpc import Server
from storm_kit import descriptors, finish, heading, rss_kb, statuses
from storm_load import KEY, NAME, PROTOCOLS, Open, Requests
from upstreams import Upstream, websocket

WORKERS = 2
MEMORY = 0.05  # what it may differ by, before and after
BROKEN_EVERY = 10


class Connection:
    """A kept connection to the worker `pid`."""

    def __init__(self, port, workers):
        self.c = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.ask("/")
        self.pid = owner(port, self.c.sock.getsockname()[1], workers)

    def ask(self, path, key=KEY):
        return conftest.send(None, path, headers={"x-k": key}, connection=self.c)


def owner(port, client_port, workers):
    """Which of the processes has the connection."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f]
    inode = next(r[9] for r in rows if r[1].endswith(f":{port:04X}") and r[2].endswith(f":{client_port:04X}"))
    for pid in workers:
        for fd in glob.glob(f"/proc/{pid}/fd/*"):
            with contextlib.suppress(OSError):
                if os.readlink(fd) == f"socket:[{inode}]":
                    return pid
    return None


def one_to_each(port, workers):
    found, others = {}, []

    def all_there():
        c = Connection(port, workers)
        if found.setdefault(c.pid, c) is not c:
            others.append(c)
        return set(found) == set(workers)
    wait_for("a connection to each worker", all_there)
    for c in others:
        c.c.close()
    return found


def shown(port, ca):
    """The certificate for NAME, in DER, once it is verified."""
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s, context.wrap_socket(s, server_hostname=NAME) as tls:
        return tls.getpeercert(binary_form=True)


class Storm:
    """One run.  `wrong` is what went wrong, `figures` the table's column."""

    def __init__(self, folder, seed, breaks, connections=16, rate=20, websockets=50, streams=20, memory=MEMORY):
        self.folder, self.breaks, self.seed = folder, breaks, seed
        self.wrong, self.kinds, self.took, self.memory, self.refused = [], {}, [], [], 0
        self.size, self.may_grow = (connections, rate, websockets, streams), memory
        self.ca = Authority(folder)
        self.certificates = {"main": [self.ca.make(f"main-{i}", f"DNS:{NAME}") for i in range(6)],
                             "more": [self.ca.make(f"more-{i}", f"DNS:more-{i}.example") for i in range(3)]}
        self.at_end = contextlib.ExitStack()

    # ---- start and end

    def start(self):
        echoes = [conftest.Echo(os.path.join(self.folder, f"echo-{i}.log")) for i in range(3)]
        for e in echoes:
            self.at_end.callback(e.stop)
        ws, rpc = Upstream(websocket), Server()
        self.at_end.callback(ws.close)
        self.at_end.callback(rpc.close)
        self.ports = {"http": conftest.free_port(), "https": conftest.free_port()}
        upstreams = {"echo": [e.address for e in echoes], "ws": ws.address, "rpc": rpc.address}
        self.model = Model(self.folder, self.ports, upstreams, self.certificates, self.seed)
        self.g = conftest.Gateway(self.model.configuration(), os.path.join(self.folder, "state"), ["--workers", str(WORKERS)])
        self.at_end.callback(self.g.stop)
        self.g.wait_ready()
        self.workers = wait_for("all workers", lambda: len(self.g.workers()) == WORKERS and self.g.workers())
        self.master = self.g.master()
        self.connections = one_to_each(self.ports["http"], self.workers)
        connections, rate, websockets, streams = self.size
        self.open = Open(self.ports, websockets, streams, self.ca.ca)
        self.load = Requests(self.ports, connections, rate)

    def run(self, changes, warm, progress=lambda text: None):
        """The storm: `warm` changes, then `changes` that count."""
        try:
            self.start()
            try:
                for i in range(-warm, changes):
                    if i == 0:
                        self.sample("before")
                    self.step(i)
                    if i > 0 and i % 100 == 0 and i < changes - 50:
                        self.sample(str(i))
                    progress(f"{i + 1} of {changes} changes, {sum(self.load.count.values())} requests, {self.open.messages} messages, "
                             f"{len(self.load.failures) + len(self.open.failures) + len(self.wrong)} failures")
                    assert len(self.wrong) < 20, "too much went wrong"
                self.sample("after")
            except (AssertionError, OSError, http.client.HTTPException) as e:
                self.wrong.append(f"change {self.model.number}: {e!r}")
            finally:
                self.load.end()
                alive = self.open.end()
            self.look_back(alive)
        finally:
            self.at_end.close()
        self.wrong += [line.strip() for line in self.g.bad_lines()[:10]]

    # ---- one change

    def step(self, i):
        number = self.model.number + 1
        broken = BREAKS[number // BROKEN_EVERY % len(BREAKS)] if self.breaks and number % BROKEN_EVERY == 0 else None
        kind, configuration = self.model.change(broken)
        text = self.model.text(configuration)
        written = time.monotonic()
        if number % BROKEN_EVERY == 5:
            self.write_refused(text)
        written = time.monotonic()
        self.write(text, renamed=number % 2)
        for c in self.connections.values():
            wait_for(f"change {number} ({kind}, {broken or 'nothing'} broken)", lambda c=c: self.host(c, "/") == f"mark-{number}")
        if i >= 0:
            self.took.append((time.monotonic() - written) * 1000)
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            if broken:
                self.kinds[broken] = self.kinds.get(broken, 0) + 1
        self.check(kind, broken)

    def write(self, text, renamed):
        path = self.g.config
        with open(path + ".new" if renamed else path, "w", encoding="utf-8") as f:
            f.write(text)
        if renamed:
            os.rename(path + ".new", path)

    def write_refused(self, text):
        """A file with an error changes nothing; `check` sees to it after the change that is written next."""
        self.refused += 1
        self.write(text.replace('"service": "ws"', '"service": "nowhere"'), renamed=self.refused % 2)
        wait_for("the refusal", lambda: self.g.output().count("the change was refused") == self.refused)

    def host(self, connection, path):
        response = connection.ask(path)
        if response.status != 200:
            self.wrong.append(f"change {self.model.number}: {path} was answered {response.status}")
            return None
        return response.seen_header("host")

    def check(self, kind, broken):
        """What changed, and the plugin stamp, which every change could break."""
        def expect(what, got, expected):
            if got != expected:
                self.wrong.append(f"change {self.model.number} ({kind}, {broken or 'nothing'} broken): {what} is {got!r}, not {expected!r}")
        for pid, c in self.connections.items():
            response = c.ask("/")
            expect(f"x-stamp of worker {pid}", response.header("x-stamp"), self.model.expected_stamp())
            if kind == "routes":
                for name in [f"r{i}" for i in range(12)]:
                    expect(f"the way of /{name}/x", self.host(c, f"/{name}/x"), self.model.expected_host(name))
            if kind == "plugin configuration":
                keys = self.model.consumer, self.model.consumer_before
                expect("the status with the key that came and the one that went", tuple(c.ask("/", k).status for k in keys), (200, 401))
        if kind == "endpoints":
            echo = next(s for s in self.g.worker_status("/services") if s["name"] == "echo")
            expect("the endpoints", {e["address"] for e in echo["endpoints"]}, set(self.model.weights))
        if kind == "certificates":
            with open(self.certificates["main"][self.model.main][0], encoding="ascii") as f:
                expect("the certificate", shown(self.ports["https"], self.ca.ca), ssl.PEM_cert_to_DER_cert(f.read()))

    # ---- memory, and what is left

    def sample(self, when):
        """Memory under load, once old generations are gone: the current one stays, and that of the open streams."""
        wait_for("old generations' end", lambda: all(s["generations"] <= 2 for s in statuses(self.g, self.workers).values()))
        rss, control = {w: [] for w in self.workers}, self.g.child.pid
        for _ in range(10):
            for w in self.workers:
                rss[w].append(rss_kb(w))
            time.sleep(0.1)
        status = statuses(self.g, self.workers)
        self.memory.append({"when": when, "rss": [int(statistics.median(rss[w])) for w in self.workers],
                            "heap": [s["heap_bytes"] >> 10 for s in status.values()],
                            "files": [descriptors(w) for w in self.workers], "control": rss_kb(control), "control files": descriptors(control)})

    def look_back(self, alive):
        """After the storm: load and streams are over."""
        g = self.g
        self.alive, self.workers_after = alive, g.wait_replaced()
        self.wrong += self.load.failures[:10] + self.open.failures[:10]
        if alive != {"WebSocket": self.size[2], "gRPC stream": self.size[3]}:
            self.wrong.append(f"of WebSockets and gRPC streams there are {alive} left")
        if (self.workers_after, g.master()) != (self.workers, self.master):
            self.wrong.append(f"processes were replaced: {self.workers} of {self.master}, then {self.workers_after} of {g.master()}")
        if "(SIGHUP)" in g.error_log or "reconfiguring" in g.error_log:
            self.wrong.append("nginx was reloaded")
        self.wrong += [line for line in g.error_log.splitlines() if "[error]" in line or "[crit]" in line][:5]
        # On a busy machine a start may outlast the change's patience: that is made up for, and no fault.
        kept = sum("keeps its last good version" in line and "still being started" not in line for line in g.output().splitlines())
        if not self.breaks and kept:
            self.wrong.append(f"a plugin was kept {kept} times, but none was broken")
        for c in self.connections.values():
            c.c.close()
        try:
            wait_for("the old generations' end", lambda: all(s["generations"] == 1 and not s["live"]["requests"] and not s["live"]["streams"]
                                                             for s in statuses(g, self.workers_after).values()))
        except AssertionError as e:
            self.wrong.append(f"{e}: {[(s['generations'], s['live']) for s in statuses(g, self.workers_after).values()]}")
        self.wrong += self.not_flat()

    def not_flat(self):
        if conftest.SANITIZED or len(self.memory) < 2:  # a sanitizer keeps freed memory for a while
            return []
        first, last = self.memory[0], self.memory[-1]
        pairs = [*zip(first["rss"], last["rss"]), (first["control"], last["control"])]
        return [f"memory is not what it was: {self.memory}"] if any(abs(b - a) > a * self.may_grow for a, b in pairs) else []

    def figures(self):
        """[(row of the table, text)]"""
        took = sorted(self.took) or [0]
        rows = [("changes", str(len(self.took)))]
        rows += [(f"  {kind}", str(self.kinds.get(kind, 0))) for kind in [*Model.KINDS, *BREAKS]]
        rows += [("files refused between them", str(self.refused))]
        rows += [("requests", str(sum(self.load.count.values())))]
        rows += [(f"  {p}", str(self.load.count[p])) for p in PROTOCOLS]
        rows += [("  failed", str(len(self.load.failures))),
                 ("messages on open streams", str(self.open.messages)), ("  failed", str(len(self.open.failures))),
                 ("WebSockets, gRPC streams at end", f"{self.alive.get('WebSocket', 0)}, {self.alive.get('gRPC stream', 0)}"),
                 ("written to in effect, median ms", f"{statistics.median(took):.0f}"), ("  p99 ms", f"{took[len(took) * 99 // 100]:.0f}"),
                 ("  longest, ms", f"{took[-1]:.0f}"),
                 ("worker processes before", " ".join(map(str, self.workers))), ("  after", " ".join(map(str, self.workers_after)))]
        for label, field in (("workers' RSS, kB", "rss"), ("workers' heap in use, kB", "heap"), ("workers' descriptors", "files"),
                             ("control process's RSS, kB", "control"), ("  descriptors", "control files")):
            for m in self.memory:
                if m["when"] in ("before", "after"):
                    value = m[field]
                    rows.append((f"{label}, {m['when']}", " ".join(map(str, value)) if isinstance(value, list) else str(value)))
        return rows + [("wrong", str(len(self.wrong)))]


def table(runs):
    """runs: {title: Storm}"""
    columns = [storm.figures() for storm in runs.values()]
    lines = [f"{'':36}" + "".join(f"{title:>24}" for title in runs)]
    for row in zip(*columns):
        lines.append(f"{row[0][0]:36}" + "".join(f"{value:>24}" for _, value in row))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--warm", type=int, default=100, help="changes before those that count")
    parser.add_argument("--rate", type=int, default=20, help="requests a second on each of 64 connections; 0: as many as go")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", nargs="+", choices=["good", "broken"], default=["good", "broken"])
    parser.add_argument("--out")
    args = parser.parse_args()
    pace = f"{args.rate} requests a second on each" if args.rate else "as many requests as go"
    head = heading("make storm-changes", f"{args.changes} changes in a row (after {args.warm} to warm up) under 64 connections with {pace}, "
                   f"50 WebSockets and 20 gRPC streams; seed {args.seed}, {WORKERS} workers")
    runs, titles = {}, {"good": "plugins are good", "broken": "every 10th breaks one"}

    def progress(name, text):
        if sys.stderr.isatty():
            print(f"\r{name}: {text}\x1b[K", end="", file=sys.stderr, flush=True)
    for name in args.runs:
        with tempfile.TemporaryDirectory() as folder:
            storm = runs[titles[name]] = Storm(folder, args.seed, name == "broken", rate=args.rate)
            storm.run(args.changes, args.warm, lambda text, name=name: progress(name, text))
        progress(name, "done\n")
    wrong = [f"{title}: {w}" for title, storm in runs.items() for w in storm.wrong]
    return finish([*head, *table(runs)], wrong, args.out)


if __name__ == "__main__":
    sys.exit(main())
