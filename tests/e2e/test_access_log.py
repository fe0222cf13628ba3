"""The access log: what each plugin did, how long it took, how often a request was sent again; lines are JSON whatever clients send."""
import json

import pytest


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module, trapper_module, tmp_path_factory):
    no_module = tmp_path_factory.mktemp("modules") / "no.wasm"
    no_module.write_bytes(b"\0asm\1\0\0\0 this is no module")
    every = {"failStrategy": "FAIL_OPEN", "phase": "AUTHN"}
    return gateways({"services": [{"name": "echo", "endpoints": [echo.address]}],
                     "routes": [{"name": "all", "match": {}, "service": "echo"}],
                     "plugins": [{"name": "trapper", "url": trapper_module, "priority": 300, "limits": {"cpu": "20ms"}, **every},
                                 {"name": "broken", "url": f"file:{no_module}", "priority": 200, **every},
                                 {"name": "probe", "url": probe_module, "priority": 100, **every}]}, "--workers", "1")


def plugins(gw, name, **headers):
    gw.send("/" + name, headers=[("X-Request-Id", name), *((k.replace("_", "-"), v) for k, v in headers.items())])
    line = gw.access(request_id=name)
    assert all(0 < p["time_us"] < 1e7 for p in line["plugins"] if p["outcome"] != "stopped"), line
    return line, [(p["name"], p["outcome"], p.get("details")) for p in line["plugins"]]


BROKEN = ("broken", "stopped", None)


def test_each_plugin_and_its_outcome(gw):
    line, entries = plugins(gw, "fine")
    assert entries == [("trapper", "ok", None), BROKEN, ("probe", "ok", None)]
    assert (line["status"], line["retries"], line["plugin"], line["details"]) == (200, 0, "", "")


def test_one_traps_and_one_answers(gw):
    line, entries = plugins(gw, "both", x_trap="unreachable", x_request=b'local 403 a"\\\xff<b - -1')
    assert entries == [("trapper", "trapped", None), BROKEN, ("probe", "answered", 'a"\\\ufffd<b')]
    assert (line["status"], line["plugin"]) == (403, "probe")


def test_a_deadline_and_its_time(gw):
    line, entries = plugins(gw, "loop", x_trap="loop")
    assert entries[0] == ("trapper", "deadline", None) and line["status"] == 200
    assert line["plugins"][0]["time_us"] >= 19000 > line["plugins"][2]["time_us"]


def test_lines_are_json_whatever_clients_send(gw):
    gw.raw(b'GET /\xff"\\%22 HTTP/1.1\r\nHost: a\xfe"\r\nX-Request-Id: odd\xff"\\\r\nConnection: close\r\n\r\n', until_close=True)
    gw.raw(b"nonsense\r\n\r\n", until_close=True)
    gw.raw(b"GET / HTTP/1.1\r\n\r\n", until_close=True)
    gw.send("/last", headers={"X-Request-Id": "last"})
    gw.access(request_id="last")
    with open(gw.state + "/logs/access.log", "rb") as f:
        lines = [json.loads(line) for line in f.read().decode("utf-8").splitlines()]  # strict
    odd = [line for line in lines if line["plugins"] == []]
    assert len(odd) >= 2 and all(line["status"] == 400 and line["retries"] == 0 for line in odd)
