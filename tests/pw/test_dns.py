"""envoy_resolve_dns and envoy_on_resolve_dns on the fake server: tokens, what is told, when."""
import json

import pytest
from conftest import outcomes, statuses

NAMES = {"a.example": [["10.0.0.1", 30], ["::1", 60]], "empty.example": []}


def callbacks(answer):
    return [line[len("trace: on_resolve_dns "):] for line in answer["logs"] if line.startswith("trace: on_resolve_dns ")]


def test_addresses(probe):
    answer = probe({"request": "resolve a.example then; buf 8 0 9; ret 1", "then": "dns; bufstatus 8; setbuf 8; effective @; continue 0"}, dns=NAMES)
    said = outcomes(answer)
    assert answer["action"] == "continue" and callbacks(answer) == ["1 1 31"]
    assert said["resolve a.example then"] == "0 1" and said["dns"] == "0 10.0.0.1:0=30 [::1]:0=60"
    assert said["bufstatus 8"] == "0 31 0" and said["setbuf 8"] == "2" and said["buf 8 0 9"] == "1"


@pytest.mark.parametrize("name,size,shown", [("nobody.example", 0, "0"), ("empty.example", 4, "0"), ("_", 0, "0"),
                                             ("127.0.0.1", 20, "0 127.0.0.1:0=5"), ("::1", 16, "0 [::1]:0=5")])
def test_others(probe, name, size, shown):
    answer = probe({"request": f"resolve {name} then; ret 1", "then": "dns; effective @; continue 0"}, dns=NAMES)
    assert callbacks(answer) == [f"1 1 {size}"] and outcomes(answer)["dns"] == shown and answer["action"] == "continue"


def test_tokens_are_their_own(probe):
    answer = probe({"request": "resolve a.example one; call svc / 0 _ _; resolve 127.0.0.1 two; grpccancel 1; grpcclose 2; ret 1",
                    "one": "log 2 one", "two": "effective @; continue 0"}, dns=NAMES, callouts=[{}])
    assert outcomes(answer)["resolve a.example one"] == "0 1" and outcomes(answer)["call svc / 0 _ _"] == "0 4"
    assert outcomes(answer)["resolve 127.0.0.1 two"] == "0 2" and statuses(answer)[3:5] == [1, 1]
    assert callbacks(answer) == ["1 1 31", "1 2 20"] and answer["action"] == "continue"


def test_from_configure_and_after_the_stream(run):
    result = run("probe", [{"headers": [["x-request", "resolve a.example then"], ["x-then", "effective @"]], "dns": NAMES}],
                 "configure: resolve a.example line\nline: log 2 heard")
    assert callbacks(result[0]) == ["1 1 31", "1 2 31"] and "info: heard" in result[0]["logs"] and outcomes(result[0])["effective @"] == "2"
    assert run("probe", [], "configure: resolve a.example line").code == 0


def test_the_plugin_dies_meanwhile(run):
    result = run("probe", [{"headers": [["x-request", "resolve a.example then; trap"], ["x-then", "log 2 no"]], "dns": NAMES}])
    assert result[0]["action"] == "trap" and callbacks(result[0]) == []


@pytest.mark.parametrize("dns,what", [([], "\"dns\" must be an object"), ({"a": 1}, "array of addresses"), ({"a": [["x"]]}, "[address, seconds]")])
def test_wrong_names(run, dns, what):
    result = run("probe", json.dumps([{"headers": [], "dns": dns}]))
    assert result.code == 1 and what in result.stderr
