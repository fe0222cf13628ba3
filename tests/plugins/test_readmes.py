"""What the plugins' READMEs say: their examples are configurations that weir, the schema and the plugin take, and every field has its row."""
import json
import os
import re
import shutil
import subprocess

import pytest

from modules import PLUGINS, ROOT
from test_plugins import WEIR
from test_schemas import verdicts

# Fields of the shell around a configuration, which all READMEs describe in words, and those of a rule.
SHELL = {"_rules_", "_match_route_", "_match_route_prefix_", "_match_service_", "_match_domain_", "_disable_", "allow"}
KEY_SET = {"keys"}  # RFC 7517's own


def text_of(plugin):
    with open(os.path.join(ROOT, "plugins", plugin, "README.md"), encoding="utf-8") as f:
        return f.read()


def schema_of(plugin):
    with open(os.path.join(ROOT, "plugins", plugin, "schema.json"), encoding="utf-8") as f:
        return json.load(f)


def examples(plugin):
    """(a whole configuration for weir, the plugin's own ones in it) of each block of YAML."""
    yaml = pytest.importorskip("yaml")
    for block in re.findall(r"^```yaml\n(.*?)^```", text_of(plugin), re.M | re.S):
        config = yaml.safe_load(block)
        entry = config["plugins"][0]
        assert entry["name"] == plugin and entry["url"] == f"file:build/plugins/{plugin}.wasm"
        own = [entry["defaultConfig"]] + [rule["config"] for rule in entry.get("matchRules", []) if "config" in rule]
        routes = sorted({r for rule in entry.get("matchRules", []) for r in rule.get("route", [])})
        config["services"] = config.get("services", []) + [{"name": "echo", "endpoints": ["127.0.0.1:1"]}]
        config["routes"] = [{"name": r, "match": {"path": {"prefix": "/" + r}}, "service": "echo"} for r in routes + ["all"]]
        config["listeners"] = ["127.0.0.1:10000"]
        yield config, own


@pytest.mark.parametrize("plugin", PLUGINS)
def test_examples(plugin, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    found = list(examples(plugin))
    assert found
    for config, own in found:
        (tmp_path / "gateway.yaml").write_text(json.dumps(config))
        done = subprocess.run([WEIR, "check", "-c", tmp_path / "gateway.yaml"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        for one in own:
            jsonschema.validate(one, schema_of(plugin))
        if shutil.which("node"):
            assert [a for a in verdicts(plugin, [json.dumps(one) for one in own], tmp_path) if not a["taken"] or a["said"]] == []


@pytest.mark.parametrize("plugin", PLUGINS)
def test_examples_of_rules(plugin, tmp_path):
    """Blocks of JSON, of `_rules_`."""
    jsonschema = pytest.importorskip("jsonschema")
    for block in re.findall(r"^```json\n(.*?)^```", text_of(plugin), re.M | re.S):
        jsonschema.validate(json.loads(block), schema_of(plugin))
        if shutil.which("node"):
            assert [a["taken"] for a in verdicts(plugin, [block], tmp_path)] == [True]


def properties(schema):
    """The names of all members, anywhere below."""
    if isinstance(schema, list):
        return set().union(*map(properties, schema))
    if not isinstance(schema, dict):
        return set()
    own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
    return own.union(*map(properties, schema.values()))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_field_has_its_row(plugin):
    """And every row's field, before the README says what is answered, is in the schema."""
    text = text_of(plugin)
    fields = properties(schema_of(plugin))
    said = {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", span)}
    assert fields - SHELL - KEY_SET <= said, fields - SHELL - KEY_SET - said
    section = text.split("## Fields\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)[^`]*`", row) if not name.startswith("_") or name in SHELL}
    assert named and named <= fields, named - fields
