"""Properties: paths, encodings, what is stored (host facts 1.15, 2.6)."""
import struct

import pytest
from conftest import outcomes, statuses


def as_int(outcome):
    status, text = outcome.split()
    assert status == "0" and len(text) == 16
    return struct.unpack("<q", bytes.fromhex(text))[0]


def test_request_properties(probe):
    headers = [("referer", "r"), ("user-agent", "u"), ("x-request-id", "i"), (":method", "PUT"), ("host", "h.example")]
    names = ["path", "url_path", "query", "host", "scheme", "method", "referer", "useragent", "id", "headers~x-a"]
    answer = probe({"request": "; ".join(f"prop request~{n}" for n in names)}, headers=headers)
    assert list(outcomes(answer).values()) == ["0 /p?q=1", "0 /p", "0 q=1", "0 h.example", "0 http", "0 PUT", "0 r", "0 u",
                                               "0 i", "0 one"]


def test_path_without_query(probe):
    got = outcomes(probe({"request": "replace 0 :path /only; prop request~query; prop request~url_path"}))
    assert got["prop request~query"] == "0 null" and got["prop request~url_path"] == "0 /only"


def test_missing(probe):
    script = "prop request~referer; prop request~nope; prop request~headers~nope; prop response~code; prop nope; prop _; prop ~; " \
             "prop request; prop request~path~more; prop request.path; prop a~b~c~d~e~f~g~h~i~j~k~l~m~n~o~p~q~r"
    assert statuses(probe({"request": script})) == [1] * 11


def test_trailing_nul(probe):
    assert outcomes(probe({"request": "prop request~method~"}))["prop request~method~"] == "0 GET"


def test_maps_are_pairs(probe):
    answer = probe({"response": "propmap response~headers"}, response={"headers": [["a", "b"]]})
    assert outcomes(answer)["propmap response~headers"] == "0 n=2 :status=200 a=b"
    assert "x-a=two" in outcomes(probe({"request": "propmap request~headers"}))["propmap request~headers"]


def test_encodings(probe):
    answer = probe({"request": "prophex a~int; prophex a~neg; prophex a~yes; prophex a~no; prophex a~real; prophex a~text",
                    "response": "prophex response~code"}, response={"headers": [[":status", "418"]]},
                   properties={"a.int": 4660, "a.neg": -2, "a.yes": True, "a.no": False, "a.real": 0.5, "a.text": "AB"})
    got = outcomes(answer)
    assert as_int(got["prophex a~int"]) == 4660 and as_int(got["prophex a~neg"]) == -2
    assert got["prophex a~yes"] == "0 01" and got["prophex a~no"] == "0 00" and got["prophex a~text"] == "0 4142"
    assert struct.unpack("<d", bytes.fromhex(got["prophex a~real"].split()[1]))[0] == 0.5
    assert as_int(got["prophex response~code"]) == 418


def test_server_properties(probe):
    properties = {"route_name": "r", "source.address": "1.2.3.4:5", "request.protocol": "HTTP/2"}
    got = outcomes(probe({"request": "prop route_name; prop source~address; prop source.address; prop request~protocol"},
                         properties=properties))
    assert list(got.values()) == ["0 r", "0 1.2.3.4:5", "0 1.2.3.4:5", "0 HTTP/2"]


def test_plugin_properties(run):
    result = run("probe", [{"headers": [["x-request", "prop plugin_name; prop plugin_root_id; prop plugin_vm_id; prophex plugin_vm_memory"]]}],
                 "create: prop plugin_root_id; prop route_name; prop request~path", "--root-id", "my_root", "--name", "n")
    assert "prop plugin_root_id = 0 my_root" in result.stderr  # already in on_context_create
    assert "prop request~path = 1" in result.stderr and "prop route_name = 1" in result.stderr
    got = outcomes(result[0])
    assert got["prop plugin_name"] == "0 n" and got["prop plugin_root_id"] == "0 my_root"
    assert got["prop plugin_vm_id"] == "0 null" and as_int(got["prophex plugin_vm_memory"]) % 65536 == 0


def test_empty_root_id(run):
    assert "prop plugin_root_id = 0 null" in run("probe", [], "create: prop plugin_root_id").stderr


def test_memory_grows(probe):
    got = outcomes(probe({"request": "prophex plugin_vm_memory; grow 3", "response": "prophex plugin_vm_memory",
                          "log": "prophex  plugin_vm_memory"}, response={"headers": []}))
    assert as_int(got["prophex  plugin_vm_memory"]) >= 3 * 65536 + int(got["grow 3"]) * 65536


def test_stored(probe):
    answer = probe({"request": "setprop mine v1; prop mine; setprop mine longer-value; prop mine; setprop a~b x; prop a~b; prop a; "
                               "setprop empty _; prop empty; setprop mine s; prop mine ",
                    "log": "prop  mine"}, response={"headers": []})
    assert statuses(answer) == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    got = outcomes(answer)
    assert got["prop a~b"] == "0 x" and got["prop empty"] == "0 null" and got["prop  mine"] == "0 s"


def test_stored_are_shared_by_the_stream_only(run):
    requests = [{"headers": [["x-request", "prop k; setprop k v"]]}, {"headers": [["x-request", "prop k"]]}]
    result = run("probe", requests, ["a", "b"])
    assert statuses(result[0]) == [1, 0, 0, 0] and statuses(result[1]) == [1, 1]


@pytest.mark.parametrize("name", ["set_decoder_buffer_limit", "set_encoder_buffer_limit", "trace_span_tag.x", "custom_log", "ai_log",
                                  "x_request_id", "anything~else"])
def test_magic_names_are_read_back(probe, name):
    assert outcomes(probe({"request": f"setprop {name} 12; prop {name}"}))[f"prop {name}"] == "0 12"


def test_built_in_names_cannot_be_shadowed(probe):
    got = outcomes(probe({"request": "setprop request~method X; prop request~method; setprop route_name X; prop route_name"}))
    assert got["prop request~method"] == "0 GET" and got["prop route_name"] == "1"


def test_rebuild(run):
    """wasm_need_rebuild: the next request gets a fresh VM."""
    requests = [{"headers": [["x-request", "setprop wasm_need_rebuild true"]]}, {"headers": []}, {"headers": []}]
    result = run("probe", requests)
    assert result.stderr.count("_initialize") == 2
    assert "trace: on_context_create 2 1" in result[1]["logs"] and "trace: on_context_create 3 1" in result[2]["logs"]


def test_too_much_is_refused(probe):
    big = "x" * 250
    answer = probe({"request": ";".join(f"setprop k{i} {big}" for i in range(100))})
    assert statuses(answer) == [0] * 100
