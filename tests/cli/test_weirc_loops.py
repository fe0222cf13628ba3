"""weirc's optimisations: counters in every shape compute what the interpreter does, array loops and pairs of floats are
vectorised, static variables are told apart."""
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"))
WEIR = os.path.join(BUILD, "weir")
WEIRC = os.path.join(BUILD, "weirc")

COUNTERS = """(module
  (memory (export "memory") 1)
  (func $fill (local $i i32)
    (loop $l
      (i32.store8 (local.get $i) (i32.mul (local.get $i) (i32.const 37)))
      (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65536)))))
  (; from -n up to 0 with an array addressed from its end; the counter is a value, too ;)
  (func (export "from_end") (param $n i32) (param $end i32) (result i32 i32) (local $i i32) (local $h i32)
    (call $fill)
    (local.set $i (i32.sub (i32.const 0) (local.get $n)))
    (loop $l
      (local.set $h (i32.add (i32.mul (local.get $h) (i32.const 31))
        (i32.xor (local.get $i) (i32.load8_u (i32.add (local.get $end) (local.get $i))))))
      (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 1)))))
    (local.get $h) (local.get $i))
  (; the same from constants; steps that pass 0 only after a wrap ;)
  (func (export "constants") (result i32 i32 i32) (local $i i32) (local $a i32) (local $b i32) (local $c i32)
    (call $fill)
    (local.set $i (i32.const -4080))
    (loop $l
      (local.set $a (i32.add (i32.rotl (local.get $a) (i32.const 3))
        (i32.load offset=8 (i32.add (i32.const 4080) (local.get $i)))))
      (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 0))))
    (local.set $i (i32.const 0x80000000))
    (loop $l
      (local.set $b (i32.add (i32.mul (local.get $b) (i32.const 5)) (i32.add (local.get $i) (i32.const 1))))
      (br_if $l (i32.eqz (i32.eqz (local.tee $i (i32.add (local.get $i) (i32.const 0x30000000)))))))
    (local.set $i (i32.const -6))
    (loop $l
      (local.set $c (i32.add (local.get $c) (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $l (i32.and (i32.ne (local.get $i) (i32.const 0)) (i32.lt_u (local.get $c) (i32.const 9)))))
    (local.get $a) (local.get $b) (i32.add (local.get $c) (local.get $i)))
  (; adds two arrays, which may overlap and lie where the sum of address and counter wraps ;)
  (func (export "add") (param $to i32) (param $from i32) (param $n i32) (result f64) (local $i i32) (local $s f64)
    (call $fill)
    (local.set $i (i32.mul (local.get $n) (i32.const -8)))
    (loop $l
      (f64.store (i32.add (local.get $to) (local.get $i))
        (f64.add (f64.load (i32.add (local.get $to) (local.get $i)))
                 (f64.convert_i32_u (i32.load8_u (i32.add (local.get $from) (local.get $i))))))
      (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 8)))))
    (local.set $i (i32.const -65536))
    (loop $l
      (local.set $s (f64.add (f64.mul (local.get $s) (f64.const 0.5))
        (f64.convert_i32_s (i32.load8_s (i32.add (i32.const 65536) (local.get $i))))))
      (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 1)))))
    (local.get $s))
  (func (export "axpy") (param $x f64) (local $i i32)
    (local.set $i (i32.const -8192))
    (loop $l
      (f64.store offset=32768 (i32.add (local.get $i) (i32.const 8192))
        (f64.add (f64.load offset=32768 (i32.add (local.get $i) (i32.const 8192)))
          (f64.mul (local.get $x) (f64.load (i32.add (local.get $i) (i32.const 8192))))))
      (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 8))))))
  (func (export "apart") (result i32) (local $x i32)
    (local.set $x (i32.load (i32.const 1024)))
    (i32.store (i32.const 2048) (i32.const 7))
    (i32.add (local.get $x) (i32.load (i32.const 1024))))
  (func (export "pair") (param $x f64)
    (f64.store (i32.const 2048) (f64.sqrt (f64.mul (f64.load (i32.const 1024)) (local.get $x))))
    (f64.store (i32.const 2056) (f64.sqrt (f64.mul (f64.load (i32.const 1032)) (local.get $x))))))"""


@pytest.fixture(name="wasm", scope="module")
def fixture_wasm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loops")
    (folder / "loops.wat").write_text(COUNTERS)
    subprocess.run(["wat2wasm", "--debug-names", folder / "loops.wat", "-o", folder / "loops.wasm"], check=True)
    return folder / "loops.wasm"


def result(wasm, call, *options):
    done = subprocess.run([WEIR, "exec", wasm, "--invoke", *call.split(), *options], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode in (0, 134), done.stderr
    return done.stdout, done.stderr.split("\n")[0]


CALLS = ["from_end 1 1", "from_end 1000 1000", "from_end 500 65536", "from_end 500 65537", "from_end 500 499",
         "from_end 500 4294967286", "constants", "add 40000 20000 1000", "add 20008 20000 500", "add 19996 20000 500",
         "add 4000 50000 501", "add 65537 8000 3", "add 8000 4 3"]


@pytest.mark.parametrize("options", [[], ["-O1"], ["--no-segue"], ["--cpu", "x86-64-v2"]], ids=" ".join)
def test_counters(wasm, tmp_path, options):
    subprocess.run([WEIRC, wasm, "-o", tmp_path / "i", *options], check=True, timeout=120)
    for call in CALLS:
        compiled = result(wasm, call, "--tier", "aot", "--image", tmp_path / "i")
        assert compiled == result(wasm, call, "--tier", "interp"), call


@pytest.fixture(name="code", scope="module")
def fixture_code(wasm, tmp_path_factory):
    """The assembly of a function, by both ways to address memory."""
    folder = tmp_path_factory.mktemp("code")
    for way in ("segue", "no-segue"):
        subprocess.run([WEIRC, wasm, "-o", folder / way, f"--{way}", "--cpu", "x86-64-v3", "--emit-asm"], check=True,
                       timeout=120)

    def code(way, name):
        asm = (folder / f"{way}.s").read_text()
        return re.search(rf"^w\d+\.{name}:$(.*?)^\s+\.size\s+w\d+\.{name}", asm, re.M | re.S).group(1)
    return code


@pytest.mark.parametrize("way", ["segue", "no-segue"])
def test_array_loops_are_vectorised(code, way):
    assert re.search(r"vmulpd\s.*%ymm", code(way, "axpy")), "four elements at a time"


@pytest.mark.parametrize("way", ["segue", "no-segue"])
def test_pairs_of_floats_are_vectorised(code, way):
    assert "vsqrtpd" in code(way, "pair") and "vsqrtsd" not in code(way, "pair")


@pytest.mark.parametrize("way", ["segue", "no-segue"])
def test_a_store_elsewhere_leaves_a_value_known(code, way):
    assert len(re.findall(r"\b1024\b", code(way, "apart"))) == 1, "loaded once"
