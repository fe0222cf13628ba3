#!/usr/bin/python3
"""From a written file to effect on all workers, at 10,000 routes, beside `nginx -s reload` of an nginx.conf for the
same routes, in one run.

A change is seen by clients: keep-alive connections (of both workers) and new ones must all get the new answer of the
route `marker`.  Both gateways have the same number of open WebSockets meanwhile; memory is the proportional set (PSS) of
all processes, at its peak.  Times are wall clock, so other load on the machine counts."""
import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests/e2e"), os.path.join(ROOT, "bench")]
import generate  # noqa: E402
from gateway import free_port  # noqa: E402
from upstreams import Upstream, read_head, websocket  # noqa: E402

BUILD = os.path.join(ROOT, "build")
MODULE = "file:" + os.path.join(BUILD, "plugins/bot-detect.wasm")
WORKERS = 2


def children(pid):
    found = [pid]
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            for child in f.read().split():
                found += children(int(child))
    except OSError:
        pass
    return found


def pss_mib(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except (OSError, StopIteration):
            pass
    return total / 1024


class Client:
    """Who asks for the marker, over one kept connection."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def marker(self):
        for _ in range(2):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                self.connection.request("GET", "/", headers={"Host": "marker.example"})
                r = self.connection.getresponse()
                r.read()
                return r.getheader("Location")
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
        return None


def seen_everywhere(port, clients, change):
    """Wait until all see it: kept connections, and eight new ones."""
    want = f"/change-{change}"
    waiting = clients
    while waiting:
        waiting = [c for c in waiting if not (c.marker() or "").endswith(want)]
    good = 0
    while good < 8:
        good = good + 1 if (Client(port).marker() or "").endswith(want) else 0


def open_websocket(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    s.sendall(b"GET /part-0/v1/ws HTTP/1.1\r\nHost: host-1.example\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert b" 101 " in read_head(s).split(b"\r\n")[0], "the WebSocket opens"
    return s


def is_open(sock):
    """Does the WebSocket still carry bytes both ways?"""
    try:
        sock.settimeout(5)
        sock.sendall(b"ping")
        return sock.recv(4) == b"ping"
    except OSError:
        return False


def median(values):
    return statistics.median(values)


def p99(values):
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


class Weir:
    def __init__(self, args, folder, upstream):
        self.port, self.args, self.folder, self.upstream = free_port(), args, folder, upstream
        self.state = os.path.join(folder, "state")
        self.config = os.path.join(folder, "gateway.yaml")
        self.write(0)
        self.log = os.path.join(folder, "run.log")
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen([os.path.join(BUILD, "weir"), "run", "-c", self.config, "--state", self.state,
                                           "--workers", str(WORKERS)], stdout=log, stderr=log, cwd=ROOT)
        while True:
            assert self.child.poll() is None, open(self.log, encoding="utf-8").read()
            if "weir: ready" in open(self.log, encoding="utf-8").read():
                break
            time.sleep(0.05)

    def text(self, change):
        a = self.args
        return generate.yaml_text(self.port, self.upstream, MODULE, a.routes, a.services, a.rules, change)

    def write(self, change):
        text = self.text(change)
        with open(self.config + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        began = time.monotonic()
        os.rename(self.config + ".new", self.config)
        return began

    def pids(self):
        with open(os.path.join(self.state, "nginx.pid"), encoding="ascii") as f:
            return [self.child.pid] + children(int(f.read()))

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(30)


class Nginx:
    def __init__(self, args, folder, upstream):
        self.port, self.args, self.folder, self.upstream = free_port(), args, folder, upstream
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        self.config = os.path.join(folder, "nginx.conf")
        self.write_file(0)
        subprocess.run(["/usr/sbin/nginx", "-p", folder, "-c", self.config], check=True, stderr=subprocess.DEVNULL)
        self.pid_file = os.path.join(folder, "nginx.pid")
        while not os.path.exists(self.pid_file):
            time.sleep(0.05)

    def write_file(self, change):
        a = self.args
        text = generate.nginx_text(self.port, self.upstream, self.folder, a.routes, a.services, WORKERS, change)
        if a.shutdown_timeout:
            text = f"worker_shutdown_timeout {a.shutdown_timeout}s;\n" + text
        with open(self.config + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.config + ".new", self.config)

    def write(self, change):
        self.write_file(change)
        began = time.monotonic()
        subprocess.run(["/usr/sbin/nginx", "-p", self.folder, "-c", self.config, "-s", "reload"], check=True,
                       stderr=subprocess.DEVNULL)
        return began

    def pids(self):
        with open(self.pid_file, encoding="ascii") as f:
            return children(int(f.read()))

    def stop(self):
        with open(self.pid_file, encoding="ascii") as f:
            pid = int(f.read())
        os.kill(pid, signal.SIGTERM)
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.05)


def measure(gateway, changes, sockets, pause):
    clients = [Client(gateway.port) for _ in range(8)]
    seen_everywhere(gateway.port, clients, 0)
    before, peak, times, done = pss_mib(gateway.pids()), [0], [], threading.Event()

    def watch():
        while not done.wait(0.2):
            peak[0] = max(peak[0], pss_mib(gateway.pids()))

    t = threading.Thread(target=watch)
    t.start()
    for change in range(1, changes + 1):
        began = gateway.write(change)
        seen_everywhere(gateway.port, clients, change)
        times.append((time.monotonic() - began) * 1000)
        time.sleep(pause)
    peak[0] = max(peak[0], pss_mib(gateway.pids()))
    done.set()
    t.join()
    dropped = sum(not is_open(s) for s in sockets)
    return {"median": median(times), "p99": p99(times), "before": before, "peak": peak[0], "dropped": dropped,
            "processes": len(gateway.pids())}


def micro(folder, routes, services, rules):
    files = []
    for change in (0, 1):
        files.append(os.path.join(folder, f"micro-{routes}-{change}.yaml"))
        with open(files[-1], "w", encoding="utf-8") as f:
            f.write(generate.yaml_text(10000, "127.0.0.1:9", MODULE, routes, services, rules, change))
    done = subprocess.run([os.path.join(BUILD, "bench/config/micro"), *files, "200000"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--routes", type=int, default=10000)
    p.add_argument("--services", type=int, default=1000)
    p.add_argument("--rules", type=int, default=5000)
    p.add_argument("--changes", type=int, default=100)
    p.add_argument("--reloads", type=int, default=10)
    p.add_argument("--websockets", type=int, default=50)
    p.add_argument("--shutdown-timeout", type=int, default=2, help="worker_shutdown_timeout of nginx, s; 0: none")
    p.add_argument("--out")
    args = p.parse_args()
    folder = tempfile.mkdtemp(prefix="bench-config-")
    os.chmod(folder, 0o755)
    upstream = Upstream(websocket)
    lines = []
    try:
        rows = {}
        for name, make, changes in (("weir", Weir, args.changes), ("nginx -s reload", Nginx, args.reloads)):
            gateway = make(args, os.path.join(folder, name.split()[0]) if make is Nginx else folder, upstream.address)
            sockets = [open_websocket(gateway.port) for _ in range(args.websockets)]
            assert all(is_open(s) for s in sockets), "the WebSockets work before"
            rows[name] = measure(gateway, changes, sockets, 0.05 if make is Weir else args.shutdown_timeout + 0.5)
            rows[name]["changes"] = changes
            for s in sockets:
                s.close()
            gateway.stop()
        lines += [f"{args.routes} routes, {args.services} services, {args.rules} match rules (weir), {WORKERS} workers, "
                  f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}", "",
                  f"{'':18}{'changes':>8}{'median':>10}{'p99':>10}{'WebSockets':>12}{'memory':>10}{'peak':>10}",
                  f"{'':18}{'':>8}{'to effect':>10}{'':>10}{'dropped':>12}{'before':>10}{'':>10}"]
        for name, r in rows.items():
            lines.append(f"{name:18}{r['changes']:>8}{r['median']:>7.0f} ms{r['p99']:>7.0f} ms{r['dropped']:>6} of {args.websockets:<3}"
                         f"{r['before']:>6.0f} MiB{r['peak']:>6.0f} MiB")
        small, large = micro(folder, 10, 10, 50), micro(folder, args.routes, args.services, args.rules)
        lines += ["", f"nginx has worker_shutdown_timeout {args.shutdown_timeout}s (0: none, then old workers and their memory stay as long as "
                  "their WebSockets)", "", "CPU time of the parts (median):",
                  f"  control: reads the file again after a change   {large['read_again'] / 1000:8.1f} ms  (the first time {large['first_read'] / 1000:.0f} ms)",
                  f"  control: writes the generation                 {large['write'] / 1000:8.1f} ms",
                  f"  worker: reads the generation                   {large['worker_read_again'] / 1000:8.1f} ms  (the first time {large['worker_first_read'] / 1000:.0f} ms)",
                  f"  worker: builds the generation's tables         {large['build'] / 1000:8.1f} ms",
                  f"  worker: frees the one before                   {large['free'] / 1000:8.1f} ms",
                  f"  a request's route and rules                    {large['lookup']:8.2f} us at {args.routes} routes, {small['lookup']:.2f} us at 10"]
    finally:
        upstream.close()
        shutil.rmtree(folder, ignore_errors=True)
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if args.out:
        with open(os.path.join(ROOT, args.out), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main()
