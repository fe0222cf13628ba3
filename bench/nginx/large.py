#!/usr/bin/python3
"""1 GiB up and down through a plugin that only looks at headers, beside the same nginx without the module.

  large.py [--bytes N] [--runs 7] [--out FILE]

Both gateways have one worker and the same nginx.conf, but for the module's directives; runs are interleaved.  The upstream and the client
are programs of this file.  Printed: wall time, the worker's CPU time, their ratios, and by how much the worker's peak of resident memory
is above what it had before."""
import argparse
import datetime
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests/e2e"), os.path.join(ROOT, "bench/engine")]

import conftest  # noqa: E402
from run import machine  # noqa: E402
from upstreams import Upstream, read_head  # noqa: E402

BLOCK = 1 << 18
CHUNK = bytes(BLOCK)


def pump(_upstream, s):
    """GET /N: N bytes; POST: reads the body, answers how long it was."""
    into = bytearray(BLOCK)
    while head := read_head(s).decode():
        if head.startswith("GET /"):
            left = int(head.split(" ")[1][1:])
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
            while left:
                left -= s.send(CHUNK[:left])
        else:
            left = total = int(re.search(r"(?i)content-length: (\d+)", head)[1])
            while left and (n := s.recv_into(into)):
                left -= n
            answer = b"%d" % total
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


def serve(port_to):
    upstream = Upstream(pump)
    os.write(port_to, b"%d\n" % upstream.port)
    signal.pause()


def start_upstream():
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        serve(writes)
    os.close(writes)
    with os.fdopen(reads) as f:
        return child, int(f.readline())


def download(port, size):
    into = bytearray(BLOCK)
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"GET /%d HTTP/1.1\r\nHost: h\r\nx-api-key: key\r\nConnection: close\r\n\r\n" % size)
        head = read_head(s)
        assert head.startswith(b"HTTP/1.1 200"), head
        left = size
        while n := s.recv_into(into):
            left -= n
    assert left == 0, f"{left} bytes are missing"


def upload(port, size):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nx-api-key: key\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
        left = size
        while left:
            left -= s.send(CHUNK[:left])
        head = read_head(s)
        assert head.startswith(b"HTTP/1.1 200"), head
        assert s.recv(100) == b"%d" % size


def plain_conf(text, port, upstream_port, folder):
    """The nginx.conf of `weir run`, without the module."""
    text = re.sub(r'load_module .*;\n|    weir_(generation|store|control|plugin_log_level|shared_size|http2) [^;]*;\n|        weir_http2 [^;]*;\n', "", text)
    text = re.sub(r"    log_format .*?;\n    access_log .*?;\n", f'    access_log "{folder}/access.log";\n', text, flags=re.S)
    text = re.sub(r"        server 0\.0\.0\.0:1;\n        weir_balancer;\n", f"        server 127.0.0.1:{upstream_port};\n        keepalive 64;\n", text)
    text = text.replace("            weir;\n", "").replace("$weir_host", "$host").replace("$weir_connection", '""').replace("$weir_upgrade", '""')
    text = re.sub(r"    server \{\n        listen unix:.*?\n    \}\n", "", text, flags=re.S)
    text = re.sub(r"listen 127\.0\.0\.1:\d+", f"listen 127.0.0.1:{port}", text)
    return re.sub(r'pid ".*?"', f'pid "{folder}/nginx.pid"', re.sub(r'error_log ".*?"', f'error_log "{folder}/error.log"', text))


class Plain:
    def __init__(self, conf, folder, upstream_port):
        self.port, self.folder = conftest.free_port(), folder
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as f:
            f.write(plain_conf(conf, self.port, upstream_port, folder))
        for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            os.makedirs(os.path.join(folder, "tmp", name), exist_ok=True)
        # A session of its own, as weir's nginx has: with autogroups, Linux shares out CPUs by session.
        self.child = subprocess.Popen(["/usr/sbin/nginx", "-p", folder, "-c", os.path.join(folder, "nginx.conf")], cwd=folder,
                                      start_new_session=True)

    def worker(self):
        def find():
            with open(f"/proc/{self.child.pid}/task/{self.child.pid}/children", encoding="ascii") as f:
                return [int(p) for p in f.read().split()]
        return conftest.wait_for("a worker of the plain nginx", find)[0]

    def stop(self):
        self.child.terminate()
        self.child.wait()


def cpu_s(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


def memory_kb(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(name + r":\s+(\d+)", f.read())[1])


def measure(work, port, worker, size):
    """(wall seconds, CPU seconds of the worker, kB of its peak above what it had)"""
    with open(f"/proc/{worker}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")  # the peak starts anew
    before, cpu, wall = memory_kb(worker, "VmRSS"), cpu_s(worker), time.monotonic()
    work(port, size)
    return time.monotonic() - wall, cpu_s(worker) - cpu, memory_kb(worker, "VmHWM") - before


def commit():
    return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def report(results, size, runs):
    lines = [f"{size >> 20} MiB through key-auth (headers only) and through the same nginx without the module; {runs} interleaved runs",
             f"{machine()}; load {os.getloadavg()[0]:.1f}; commit {commit()}; {datetime.date.today()}", "",
             f"{'':9}{'nginx, s':>10}{'weir, s':>10}{'throughput':>12}{'best':>9}{'nginx CPU, s':>14}{'weir CPU, s':>13}{'CPU':>7}"
             f"{'weir peak, kB':>15}"]
    for name in ("upload", "download"):
        plain, weir = results[name, "plain"], results[name, "weir"]
        wall, cpu = ([statistics.median(r[i] for r in side) for side in (plain, weir)] for i in range(2))
        # Neighbours in time saw the same machine; the best of each saw the least of others.
        pairs = statistics.median(a[0] / b[0] for a, b in zip(plain, weir))
        best = min(r[0] for r in plain) / min(r[0] for r in weir)
        lines.append(f"{name:9}{wall[0]:>10.2f}{wall[1]:>10.2f}{pairs * 100:>11.1f}%{best * 100:>8.1f}%{cpu[0]:>14.3f}{cpu[1]:>13.3f}"
                     f"{statistics.median(b[1] / a[1] for a, b in zip(plain, weir)):>7.2f}{max(r[2] for r in weir):>15}")
    return "\n".join(lines + ["", "throughput: weir's beside nginx's, median of pairs; best: of the fastest run of each; CPU: of the worker, median of pairs;",
                              "peak: resident memory of the worker above what it had before the run, the highest of all runs"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out")
    args = parser.parse_args()
    child, upstream_port = start_upstream()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "plain"))
        os.chmod(folder, 0o755)
        gateway = conftest.Gateway({
            "services": [{"name": "pump", "endpoints": [f"127.0.0.1:{upstream_port}"]}],
            "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "pump"}],
            "plugins": [{"name": "key-auth", "url": conftest.KEY_AUTH, "defaultConfig": {
                "consumers": [{"name": "c", "credential": "key"}], "keys": ["x-api-key"], "global_auth": True}}]},
            os.path.join(folder, "state"), ["--workers", "1"])
        plain = None
        try:
            gateway.wait_ready()
            conftest.wait_for("compiled code", lambda: gateway.worker_status()["plugins"][0]["tier"] == "aot")
            plain = Plain(gateway.read("nginx.conf"), os.path.join(folder, "plain"), upstream_port)
            sides = [("plain", plain.port, plain.worker()), ("weir", gateway.port, gateway.workers()[0])]
            for run in range(args.runs + 1):
                for work in (upload, download):
                    for name, port, worker in sides[::-1] if run % 2 else sides:
                        figures = measure(work, port, worker, args.bytes if run else args.bytes >> 4)
                        if run:  # the first warms up
                            results.setdefault((work.__name__, name), []).append(figures)
        finally:
            gateway.stop()
            if plain is not None:
                plain.stop()
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
    text = report(results, args.bytes, args.runs)
    print(text)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as f:
            f.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
