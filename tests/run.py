#!/usr/bin/python3
"""Run every test suite and end with one line: `N passed, N failed, N skipped`.

  run.py [--list] [SUITE ...]

Each suite is a command that prints its own counts last; a suite that exits non-zero without a failed
test counts as one failure, so that a crash cannot pass.  Output of each suite is kept in
build/test-logs/SUITE.log and shown when it fails.

End-to-end tests share two cores with the processes that they start.  One that fails is run again, alone: what passes
then is named as unsteady before the last line, with its first failure above, and is a fault of the test or of Weir to
be found.  More than UNSTEADY_MOST of them in a suite fail, and so does whatever a sanitizer, an assertion or an [alert]
has to do with: that is never a matter of time.
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

# The most tests of a suite that are run a second time.
UNSTEADY_MOST = 3
NEVER_AGAIN = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|\[alert\]|\[emerg\]|bug:|exited on signal 11")
unsteady = []

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


def run_logged(command, extra_env, seconds, log_path):
    """The command's exit code and what it printed, which is also in the file."""
    with open(log_path, "w+", encoding="utf-8", errors="replace") as log:
        try:
            code = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  env={**os.environ, **extra_env}, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            log.write(f"\ntimed out after {seconds} s\n")
            log.flush()
            code = 124
        log.seek(0)
        return code, log.read()


def again(name, output, extra_env, total):
    """Run the few end-to-end tests that failed once more, each alone; those that pass then count as passed."""
    failed = re.findall(r"^FAILED (\S+)", output, re.M)
    if not 0 < len(failed) == total["failed"] <= UNSTEADY_MOST or NEVER_AGAIN.search(output):
        return
    for test in failed:
        log_path = os.path.join(LOGS, f"{name}-again-{failed.index(test)}.log")
        code, _ = run_logged(PYTEST + [test], extra_env, 300, log_path)
        if code == 0:
            total["failed"] -= 1
            total["passed"] += 1
            unsteady.append(f"{name}: {test}")


def run_suite(name, command, extra_env, seconds):
    started = time.monotonic()
    code, output = run_logged(command, extra_env, seconds, os.path.join(LOGS, name + ".log"))
    total = counts(output)
    if code != 0 and total["failed"] == 0:
        total["failed"] = 1
    if total["failed"]:
        print(output[-8000:])
        if name.startswith("e2e") and code == 1:
            again(name, output, extra_env, total)
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
    for test in unsteady:
        print(f"unsteady, passed only alone and the second time: {test}")
    print(f"{sums['passed']} passed, {sums['failed']} failed, {sums['skipped']} skipped")
    return 1 if sums["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
