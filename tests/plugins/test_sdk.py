"""The SDK's README is true: its plugin builds with its command, and behaves as it says."""
import os
import re
import shlex
import shutil
import subprocess

import pytest

from test_plugins import BUILD, ROOT, TIERS, WEIR, run_try, values

README = os.path.join(ROOT, "sdk/c/README.md")


def blocks(language):
    with open(README, encoding="utf-8") as f:
        return re.findall(rf"```{language}\n(.*?)```", f.read(), re.S)


@pytest.fixture(name="hello", scope="module")
def fixture_hello(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hello")
    (folder / "hello.c").write_text(blocks("c")[0])
    command = next(line for block in blocks("sh") for line in block.splitlines() if line.startswith("clang-19 "))
    command = command.replace("build/sdk", os.path.join(ROOT, "build/sdk"))
    subprocess.run(shlex.split(command) + ["-Wall", "-Wextra", "-Werror"], cwd=folder, check=True)
    return folder / "hello.wasm"


def test_exports_only_what_it_has(hello):
    if not shutil.which("wasm-objdump"):
        pytest.skip("wasm-objdump is not installed")
    text = subprocess.run(["wasm-objdump", "-x", hello], capture_output=True, text=True, check=True).stdout
    exports = set(re.findall(r'-> "(\w+)"', text))
    assert exports == {"memory", "_initialize", "malloc", "proxy_on_memory_allocate", "proxy_abi_version_0_2_1",
                       "proxy_on_context_create", "proxy_on_delete", "proxy_on_configure", "proxy_on_request_headers"}
    assert "<- wasi_" not in text


def test_hello(hello, tmp_path):
    if not os.path.exists(WEIR):
        pytest.skip("weir is not built")
    code, lines = run_try(hello, "hi", [{"headers": [["user-agent", "x"]]}, {"headers": []}], "auto", tmp_path)
    assert code == 0, lines
    assert lines[0]["action"] == "continue" and values(lines[0]["request_headers"], "x-greeting") == ["hi"]
    assert (lines[1]["action"], lines[1]["status"], lines[1]["body"]) == ("local", 400, "who are you?\n")


def test_refuses_an_empty_configuration(hello, tmp_path):
    if not os.path.exists(WEIR):
        pytest.skip("weir is not built")
    code, lines = run_try(hello, "", [], "auto", tmp_path)
    assert code == 1 and lines[-1]["configure"] is False


@pytest.mark.parametrize("tier", TIERS)
def test_calls_and_what_is_shared(tier, tmp_path):
    """tests/guests/sdk_calls.c: Redis, then HTTP, then metrics, shared data and a queue."""
    if tier == "aot" and not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    subprocess.run(["make", "-s", "build/guests/sdk_calls.wasm"], cwd=ROOT, check=True)
    requests = [
        {"headers": [], "redis": [{"reply": 7}], "callouts": [{"status": 200, "body": "fine"}]},
        {"headers": [], "redis": [{"reply": {"error": "ERR why"}}]},
        {"headers": [], "redis": [{"unreachable": True}]},
        {"headers": [], "redis": [{"reply": 8}], "callouts": [{"fail": True}]},
        {"headers": [], "redis": [{"reply": ["a", [1, None]]}]},
        {"headers": [], "redis": [{"reply": 9, "delay_ms": 40}], "callouts": [{"status": 204}]},
    ]
    code, lines = run_try(os.path.join(ROOT, "build/guests/sdk_calls.wasm"), "x", requests, tier, tmp_path)
    assert code == 0, lines
    assert values(lines[0]["request_headers"], "x-said") == ["200 fine 7 1 7"]
    assert lines[0]["redis"][0]["command"] == ["INCR", "hits"] and lines[0]["redis"][0]["db"] == 2
    assert ["redis: ERR why", "redis: refused", "http: no answer", "redis: "] == [line["body"] for line in lines[1:5]]
    assert values(lines[5]["request_headers"], "x-said") == ["204  9 2 7,9"]


@pytest.mark.parametrize("tier", TIERS)
def test_connections(tier, tmp_path):
    """tests/guests/sdk_tcp.c: whole lines, what is held, who closes."""
    if tier == "aot" and not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    subprocess.run(["make", "-s", "build/guests/sdk_tcp.wasm"], cwd=ROOT, check=True)
    module = os.path.join(ROOT, "build/guests/sdk_tcp.wasm")
    ends = [{"downstream": "tail", "end": True}, {"upstream": "", "end": True}]
    lines_of = [
        [{"downstream": "hel"}, {"downstream": "lo\nb\n"}, {"upstream": "hi"}, *ends],
        [{"downstream": "wait\n"}, {"upstream": "go"}, *ends],
        [{"downstream": "wait\n"}],
        [{"downstream": "quit\n"}, {"downstream": "late\n"}],
        [{"downstream": "hang up\n"}, {"upstream": "late"}],
        [{"close": "upstream"}],
        [{"close": "downstream"}],
    ]
    code, lines = run_try(module, "", [{"connection": events} for events in lines_of], tier, tmp_path)
    assert code == 0, lines
    assert (lines[0]["upstream_got"], lines[0]["downstream_got"]) == ("1.1 hello\n1.2 b\n1.3 tail\n", "[hi]")
    assert lines[0]["upstream_ended"] and lines[0]["downstream_ended"]
    assert (lines[1]["upstream_got"], lines[1]["downstream_got"]) == ("2.1 wait\n2.2 tail\n", "[go]")
    assert lines[2]["upstream_got"] == ""
    assert [lines[i]["action"] for i in (3, 4)] == ["closed", "closed"] and not lines[3]["upstream_got"] and not lines[4]["downstream_got"]
    gone = [sorted(entry for entry in line["logs"] if "gone" in entry) for line in lines]
    assert gone[5] == ["info: 6: client gone, local", "info: 6: upstream gone, remote"]
    assert gone[6] == ["info: 7: client gone, remote", "info: 7: upstream gone, local"]
    assert all(f"info: {n}: over after {of} lines" in line["logs"] for n, of, line in zip(range(1, 8), (3, 2, 1, 1, 1, 0, 0), lines))
    code, lines = run_try(module, '{"closed":true}', [{"connection": [{"downstream": "a\n"}, {"upstream": "b"}]}], tier, tmp_path)
    assert code == 0 and lines[0]["action"] == "closed" and lines[0]["upstream_got"] == lines[0]["downstream_got"] == ""
