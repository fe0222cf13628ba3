"""Log, clocks, foreign functions, WASI, bad pointers, calls without a feature yet."""
import os
import re

import pytest
from conftest import ABIS, ROOT, outcomes, statuses


def test_log_levels(probe):
    answer = probe({"request": "; ".join(f"log {i} text{i}" for i in range(7))}, options=["--log-level", "warn"])
    assert [line for line in answer["logs"] if "text" in line] == ["warn: text3", "error: text4", "critical: text5"]
    answer = probe({"request": "log 5 a; log 6 b; log 2 _; level; foreign get_log_level _; foreign0 get_log_level _"},
                   options=["--log-level", "info"])
    assert statuses(answer) == [0, 2, 0, 0, 0, 0]
    assert outcomes(answer)["level"] == "0 2" and outcomes(answer)["foreign get_log_level _"] == "0 02000000"


def test_foreign_functions(probe):
    answer = probe({"request": "foreign nope x; foreign0 nope x; foreign clear_route_cache _; clearroute"})
    assert statuses(answer) == [1, 1, 0, 0] and answer["route_cleared"] == 2


def test_clocks(run):
    requests = [{"headers": [["x-request", "time; clock 0"]], "now_ns": 1700000000123456789},
                {"headers": [["x-request", "time; clock 0; clock 1"]]}]
    result = run("probe", requests, "", "--now-ns", "42")
    assert outcomes(result[0]) == {"time": "0 1700000000123456789", "clock 0": "0 1700000000123456789"}
    got = outcomes(result[1])
    assert got["time"] == "0 42" and got["clock 0"] == "0 42" and int(got["clock 1"].split()[1]) > 0


def test_status_without_callouts(probe):
    assert outcomes(probe({"request": "status"}))["status"] == "0 0"


def test_wasi_output(probe):
    answer = probe({"request": "print 1 hello; print 2 world; print 3 lost"})
    assert [line for line in answer["logs"] if " out " in line] == ["info: out hello", "error: out world"]
    assert outcomes(answer)["print 1 hello"] == "0 10" and outcomes(answer)["print 3 lost"].startswith("8")


def test_bad_pointers(run):
    """INVALID_MEMORY_ACCESS for every pointer; and nothing happened."""
    result = run("bad_pointers", [{"headers": []}])[0]
    got = dict(line[len("info: "):].split("=") for line in result["logs"] if line != "info: ")
    rest = {"pthread_equal same": "1", "pthread_equal other": "0", "empty log": "0", "inject nothing": "0", "resolve nothing": "0"}
    for name, status in got.items():
        assert status == rest.get(name, "6"), name
    assert result["action"] == "continue" and len(result["request_headers"]) == 4


def test_every_pointer_of_every_call_is_a_bad_one_once():
    """bad_pointers.c has as many calls of a function as it has pointers, each with another one bad."""
    with open(os.path.join(ROOT, "src/pw/abi.def"), encoding="utf-8") as f:
        calls = re.findall(r'PW_CALL\((\w+), \w+, "([^"]*)"', f.read())
    with open(os.path.join(ROOT, "tests/guests/host/bad_pointers.c"), encoding="utf-8") as f:
        made = re.findall(r'say_status\("([\w.]+)",\s*(\w+)\(([^;]*)\)\);', f.read())
    assert len(calls) > 50
    for name, letters in calls:
        pointers = sum({"d": 1, "o": 1, "O": 1, "r": 2, "R": 2}.get(letter, 0) for letter in letters)
        bad = [re.split(r", ", args) for _, called, args in made if called == name]
        places = {tuple(i for i, a in enumerate(args) if a in ("BAD", "WHERE", "WORD", "LONG")) for args in bad}
        assert len({p for p in places if len(p) == 1}) == pointers, (name, places)


@pytest.mark.parametrize("mode,statuses_", [("small", ["value=0", "pairs=0"]), ("zero", ["value=6", "pairs=6"]),
                                            ("wild", ["value=6", "pairs=6"]), ("change", ["value=0", "pairs=10"])])
def test_allocators(run, mode, statuses_):
    result = run("alloc", [{"headers": []}], mode)[0]
    assert result["action"] == "continue"
    assert [line[len("info: "):] for line in result["logs"]] == statuses_


@pytest.mark.parametrize("mode", ["trap", "nested"])
def test_allocators_that_trap(run, mode):
    """The call that wanted memory ends with the allocator; the next request has a fresh VM."""
    result = run("alloc", [{"headers": []}] * 2, mode)
    for line in result.lines:
        assert (line["action"], line["status"]) == ("trap", 503)
        assert "malloc" in str(line["logs"])


def test_assemblyscript_abort(run):
    line = run("abort", [{"headers": []}])[0]
    assert line["action"] == "trap" and "critical: abort: oops at a.ts:12:3" in line["logs"]


@pytest.mark.parametrize("text,what", [("{}", "array"), ("[1]", "object"), ("[{\"headers\": [[1, 2]]}]", "strings"), ("[{", "requests:"),
                                       ("[{\"headers\": [[\"a\"]]}]", "strings"), ("[{\"response\": 3}]", "response"),
                                       ("[{\"properties\": {\"a\": null}}]", "property"), ("[{\"now_ns\": -1}]", "now_ns")])
def test_bad_requests_file(run, text, what):
    result = run("silent", text)
    assert result.code == 1 and result.lines == [] and what in result.stderr


def test_bench(run):
    result = run("probe", [{"headers": [["x-request", "get 0 :path; get 0 x-request"]]}, {"headers": []}], "", "--bench", "50")
    assert len(result.lines) == 3
    bench = result[2]["bench"]
    assert bench["iterations"] == 50 and bench["cpu_ns_per_request"] > 0
    assert bench["host_calls_per_request"] >= 10 and re.fullmatch(r"\d+\.\d+", str(bench["cpu_ns_per_request"]))


@pytest.mark.parametrize("abi", ABIS)
def test_json_output_of_odd_bytes(probe, abi):
    answer = probe({"request": "log 2 caf\u00e9\u0001\"\\"}, abi=abi)
    assert "info: caf\u00e9\u0001\"\\" in answer["logs"]
