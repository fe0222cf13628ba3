"""Matching takes time linear in the text, for compiled code and for patterns and texts made to be hard for it."""
import glob
import json
import os
import random
import re
import subprocess

import pytest

from test_plugins import BUILD, ROOT, WEIR

MODULE = os.path.join(ROOT, "build/plugins/bot-detect.wasm")
SMALL, LARGE = 16 << 10, 64 << 10


def almost(length):
    """Beginnings of everything in the list, none of them whole: the text that leads through most states."""
    with open(os.path.join(ROOT, "plugins/bot-detect/bots.def"), encoding="utf-8") as f:
        patterns = [p.replace("\\\\", "\\") for p in re.findall(r'^BOT\(\w+, "(.*?)"', f.read(), re.M)]
    whole = re.compile("|".join(patterns), re.I)
    pieces = {word[:n] + "q" for word in re.findall(r"[a-z]{3,}", " ".join(patterns)) for n in range(1, len(word))}
    pieces = sorted(p for p in pieces if not whole.search("q" + p))
    rng, text = random.Random(5), "q"
    while len(text) < length:
        text += rng.choice(pieces)
    return text[:length]


def many_states(length):
    """What `a.{14}[^abq]` has to remember all of."""
    rng = random.Random(6)
    return "".join(rng.choice("ab") for _ in range(length))


@pytest.mark.parametrize("text,config", [(almost, {}), (many_states, {"builtin": [], "match": "search", "deny": ["a.{14}[^abq]"]})],
                         ids=["almost", "many_states"])
def test_time_is_linear(text, config, tmp_path):
    if not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    (tmp_path / "config").write_text(json.dumps(config))
    cost = {SMALL: [], LARGE: []}
    for _ in range(3):
        for length, costs in cost.items():
            (tmp_path / "requests").write_text(json.dumps([{"headers": [["user-agent", text(length)]]}]))
            out = subprocess.run([WEIR, "try", MODULE, "--config", tmp_path / "config", "--requests", tmp_path / "requests", "--tier", "aot",
                                  "--bench", "20"], capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
            assert json.loads(out[0])["action"] == "continue", out[0][-300:]
            costs.append(json.loads(out[-1])["bench"]["cpu_ns_per_request"])
    small, large = min(cost[SMALL]), min(cost[LARGE])
    print(f"{small / SMALL:.2f} and {large / LARGE:.2f} ns per byte")
    assert large < small * 3 * LARGE / SMALL, cost


def cpu_of(module, config, requests, tmp_path):
    (tmp_path / "config").write_text(json.dumps(config))
    (tmp_path / "requests").write_text(json.dumps(requests))
    out = subprocess.run([WEIR, "try", module, "--config", tmp_path / "config", "--requests", tmp_path / "requests", "--tier", "aot",
                          "--bench", "20"], capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    return json.loads(out[-1])["bench"]["cpu_ns_per_request"]


# Patterns that take a backtracking matcher exponential time, and one with many states; the text never matches.
@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^(a|a?)+$", "(.*)*x(.*)*y", "a.{14}[^ab!]"])
def test_a_rate_limits_pattern_is_linear(pattern, tmp_path):
    if not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    module = os.path.join(ROOT, "build/plugins/cluster-key-rate-limit.wasm")
    config = {"rule_name": "r", "redis": {"service_name": "redis"},
              "rule_items": [{"limit_by_per_header": "x-key", "limit_keys": [{"key": "regexp:" + pattern, "query_per_day": 1}]}]}
    cost = {SMALL: [], LARGE: []}
    for _ in range(3):
        for length, costs in cost.items():
            costs.append(cpu_of(module, config, [{"headers": [["x-key", "a" * length + "!"]]}], tmp_path))
    assert min(cost[LARGE]) < min(cost[SMALL]) * 3 * LARGE / SMALL, cost


def test_the_list_is_in_the_module():
    """What docs and schema name as groups are the groups of the list."""
    with open(os.path.join(ROOT, "plugins/bot-detect/bots.def"), encoding="utf-8") as f:
        groups = {g.lower() for g in re.findall(r"^BOT\((\w+),", f.read(), re.M)}
    with open(glob.glob(os.path.join(ROOT, "plugins/bot-detect/schema.json"))[0], encoding="utf-8") as f:
        assert set(json.load(f)["definitions"]["builtin"]["items"]["enum"]) == groups
    with open(os.path.join(ROOT, "plugins/bot-detect/README.md"), encoding="utf-8") as f:
        assert groups == set(re.findall(r"^\| `(\w+)` \| \d+ \|", f.read(), re.M))
