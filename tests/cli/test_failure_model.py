"""docs/failure-model.md is true: every test it names is there, and each cell of its matrix has one on both tiers and of its policy."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIERS, POLICIES = ("interp", "aot"), ("FAIL_CLOSE", "FAIL_OPEN")
# What an operator asks about; one row each, or more.
FAILURES = ("fetch", "checksum", "compile", "link", "start", "configure", "trap", "deadline", "memory", "host quota", "callout failure",
            "Redis down", "control process down", "worker killed")


def page():
    with open(os.path.join(ROOT, "docs/failure-model.md"), encoding="utf-8") as f:
        return f.read()


def tables(text):
    """[(head, rows)], each row a list of cells."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        found.append((rows[0], rows[2:]))
    return found


def functions():
    """Names of all tests, of Python and of cmocka."""
    names = set()
    for folder, _, files in os.walk(os.path.join(ROOT, "tests")):
        for name in files:
            if name.startswith("test_") and name.endswith((".py", ".c")):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    names |= set(re.findall(r"^(?:def|static void) (test_\w+)\(", f.read(), re.M))
    return names


def test_every_test_that_is_named_is_there():
    text, known = page(), functions()
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 80 and named <= known, named - known
    files = set(re.findall(r"(?:\.\./|`)(tests/\w+/(?:\w+/)?test_\w+\.(?:py|c))", text))
    assert len(files) > 15 and not [f for f in files if not os.path.exists(os.path.join(ROOT, f))]


def ids_of(names):
    """{test: [what stands in the brackets of its ids]}"""
    done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/e2e/test_failure_matrix.py",
                           "tests/e2e/test_failures.py", "tests/e2e/test_crashes.py"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: [] for name in names}
    for name, params in re.findall(r"::(test_\w+)\[(.*)\]$", done.stdout, re.M):
        found.get(name, []).append(params)
    return found


def has(ids, tier, key, policy):
    """Is there a test of this tier, of that kind, with that policy?"""
    policies = POLICIES if policy is None else (policy,)
    wanted = {"-".join(part for part in order if part) for p in (*policies, "" if policy is None else None) if p is not None
              for order in ((tier, key, p), (tier, p, key))}
    return bool(wanted & set(ids))


def test_the_matrix():
    found = tables(page())
    letters = dict((row[0], row[1].strip("`")) for row in next(rows for head, rows in found if head[0] == "letter"))
    head, rows = next((head, rows) for head, rows in found if head[:3] == ["failure", *POLICIES])
    assert {f for f in FAILURES if not any(row[0] == f for row in rows)} == set()
    ids, cited = ids_of(letters.values()), set()
    for row in rows:
        assert len(row) == len(head), row
        for column, cell in zip(head[1:], row[1:]):
            tests = re.findall(r"(?<!\w)([A-Z])(?:\[([\w-]+)\])?(?![\w\[])", cell)
            assert tests or cell == "no change", (row[0], column, "names no test")
            for letter, key in tests:
                cited.add((letter, key))
                for tier in TIERS:
                    kinds = [key] if key or letter != "K" else ["unreachable", "oob", "stack", "div0", "call", "null", "throw"]
                    policy = column if column in POLICIES else None
                    assert all(has(ids[letters[letter]], tier, kind, policy) for kind in kinds), (row[0], column, letter, key, tier)
    for letter in "NLO":
        kinds = {re.sub("^(interp|aot)-|-(FAIL_CLOSE|FAIL_OPEN)$", "", i) for i in ids[letters[letter]]}
        assert kinds == {key for l, key in cited if l == letter}, f"{letter}: the matrix lacks what the test has"
