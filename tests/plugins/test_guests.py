"""Modules of tests/guests through `weir try`: one that traps."""
import os

import pytest

from assemblyscript import make
from test_plugins import BUILD, ROOT, TIERS, run_try


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
