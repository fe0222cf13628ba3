"""Every plugins/NAME/tests/*.json through `weir try`, on every tier that is built, and against schema.json.

A case file is an array of cases:
  name, config (an object is handed over as JSON, a string as it is),
  requests: [{request: as `weir try` takes it, expect: what must be in its answer}], repeat?: times over,
  configure?: false if the configuration must be refused,
  schema?: what the schema says of it, if that is not the plugin's answer (a schema cannot see everything).
In expect, headers and request_headers map names to the one value or, null, to absence; the rest is compared.
"""
import glob
import json
import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"))
WEIR = os.path.join(BUILD, "weir")
TIERS = ["interp", "aot"]
# A module is compiled once for all its cases, and not again for the next run of the tests.
os.environ.setdefault("WEIR_IMAGE_CACHE", os.path.join(ROOT, "build/image-cache"))


def load_cases():
    for path in sorted(glob.glob(os.path.join(ROOT, "plugins/*/tests/*.json"))):
        plugin = path.split(os.sep)[-3]
        with open(path, encoding="utf-8") as f:
            for case in json.load(f):
                yield pytest.param(plugin, case, id=f"{plugin}: {case['name']}")


def config_text(case):
    config = case["config"]
    return config if isinstance(config, str) else json.dumps(config)


def run_try(module, config, requests, tier, tmp_path, options=()):
    """(exit code, the lines of the answer)"""
    (tmp_path / "config").write_text(config)
    (tmp_path / "requests").write_text(json.dumps(requests))
    done = subprocess.run([WEIR, "try", module, "--config", tmp_path / "config", "--requests", tmp_path / "requests",
                           "--tier", tier, *options], capture_output=True, text=True, timeout=60, check=False)
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    assert done.returncode >= 0, f"weir died of signal {-done.returncode}: {done.stderr}"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if tier == "aot" and lines and "no native image" in str(lines[-1].get("error")):
        pytest.skip("weir try has no compiled code of the module")
    return done.returncode, lines


def values(headers, name):
    return [v for n, v in headers if n.lower() == name.lower()]


def check(answer, expect):
    for field, wanted in expect.items():
        if field in ("headers", "request_headers", "response_headers"):
            for name, value in wanted.items():
                assert values(answer[field], name) == ([] if value is None else [value]), (field, name, answer)
        else:
            assert answer.get(field) == wanted, (field, answer)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("plugin,case", load_cases())
def test_case(plugin, case, tier, tmp_path):
    module = os.path.join(ROOT, "build/plugins", plugin + ".wasm")
    if tier == "aot" and not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    steps = case.get("requests", []) * case.get("repeat", 1)
    code, lines = run_try(module, config_text(case), [s["request"] for s in steps], tier, tmp_path)
    if case.get("configure") is False:
        assert code == 1 and lines[-1]["configure"] is False and lines[-1]["error"], lines
        return
    assert code == 0, lines
    assert [line["request"] for line in lines] == list(range(len(steps)))
    for answer, step in zip(lines, steps):
        check(answer, step["expect"])


@pytest.mark.parametrize("plugin,case", load_cases())
def test_schema_agrees(plugin, case):
    jsonschema = pytest.importorskip("jsonschema")
    with open(os.path.join(ROOT, "plugins", plugin, "schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    if isinstance(case["config"], str):
        return  # the schema is about objects
    jsonschema.Draft7Validator.check_schema(schema)
    valid = jsonschema.Draft7Validator(schema).is_valid(case["config"])
    assert valid == case.get("schema", case.get("configure", True))
