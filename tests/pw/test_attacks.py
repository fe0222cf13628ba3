"""Guests that try to get out: each is refused or trapped, and the next request is served.  (Bad pointers in every call:
test_misc.py; every call with anything at all: tests/fuzz/fuzz_host_calls.c.)"""
import pytest

FINE = {"headers": [], "response": {"headers": []}}


def attack(run, how, *options, **rest):
    """What it said, and how its request ended; requests before and after it are served."""
    result = run("attack", [FINE, {"headers": [["x-do", how]], "response": {"headers": [["secret", "s"]]}, **rest}, FINE], "", *options)
    assert result.code == 0, result.stderr
    assert [result[0]["action"], result[2]["action"]] == ["continue"] * 2
    lines = result[1]["logs"] + [line.removeprefix("weir try: ") for line in result.stderr.splitlines()]
    said = {line.split(": ")[1].split("=")[0]: int(line.split("=")[1]) for line in lines if line.startswith("info: ") and "=" in line}
    return said, result[1]


def test_counts_that_lie(run):
    """They are no pairs: an HTTP call says nowhere to go then, a gRPC call goes out without metadata, a response has no headers."""
    said, line = attack(run, "counts")
    assert said == {"taken": 0, "refused": 8} and line["action"] == "continue"


def test_contexts_of_others(run):
    said, line = attack(run, "contexts")
    assert said["refused"] == 5, "3 is this request itself"
    assert (said["done"], said["continue"], said["root"]) == (1, 2, 0)
    assert said["path of a root"] != 0 and said["add to a root"] != 0
    assert line["action"] == "continue"


def test_buffers_of_others(run):
    said, line = attack(run, "buffers", body="the body")
    assert said == {"found": 0, "set": 0} and line["action"] == "continue"


def test_lengths_that_wrap(run):
    said, line = attack(run, "lengths")
    assert said == {"refused": 48, "allowed": 0} and line["action"] == "continue"


def test_memory_to_its_limit(run):
    said, line = attack(run, "grow")
    assert said == {"too much": 1, "pages": 1} and line["action"] == "continue"


def test_memories_and_tables_to_their_limit(run):
    """Three memories and three tables have 128 MiB together, however often they ask."""
    result = run("hoard", [FINE] * 2, "", "--cpu-budget-ms", "5000")
    assert [line["logs"] for line in result.lines] == [["info: held 0128 MiB"]] * 2


@pytest.mark.parametrize("how,trap", [("recurse", "call stack exhausted|out of bounds memory access"), ("reenter-allocator", "nest too deep")])
def test_recursion(run, how, trap):
    said, line = attack(run, how)
    assert said == {} and line["action"] == "trap"
    assert any(any(t in entry for t in trap.split("|")) for entry in line["logs"]), line["logs"]


def test_memory_that_moves_under_a_result(run):
    """The allocator grows the memory and changes the map that is being copied: the copy is the old one, or refused."""
    said, line = attack(run, "moved")
    assert said["path"] == 0 and said["pairs"] in (0, 10)
    assert line["action"] == "continue"
