#!/usr/bin/python3
"""How long a plugin is away after a trap, and what traps cost a gateway under load.

  run.py [--traps N] [--seconds N] [--rounds N] [--no-save]

First in one process (heal.c), for key-auth and for SQLite with a table of 8 MiB: from a request that traps to the end
of the next one, beside starting the plugin anew.  Then through a gateway of one worker with key-auth: requests of which
every hundredth traps, in turn with the same requests without a trap, at full speed and at about 5,000 a second.  No
other request should fail: key-auth has had its say when its VM traps, so requests that wait for the upstream go on.
Beside the rates stands the CPU time of the gateway (control process and worker) for each request: load and upstream
share its cores, so it tells apart what traps cost the gateway from what else ran.
Results go to bench/results/heal.txt.
"""
import argparse
import datetime
import glob
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "bench/engine"), os.path.join(ROOT, "bench")]
from gateway import free_port, listens, wait_for  # noqa: E402
from run import call, machine  # noqa: E402

KEY_AUTH = {"consumers": [{"name": "ann", "credential": "key-of-ann"}], "keys": ["apikey"], "in_header": True}
MODULES = [("key-auth", "key_auth", json.dumps(KEY_AUTH)), ("SQLite, 8 MiB live", "large", "{}")]
CONNECTIONS, RATE, SHARE = 32, 5000, 100


def in_process(args):
    """Lines of the table: each way of each module, by its two clocks."""
    for title, name, config in MODULES:
        module, image = f"build/bench/heal/{name}.wasm", f"build/bench/heal/{name}.aot"
        call("build/weirc", module, "-o", image)
        out = call("build/bench/heal/heal", module, image, config, str(args.traps))
        size = os.path.getsize(module) // 1024
        for line in out.splitlines():
            way, clock, *figures = line.split()
            what = "trap and the next request" if way == "heal" else "start anew and a request"
            yield f"{title + f' ({size} KiB)':<30}{what:<28}{clock:<6}" + "".join(f"{float(f):>12.1f}" for f in figures)


# Every SHARE-th request is for PATH; a connection waits DELAY ms before each of its requests.
SCRIPT = """
local n, good, other = 0
function init()
  good, other = wrk.format("GET", "/"), wrk.format("GET", "PATH")
end
function request()
  n = n + 1
  return n % SHARE == 0 and other or good
end
function delay()
  return DELAY
end
"""


def cpu_us(pid):
    """CPU time of a process and all that it started."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        spent = int(f.read().split()[0]) / 1e3
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path, encoding="ascii") as f:
            spent += sum(cpu_us(child) for child in f.read().split())
    return spent


def load(folder, port, gateway_pid, path, delay, seconds):
    """(requests a second, answers of 200, others, the gateway's CPU time of a request in us) of wrk's load."""
    script = f"{folder}/load.lua"
    with open(script, "w", encoding="utf-8") as f:
        f.write(SCRIPT.replace("SHARE", str(SHARE)).replace("PATH", path).replace("DELAY", str(delay)))
    before = cpu_us(gateway_pid)
    text = call("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, "-H", "apikey: key-of-ann", f"http://127.0.0.1:{port}/")
    if "Socket errors" in text:
        sys.exit(f"connections failed:\n{text}")
    total = int(re.search(r"(\d+) requests in", text).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    bad = int(bad.group(1)) if bad else 0
    spent = cpu_us(gateway_pid) - before
    return float(re.search(r"Requests/sec:\s*([\d.]+)", text).group(1)), total - bad, bad, spent / total


def under_load(args, port, gateway_pid, folder):
    """Medians without and with traps, in turn; then both at RATE."""
    paths = {"no traps": "/", "1 % trap": "/trap"}
    runs = {name: [] for name in paths}
    for _ in range(args.rounds):
        for name, path in paths.items():
            runs[name].append(load(folder, port, gateway_pid, path, 0, args.seconds))
    for name, path in paths.items():
        run = sorted(runs[name])[args.rounds // 2]
        yield name + ", full speed", run[:3] + (statistics.median(r[3] for r in runs[name]),)
    wait_ms = round(CONNECTIONS / RATE * 1000) - 2
    for name, path in paths.items():
        yield f"{name}, paced for {RATE} a second", load(folder, port, gateway_pid, path, wait_ms, args.seconds)


def gateway(args):
    port, upstream = free_port(), free_port()
    config = {"listeners": [f"127.0.0.1:{port}"], "services": [{"name": "echo", "endpoints": [f"127.0.0.1:{upstream}"]}],
              "routes": [{"name": "all", "service": "echo"}],
              "plugins": [{"name": "key-auth", "url": f"file:{ROOT}/build/bench/heal/key_auth.wasm", "defaultConfig": KEY_AUTH}]}
    with tempfile.TemporaryDirectory() as state:
        os.chmod(state, 0o755)
        path, log = f"{state}/gateway.json.yaml", f"{state}/log"
        with open(path, "w", encoding="utf-8") as f:
            json.dump(config, f)
        with open(log, "w", encoding="utf-8") as out:
            children = [subprocess.Popen(command, stdout=out, stderr=out) for command in (
                ["build/weir", "echo", "--listen", f"127.0.0.1:{upstream}"],
                ["build/weir", "run", "-c", path, "--state", f"{state}/run", "--workers", "1"])]
            try:
                wait_for("the upstream", lambda: listens(upstream))
                wait_for("the gateway and its image", lambda: "plugin key-auth is compiled" in open(log, encoding="utf-8").read())
                return list(under_load(args, port, children[1].pid, state))
            finally:
                for child in reversed(children):
                    child.send_signal(signal.SIGTERM)
                for child in children:
                    child.wait(30)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traps", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    os.chdir(ROOT)
    commit = call("git", "describe", "--always", "--dirty").strip()
    lines = ["From a trap to the next request served, in one process, microseconds",
             f"{machine()}; commit {commit}; {datetime.date.today()}; {args.traps} traps", "",
             f"{'plugin':<30}{'what':<28}{'clock':<6}{'median':>12}{'p99':>12}{'most':>12}", *in_process(args)]
    loads = gateway(args)
    lines += ["", f"Key-auth in a gateway of one worker, {CONNECTIONS} connections, {args.seconds} s; every {SHARE}th request traps; full speed: median of {args.rounds}", "",
              f"{'':<36}{'requests/s':>12}{'200':>10}{'503':>8}{'1 in ' + str(SHARE):>10}{'CPU us each':>13}"]
    lines += [f"{name:<36}{rate:>12.0f}{good:>10}{bad:>8}{(good + bad) // SHARE:>10}{us:>13.2f}" for name, (rate, good, bad, us) in loads]
    without, traps = loads[0][1], loads[1][1]
    lines += [f"{'full speed with traps / without':<36}{traps[0] / without[0]:>12.3f}  (goal 0.9)",
              f"{'the same by CPU time of the gateway':<36}{without[3] / traps[3]:>12.3f}  ({(traps[3] - without[3]) * SHARE:.0f} us for a trap)"]
    print("\n".join(lines))
    if not args.no_save:
        with open("bench/results/heal.txt", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
