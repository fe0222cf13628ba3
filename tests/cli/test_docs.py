"""docs/proxy-wasm.md says what the tables in the code say."""
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tools/proxy-wasm-docs.py")


def test_the_page_is_what_the_tables_say():
    done = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("change,problem", [
    ("del rows.ROWS['proxy_log']", "host call proxy_log: no test in tests/e2e shows it"),
    ("rows.ROWS['nothing'] = rows.ROWS['proxy_log']", "tests/conformance/rows.py: there is no row nothing"),
    ("del rows.ROWS['response.flags']", "property response.flags: no test in tests/pw shows it"),
])
def test_a_row_without_its_tests_is_a_problem(change, problem):
    script = (f"import runpy, sys; sys.path.insert(0, {os.path.join(ROOT, 'tests/conformance')!r}); import rows; {change}; "
              f"sys.argv = ['tool', '--check']; runpy.run_path({TOOL!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and problem in done.stdout, done.stdout + done.stderr


def test_every_host_call_and_callback_has_a_row():
    with open(os.path.join(ROOT, "docs/proxy-wasm.md"), encoding="utf-8") as f:
        page = f.read()
    for table, mark in (("abi.def", "PW_CALL("), ("exports.def", "PW_EXPORT(")):
        with open(os.path.join(ROOT, "src/pw", table), encoding="utf-8") as f:
            rows = [line for line in f if line.startswith(mark)]
        assert len(rows) > 10
        for line in rows:
            name = line.split(mark)[1].split(",")[0] if table == "abi.def" else line.split('"')[1]
            assert f"| `{name}" in page, name
