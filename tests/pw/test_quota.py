"""Quotas, the rows of weir/pw_quota.def: what a plugin gets, what it is told past that, and what the operator reads."""
import pytest


def ask(run, what, times, limit, nbytes=0, config="", hold=0, **rest):
    request = {"headers": [["x-do", what], ["x-times", str(times)], ["x-bytes", str(nbytes)], ["x-hold", str(hold)]], **rest}
    result = run("quota", [request], config, "--limit", limit)
    assert result.code == 0, result.stderr
    said = {line.split(": ")[1].split("=")[0]: int(line.split("=")[1]) for line in result[0]["logs"] if "=" in line}
    told = [line for line in result.stderr.splitlines() + result[0]["logs"] if "wants more than limits." in line]
    return said.get("ok"), said.get("status"), told, result[0]


CALLS = {"callouts": [{"status": 200, "delay_ms": 5}] * 9, "response": {"headers": []}}


@pytest.mark.parametrize("what,times,limit,nbytes,ok,status,rest", [
    ("c", 5, "callouts=3", 0, 3, 10, CALLS),
    ("c", 5, "callouts=5", 0, 5, 0, CALLS),
    ("c", 1, "calloutBody=1000", 1000, 1, 0, CALLS),
    ("c", 1, "calloutBody=1000", 1001, 0, 2, CALLS),
    ("g", 1, "calloutBody=1000", 1001, 0, 2, {}),
    ("s", 9, "sharedData=1000", 196, 5, 10, {}),
    ("s", 9, "sharedData=1800", 196, 9, 0, {}),
    ("q", 9, "queue=4", 10, 4, 10, {}),
    ("q", 4, "queue=4", 10, 4, 0, {}),
    ("m", 9, "metrics=6", 0, 6, 10, {}),
    ("b", 9, "bufferedBody=1000", 300, 3, 10, {"body": "x"}),
])
def test_what_the_guest_is_told(run, what, times, limit, nbytes, ok, status, rest):
    got = ask(run, what, times, limit, nbytes, **rest)
    assert got[:2] == (ok, status)
    name, most = limit.split("=")
    assert len(got[2]) == (status != 0), got[2]
    if status != 0:
        assert f"wants more than limits.{name}, which is {most}; refused 1 times so far" in got[2][0]


def test_log_lines_are_dropped_and_the_guest_goes_on(run):
    ok, status, told, line = ask(run, "l", 500, "logLines=100")
    assert (ok, status) == (None, None), "what it says last is over the quota, too"
    assert len(told) == 1
    assert sum(entry.endswith(": line") for entry in line["logs"]) == 100


def test_shared_data_that_goes_counts_no_more(run):
    """The same keys, written again and again."""
    many = [{"headers": [["x-do", "s"], ["x-times", "5"], ["x-bytes", "196"]]} for _ in range(4)]
    result = run("quota", many, "", "--limit", "sharedData=1000")
    assert all("info: status=0" in line["logs"] for line in result.lines)


def test_timers_of_each_configuration(run):
    """Two configurations tick; the third may not.  One that changes its period keeps its timer."""
    request = {"headers": [["x-do", "t"], ["x-times", "2"], ["x-bytes", "0"]]}
    result = run("quota", [request], ["a", "b", "c"], "--limit", "timers=2")
    assert [line for line in result[0]["logs"] if "status" in line] == ["info: status=0", "info: status=0", "info: status=10"]


def test_bodies_that_are_held(run):
    got = ask(run, "", 0, "bufferedBody=1000", hold=1, body=["x" * 600, "y" * 600])[3]
    assert (got["action"], got["status"]) == ("local", 413)
    assert ask(run, "", 0, "bufferedBody=1200", hold=1, body=["x" * 600, "y" * 600])[3]["action"] == "paused"


def test_bodies_that_were_held_count_no_more(run):
    """Each is let go at its end: by then a hundred would be too much."""
    one = {"headers": [["x-hold", "1"]], "body": ["x" * 600]}
    result = run("quota", [one] * 100, "", "--limit", "bufferedBody=1000")
    assert [line["action"] for line in result.lines] == ["paused"] * 100


@pytest.mark.parametrize("options,action", [((), "trap"), (("--fail-open",), "continue")])
def test_contexts(run, options, action):
    """Three steps, two contexts."""
    result = run("quota", [{"headers": []}] * 2, ["a", "b", "c"], "--limit", "contexts=2", *options)
    assert [line["action"] for line in result.lines] == [action] * 2
    assert run("quota", [{"headers": []}], ["a", "b", "c"], "--limit", "contexts=3")[0]["action"] == "continue"
