#!/usr/bin/python3
"""The gateway of examples/oauth under the load of bench/k6/oauth.js, with wrk.

  oauth.py [--seconds N] [--connections N] [--rounds N] [--no-save]

Every request carries the demonstration's token.  In turn with it, the same load goes to a route where the plugin does
not run, so that what the plugin costs is a ratio of one run.  A free port takes the place of the example's.
Results go to bench/results/oauth.txt.
"""
import argparse
import datetime
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "bench/engine"))
from gateway import free_port, listens, wait_for  # noqa: E402
from run import call, machine  # noqa: E402


def compiled(log):
    """Images are made in the background; the interpreter serves until then."""
    text = open(log, encoding="utf-8").read()
    return "weir: ready" in text and "plugin oauth is compiled" in text


def load(url, token, args):
    """(requests a second, answers that were not 2xx)"""
    text = subprocess.run(["wrk", "-t2", f"-c{args.connections}", f"-d{args.seconds}s", "-H", f"Authorization: Bearer {token}",
                           url], capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return float(re.search(r"Requests/sec:\s*([\d.]+)", text).group(1)), int(bad.group(1)) if bad else 0


def measure(args, port, token):
    with_plugin, without = [], []
    for _ in range(args.rounds):
        for path, into in (("/", with_plugin), ("/status", without)):
            rate, bad = load(f"http://127.0.0.1:{port}{path}", token, args)
            if bad:
                sys.exit(f"{bad} answers of {path} were not 200")
            into.append(rate)
    return statistics.median(with_plugin), statistics.median(without)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    os.chdir(ROOT)
    token = re.search(r"'(eyJ[\w.-]+)'", open("bench/k6/oauth.js", encoding="utf-8").read()).group(1)
    port, upstream = free_port(), free_port()
    config = open("examples/oauth/gateway.yaml", encoding="utf-8").read()
    config = config.replace("127.0.0.1:10000", f"127.0.0.1:{port}").replace("127.0.0.1:10080", f"127.0.0.1:{upstream}")
    with tempfile.TemporaryDirectory() as state:
        path, log = f"{state}/gateway.yaml", f"{state}/log"
        with open(path, "w", encoding="utf-8") as f:
            f.write(config)
        with open(log, "w", encoding="utf-8") as out:
            children = [subprocess.Popen(command, stdout=out, stderr=out) for command in (
                ["build/weir", "echo", "--listen", f"127.0.0.1:{upstream}"],
                ["build/weir", "run", "-c", path, "--state", f"{state}/run"])]
            try:
                wait_for("the upstream", lambda: listens(upstream))
                wait_for("the gateway and its image", lambda: compiled(log))
                rate, plain = measure(args, port, token)
            finally:
                for child in reversed(children):
                    child.send_signal(signal.SIGTERM)
                for child in children:
                    child.wait(30)
    commit = call("git", "describe", "--always", "--dirty").strip()
    lines = [f"examples/oauth under wrk, {args.connections} connections, {args.rounds} times {args.seconds} s, median",
             f"{machine()}; commit {commit}; {datetime.date.today()}; load and upstream on the same machine", "",
             f"{'token verified, requests/s':<36}{rate:>10.0f}", f"{'plugin does not run, requests/s':<36}{plain:>10.0f}",
             f"{'ratio':<36}{rate / plain:>10.3f}"]
    print("\n".join(lines))
    if not args.no_save:
        with open("bench/results/oauth.txt", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
