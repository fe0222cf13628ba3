#!/usr/bin/python3
"""Uploads of 1 KiB to 16 MiB through weir, beside the same nginx without the module.

  uploads.py [--runs 15] [--seconds 0.1] [--sizes 1024 65536 ...] [--out FILE]

One connection that stays open, one upload after the other, over HTTP/1.1 and HTTP/2 (h2load); `weir echo` is the upstream.  So a row is what
an upload waits for: a wait that keeps no CPU busy shows, too.  Sides, interleaved in every run:

  nginx         proxy_request_buffering off, as weir has it
  again         the same in another process: how far from 100% chance goes
  buffered      proxy_request_buffering on
  no plugin     a route of weir without plugins
  headers       key-auth, which has no body callback
  body          a plugin that sees the body and passes it on

Printed: nginx's uploads a second, and the others' beside it (median of the runs' ratios); the same of each side's best run, which saw the
least of other load; the CPU time of a worker for an upload, median of ratios again.  Few uploads are made where they are slow."""
import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import tempfile

from large import Plain, commit, conftest, cpu_s, machine

SIDES = ("nginx", "again", "buffered", "no plugin", "headers", "body")
PROTOCOLS = {"HTTP/1.1": ["--h1"], "HTTP/2": []}


def upload(url, body, protocol, n):
    """Uploads a second."""
    done = subprocess.run(["h2load", *PROTOCOLS[protocol], "-n", str(n), "-c", "1", "-m", "1", "-d", body, "-H", "x-api-key: key", url],
                          capture_output=True, text=True, check=True).stdout
    assert re.search(rf"{n} succeeded, 0 failed", done) and f"status codes: {n} 2xx" in done, done
    return float(re.search(r"finished in .*?, ([\d.]+) req/s", done)[1])


def config(echo):
    service = {"service": "echo"}
    return {
        "services": [{"name": "echo", "endpoints": [echo.address]}],
        "routes": [{"name": name, "match": {"path": {"prefix": f"/{name}"}}, **service} for name in ("none", "headers", "body")],
        "plugins": [
            {"name": "key-auth", "url": conftest.KEY_AUTH, "matchRules": [{"route": ["headers"], "config": {
                "consumers": [{"name": "c", "credential": "key"}], "keys": ["x-api-key"], "global_auth": True}}]},
            {"name": "body", "url": "file:" + os.path.join(conftest.GUESTS, "host/probe_body-0_2_100.wasm"),
             "matchRules": [{"route": ["body"], "config": {}}]}]}


class Sides:
    """The gateways; where(side, protocol): (URL, pid of the worker)."""

    def __init__(self, folder):
        self.stops = []
        echo = conftest.Echo(os.path.join(folder, "echo.log"))
        self.stops.append(echo.stop)
        self.gateway = conftest.Gateway(config(echo), os.path.join(folder, "state"), ["--workers", "1"])
        self.stops.append(self.gateway.stop)
        self.gateway.wait_ready()
        conftest.wait_for("compiled code", lambda: all(p["tier"] == "aot" for p in self.gateway.worker_status()["plugins"]))
        conf = self.gateway.read("nginx.conf")
        self.plain = {(side, p): self.start(conf, folder, echo, p) for side in ("nginx", "again") for p in PROTOCOLS}
        conf = conf.replace("proxy_request_buffering off", "proxy_request_buffering on")
        self.plain |= {("buffered", p): self.start(conf, folder, echo, p) for p in PROTOCOLS}

    def start(self, conf, folder, echo, protocol):
        folder = tempfile.mkdtemp(dir=folder)
        os.chmod(folder, 0o755)
        if protocol == "HTTP/2":
            conf = re.sub(r"(listen 127\.0\.0\.1:\d+)", r"\1 http2", conf)
        plain = Plain(conf, folder, echo.port)
        self.stops.append(plain.stop)
        return plain, plain.worker()

    def where(self, side, protocol):
        if (side, protocol) in self.plain:
            plain, worker = self.plain[side, protocol]
            return f"http://127.0.0.1:{plain.port}/", worker
        path = {"no plugin": "none", "headers": "headers", "body": "body"}[side]
        return f"http://127.0.0.1:{self.gateway.port}/{path}", self.gateway.workers()[0]

    def stop(self):
        for stop in reversed(self.stops):
            stop()


def measure(sides, protocol, body, runs, seconds):
    """{side: [(uploads a second, CPU seconds for one)]}"""
    found = {side: [] for side in SIDES}
    n = dict.fromkeys(SIDES, 5)
    for run in range(runs + 1):
        for side in SIDES[::-1] if run % 2 else SIDES:
            url, worker = sides.where(side, protocol)
            cpu = cpu_s(worker)
            rate = upload(url, body, protocol, n[side])
            if run:
                found[side].append((rate, (cpu_s(worker) - cpu) / n[side]))
            else:  # warms up, and says how many uploads fill the time
                n[side] = max(int(rate * seconds), 2)
    return found


def row(protocol, size, found):
    def beside(side, i):
        return statistics.median(theirs[i] / nginx[i] for theirs, nginx in zip(found[side], found["nginx"]))

    def best(side):
        return max(rate for rate, _ in found[side]) / max(rate for rate, _ in found["nginx"])
    name = f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"
    return (f"{protocol:9}{name:>7}{statistics.median(rate for rate, _ in found['nginx']):>10.0f}"
            + "".join(f"{beside(side, 0) * 100:>5.0f}%/{best(side) * 100:>3.0f}%" for side in SIDES[1:])
            + f"{statistics.median(cpu for _, cpu in found['nginx']) * 1e6:>10.0f}"
            + "".join(f"{beside(side, 1):>10.2f}" for side in SIDES[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each side in each run")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1 << 10, 1 << 16, 1 << 20, 1 << 24])
    parser.add_argument("--out")
    args = parser.parse_args()
    lines = [f"Uploads, one after the other on one connection, beside nginx without the module; {args.runs} interleaved runs",
             f"{machine()}; load {os.getloadavg()[0]:.1f}; commit {commit()}; {datetime.date.today()}", "",
             f"{'':9}{'body':>7}{'nginx, /s':>10}" + "".join(f"{side:>10}" for side in SIDES[1:]) + f"{'CPU, us':>10}"
             + "".join(f"{side:>10}" for side in SIDES[1:])]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        sides = Sides(folder)
        try:
            for protocol in PROTOCOLS:
                for size in args.sizes:
                    body = os.path.join(folder, "body")
                    with open(body, "wb") as f:
                        f.write(os.urandom(size))
                    lines.append(row(protocol, size, measure(sides, protocol, body, args.runs, args.seconds)))
                    print(lines[-1], flush=True)
        finally:
            sides.stop()
    text = "\n".join(lines + ["", "nginx: uploads a second and the worker's CPU time for one, medians; the others' rates: median of pairs / best run to best run;",
                              "the others' CPU: median of pairs.  Where `again` is far from 100%, the row says little"])
    print(text)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as f:
            f.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
