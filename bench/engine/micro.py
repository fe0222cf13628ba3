#!/usr/bin/python3
"""What crossing the boundary and making instances costs: weir's tiers, V8 and wasm2c side by side.

  micro.py [--no-save]

Builds bench/engine/micro_guest.c for each and runs them in turn.  Results go to bench/results/micro.txt.

weir's program is started by the dynamic linker's own command line, which puts it beside the libraries: there the
nginx module is, too, near the images.  A program that the kernel puts elsewhere pays more for each call to and
from an image on CPUs that predict near targets faster.
"""
import datetime
import os
import shutil
import sys

from run import OUT, ROOT, WASM2C_DIR, call, machine

WASM, GENERATED = f"{OUT}/micro.wasm", f"{OUT}/micro.w2c"


def build():
    os.makedirs(GENERATED, exist_ok=True)
    # A reactor: what a command exports are wrappers that call destructors, so one call would be four.
    call("clang-19", "--target=wasm32-wasi", "-O3", "-mexec-model=reactor", "-Wl,-z,stack-size=16384",
         "-Wl,--strip-debug", "bench/engine/micro_guest.c", "-o", WASM)
    call("build/weirc", WASM, "-o", f"{OUT}/micro.aot")
    if shutil.which("wasm2c"):
        call("wasm2c", "-n", "micro", WASM, "-o", f"{GENERATED}/micro_wasm2c.c")
        call("clang-19", "-O3", "-march=native", "-w", f"-I{GENERATED}", f"-I{WASM2C_DIR}", "bench/engine/micro_wasm2c.c",
             f"{GENERATED}/micro_wasm2c.c", f"{WASM2C_DIR}/wasm-rt-impl.c", "-o", f"{OUT}/micro_wasm2c", "-lm")


LINKER = "/lib64/ld-linux-x86-64.so.2"
MICRO = ([LINKER] if os.path.exists(LINKER) else []) + ["build/bench/engine/micro"]
ENGINES = {
    "weir AOT": ([*MICRO, WASM, f"{OUT}/micro.aot"], None),
    "weir interp": ([*MICRO, WASM], None),
    "V8": (["node", "bench/engine/micro.mjs", WASM], "node"),
    "wasm2c": ([f"{OUT}/micro_wasm2c"], "wasm2c"),
}


def main():
    build()
    engines = {e: command for e, (command, needs) in ENGINES.items() if needs is None or shutil.which(needs)}
    figures, names = {}, []
    for e, command in engines.items():
        for line in call(*command).splitlines():
            name, value, unit = line.split("\t")
            if (name, unit) not in names:
                names.append((name, unit))
            figures[e, name] = value
    width = max(len(n) for n, _ in names) + 5
    commit = call("git", "describe", "--always", "--dirty").strip()
    lines = ["Boundary crossings and instances (median of 9 batches, CPU time)",
             f"{machine()}; commit {commit}; {datetime.date.today()}", "",
             " " * width + "".join(f"{e:>14}" for e in engines)]
    for name, unit in names:
        values = "".join(f"{figures.get((e, name), '-'):>14}" for e in engines)
        lines.append(f"{name + ', ' + unit:<{width}}{values}")
    print("\n".join(lines))
    if "--no-save" not in sys.argv:
        os.makedirs(os.path.join(ROOT, "bench/results"), exist_ok=True)
        with open(os.path.join(ROOT, "bench/results/micro.txt"), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
