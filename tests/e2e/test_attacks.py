"""Guests that try to get out, behind a real nginx: each is refused or trapped, the worker stays, the next request is served.

What the host tells each of them, call by call: tests/pw/test_attacks.py and test_misc.py."""
import json
import os
import re
import subprocess

import pytest

from conftest import GUESTS, WEIR, wait_for

TIERS = ("interp", "aot")
# Route: guest, configuration, limits.
PLUGINS = {"attack": ("attack", {}, {}), "pointers": ("bad_pointers", {}, {}), "hoard": ("hoard", {}, {"memory": "8MiB", "cpu": "5s"}),
           **{"alloc-" + mode: ("alloc", {"mode": mode}, {}) for mode in ("trap", "zero", "wild", "nested", "change")}}


def plugin(name, url, tier, config, limits):
    return {"name": name, "url": url, "vm": {"runtime": tier}, "limits": limits, "defaultConfigDisable": True,
            "matchRules": [{"route": [name], "config": config}]}


def configuration(echo, plugins):
    routes = [{"name": p["name"], "match": {"path": {"prefix": "/" + p["name"]}}, "service": "echo"} for p in plugins]
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": routes + [{"name": "rest", "match": {}, "service": "echo"}],  # for those that change their path
            "plugins": plugins}


@pytest.fixture(name="gw", scope="module", params=TIERS)
def fixture_gw(request, gateways, echo):
    plugins = [plugin(name, "file:" + os.path.join(GUESTS, f"host/{guest}.wasm"), request.param, config, {"logLines": 100000, **limits})
               for name, (guest, config, limits) in PLUGINS.items()]
    g = gateways(configuration(echo, plugins), "--workers", "1", "--plugin-log-level", "info")
    wait_for("the tier", lambda: {p["tier"] for p in g.worker_status()["plugins"]} == {request.param}, 120)
    g.tier = request.param
    return g


def said(g, before, name):
    """[what the plugin logged]"""
    return re.findall(rf"\[weir\] plugin {name}: (.*?)(?: while [a-z ]+)?(?:, client: .*)?$", g.error_log[before:], re.M)


def attack(g, name, status=200, body=b"the body", **headers):
    """What the plugin said; the same worker serves on."""
    before, pids = len(g.error_log), g.workers()
    response = g.send("/" + name, "POST", headers={"x-" + k: v for k, v in headers.items()}, body=body)
    assert response.status == status
    lines = said(g, before, name)
    assert g.send("/attack").status == 200 and g.workers() == pids
    return lines


def numbers(lines):
    return {k: int(v) for k, v in (line.split("=") for line in lines if re.fullmatch(r"[\w .]+=\d+", line))}


@pytest.mark.parametrize("how,expected", [
    ("counts", {"taken": 0}), ("buffers", {"found": 0, "set": 0}), ("lengths", {"refused": 48, "allowed": 0}),
    ("grow", {"too much": 1, "pages": 1}), ("moved", {"path": 0}), ("contexts", {"done": 1, "root": 0})])
def test_what_is_refused(gw, how, expected):
    got = numbers(attack(gw, "attack", do=how))
    assert {k: got[k] for k in expected} == expected
    if how == "contexts":
        assert got["refused"] >= 4 and got["path of a root"] != 0 and got["add to a root"] != 0
    if how == "counts":
        assert got["refused"] >= 8


@pytest.mark.parametrize("how,traps", [("recurse", ("call stack exhausted", "out of bounds memory access")), ("reenter-allocator", ("nest too deep",))])
def test_what_traps(gw, how, traps):
    lines = attack(gw, "attack", 503, do=how)
    assert any(trap in line for line in lines for trap in traps), lines


def test_bad_pointers_in_every_call(gw):
    """INVALID_MEMORY_ACCESS for each pointer, whatever server is behind the host."""
    got = numbers(attack(gw, "pointers"))
    rest = {"pthread_equal same": 1, "pthread_equal other": 0, "empty log": 0, "inject nothing": 0, "resolve nothing": 0}
    assert len(got) > 80 and {k: v for k, v in got.items() if v != rest.get(k, 6)} == {}


def test_memories_and_tables_to_their_limit(gw):
    for _ in range(2):
        assert attack(gw, "hoard") == ["held 0008 MiB"]
    assert next(p for p in gw.worker_status()["plugins"] if p["name"] == "hoard")["memory_bytes"] <= 8 << 20


@pytest.mark.parametrize("mode,status", [("trap", 503), ("zero", 200), ("wild", 200), ("nested", 503), ("change", 200)])
def test_allocators_that_misbehave(gw, mode, status):
    lines = attack(gw, "alloc-" + mode, status)
    if status == 503:
        assert any("malloc" in line for line in lines), lines
    else:
        assert numbers(lines)["value"] == (0 if mode == "change" else 6)


# ---- modules ----------------------------------------------------------------------------------------------------

HEAD = b"\0asm\1\0\0\0"


def leb(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def section(number, content):
    return bytes([number]) + leb(len(content)) + content


TYPE, FUNC, NOP = section(1, b"\1\x60\0\0"), section(3, b"\1\0"), section(10, b"\1\2\0\x0b")


def code(body, types=b"\1\x60\0\0", rest=b"", locals_=b"\0"):
    """A module with one function; `rest` are sections between functions and code."""
    body = locals_ + body + b"\x0b"
    return HEAD + section(1, types) + FUNC + rest + section(10, b"\1" + leb(len(body)) + body)


MEMORY, TABLE = section(5, b"\1\0\1"), section(4, b"\1\x70\0\1")
MALFORMED = {
    "empty": b"", "magic": b"\0asn\1\0\0\0", "version": b"\0asm\2\0\0\0", "component": b"\0asm\x0d\0\1\0", "half a head": HEAD[:6],
    "section of nobody": HEAD + section(77, b""), "section too long": HEAD + b"\1\x7f\1", "section too short": HEAD + b"\1\1\1",
    "order": HEAD + FUNC + TYPE, "twice": HEAD + TYPE + TYPE, "long leb": HEAD + b"\1\x80\x80\x80\x80\x80\0", "leb with spare bits": HEAD + b"\1\5\xff\xff\xff\xff\x7f",
    "four billion types": HEAD + section(1, b"\xff\xff\xff\xff\x0f"), "four billion functions": HEAD + TYPE + section(3, b"\xff\xff\xff\xff\x0f"),
    "four billion locals": code(b"", locals_=b"\2\xff\xff\xff\xff\x0f\x7f\xff\xff\xff\xff\x0f\x7f"),
    "code without functions": HEAD + TYPE + NOP, "functions without code": HEAD + TYPE + FUNC, "name that is no UTF-8": HEAD + TYPE + FUNC + section(7, b"\1\2\xff\xfe\0\0") + NOP,
    "body too long": HEAD + TYPE + FUNC + section(10, b"\1\x05\0\x0b"), "body without an end": HEAD + TYPE + FUNC + section(10, b"\1\2\0\1"),
    "type of nobody": HEAD + TYPE + section(3, b"\1\x09") + NOP, "opcode of nobody": code(b"\xff"), "simd of nobody": code(b"\xfd\xff\x7f\x1a"),
    "stack underflow": code(b"\x1a"), "left on the stack": code(b"\x41\0"), "wrong type": code(b"\x42\0\x45\x1a"),
    "polymorphic underflow": code(b"\x00\x42\0\x45\x1a"), "branch too far": code(b"\x0c\x05"), "branch table of two types": code(b"\x02\x7f\x02\x40\x41\0\x41\0\x0e\1\0\1\x0b\x41\0\x0b\x1a"),
    "if with half a result": code(b"\x41\0\x04\x7f\x41\0\x0b\x1a"), "else of nobody": code(b"\x05"), "unknown local": code(b"\x20\x09\x1a"), "unknown global": code(b"\x23\0\x1a"),
    "immutable global": code(b"\x41\0\x24\0", rest=section(6, b"\1\x7f\0\x41\0\x0b")), "unknown function": code(b"\x10\x09"),
    "unknown table": code(b"\x41\0\x11\0\0"), "table of strangers": code(b"\x41\0\x11\0\0", rest=section(4, b"\1\x6f\0\1")), "unknown memory": code(b"\x41\0\x28\0\0\x1a"),
    "alignment": code(b"\x41\0\x28\3\0\x1a", rest=MEMORY), "undeclared reference": code(b"\xd2\0\x1a"), "select of references": code(b"\xd0\x70\xd0\x70\x41\0\x1b\x1a"),
    "memory too large": HEAD + section(5, b"\1\0\x81\x80\4"), "memory of nothing": HEAD + section(5, b"\1\1\2\1"), "memory64": HEAD + section(5, b"\1\4\1"),
    "table too large": HEAD + section(4, b"\1\x70\0\xff\xff\xff\xff\x0f"), "start with parameters": HEAD + section(1, b"\1\x60\1\x7f\0") + FUNC + section(8, b"\0") + NOP,
    "export twice": HEAD + TYPE + FUNC + section(7, b"\2\1a\0\0\1a\0\0") + NOP, "export of nobody": HEAD + section(7, b"\1\1a\0\0"), "data without memory": HEAD + section(11, b"\1\0\x41\0\x0b\0"),
    "data count that lies": HEAD + MEMORY + section(12, b"\2") + section(11, b"\0"), "offset that is no constant": HEAD + MEMORY + section(11, b"\1\0\x41\0\x45\x0b\0"),
    "offset of another type": HEAD + MEMORY + section(11, b"\1\0\x42\0\x0b\0"), "element of nobody": HEAD + TABLE + section(9, b"\1\0\x41\0\x0b\1\x09"),
    "init of a later global": HEAD + section(6, b"\2\x7f\0\x23\1\x0b\x7f\0\x41\0\x0b"), "exceptions": HEAD + TYPE + section(13, b"\1\0\0"), "custom without a name": HEAD + b"\0\1\5",
    "not for proxies": code(b""),
}


def test_malformed_modules(gw, echo, tmp_path):
    """One change with all of them: each is refused with a message, nothing of them runs, the rest is in force and served."""
    with open(gw.config, encoding="utf-8") as f:
        config = json.load(f)
    names = {f"bad-{i}": name for i, name in enumerate(MALFORMED)}
    for key, name in names.items():
        (tmp_path / key).write_bytes(MALFORMED[name])
    bad = [plugin(key, f"file:{tmp_path}/{key}", gw.tier, {}, {}) for key in names]
    plugins = config["plugins"] + bad
    other = tmp_path / "all.yaml"
    other.write_text(json.dumps({"listeners": config["listeners"], **configuration(echo, plugins)}))
    pids = gw.workers()
    done = subprocess.run([WEIR, "apply", "-c", str(other), "--state", gw.state], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done
    found = {p["name"]: p for p in json.loads(subprocess.run([WEIR, "status", "--json", "--state", gw.state], capture_output=True, text=True,
                                                             timeout=60, check=False).stdout)["plugins"]}
    runs = [name for key, name in names.items() if found[key]["state"] != "failed"]
    silent = [name for key, name in names.items() if not re.match(r"(malformed|invalid|unsupported|limit|link|url: |no WebAssembly)", found[key]["cause"])]
    assert (runs, silent) == ([], []), {names[k]: found[k] for k in names if names[k] in runs + silent}
    assert {gw.send("/" + key).status for key in names} == {503}
    assert gw.workers() == pids and gw.send("/attack").status == 200 and numbers(attack(gw, "attack", do="lengths"))["refused"] == 48
