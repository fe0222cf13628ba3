"""What the tests of the Proxy-Wasm host share: guests of tests/guests/host, run by `weir try`."""
import json
import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"))
WEIR = os.path.join(BUILD, "weir")
WEIRC = os.path.join(ROOT, "build/weirc")
GUESTS = os.path.join(ROOT, "build/guests/host")
ABIS = ["0_1_0", "0_2_0", "0_2_1", "0_2_100"]


def guest(name):
    return os.path.join(GUESTS, name + ".wasm")


def image(name):
    """The guest compiled; made anew when the guest or the compiler is newer.  Like the guest it does not depend on SAN."""
    made = os.path.join(ROOT, "build/guests-aot", name + ".aot")
    newest = max(os.path.getmtime(path) for path in (WEIRC, guest(name)))
    if not os.path.exists(made) or os.path.getmtime(made) < newest:
        os.makedirs(os.path.dirname(made), exist_ok=True)
        subprocess.run([WEIRC, guest(name), "-o", made], check=True, timeout=120)
    return made


@pytest.fixture(name="tier", params=["interp", "aot"])
def fixture_tier(request):
    if request.param == "aot" and not os.path.exists(WEIRC):
        pytest.skip("weirc is not built")
    return request.param


class Result:
    """What one `weir try` printed: `lines` (parsed), `code`, `stderr`."""

    def __init__(self, done):
        self.code, self.stderr = done.returncode, done.stderr
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        assert done.returncode >= 0, f"weir died of signal {-done.returncode}: {done.stderr}"
        self.lines = [json.loads(line) for line in done.stdout.splitlines()]

    def __getitem__(self, i):
        return self.lines[i]


@pytest.fixture(name="run")
def fixture_run(tmp_path, tier):
    """run(guest, requests, config="" or a list of them, *options): a Result."""

    def run(name, requests, config="", *options, vm_config=None):
        command = [WEIR, "try", guest(name), "--tier", tier, "--requests", tmp_path / "requests", *options]
        if tier == "aot":
            command += ["--image", image(name)]
        (tmp_path / "requests").write_text(requests if isinstance(requests, str) else json.dumps(requests))
        for i, text in enumerate([config] if isinstance(config, str) else config):
            (tmp_path / f"config{i}").write_text(text)
            command += ["--config", tmp_path / f"config{i}"]
        if vm_config is not None:
            (tmp_path / "vm_config").write_text(vm_config)
            command += ["--vm-config", tmp_path / "vm_config"]
        return Result(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False))

    return run


@pytest.fixture(name="probe")
def fixture_probe(run):
    """probe({callback: script}, abi=..., headers=..., ...): the answer to one request that carries the scripts."""

    def probe(scripts, abi="0_2_1", headers=(), options=(), **rest):
        request = {"headers": [[":path", "/p?q=1"], ["x-a", "one"], ["x-a", "two"], *map(list, headers)], **rest}
        request["headers"] += [["x-" + where, script] for where, script in scripts.items()]
        result = run("probe-" + abi, [request], "", *options)
        assert result.code == 0, result.stderr
        return result[0]

    return probe


def outcomes(answer):
    """{command: outcome} of a probe's info lines "command = outcome"."""
    lines = [line[len("info: "):] for line in answer["logs"] if line.startswith("info: ") and " = " in line]
    return dict(line.split(" = ", 1) for line in lines)


def statuses(answer):
    """[status] of a probe's commands, in order."""
    return [int(line.split(" = ", 1)[1].split()[0]) for line in answer["logs"]
            if line.startswith("info: ") and " = " in line]


def values(headers, name):
    return [v for n, v in headers if n == name]
