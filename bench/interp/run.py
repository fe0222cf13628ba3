#!/usr/bin/python3
"""How many times slower than native -O3 is the interpreter?

  run.py [--rounds N] [--kernels A,B]

Builds the kernels of bench/kernels natively and to WebAssembly, runs native code and `weir exec --tier interp` in turns,
and prints the ratio of the medians of their CPU seconds for every kernel and the geometric mean.  Checksums must
agree.  Exit code 1 when the mean is over the goal of 16.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(ROOT, "build/bench/interp")
KERNELS = ["sha256", "base64json", "dfa", "hashmap", "headers", "quicksort", "checksums", "nbody"]
GOAL = 16.0


def call(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"run.py: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(kernel):
    source, base = f"bench/kernels/{kernel}.c", f"{OUT}/{kernel}"
    call("clang-19", "-O3", source, "bench/engine/native_main.c", "-o", f"{base}.native", "-lm")
    call("clang-19", "--target=wasm32-wasi", "-O3", "-mexec-model=reactor", "-Wl,--strip-debug", source, "-o",
         f"{base}.wasm")


def measure(*command):
    """(checksum, CPU seconds)"""
    output = call(*command)
    return int(output.split("\n")[0]) & 0xFFFFFFFF, float(re.search(r"^cpu_s ([0-9.]+)$", output, re.M).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernels", default=",".join(KERNELS))
    options = parser.parse_args()
    kernels = options.kernels.split(",")
    os.makedirs(OUT, exist_ok=True)
    native, interp = {k: [] for k in kernels}, {k: [] for k in kernels}
    for k in kernels:
        build(k)
    for _ in range(options.rounds):
        for k in kernels:
            expected, seconds = measure(f"{OUT}/{k}.native", "2")
            native[k].append(seconds)
            checksum, seconds = measure("build/weir", "exec", f"{OUT}/{k}.wasm", "--invoke", "run", "--repeat", "2", "--time",
                                        "--tier", "interp")
            interp[k].append(seconds)
            if checksum != expected:
                sys.exit(f"run.py: {k}: the interpreter computes {checksum}, native code {expected}")
    print(f"{'kernel':<14}{'native s':>10}{'interp s':>10}{'ratio':>8}")
    ratios = []
    for k in kernels:
        n, i = statistics.median(native[k]), statistics.median(interp[k])
        ratios.append(i / n)
        print(f"{k:<14}{n:>10.3f}{i:>10.3f}{i / n:>8.2f}")
    mean = statistics.geometric_mean(ratios)
    print(f"geometric mean: {mean:.2f} times native -O3 (goal: at most {GOAL:.0f})")
    return 0 if mean <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
