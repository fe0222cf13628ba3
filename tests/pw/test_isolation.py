"""Who shares a VM: everybody, those of one configuration, nobody."""
import re

import pytest


def request(secret="", what="", **rest):
    return {"headers": [["x-secret", secret], ["x-do", what]], **rest}


def said(result):
    """For each request, what each step said: (seen, left, sum)."""
    pattern = re.compile(r"info: seen (\d+) left (\S*) sum (\d+)")
    return [[(int(m[1]), m[2], int(m[3])) for m in map(pattern.match, line["logs"]) if m] for line in result.lines]


def test_shared(run):
    got = said(run("counter", [request("a"), request("b")], ["1", "2"]))
    assert got == [[(1, "nothing", 0), (2, "a", 4)], [(3, "a", 8), (4, "b", 12)]]


@pytest.mark.parametrize("before", ["", "g"])
def test_healed(run, before):
    """After a trap the next one finds the VM as it was, whatever was left in it and however it had grown."""
    got = said(run("counter", [request("a", before), request("b", "t"), request("c"), request("d", "t"), request("e")], "1"))
    assert got == [[(1, "nothing", 0)], [(2, "a", 4)], [(1, "nothing", 0)], [(2, "c", 4)], [(1, "nothing", 0)]]


def test_route(run):
    """Each configuration has a VM."""
    got = said(run("counter", [request("a"), request("b")], ["1", "2"], "--isolation", "route"))
    assert got == [[(1, "nothing", 0)] * 2, [(2, "a", 4)] * 2]


def test_route_fails_alone(run):
    """A trap in one VM leaves the other as it was; failing closed, the second step does not see that request."""
    got = said(run("counter", [request("a"), request("b", "t"), request("c")], ["1", "2"], "--isolation", "route"))
    assert got == [[(1, "nothing", 0)] * 2, [(2, "a", 4)], [(1, "nothing", 0), (2, "a", 4)]]


@pytest.mark.parametrize("what", ["", "g", "t"])
def test_request(run, what):
    """Whatever one leaves, grows or breaks, the next finds a VM as it was."""
    many = [request(f"secret{i}", what if i % 2 == 0 else "") for i in range(40)]
    result = run("counter", many, "", "--isolation", "request")
    assert said(result) == [[(1, "nothing", 0)]] * 40
    traps = [line["action"] == "trap" for line in result.lines]
    assert traps == ([True, False] * 20 if what == "t" else [False] * 40), "no back-off: a trap harms nobody"


def test_two_steps_of_a_request_are_apart(run):
    assert said(run("counter", [request("a"), request("b")], ["1", "2"], "--isolation", "request")) == [[(1, "nothing", 0)] * 2] * 2


def test_an_answer_comes_to_the_requests_own_vm(run):
    result = run("counter", [request("a", "c", callouts=[{"status": 200}]), request("b")], "", "--isolation", "request")
    assert said(result) == [[(1, "nothing", 0)], [(1, "nothing", 0)]]
    assert any("answered=1" in line for line in result[0]["logs"] + result.stderr.splitlines())


def test_the_probe_finds_all_it_had_after_its_start(run):
    """Metrics, ids and configuration of a full guest, again and again."""
    one = {"headers": [["x-request", "def counter a; sget a; sset a one 0"]], "response": {"headers": [["server", "up"]]}}
    result = run("probe-0_2_1", [one] * 5, "the configuration", "--isolation", "request")
    assert result.code == 0, result.stderr
    first = [line for line in result[0]["logs"] if "sget" not in line]
    assert first and all([x for x in line["logs"] if "sget" not in x] == first for line in result.lines)
