"""Plugins free what a configuration held, whether the host deletes roots or configures them again."""
import json
import os
import shutil
import subprocess

import pytest

from test_plugins import ROOT

SCRIPT = os.path.join(os.path.dirname(__file__), "guest_memory.mjs")
PLUGINS = sorted(p for p in os.listdir(os.path.join(ROOT, "plugins")) if os.path.exists(os.path.join(ROOT, "plugins", p, "plugin.c")))
ROUNDS = {"bot-detect": 400}  # its list takes milliseconds to compile
EXTRA = {"cluster-key-rate-limit": {"rule_name": "r", "redis": {"service_name": "s"}, "rule_items": [
    {"limit_by_per_header": "a", "limit_keys": [{"key": "regexp:^(a|b)+$", "query_per_day": 1}]}]}}


def configurations(plugin):
    """Those of the bench, with keys of each kind; and what they leave out."""
    with open(os.path.join(ROOT, "plugins", plugin, "bench.json"), encoding="utf-8") as f:
        bench = json.load(f)
    cases = bench if isinstance(bench, list) else bench.get("cases", [bench])
    return [case["config"] for case in cases if "config" in case] + ([EXTRA[plugin]] if plugin in EXTRA else [])


@pytest.mark.parametrize("plugin", PLUGINS)
def test_memory_is_flat(plugin, tmp_path):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    for config in configurations(plugin):
        (tmp_path / "config").write_text(config if isinstance(config, str) else json.dumps(config))
        out = subprocess.run(["node", SCRIPT, os.path.join(ROOT, f"build/plugins/{plugin}.wasm"), tmp_path / "config", str(ROUNDS.get(plugin, 2000))],
                             capture_output=True, text=True, check=True, timeout=300).stdout
        sizes = json.loads(out)
        print(plugin, sizes)
        assert sizes["roots"][0] == sizes["roots"][1] and sizes["again"][0] == sizes["again"][1], sizes
