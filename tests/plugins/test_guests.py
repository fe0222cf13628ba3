"""Modules from tests/guests through `weir try`: a plugin on somebody else's SDK, and one that traps."""
import os
import subprocess

import pytest

from test_plugins import BUILD, ROOT, TIERS, run_try, values


def make(target):
    return subprocess.run(["make", "-s", target], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(name="as_headers", scope="module")
def fixture_as_headers():
    installed = make("build/guests/assemblyscript/.installed")
    if installed.returncode != 0:
        pytest.skip("npm cannot install AssemblyScript here: " + installed.stderr[-200:].strip())
    built = make("build/guests/as-headers.wasm")
    assert built.returncode == 0, built.stderr
    return os.path.join(ROOT, "build/guests/as-headers.wasm")


@pytest.fixture(name="trapper", scope="module")
def fixture_trapper():
    built = make("build/guests/trapper.wasm")
    assert built.returncode == 0, built.stderr
    return os.path.join(ROOT, "build/guests/trapper.wasm")


@pytest.fixture(name="tier", params=TIERS)
def fixture_tier(request):
    if request.param == "aot" and not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    return request.param


def test_assemblyscript(as_headers, tier, tmp_path):
    requests = [{"headers": [], "response": {"headers": [[":status", "200"]]}},
                {"headers": [["x-block", "why"]]}] * 50
    code, lines = run_try(as_headers, "hello", requests, tier, tmp_path)
    assert code == 0 and len(lines) == 100, lines[-1:]
    for passed, blocked in zip(lines[::2], lines[1::2]):
        assert passed["action"] == "continue"
        assert values(passed["request_headers"], "x-as-request") == ["hello"]
        assert values(passed["response_headers"], "x-as-response") == ["hello"]
        assert (blocked["action"], blocked["status"], blocked["body"]) == ("local", 403, "blocked: why")
        assert values(blocked["headers"], "x-as") == ["blocked"]
        assert any("as-headers blocks: why" in str(line) for line in blocked["logs"])


def test_assemblyscript_refuses_its_configuration(as_headers, tier, tmp_path):
    code, lines = run_try(as_headers, "refuse", [], tier, tmp_path)
    assert code == 1 and lines[-1]["configure"] is False


def test_assemblyscript_without_configuration(as_headers, tier, tmp_path):
    code, lines = run_try(as_headers, "", [{"headers": []}], tier, tmp_path)
    assert code == 0 and values(lines[0]["request_headers"], "x-as-request") == [""]


TRAPS = [("unreachable", "trap_unreachable"), ("oob", "trap_oob"), ("div0", "trap_div0"), ("stack", "recurse")]


@pytest.mark.parametrize("how,function", TRAPS)
def test_trap_is_one_requests_own(trapper, how, function, tier, tmp_path):
    """The trapped request fails and says where, the next one goes on in a new VM."""
    requests = [{"headers": []}, {"headers": [["x-trap", how]]}, {"headers": []}] * 3
    code, lines = run_try(trapper, "", requests, tier, tmp_path)
    assert code == 0
    assert [line["action"] for line in lines] == ["continue", "trap", "continue"] * 3
    assert function in str(lines[1])


def test_trap_in_configure(trapper, tier, tmp_path):
    code, lines = run_try(trapper, "trap", [], tier, tmp_path)
    assert code == 1 and lines[-1]["configure"] is False and "trap_unreachable" in lines[-1]["error"]
