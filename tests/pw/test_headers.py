"""Header maps: statuses, order, pseudo-headers, availability (host facts 1.13)."""
import pytest
from conftest import ABIS, outcomes, statuses, values

RESPONSE = {"headers": [["server", "up"], ["set-cookie", "a"], ["set-cookie", "b"]]}


def test_values(probe):
    got = outcomes(probe({"request": "get 0 :path; get 0 :method; get 0 :scheme; get 0 :authority; get 0 X-A"}))
    assert got == {"get 0 :path": "0 /p?q=1", "get 0 :method": "0 GET", "get 0 :scheme": "0 http",
                   "get 0 :authority": "0 example.com", "get 0 X-A": "0 one"}


@pytest.mark.parametrize("abi", ABIS)
def test_missing_value(probe, abi):
    """NOT_FOUND; in 0.1.0 OK and empty, at address 0."""
    got = outcomes(probe({"request": "get 0 nope"}, abi=abi))
    assert got["get 0 nope"] == ("0 null" if abi == "0_1_0" else "1")


@pytest.mark.parametrize("abi", ABIS)
def test_empty_value_is_at_address_0(probe, abi):
    assert outcomes(probe({"request": "get 0 x-empty"}, abi=abi, headers=[("x-empty", "")]))["get 0 x-empty"] == "0 null"


def test_host_is_authority(run):
    line = run("silent", [{"headers": [["Host", "shop.example"], ["X-B", "c"]]}])[0]
    assert line["request_headers"] == [[":authority", "shop.example"], [":path", "/"], [":method", "GET"],
                                       [":scheme", "http"], ["x-b", "c"]]


def test_pairs(probe):
    got = outcomes(probe({"response": "pairs 2"}, response=RESPONSE))["pairs 2"]
    assert got == "0 n=4 :status=200 server=up set-cookie=a set-cookie=b"


def test_changes(probe):
    answer = probe({"request": "add 0 X-New v; add 0 x-a three; replace 0 x-r r; replace 0 :path /n; remove 0 x-none; get 0 x-new"})
    assert statuses(answer) == [0, 0, 0, 0, 0, 0]
    headers = answer["request_headers"]
    assert values(headers, "x-new") == ["v"] and values(headers, "x-a") == ["one", "two", "three"]
    assert values(headers, "x-r") == ["r"] and values(headers, ":path") == ["/n"]


def test_replace_collapses_and_remove_removes_all(probe):
    answer = probe({"request": "replace 0 x-a only"})
    assert values(answer["request_headers"], "x-a") == ["only"]
    answer = probe({"request": "remove 0 X-A"})
    assert values(answer["request_headers"], "x-a") == []


def test_set_pairs(probe):
    answer = probe({"response": "setpairs 2 :status 201 X-Up v; pairs 2"}, response=RESPONSE)
    assert answer["response_headers"] == [[":status", "201"], ["x-up", "v"]]
    assert outcomes(answer)["pairs 2"] == "0 n=2 :status=201 x-up=v"


@pytest.mark.parametrize("raw", ["garbage", "~", "~~~~~", "_"])
def test_malformed_pairs_are_an_empty_map(probe, raw):
    answer = probe({"response": f"setraw 2 {raw}; pairs 2; size 2"}, response=RESPONSE)
    assert answer["response_headers"] == []
    assert outcomes(answer) == {f"setraw 2 {raw}": "0", "pairs 2": "0 null", "size 2": "0 0"}


def test_size_is_in_bytes(probe):
    assert outcomes(probe({"response": "size 2"}, response={"headers": [["ab", "cde"]]}))["size 2"] == f"0 {7 + 3 + 5}"


@pytest.mark.parametrize("script", ["get 8 k", "pairs 8", "size 8", "add 8 k v", "replace 8 k v", "remove 8 k",
                                    "setpairs 8 k v"])
def test_no_such_map(probe, script):
    assert statuses(probe({"request": script})) == [2]


@pytest.mark.parametrize("map_", [1, 2, 3, 4, 5, 6, 7])
def test_unavailable_map(probe, map_):
    """BAD_ARGUMENT, but OK and nothing for pairs."""
    answer = probe({"request": "; ".join(f"{c.split()[0]} {map_} {' '.join(c.split()[1:])}".strip() for c in
                                         ["get k", "size", "add k v", "replace k v", "remove k", "setpairs k v"])})
    assert statuses(answer) == [2] * 6
    assert outcomes(probe({"request": f"pairs {map_}"})) == {f"pairs {map_}": "0 null"}


def test_root_context_has_no_maps(run):
    line = run("probe", [{"headers": []}], "configure: get 0 :path; pairs 0; size 0; add 0 k v")
    for text in ["get 0 :path = 2", "pairs 0 = 0 null", "size 0 = 2 77", "add 0 k v = 2"]:
        assert f"info: {text}\n" in line.stderr


def test_request_headers_stay_readable(probe):
    """More than Envoy gives: in response callbacks and in on_log; but no longer writable."""
    answer = probe({"response": "get 0 x-a; add 0 k v; replace 0 x-a v; remove 0 x-a; setpairs 0 k v",
                    "log": "get 0 :path; get 2 server"}, response=RESPONSE)
    assert statuses(answer) == [0, 2, 2, 2, 2, 0, 0]
    assert values(answer["request_headers"], "x-a") == ["one", "two"]


def test_nothing_is_writable_in_log(probe):
    answer = probe({"log": "add 0 k v; add 2 k v; remove 2 server; get 1 k; get 2 nope"}, response=RESPONSE)
    assert statuses(answer) == [2, 2, 2, 1, 1]


def test_missing_map_in_log_is_ok_for_0_1_0(probe):
    assert outcomes(probe({"log": "get 2 server"}, abi="0_1_0"))["get 2 server"] == "0 null"


@pytest.mark.parametrize("name", ["_", "a:b", "a/b", "a~b", ":"])
def test_illegal_names(probe, name):
    answer = probe({"request": f"add 0 {name} v; replace 0 {name} v; remove 0 {name}; setpairs 0 {name} v"})
    assert statuses(answer) == [2, 2, 0, 2]


@pytest.mark.parametrize("value", ["a~b", "a\rb", "a\nb"])
def test_values_cannot_end_a_line(probe, value):
    answer = probe({"request": f"add 0 k {value}; replace 0 k {value}"})
    assert statuses(answer) == [2, 2] and values(answer["request_headers"], "k") == []


def test_changes_clear_the_route(probe):
    assert "route_cleared" not in probe({"request": "get 0 x-a; remove 1 k"})
    assert probe({"request": "add 0 k v; replace 0 k v; remove 0 k"})["route_cleared"] == 3
    assert "route_cleared" not in probe({"request": "setprop clear_route_cache off; add 0 k v"})
    assert probe({"request": "setprop clear_route_cache off; setprop clear_route_cache on; add 0 k v"})["route_cleared"] == 1
    assert "route_cleared" not in probe({"response": "add 2 k v"}, response=RESPONSE)


def test_count_includes_pseudo_headers(run):
    line = run("probe", [{"headers": [["a", "b"]], "response": {"headers": [["c", "d"]], "body": "x"}}])[0]
    assert "trace: on_request_headers 2 5 1" in line["logs"]
    assert "trace: on_response_headers 2 2 0" in line["logs"]
