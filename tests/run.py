#!/usr/bin/python3
"""Run every test suite and end with one line: `N passed, N failed, N skipped`.

  run.py [--list] [SUITE ...]

Each suite is a command that prints its own counts last; a suite that exits non-zero without a failed
test counts as one failure, so that a crash cannot pass.  Output of each suite is kept in
build/test-logs/SUITE.log and shown when it fails.
"""
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build/test-logs")
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
# What `weir try` compiles is compiled once for all tests.
os.environ.setdefault("WEIR_IMAGE_CACHE", os.path.join(ROOT, "build/image-cache"))

# name, command, extra environment, seconds it may take
SUITES = [
    ("lint", ["make", "-s", "lint"], {}, 300),
    ("unit", ["make", "-s", "test-unit"], {}, 300),
    ("unit-san", ["make", "-s", "test-unit", "SAN=1"], {}, 600),
    ("spec", ["make", "-s", "test-spec"], {"SPEC_TIERS": "interp"}, 900),
    ("spec-aot", ["make", "-s", "test-spec"], {"SPEC_TIERS": "aot"}, 1200),
    ("diff", ["make", "-s", "fuzz-diff", "DIFF_FLAGS=--count 60"], {}, 600),
    ("diff-a64", ["make", "-s", "fuzz-diff-aarch64", "DIFF_SECONDS=20"], {}, 600),
    ("pw", PYTEST + ["tests/pw"], {}, 600),
    ("plugins", PYTEST + ["tests/plugins"], {}, 600),
    ("cli", PYTEST + ["tests/cli"], {}, 600),
    ("e2e", PYTEST + ["tests/e2e"], {}, 2400),
    ("e2e-san", PYTEST + ["tests/e2e"], {"WEIR_BUILD": "build/san"}, 3000),
]


def counts(output):
    """The counts of a suite's output: cmocka's group lines are summed, else the last line that has some."""
    cmocka = re.findall(r"\[  (PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)[.,]", output)
    if cmocka:
        total = {"passed": 0, "failed": 0, "skipped": 0}
        for word, number in cmocka:
            total[word.lower()] += int(number)
        return total
    for line in reversed(output.strip().split("\n")):
        found = dict((word, int(number)) for number, word in
                     re.findall(r"(\d+) (passed|failed|skipped|error)", line))
        if found:
            return {"passed": found.get("passed", 0),
                    "failed": found.get("failed", 0) + found.get("error", 0),
                    "skipped": found.get("skipped", 0)}
    return {"passed": 0, "failed": 0, "skipped": 0}


def run_suite(name, command, extra_env, seconds):
    started = time.monotonic()
    log_path = os.path.join(LOGS, name + ".log")
    with open(log_path, "w+", encoding="utf-8", errors="replace") as log:
        try:
            code = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  env={**os.environ, **extra_env}, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            log.write(f"\ntimed out after {seconds} s\n")
            code = 124
        log.seek(0)
        output = log.read()
    total = counts(output)
    if code != 0 and total["failed"] == 0:
        total["failed"] = 1
    if total["failed"]:
        print(output[-8000:])
    print(f"  {name:<10} {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped"
          f"  ({time.monotonic() - started:.0f} s)", flush=True)
    return total


def main():
    wanted = sys.argv[1:]
    if wanted == ["--list"]:
        print("\n".join(s[0] for s in SUITES))
        return 0
    unknown = set(wanted) - {s[0] for s in SUITES}
    if unknown:
        sys.exit(f"run.py: no such suite: {', '.join(sorted(unknown))}\n{__doc__}")
    os.makedirs(LOGS, exist_ok=True)
    sums = {"passed": 0, "failed": 0, "skipped": 0}
    for suite in SUITES:
        if not wanted or suite[0] in wanted:
            for key, value in run_suite(*suite).items():
                sums[key] += value
    print(f"{sums['passed']} passed, {sums['failed']} failed, {sums['skipped']} skipped")
    return 1 if sums["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
