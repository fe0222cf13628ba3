#!/usr/bin/python3
"""What compiling costs: wall and CPU seconds and memory of weirc, with V8's optimising compiler beside it.

  run.py [--no-save] [--rounds N] [--jobs N]

Compiles build/bench/compile/*.wasm (mk/bench-compile.mk) at -O1, -O2 and -O3 in turn, N rounds, and prints the least of each figure:
other work on the machine only adds.  Results go to bench/results/compile.txt.
"""
import argparse
import datetime
import os
import re
import resource
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench/engine"))
from run import machine  # noqa: E402  pylint: disable=wrong-import-position

FOLDER = os.path.join(ROOT, "build/bench/compile")
MODULES = [("plugin", "C++ plugin"), ("sqlite", "SQLite"), ("libraries", "SQLite, Duktape, Zstandard")]
# reach, dream in seconds of wall clock on two cores at -O3, of the module of about that size
GOALS = {"plugin": (2.0, 0.7), "sqlite": (8.0, 3.0), "libraries": (15.0, 5.0)}
LEVELS = ["-O1", "-O2", "-O3"]
V8 = """const bytes = require('fs').readFileSync(process.argv[1]);
new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
const before = process.cpuUsage(), start = process.hrtime.bigint();
new WebAssembly.Module(bytes);
const used = process.cpuUsage(before);
console.log(Number(process.hrtime.bigint() - start) / 1e9, (used.user + used.system) / 1e6);"""


def measure(path, level, jobs):
    """Wall seconds, CPU seconds with children, KiB of the largest process: weirc says it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    done = subprocess.run([os.path.join(ROOT, "build/weirc"), path, "-o", os.path.join(FOLDER, "bench.aot"), level, "--jobs", str(jobs),
                           "--stats", "--quiet"], capture_output=True, text=True, check=True)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, int(re.search(r"largest process (\d+) KiB", done.stderr).group(1))


def measure_v8(path):
    done = subprocess.run(["node", "--no-liftoff", "--no-wasm-lazy-compilation", "-e", V8, path], capture_output=True, text=True,
                          check=True)
    return tuple(float(x) for x in done.stdout.split())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--no-save", action="store_true")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    opt = p.parse_args()
    lines = [f"Compiling, {opt.jobs} jobs: least of {opt.rounds} rounds", f"{machine()}; {datetime.date.today()}", ""]
    lines.append(f"{'':28}{'KiB':>6}{'level':>7}{'wall s':>9}{'CPU s':>8}{'CPU/jobs':>10}{'MiB a process':>15}"
                 f"{'V8 CPU s':>10}{'ratio':>7}   goal s")
    for name, title in MODULES:
        path = os.path.join(FOLDER, name + ".wasm")
        found = {level: [] for level in LEVELS}
        v8 = []
        for _ in range(opt.rounds):
            for level in LEVELS:
                found[level].append(measure(path, level, opt.jobs))
            if shutil.which("node"):
                v8.append(measure_v8(path)[1])
        for level in LEVELS:
            wall, cpu, kib = (min(r[i] for r in found[level]) for i in range(3))
            other = f"{min(v8):>10.2f}{cpu / min(v8):>7.1f}" if v8 else f"{'-':>10}{'-':>7}"
            goal = "{} reach, {} dream".format(*GOALS[name]) if level == "-O3" else ""
            lines.append(f"{title if level == LEVELS[0] else '':28}{os.path.getsize(path) // 1024:>6}{level:>7}{wall:>9.2f}{cpu:>8.2f}"
                         f"{cpu / opt.jobs:>10.2f}{kib / 1024:>15.0f}{other}   {goal}".rstrip())
    lines += ["", "CPU/jobs is what the wall clock shows where nothing else runs.  V8 is node's optimising compiler alone, all functions",
              "before the first call; the ratio is of CPU seconds.  Memory is of the largest of the processes."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if not opt.no_save:
        with open(os.path.join(ROOT, "bench/results/compile.txt"), "w", encoding="utf-8") as f:
            f.write(text)


main()
