"""bench/k6/oauth.js runs: with as much of k6 as tests/e2e/k6.mjs has, against the gateway of examples/oauth."""
import json
import os
import shutil
import subprocess

import pytest

from conftest import ROOT
from test_oauth import fixture_gw, fixture_text  # pylint: disable=unused-import

SCRIPT = os.path.join(ROOT, "bench/k6/oauth.js")


@pytest.fixture(name="k6")
def fixture_k6(tmp_path):
    """k6(text of a script, environment): (exit code, what run() printed)."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    package = tmp_path / "node_modules/k6"
    package.mkdir(parents=True)
    shutil.copy(os.path.join(ROOT, "tests/e2e/k6.mjs"), package / "k6.mjs")
    (package / "package.json").write_text(json.dumps({"name": "k6", "type": "module", "exports": {".": "./k6.mjs", "./http": "./k6.mjs"}}))
    (tmp_path / "run.mjs").write_text("import { run } from 'k6';\nrun(await import('./script.mjs'), 5);\n")

    def start(text, **environment):
        (tmp_path / "script.mjs").write_text(text)
        done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr
    return start


def script():
    with open(SCRIPT, encoding="utf-8") as f:
        return f.read()


def test_the_script(gw, k6):
    code, result = k6(script(), URL=f"http://127.0.0.1:{gw.port}/", VUS="3", DURATION="7s")
    assert code == 0 and result["checks"] == {"status is 200": [5, 0]}
    assert result["options"] == {"vus": 3, "duration": "7s", "thresholds": {"checks": ["rate==1"]}}


def test_without_an_environment(k6):
    """Its defaults are those that its head and `make bench-oauth` name."""
    text = script()
    assert "process" not in text
    _, result = k6(text.replace("http://127.0.0.1:10000/", "http://127.0.0.1:1/"))
    assert (result["options"]["vus"], result["options"]["duration"]) == (64, "30s")


def test_a_token_that_does_not_count_fails_it(gw, k6):
    text = script()
    changed = text.replace("LsZ6mlRxlaqWa0IAZgmGVuDgypRbctkTcOyoCxqLrHY", "LsZ6mlRxlaqWa0IAZgmGVuDgypRbctkTcOyoCxqLrHA")
    assert changed != text
    code, result = k6(changed, URL=f"http://127.0.0.1:{gw.port}/")
    assert code == 99 and result["checks"] == {"status is 200": [0, 5]}
