#!/usr/bin/python3
"""Compare engines on the kernels of bench/kernels, interleaved in one run.

  run.py [--rounds N] [--repeat N] [--kernels A,B] [--engines X,Y] [--no-save]

Every kernel is built natively (clang-19 -O3, and -O3 -march=native) and to WebAssembly (with and without SIMD).
A round runs every engine once on every kernel; each run repeats the kernel in one process and reports the CPU
seconds of its best repetition.  The figure of an engine is the median over the rounds, printed as a ratio to
native -march=native: 1.00 is native, 2.00 takes twice as long.  Checksums must agree.
Compiled code runs twice in turn, with and without a deadline (a CPU budget that it does not use up): the last line is what
deadlines cost, the geometric mean of the kernels' ratios of best times.  A round goes the other way round than the one before.
Results go to bench/results/ with the machine and the commit.
"""
import argparse
import datetime
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KERNELS = os.path.join(ROOT, "bench/kernels")
OUT = os.path.join(ROOT, "build/bench/engine")
# The five kernels that are a gateway's own work.
GATEWAY = ["sha256", "base64json", "dfa", "hashmap", "headers"]
WASM2C_DIR = "/usr/share/wabt/wasm2c"


def call(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"run.py: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(kernel):
    """Everything an engine needs for one kernel; make would not see that the flags changed, so always."""
    source, base = f"{KERNELS}/{kernel}.c", f"{OUT}/{kernel}"
    main = "bench/engine/native_main.c"
    call("clang-19", "-O3", source, main, "-o", f"{base}.o3", "-lm")
    call("clang-19", "-O3", "-march=native", source, main, "-o", f"{base}.native", "-lm")
    wasm = ["clang-19", "--target=wasm32-wasi", "-O3", "-mexec-model=reactor", "-Wl,--strip-debug", source]
    call(*wasm, "-o", f"{base}.wasm")
    call(*wasm, "-msimd128", "-o", f"{base}.simd.wasm")
    if shutil.which("wasm2c"):
        generated = f"{base}.w2c"
        os.makedirs(generated, exist_ok=True)
        call("wasm2c", "-n", "kernel", f"{base}.wasm", "-o", f"{generated}/kernel_wasm2c.c")
        call("clang-19", "-O3", "-march=native", "-w", "-DWASM2C", f"-I{generated}", f"-I{WASM2C_DIR}", main,
             f"{generated}/kernel_wasm2c.c", f"{WASM2C_DIR}/wasm-rt-impl.c", "-o", f"{base}.wasm2c", "-lm")
    for variant in ("", ".simd"):
        call("build/weirc", f"{base}{variant}.wasm", "-o", f"{base}{variant}.aot.wasm")


def weir(kernel, suffix, tier, repeat, *more):
    module = f"{OUT}/{kernel}{suffix}"
    return ["build/weir", "exec", module, "--invoke", "run", "--repeat", str(repeat), "--time", *more,
            "--tier", tier] + (["--image", module] if tier == "aot" else [])


# name: command(kernel, repetitions).  The first is what the others are compared with.
ENGINES = {
    "native": lambda k, n: [f"{OUT}/{k}.native", str(n)],
    "native -O3": lambda k, n: [f"{OUT}/{k}.o3", str(n)],
    "weir AOT simd": lambda k, n: weir(k, ".simd.aot.wasm", "aot", n),
    "weir AOT": lambda k, n: weir(k, ".aot.wasm", "aot", n),
    "with deadline": lambda k, n: weir(k, ".aot.wasm", "aot", n, "--cpu-budget", "600000"),
    "V8 simd": lambda k, n: ["node", "bench/engine/v8.mjs", f"{OUT}/{k}.simd.wasm", str(n)],
    "V8": lambda k, n: ["node", "bench/engine/v8.mjs", f"{OUT}/{k}.wasm", str(n)],
    "wasm2c": lambda k, n: [f"{OUT}/{k}.wasm2c", str(n)],
    "weir interp": lambda k, n: weir(k, ".wasm", "interp", 1),
}
NEEDS = {"V8": "node", "V8 simd": "node", "wasm2c": "wasm2c"}


def measure(engine, kernel, repeat):
    """(checksum, CPU seconds) of one run."""
    output = call(*ENGINES[engine](kernel, repeat))
    seconds = float(re.search(r"^cpu_s ([0-9.]+)$", output, re.M).group(1))
    return int(output.split("\n")[0]) & 0xFFFFFFFF, seconds


def geomean(values):
    return statistics.geometric_mean(values) if values else float("nan")


def table(kernels, engines, ratios):
    width = max(len(k) for k in kernels + ["all (geometric mean)"]) + 2
    lines = ["".join([" " * width] + [f"{e:>15}" for e in engines])]
    for k in kernels:
        lines.append("".join([f"{k:<{width}}"] + [f"{ratios[e][k]:>15.2f}" for e in engines]))
    groups = [("all (geometric mean)", kernels), ("gateway kernels", [k for k in kernels if k in GATEWAY])]
    for name, members in groups:
        if members:
            lines.append("".join([f"{name:<{width}}"] +
                                 [f"{geomean([ratios[e][k] for k in members]):>15.2f}" for e in engines]))
    return lines


def deadlines(kernels, seconds):
    """What they cost, or nothing if both ways were not asked for."""
    if "with deadline" not in seconds or "weir AOT" not in seconds:
        return []
    ratios = [min(seconds["with deadline"][k]) / min(seconds["weir AOT"][k]) for k in kernels]
    return ["", f"deadlines on / off, weir AOT (geometric mean of best times): {geomean(ratios):.4f}  (goal: under 1.01); "
                f"{min(ratios):.3f} to {max(ratios):.3f}"]


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        info = f.read()
    model = re.search(r"model name\s*: (.*)", info)
    return f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kernels")
    parser.add_argument("--engines")
    parser.add_argument("--no-save", action="store_true")
    options = parser.parse_args()
    everything = sorted(f[:-2] for f in os.listdir(KERNELS) if f.endswith(".c"))
    kernels = options.kernels.split(",") if options.kernels else everything
    engines = [e for e in ENGINES if NEEDS.get(e) is None or shutil.which(NEEDS[e])]
    if options.engines:
        engines = ["native"] + [e for e in engines if e in options.engines.split(",") and e != "native"]
    os.makedirs(OUT, exist_ok=True)

    sums, seconds = {}, {e: {k: [] for k in kernels} for e in engines}
    for k in kernels:
        print(f"\rbuilding {k:<20}", end="", file=sys.stderr, flush=True)
        build(k)
    for number in range(options.rounds):
        for k in kernels:
            print(f"\rround {number + 1} of {options.rounds}: {k:<20}", end="", file=sys.stderr, flush=True)
            for e in engines[::-1] if number % 2 else engines:
                checksum, took = measure(e, k, options.repeat)
                if sums.setdefault(k, checksum) != checksum:
                    sys.exit(f"run.py: {k}: {e} computes {checksum}, native {sums[k]}")
                seconds[e][k].append(took)
    print("\r" + " " * 50 + "\r", end="", file=sys.stderr)

    median = {e: {k: statistics.median(seconds[e][k]) for k in kernels} for e in engines}
    ratios = {e: {k: median[e][k] / median["native"][k] for k in kernels} for e in engines}
    commit = call("git", "describe", "--always", "--dirty").strip()
    lines = [f"CPU time relative to native -O3 -march=native (median of {options.rounds} rounds; lower is better)",
             f"{machine()}; commit {commit}; {datetime.date.today()}", ""] + table(kernels, engines, ratios)
    lines += deadlines(kernels, seconds)
    print("\n".join(lines))
    if not options.no_save:
        name = os.path.join(ROOT, "bench/results/engine")
        with open(name + ".txt", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        with open(os.path.join(OUT, "engine.json"), "w", encoding="utf-8") as f:
            json.dump({"machine": machine(), "commit": commit, "median_cpu_s": median}, f, indent=1)
            f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
