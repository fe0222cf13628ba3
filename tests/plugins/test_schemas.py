"""schema.json and the plugin agree on configurations: on every good one of the cases and the bench, and on thousands that are one change away.

The changes take out a member, put a value of every type and some edges in the place of another, and add what does not belong.  What a schema
cannot see (uniqueness, texts in a grammar of their own) is named here, by what the plugin says of it."""
import copy
import json
import os
import random
import re
import shutil
import subprocess

import pytest

from modules import PLUGINS, ROOT, path_of
from test_plugins import load_cases

VALUES = [None, True, False, 0, 1, -1, 7, 64, 599, 600, 65536, 1 << 32, (1 << 63) - 1, 1.5, "", "x", "7", "-1", "true", [], ["x"], [1], [[]], [None], {}, {"x": 1}]
MOST = 3000
# What the plugin says of a configuration that its schema takes.  Each is a limit of JSON Schema.
UNSEEN = {
    "cluster-key-rate-limit": ["must be an IP address or a network"],
    "hmac-auth": [r"\.key: is given twice"],
    "jwt-auth": ["name: is another consumer's, too", r"\.jwks: must be a key set, as an object or as a string of JSON", r"\.jwks\.keys\[\d+\]"],
    "oauth": ["name: is another consumer's, too"],
}
# Higress leaves out what it cannot read here and goes on, and so do the plugins, with a warning; a schema may well complain.
IGNORED = [r"_rules_\[\d+\]: _disable_ is ignored", "only _rules_ is used; requests that match no rule pass"]


def good_configurations(plugin):
    cases = [p.values[1] for p in load_cases() if p.values[0] == plugin]
    found = [c["config"] for c in cases if c.get("configure", True) and isinstance(c["config"], dict)]
    with open(os.path.join(ROOT, "plugins", plugin, "bench.json"), encoding="utf-8") as f:
        bench = json.load(f)
    found += [c["config"] for c in (bench if isinstance(bench, list) else [bench]) if isinstance(c.get("config"), dict)]
    return [c for c in found if len(json.dumps(c)) < 8000]


def places(value, path=()):
    """Paths to everything below."""
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield path + (key,)
        yield from places(below, path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def changed(config, path, change):
    new = copy.deepcopy(config)
    change(at(new, path[:-1]), path[-1])
    return new


def neighbours(config):
    """Configurations one change away."""
    for path in places(config):
        yield changed(config, path, lambda parent, key: parent.pop(key))
        for value in VALUES:
            yield changed(config, path, lambda parent, key, value=value: parent.__setitem__(key, copy.deepcopy(value)))
        if isinstance(at(config, path), list) and at(config, path):
            yield changed(config, path, lambda parent, key: parent[key].append(copy.deepcopy(parent[key][0])))
            for value in VALUES:
                yield changed(config, path, lambda parent, key, value=value: parent[key].append(copy.deepcopy(value)))


def all_neighbours(plugin):
    good = good_configurations(plugin)
    texts = {json.dumps(c, sort_keys=True) for c in good for c in neighbours(c)}
    texts = sorted(texts)
    random.Random(1).shuffle(texts)
    return [json.dumps(c) for c in good] + texts[:MOST]


def verdicts(plugin, texts, tmp_path):
    """{taken, said} of each."""
    (tmp_path / "texts").write_text(json.dumps(texts))
    script = os.path.join(ROOT, "tests/plugins/configure.mjs")
    return json.loads(subprocess.run(["node", script, path_of(plugin), tmp_path / "texts"], capture_output=True, text=True, check=True, timeout=120).stdout)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_schema_and_plugin_agree(plugin, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    with open(os.path.join(ROOT, "plugins", plugin, "schema.json"), encoding="utf-8") as f:
        validator = jsonschema.Draft7Validator(json.load(f))
    texts = all_neighbours(plugin)
    unseen = UNSEEN.get(plugin, [])
    wrong, taken = [], 0
    for text, answer in zip(texts, verdicts(plugin, texts, tmp_path)):
        valid, said = validator.is_valid(json.loads(text)), "; ".join(answer["said"])
        taken += answer["taken"]
        assert answer["taken"] or said, f"refused without a word: {text}"
        if valid and not answer["taken"] and not any(re.search(u, said) for u in unseen):
            wrong.append(f"only the plugin refuses, {said}: {text}")
        elif not valid and answer["taken"] and not any(re.search(i, said) for i in IGNORED):
            wrong.append(f"only the schema refuses, {said}: {text}")
    assert not wrong, f"{len(wrong)} of {len(texts)}:\n" + "\n".join(wrong[:20])
    assert taken > 10 and len(texts) - taken > 100, (taken, len(texts))
