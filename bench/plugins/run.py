#!/usr/bin/python3
"""CPU per request of each plugin: compiled by weirc and run by `weir try`, next to the same code built natively.

  run.py [--rounds N] [--iterations N] [--no-save] [PLUGIN ...]

plugins/NAME/bench.json has the case, or an array of cases with names: configuration, one request that passes, what
bounds it (plain, or crypto where most of the time is a digest or a signature), and the most iterations that make sense.  Both run on the same fake server (bench/plugins/native_host.h).
A request through `weir try` also pays for the host: a stream, its chain, the guest's frame.  The empty plugin shows
what that is, and the second ratio is without it on both sides.  Rounds are interleaved, figures are medians.
Results go to bench/results/plugins.txt.
"""
import argparse
import datetime
import glob
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench/engine"))
from run import call, machine  # noqa: E402

GOALS = {"plain": 1.5, "crypto": 1.2}
os.environ.setdefault("WEIR_IMAGE_CACHE", os.path.join(ROOT, "build/image-cache"))


class Case:
    def __init__(self, plugin, module, case, folder):
        self.plugin, self.module, self.about, self.kind = plugin, module, case["about"], case["kind"]
        self.name = " ".join([plugin, case["name"]] if "name" in case else [plugin])
        self.iterations = case.get("iterations")
        self.config, self.requests = f"{folder}/{self.name}.config", f"{folder}/{self.name}.requests"
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(json.dumps(case["config"]))
        with open(self.requests, "w", encoding="utf-8") as f:
            json.dump([case["request"]], f)
        self.figures = {"weir": [], "native": []}

    def run(self, iterations):
        iterations = min(iterations, self.iterations or iterations)
        lines = subprocess.run(["build/weir", "try", self.module, "--config", self.config, "--requests", self.requests, "--tier", "aot",
                                "--bench", str(iterations)], capture_output=True, text=True, check=True).stdout.splitlines()
        bench = json.loads(lines[-1])["bench"]
        assert json.loads(lines[0])["action"] == "continue", lines[0]
        self.calls = bench["host_calls_per_request"]
        self.figures["weir"].append(bench["cpu_ns_per_request"])
        out = call(f"build/bench/plugins/{self.plugin}", self.config, self.requests, str(iterations))
        assert out.startswith("continue\n"), out
        self.figures["native"].append(float(re.search(r"cpu_ns_per_request ([\d.]+)", out).group(1)))

    def median(self, of):
        return statistics.median(self.figures[of])


def cases(wanted, folder):
    yield Case("empty", "build/plugins/bench/empty.wasm",
               {"about": "looks at nothing", "kind": "plain", "config": {}, "request": {"headers": []}}, folder)
    for path in sorted(glob.glob("plugins/*/bench.json")):
        name = path.split("/")[1]
        if not wanted or name in wanted:
            with open(path, encoding="utf-8") as f:
                loaded = json.load(f)
            for case in loaded if isinstance(loaded, list) else [loaded]:
                yield Case(name, f"build/plugins/{name}.wasm", case, folder)


def table(all_cases, rounds, iterations):
    empty = all_cases[0]
    commit = call("git", "describe", "--always", "--dirty").strip()
    lines = [f"CPU of one request, ns (median of {rounds} interleaved rounds of {iterations})",
             f"{machine()}; commit {commit}; {datetime.date.today()}", "",
             f"{'plugin':<24}{'weir AOT':>10}{'native':>10}{'ratio':>8}{'net':>8}{'goal':>6}{'calls':>7}  case"]
    for c in all_cases:
        weir, native = c.median("weir"), c.median("native")
        net = "" if c is empty else f"{(weir - empty.median('weir')) / (native - empty.median('native')):.2f}"
        goal = "" if c is empty else f"{GOALS[c.kind]:.1f}"
        lines.append(f"{c.name:<24}{weir:>10.0f}{native:>10.0f}{weir / native:>8.2f}{net:>8}{goal:>6}{c.calls:>7.0f}  {c.about}")
    return lines + ["", "net: the same without what the empty plugin costs, on both sides; calls: host calls of a request.",
                    "The native host has no guest to protect from: it copies values without checking addresses.  Of Redis it does",
                    "one copy of the command and one of the reply.  weir also checks that the command is one that a shared connection may",
                    "carry, keeps who waits for which reply, finds the root and its options, enters the guest a second time with the reply,",
                    "and takes the paused request up where its chain stopped."]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--iterations", type=int, default=100000)
    parser.add_argument("--no-save", action="store_true")
    parser.add_argument("plugins", nargs="*")
    args = parser.parse_args()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        all_cases = list(cases(args.plugins, folder))
        for _ in range(args.rounds):
            for c in all_cases:
                c.run(args.iterations)
        lines = table(all_cases, args.rounds, args.iterations)
    print("\n".join(lines))
    if not args.no_save and not args.plugins:
        with open("bench/results/plugins.txt", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
