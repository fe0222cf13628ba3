"""The plugins of tests/guests/assemblyscript, on a public SDK: built when npm can install it, else the test is skipped."""
import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def make(target):
    return subprocess.run(["make", "-s", target], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def module(name):
    """The path of as-NAME.wasm."""
    installed = make("build/guests/assemblyscript/.installed")
    if installed.returncode != 0:
        pytest.skip("npm cannot install AssemblyScript here: " + installed.stderr[-200:].strip())
    built = make(f"build/guests/as-{name}.wasm")
    assert built.returncode == 0, built.stderr
    return os.path.join(ROOT, f"build/guests/as-{name}.wasm")
