"""`weir new-plugin`: what it makes builds, tests itself and runs, away from this repository."""
import json
import os
import re
import shutil
import subprocess

import pytest

from test_check import ROOT, WEIR, weir

SDK = os.path.join(ROOT, "build/sdk")


@pytest.fixture(autouse=True)
def needs_sdk():
    if not os.path.exists(os.path.join(SDK, "native/libweir_native.a")):
        pytest.skip("the SDK is not built: make sdk")


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_builds_tests_and_runs_where_it_is_moved(tmp_path):
    done = weir("new-plugin", "my-plugin", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    moved = tmp_path / "else where"
    shutil.move(tmp_path / "my-plugin", moved)
    run("make", cwd=moved)
    assert "[  PASSED  ] 3 test(s)." in subprocess.run(["make", "test"], cwd=moved, capture_output=True, text=True,
                                                       timeout=300, check=True).stderr
    lines = [json.loads(line) for line in run("make", "-s", "try", f"WEIR={WEIR}", cwd=moved).splitlines()]
    assert [line["action"] for line in lines] == ["continue", "local"]
    assert ["x-greeting", "good day"] in lines[0]["request_headers"]
    assert (lines[1]["status"], lines[1]["body"]) == (400, "who are you?\n")


def test_nothing_in_it_names_this_machine_or_is_left_to_fill_in(tmp_path):
    weir("new-plugin", "my-plugin", "--dir", tmp_path / "p")
    texts = [path for path in sorted((tmp_path / "p").rglob("*")) if path.is_file() and path.suffix != ".a"]
    assert {"plugin.c", "README.md", "schema.json", "Makefile", "test_plugin.c"} <= {path.name for path in texts}
    for path in texts:
        text = path.read_text()
        assert "@NAME@" not in text and str(ROOT) not in text, path


def test_its_schema_is_one_and_its_configuration_fits(tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    weir("new-plugin", "p1", cwd=tmp_path)
    schema = json.loads((tmp_path / "p1/schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(json.loads((tmp_path / "p1/config.json").read_text()), schema)


def test_refuses_to_overwrite(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/plugin.c").write_text("mine")
    done = weir("new-plugin", "mine", cwd=tmp_path)
    assert done.returncode == 1 and "exists already" in done.stderr
    assert sorted(os.listdir(tmp_path / "mine")) == ["plugin.c"]
    done = weir("new-plugin", "other", "--dir", tmp_path / "mine/plugin.c")
    assert done.returncode == 1 and (tmp_path / "mine/plugin.c").read_text() == "mine"
    done = weir("new-plugin", "other", "--dir", tmp_path / "no/where")
    assert done.returncode == 1 and "No such file" in done.stderr


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a/b", "..", "a b", "a_b", "-a", "a-", "ä", "x" * 64])
def test_names(name, tmp_path):
    done = weir("new-plugin", "--", name, cwd=tmp_path)
    assert done.returncode == 2 and os.listdir(tmp_path) == []


def test_an_sdk_that_is_none(tmp_path):
    done = weir("new-plugin", "p", "--sdk", tmp_path / "nothing", cwd=tmp_path)
    assert done.returncode == 1 and re.search("nothing/template/plugin.c: No such file", done.stderr)


def test_help():
    done = weir("new-plugin", "--help")
    assert done.returncode == 0 and "--dir DIR" in done.stdout
