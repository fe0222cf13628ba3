"""Traps become reports that people can read: `weir crashes`, the log of the control process, over restarts."""
import glob
import json
import os
import shutil
import subprocess
import tempfile

import pytest

from conftest import GUESTS, ROOT, WEIR, wait_for

SECRET = "secret-value-of-a-header"


def config(echo, module, **rest):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": "orders", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
            "plugins": [{"name": "trapper", "url": module, "defaultConfig": {}, **rest}]}


def crashes(g, *args, code=0):
    done = subprocess.run([WEIR, "crashes", "--state", g.state, *args], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done
    return done


def entries(g):
    return [json.loads(line) for line in crashes(g, "--json").stdout.splitlines()]


def counted(g, n):
    wait_for(f"{n} crashes", lambda: sum(e["count"] for e in entries(g)) == n)
    return entries(g)


def named(g, n):
    """The same, once all frames have names."""
    counted(g, n)
    def all_named():
        now = entries(g)
        return now if all(frame["functions"] for e in now for frame in e["frames"]) else None
    return wait_for("names of the frames", all_named)


@pytest.mark.parametrize("tier", ["interp", "aot"])
def test_a_trap_becomes_a_report(gateway, echo, trapper_module, tier):
    g = gateway(config(echo, trapper_module, vm={"runtime": tier}), "--workers", "1")
    if tier == "aot":
        wait_for("the image", lambda: g.worker_status()["plugins"][0]["tier"] == "aot")
    assert entries(g) == [] and crashes(g).stdout == ""
    for how in ("unreachable", "unreachable", "div0"):
        headers = {"x-trap": how, "x-request-id": "id-" + how, "authorization": SECRET}
        assert g.send(headers=headers).status == 503
        assert g.send().status == 200
    found = {e["trap"]: e for e in named(g, 3)}
    assert sorted((e["count"], t) for t, e in found.items()) == [(1, "integer divide by zero"), (2, "unreachable")]
    e = found["unreachable"]
    assert (e["plugin"], e["route"], e["request"]) == ("trapper", "orders", "id-unreachable")
    assert e["callback"] == "proxy_on_request_headers" and e["memory_bytes"] >= 65536 and e["dropped"] == 0
    inner = e["frames"][0]["functions"]
    assert inner[0]["name"] == "trap_unreachable" and "tests/guests/trapper.c:" in inner[0]["at"]
    assert any(f["name"] == "request_headers" for frame in e["frames"] for f in frame["functions"])
    # One line at once and one with names, and nothing of the request but its id.
    lines = [json.loads(l[l.index("{"):]) for l in g.output().splitlines() if '"crash":"' + e["id"] in l]
    assert lines[0]["plugin"] == "trapper" and lines[0]["function"] == ""
    logged = next(l for l in lines if l["function"] != "")
    assert logged["plugin"] == "trapper" and logged["function"] == "trap_unreachable" and "trapper.c:" in logged["at"]
    files = glob.glob(g.state + "/crashes/*")
    assert len(files) == 2
    for path in files:
        with open(path, encoding="utf-8") as f:
            assert SECRET not in f.read()
    assert SECRET not in g.output()
    # For people.
    rows = crashes(g).stdout.splitlines()
    assert len(rows) == 2 and any("trapper: unreachable in trap_unreachable" in r for r in rows)
    whole = crashes(g, e["id"][:6]).stdout
    assert "request    id-unreachable" in whole and "trapper.c:" in whole and "    0: 0x" in whole
    assert "no crash report begins with zz" in crashes(g, "zz", code=1).stderr


def stripped(folder, names):
    """trapper.wasm without DWARF, which says that file `names` has it; where the file is to be."""
    module, link = folder / "m" / "trapper.wasm", folder / "link"
    module.parent.mkdir()
    link.write_bytes(bytes([len(names)]) + names.encode())
    subprocess.run(["llvm-objcopy-19", "--strip-debug", f"--add-section=external_debug_info={link}", os.path.join(GUESTS, "trapper.wasm"),
                    str(module)], check=True)
    debug = module.parent / names
    debug.parent.mkdir(exist_ok=True)
    return "file:" + str(module), debug


def put_nothing(_):
    pass


def put_right(debug):
    shutil.copy(os.path.join(GUESTS, "trapper.wasm"), debug)


def put_other(debug):
    shutil.copy(os.path.join(ROOT, "build/plugins/debug/key-auth.wasm"), debug)


def put_garbage(debug):
    debug.write_bytes(b"\0asm\1\0\0\0" + b"\xff" * 1000)


@pytest.mark.usefixtures("trapper_module")
@pytest.mark.parametrize("names,put,lines,said", [
    ("debug/trapper.wasm", put_right, True, ""),
    ("../elsewhere.wasm", put_right, False, "carries no DWARF"),
    ("debug/trapper.wasm", put_nothing, False, "carries no DWARF"),
    ("debug/trapper.wasm", put_other, False, "is of another build of the module"),
    ("debug/trapper.wasm", put_garbage, False, "no lines: "),
    ("debug/trapper.wasm", os.mkfifo, False, "is no plain file")],
    ids=["right", "outside", "missing", "other", "garbage", "fifo"])
def test_a_stripped_module_with_its_dwarf_beside_it(gateway, echo, tmp_path, names, put, lines, said):
    module, debug = stripped(tmp_path, names)
    put(debug)
    g = gateway(config(echo, module), "--workers", "1")
    assert g.send(headers={"x-trap": "div0"}).status == 503
    inner = named(g, 1)[0]["frames"][0]["functions"]
    assert inner[0]["name"] == "trap_div0" and ("tests/guests/trapper.c:" in inner[0].get("at", "")) == lines
    assert said in g.output()


def running(word):
    """Processes with the word in their command line."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                if word.encode() in f.read():
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def test_a_symbolizer_that_hangs_holds_nobody_up(gateway, echo, trapper_module, monkeypatch):
    """The report is there at once, without names; changes are applied; the gateway ends, and the symbolizer with it."""
    word = f"7200.{os.getpid()}"
    folder = tempfile.mkdtemp(prefix="weir-symbolizer-")  # the symbolizer's user must come there
    try:
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "llvm-symbolizer-19"), "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\nsleep {word}\n")
        os.chmod(f.name, 0o755)
        monkeypatch.setenv("PATH", folder + ":" + os.environ["PATH"])
        g = gateway(config(echo, trapper_module), "--workers", "1")
        assert g.send(headers={"x-trap": "div0"}).status == 503
        wait_for("the symbolizer", lambda: running(word))
        e = counted(g, 1)[0]
        assert e["trap"] == "integer divide by zero" and not any(frame["functions"] for frame in e["frames"])
        with open(g.config, encoding="utf-8") as f:
            changed = json.load(f)
        changed["routes"][0]["rewrite"] = {"path": "/changed"}
        with open(g.config + ".new", "w", encoding="utf-8") as f:
            json.dump(changed, f)
        os.replace(g.config + ".new", g.config)
        wait_for("the change", lambda: g.send().seen["path"] == "/changed")
        assert running(word), "the change did not wait for it"
        assert g.send(headers={"x-trap": "div0"}).status == 503
        counted(g, 2)
        assert g.stop() == 0
        wait_for("the symbolizer to be ended", lambda: not running(word))
    finally:
        shutil.rmtree(folder)


def test_reports_outlive_the_control_process(gateway, echo, trapper_module):
    g = gateway(config(echo, trapper_module), "--workers", "1")
    assert g.send(headers={"x-trap": "oob"}).status == 503
    first = counted(g, 1)[0]
    assert g.stop() == 0
    assert [e["id"] for e in entries(g)] == [first["id"]]
    with open(os.path.join(g.state, "crashes", "0123456789abcdef.crash"), "wb") as f:
        f.write(b"weir-crash 1\nplugin \xff")
    assert "1 damaged report is passed by" in crashes(g).stderr
    h = gateway(config(echo, trapper_module), "--workers", "1", state=g.state)
    assert "1 damaged crash report is passed by" in h.output()
    assert h.send(headers={"x-trap": "oob"}).status == 503
    assert [(e["id"], e["count"]) for e in counted(h, 2)] == [(first["id"], 2)]


def test_a_storm_is_bounded(gateway, echo, trapper_module):
    """More than ten a second are counted, not told apart; with valid requests between, all are served."""
    g = gateway(config(echo, trapper_module), "--workers", "1")
    for _ in range(60):
        assert g.send(headers={"x-trap": "unreachable"}).status == 503
        assert g.send().status == 200
    def all_told():
        assert g.send(headers={"x-trap": "unreachable"}).status == 503
        assert g.send().status == 200
        return any(e["dropped"] > 0 for e in entries(g))
    wait_for("what was dropped to be told", all_told)
    assert len(entries(g)) == 1


def test_the_last_lines_of_the_log(gateway, echo, probe_module):
    g = gateway(config(echo, probe_module), "--workers", "1", "--plugin-log-level", "info")
    assert g.send(headers={"x-request": "get 0 :path; trap"}).status == 503
    e = counted(g, 1)[0]
    assert "get 0 :path = 0 /" in e["log"], e


def test_no_state_folder(tmp_path):
    done = subprocess.run([WEIR, "crashes", "--state", str(tmp_path / "no")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "--state" in done.stderr


def test_reports_have_no_values_of_headers(gateway, echo, probe_module):
    """The plugin logs what it finds, whole and in part; the log has it, the report, `weir crashes` and the control process's log do not."""
    g = gateway(config(echo, probe_module, vm={"runtime": "interp"}), "--workers", "1", "--plugin-log-level", "info")
    key, word = "key-of-the-client-0815", "word-of-a-cookie-4711"
    script = "get 0 x-api-key; get 0 user-agent; get 0 :path; pairs 0; log 2 only-" + word + "; trap"
    assert g.send("/p?token=" + word, headers={"x-request": script, "x-api-key": key, "cookie": "a=b; session=" + word,
                                               "user-agent": "agent-of-the-client"}).status == 503
    e = counted(g, 1)[0]
    assert key in g.error_log and word in g.error_log
    told = json.dumps(e) + crashes(g).stdout + crashes(g, e["id"][:6]).stdout + g.output()
    with open(glob.glob(g.state + "/crashes/*")[0], encoding="utf-8") as f:
        told += f.read()
    assert key not in told and word not in told, e["log"]
    lines = "\n".join(e["log"])
    assert "= 0 [redacted: x-api-key]" in lines and "= 0 agent-of-the-client" in lines and "get 0 :path = 0 /p?[redacted: " in lines, lines
