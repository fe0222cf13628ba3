"""`weir exec`: what it prints, and its exit codes."""
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"), "weir")

EXPORTS = """(module
  (memory 1)
  (global $calls (mut i32) (i32.const 0))
  (func (export "i32") (result i32) i32.const -5)
  (func (export "i64") (result i64) i64.const -9223372036854775808)
  (func (export "f32") (result f32) f32.const 0.1)
  (func (export "f64") (result f64) f64.const 0.1)
  (func (export "big") (result f64) f64.const 1e300)
  (func (export "specials") (result f64 f64 f64 f32) f64.const inf f64.const -inf f64.const nan f32.const -0)
  (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
  (func (export "mixed") (param i64 f32 f64) (result f64 f32 i64) local.get 2 local.get 1 local.get 0)
  (func (export "vector") (param v128) (result v128) local.get 0)
  (func (export "nothing"))
  (func (export "refs") (result funcref externref) ref.null func ref.null extern)
  (func (export "count") (result i32)
    global.get $calls i32.const 1 i32.add global.set $calls global.get $calls)
  (func $oops (export "oops") i32.const -1 i32.load drop))"""

# Prints its arguments (joined by NULs as WASI has them) and FOO of its environment, then exits with 7.
COMMAND = """(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 100) (i32.const 1000)))
    (i32.store (i32.const 8) (i32.const 1000))
    (i32.store (i32.const 12) (i32.load (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))
    (drop (call $env (i32.const 100) (i32.const 2000)))
    (i32.store (i32.const 8) (i32.const 2000))
    (i32.store (i32.const 12) (i32.const 7))
    (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 16)))
    (call $exit (i32.const 7))))"""


def run(*args):
    return subprocess.run([WEIR, "exec", *map(str, args)], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def wasm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exec")

    def build(name, text):
        path = folder / (name + ".wasm")
        (folder / (name + ".wat")).write_text(text)
        subprocess.run(["wat2wasm", "--debug-names", folder / (name + ".wat"), "-o", path], check=True)
        return path
    return {"exports": build("exports", EXPORTS), "command": build("command", COMMAND)}


@pytest.mark.parametrize("call, expected", [
    (["i32"], "-5\n"),
    (["i64"], "-9223372036854775808\n"),
    (["f32"], "0.1\n"),
    (["f64"], "0.1\n"),
    (["big"], "1e+300\n"),
    (["specials"], "inf\n-inf\nnan\n-0\n"),
    (["add", "2000000000", "2000000000"], "-294967296\n"),
    (["add", "-1", "4294967295"], "-2\n"),
    (["add", "0x10", "1"], "17\n"),
    (["mixed", "-7", "1.5", "2.25"], "2.25\n1.5\n-7\n"),
    (["vector", "0x000102030405060708090a0b0c0d0e0f"], "0x000102030405060708090a0b0c0d0e0f\n"),
    (["nothing"], ""),
    (["refs"], "null\nnull\n"),
])
def test_results(wasm, call, expected):
    done = run(wasm["exports"], "--invoke", *call)
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)


def test_repeat_and_time(wasm):
    done = run(wasm["exports"], "--invoke", "count", "--repeat", "5", "--time")
    assert done.returncode == 0
    assert re.fullmatch(r"5\ncpu_s \d+\.\d{6}\n", done.stdout)


@pytest.mark.parametrize("call", [["add", "1"], ["add", "1", "4294967296"], ["add", "1", "x"], ["add", "1", ""],
                                  ["mixed", "1", "1.5z", "1"], ["vector", "0x12"], ["missing"]])
def test_wrong_arguments(wasm, call):
    done = run(wasm["exports"], "--invoke", *call)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("weir: ")


def test_trap(wasm):
    done = run(wasm["exports"], "--invoke", "oops", "--time")
    assert done.returncode == 134
    assert done.stdout == ""
    assert done.stderr.startswith("weir: trap: out of bounds memory access\n    0: oops (offset 0x")


def test_command(wasm):
    done = run(wasm["command"], "one", "two words", "--env", "FOO=bar", "--repeat", "1")
    assert done.returncode == 7
    assert done.stdout.split("\0") == [str(wasm["command"]), "one", "two words", ""]
    assert done.stderr == "FOO=bar"


def test_command_repeated(wasm):
    done = run(wasm["command"], "--repeat", "3", "--time")
    assert done.returncode == 7
    assert re.fullmatch(re.escape(str(wasm["command"])) + r"\0cpu_s \d+\.\d{6}\n", done.stdout)


def test_not_a_command(wasm):
    done = run(wasm["exports"])
    assert done.returncode == 1
    assert "--invoke" in done.stderr


def test_not_a_module(tmp_path):
    (tmp_path / "bad.wasm").write_bytes(b"\0asm\1\0\0\0\1")
    assert run(tmp_path / "bad.wasm").returncode == 1
    assert run(tmp_path / "absent.wasm").returncode == 1


def test_usage(wasm):
    assert run().returncode == 2
    assert run(wasm["exports"], "--nonsense").returncode == 2
    assert run(wasm["exports"], "--tier", "turbo").returncode == 2
    assert run(wasm["exports"], "--invoke", "i32", "--repeat", "0").returncode == 2
    done = run("--help")
    assert done.returncode == 0
    assert "134" in done.stdout
