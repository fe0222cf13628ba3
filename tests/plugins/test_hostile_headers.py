"""Every plugin, with values of its headers that no client sends in good faith: a mebibyte of this and that, nothing.

Requests in files are UTF-8; headers that are not come through the gateway, in tests/e2e/header_fuzz.py."""
import json
import os

import pytest

from test_plugins import BUILD, ROOT, TIERS, run_try

PLUGINS = sorted(p for p in os.listdir(os.path.join(ROOT, "plugins")) if os.path.exists(os.path.join(ROOT, "plugins", p, "plugin.c")))
SIZES = {"aot": 1 << 20, "interp": 1 << 14}
VALUES = ["", "x", "A.", "=;", "%41", "&=", ", ", "\u00ff\u0080"]  # each repeated to the size
NAMES = [":path", ":authority", "authorization", "cookie", "content-type"]


def cases(plugin):
    with open(os.path.join(ROOT, "plugins", plugin, "bench.json"), encoding="utf-8") as f:
        bench = json.load(f)
    return bench if isinstance(bench, list) else [bench]


def with_value(headers, name, value):
    return [[n, v] for n, v in headers if n.lower() != name] + [[name, value]]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("plugin", PLUGINS)
def test_no_trap(plugin, tier, tmp_path):
    if tier == "aot" and not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    case = cases(plugin)[0]
    headers = case["request"]["headers"]
    names = sorted(set(NAMES) | {n.lower() for n, _ in headers})
    answers = {k: v for k, v in case["request"].items() if k != "headers"}
    module, config = os.path.join(ROOT, f"build/plugins/{plugin}.wasm"), json.dumps(case["config"])
    for part in VALUES:
        value = part * (SIZES[tier] // max(len(part.encode()), 1))
        requests = [{**answers, "headers": with_value(headers, name, value)} for name in names]
        code, lines = run_try(module, config, requests, tier, tmp_path)
        assert code == 0 and len(lines) == len(names), (value[:20], lines)
        for name, line in zip(names, lines):
            assert line["action"] in ("continue", "local"), (name, value[:20], line)
