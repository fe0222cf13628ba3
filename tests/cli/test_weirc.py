"""weirc: every option, what it writes, and that what it writes computes the same however it was compiled."""
import os
import pty
import re
import shutil
import stat
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"))
WEIR = os.path.join(BUILD, "weir")
WEIRC = os.path.join(BUILD, "weirc")

# A bit of everything: loops over memory, an indirect call, floating point, vectors, 64-bit division, a recursion.
WORK = """(module $work
  (memory (export "memory") 1)
  (type $step (func (param i64) (result i64)))
  (table funcref (elem $twice $mix))
  (func $twice (param i64) (result i64) (i64.shl (local.get 0) (i64.const 1)))
  (func $mix (param i64) (result i64)
    (i64.mul (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 29))) (i64.const 0x9e3779b97f4a7c15)))
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func $fill (param $n i32) (local $i i32)
    (loop $l
      (i32.store offset=64 (i32.shl (local.get $i) (i32.const 2)) (i32.mul (local.get $i) (i32.const 2654435761)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))))
  (func (export "work") (param $n i32) (result i64 f64 i32 v128)
    (local $i i32) (local $h i64) (local $f f64) (local $v v128)
    (call $fill (local.get $n))
    (loop $l
      (local.set $h (call_indirect (type $step)
        (i64.add (local.get $h) (i64.load32_u offset=64 (i32.shl (local.get $i) (i32.const 2))))
        (i32.and (local.get $i) (i32.const 1))))
      (local.set $f (f64.add (f64.mul (local.get $f) (f64.const 0.99))
        (f64.sqrt (f64.convert_i32_u (i32.load16_u offset=64 (local.get $i))))))
      (local.set $v (i32x4.add (local.get $v)
        (v128.xor (v128.load offset=64 (i32.and (local.get $i) (i32.const -16))) (i32x4.splat (local.get $i)))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.rem_s (local.get $h) (i64.const 1000003))
    (local.get $f)
    (call $fib (i32.const 15))
    (local.get $v))
  (func $inner (param i32) (result i32) (i32.load (i32.shl (local.get 0) (i32.const 16))))
  (func $outer (export "oops") (result i32) (call $inner (i32.const 1)))
  (func (export "div") (param i32) (result i32) (i32.div_s (i32.const 7) (local.get 0))))"""

C_SOURCE = """__attribute__((noinline)) static int divide(int a, int b)
{
    return a / b;
}

int entry(int n)
{
    int sum = 0;
    for (int i = 1; i < n; i++) {
        sum += divide(i, n - 5);
    }
    return sum;
}
"""


def run(*args, **kwargs):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=120, check=False, **kwargs)


def weirc(*args, **kwargs):
    done = run(WEIRC, *args, **kwargs)
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    assert done.returncode in (0, 1, 2), f"{done.returncode}: {done.stderr}"
    return done


@pytest.fixture(name="wasm", scope="module")
def fixture_wasm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weirc")
    (folder / "work.wat").write_text(WORK)
    subprocess.run(["wat2wasm", "--debug-names", folder / "work.wat", "-o", folder / "work.wasm"], check=True)
    return folder / "work.wasm"


@pytest.fixture(name="image", scope="module")
def fixture_image(wasm):
    path = wasm.with_suffix(".aot")
    assert weirc(wasm, "-o", path).returncode == 0
    return path


def work(wasm, *options, n=5000):
    done = run(WEIR, "exec", wasm, "--invoke", "work", n, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiled(wasm, image):
    return work(wasm, "--tier", "aot", "--image", image)


@pytest.fixture(name="expected", scope="module")
def fixture_expected(wasm):
    return work(wasm, "--tier", "interp")


@pytest.mark.parametrize("options", [
    [], ["-O0"], ["-O1"], ["-O2"], ["-O3"], ["-O", "2"], ["--cpu", "native"], ["--cpu", "x86-64-v2"],
    ["--cpu", "x86-64-v2", "-O0"], ["--cpu", "x86-64-v3"], ["--no-segue"], ["--segue"], ["--no-segue", "--cpu", "x86-64-v2"],
    ["--jobs", "1"], ["--jobs", "4"], ["--open"], ["--verify"], ["--quiet"], ["--target", "x86_64"]],
    ids=" ".join)
def test_every_way_computes_the_same(wasm, expected, tmp_path, options):
    done = weirc(wasm, "-o", tmp_path / "image.aot", *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert compiled(wasm, tmp_path / "image.aot") == expected
    assert sorted(os.listdir(tmp_path)) == ["image.aot"], "nothing is left beside it"


def test_v4_is_refused_or_runs(wasm, expected, tmp_path):
    """AVX-512 may not be here; compiling for it must work and loading say what lacks."""
    assert weirc(wasm, "-o", tmp_path / "v4.aot", "--cpu", "x86-64-v4").returncode == 0
    with open("/proc/cpuinfo", encoding="ascii") as f:
        here = "avx512vl" in f.read()
    if here:
        assert compiled(wasm, tmp_path / "v4.aot") == expected
    else:
        done = run(WEIR, "exec", wasm, "--invoke", "work", 1, "--tier", "aot", "--image", tmp_path / "v4.aot")
        assert done.returncode == 1 and "another CPU (--cpu x86-64-v4); this one lacks" in done.stderr


def test_what_an_image_needs_is_recorded(wasm, tmp_path):
    def needs(*options):
        assert weirc(wasm, "-O0", "-o", tmp_path / "i", *options).returncode == 0
        footer = (tmp_path / "i").read_bytes()[-224:]
        return int.from_bytes(footer[40:48], "little")
    v2, v3 = needs("--cpu", "x86-64-v2", "--no-segue"), needs("--cpu", "x86-64-v3", "--no-segue")
    assert v2 & v3 == v2 != v3
    assert needs("--cpu", "x86-64-v2", "--segue") != v2, "writing the GS base is a feature, too"


def test_large_modules_in_parts(tmp_path):
    """Many functions, compiled in several processes, call each other across parts."""
    n = 2000
    funcs = "".join(f"(func $f{i} (param i32) (result i32) (i32.add (i32.const {i}) (call $f{i + 1} (i32.mul (local.get 0)"
                    f" (i32.const 3)))))" for i in range(n))
    (tmp_path / "m.wat").write_text(f'(module {funcs} (func $f{n} (param i32) (result i32) (local.get 0))'
                                    f'(func (export "go") (result i32) (call $f0 (i32.const 1))))')
    subprocess.run(["wat2wasm", tmp_path / "m.wat", "-o", tmp_path / "m.wasm"], check=True)
    expected = run(WEIR, "exec", tmp_path / "m.wasm", "--invoke", "go", "--tier", "interp").stdout
    for jobs in (1, 3):
        done = weirc(tmp_path / "m.wasm", "-O1", "-o", tmp_path / "m.aot", "--jobs", jobs, "--stats")
        assert done.returncode == 0
        assert run(WEIR, "exec", tmp_path / "m.wasm", "--invoke", "go", "--tier", "aot", "--image",
                   tmp_path / "m.aot").stdout == expected != ""


# ---- a module with its image inside


def node_runs(path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = run(node, "-e", """const m = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
        const i = new WebAssembly.Instance(m);
        console.log(i.exports.fib(20), WebAssembly.Module.customSections(m, 'weir.aot').length);""", path)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_aot_wasm(wasm, expected, tmp_path):
    both = tmp_path / "work.aot.wasm"
    assert weirc(wasm, "-o", both).returncode == 0
    assert both.read_bytes().startswith(wasm.read_bytes())
    assert work(both, "--tier", "interp") == expected, "our interpreter takes it as the module it is"
    assert work(both, "--tier", "aot", "--image", both) == expected, "and its image runs"
    assert node_runs(both) == ["6765", "1"]


def test_append(wasm, image, expected, tmp_path):
    both = tmp_path / "appended.aot.wasm"
    assert weirc(wasm, "--append", image, "-o", both).returncode == 0
    assert work(both, "--tier", "aot", "--image", both) == expected
    assert node_runs(both) == ["6765", "1"]
    direct = tmp_path / "direct.aot.wasm"
    assert weirc(wasm, "-o", direct).returncode == 0
    assert both.read_bytes() == direct.read_bytes(), "the same compilation gives the same bytes"


def test_append_what_does_not_fit(wasm, image, tmp_path):
    out = tmp_path / "out.wasm"
    (tmp_path / "other.wasm").write_bytes(wasm.read_bytes() + b"\0\2\1x")
    for module, given, why in [(tmp_path / "other.wasm", image, "made from another module"), (wasm, wasm, "is no image"),
                               (wasm, tmp_path / "missing", "No such file"), (tmp_path / "missing", image, "No such file")]:
        done = weirc(module, "--append", given, "-o", out)
        assert done.returncode == 1 and why in done.stderr and not out.exists()


# ---- what is in an image


def symbols(image):
    done = run("llvm-nm-19", image)
    assert done.returncode == 0, done.stderr
    return [line.split()[-1] for line in done.stdout.splitlines()]


def test_functions_are_symbols(image):
    names = symbols(image)
    for name in ("twice", "mix", "fib", "fill", "inner", "outer"):
        assert any(re.fullmatch(r"w\d+\." + name, n) for n in names), (name, names)
    assert run("llvm-nm-19", "-D", image).stdout == "", "it exports nothing"


def test_hostile_names_are_harmless(tmp_path):
    """Names of functions are anybody's bytes; symbols and assembly stay well-formed."""
    evil = ['a\0ab', 'x";.globl main;main:', '\n.globl main\nmain:', '$(id)', '%s%n', '../../etc', 'ü' * 20, 'a' * 5000, '']
    funcs = "".join(f'(func (export "e{i}") (result i32) (i32.const {i}))' for i in range(len(evil)))
    (tmp_path / "m.wat").write_text(f"(module {funcs})")
    subprocess.run(["wat2wasm", tmp_path / "m.wat", "-o", tmp_path / "m.wasm"], check=True)

    def leb(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + leb(n >> 7)

    entries = b"".join(leb(i) + leb(len(e.encode())) + e.encode() for i, e in enumerate(evil))
    body = b"\x04name" + b"\x01" + leb(len(leb(len(evil)) + entries)) + leb(len(evil)) + entries
    with open(tmp_path / "m.wasm", "ab") as f:
        f.write(b"\0" + leb(len(body)) + body)
    assert weirc(tmp_path / "m.wasm", "-o", tmp_path / "m.aot", "--emit-asm").returncode == 0
    for i in range(len(evil)):
        assert run(WEIR, "exec", tmp_path / "m.wasm", "--invoke", f"e{i}", "--image", tmp_path / "m.aot", "--tier",
                   "aot").stdout == f"{i}\n"
    assert "main" not in symbols(tmp_path / "m.aot")


def rows(image):
    """(file, line) of each row of the line table; lines are module offsets."""
    done = run("llvm-dwarfdump-19", "--debug-line", image)
    assert done.returncode == 0, done.stderr
    return [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("0x")]


def test_line_tables_give_module_offsets(wasm, image):
    lines = rows(image)
    size = os.path.getsize(wasm)
    assert len(lines) > 30 and all(0 <= line < size for line in lines) and len(set(lines)) > 20
    assert 'name: "work.wasm"' in run("llvm-dwarfdump-19", "--debug-line", image).stdout


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O3"])
def test_backtraces_are_the_interpreters(wasm, tmp_path, level):
    assert weirc(wasm, "-o", tmp_path / "i", level).returncode == 0
    for call in (["oops"], ["div", "0"]):
        traces = [run(WEIR, "exec", wasm, "--invoke", *call, "--tier", *tier) for tier in (["interp"], ["aot", "--image", tmp_path / "i"])]
        assert [t.returncode for t in traces] == [134, 134]
        assert traces[0].stderr == traces[1].stderr and "offset 0x" in traces[0].stderr


TRAPS = """(module (memory 1)
  (func (export "scalar") (param i32) (result f32)
    (select (f32.const 2) (f32.load offset=70997365 (i32.const 0)) (local.get 0)))
  (func (export "lanes") (param i32) (result i32)
    (i32x4.extract_lane 0 (v128.bitselect (i32x4.splat (local.get 0)) (v128.load offset=70997365 (i32.const 0))
      (i32x4.eq (i32x4.splat (local.get 0)) (i32x4.splat (i32.const 1))))))
  (func (export "sum") (param i32) (result i32)
    (i32x4.extract_lane 0 (v128.bitselect (i32x4.splat (local.get 0))
      (i32x4.add (i32x4.splat (local.get 0)) (v128.load offset=70997365 (i32.const 0)))
      (i32x4.eq (i32x4.splat (local.get 0)) (i32x4.splat (i32.const 1))))))
  (func (export "choice") (param i32) (result i32)
    (select (local.get 0) (i32.load offset=65535 (i32.const 0)) (local.get 0))))"""


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3"])
def test_loads_that_are_not_selected_trap(tmp_path, level):
    """Neither a masked instruction nor a branch around it takes a load out of the program."""
    (tmp_path / "m.wat").write_text(TRAPS)
    subprocess.run(["wat2wasm", tmp_path / "m.wat", "-o", tmp_path / "m.wasm"], check=True)
    assert weirc(tmp_path / "m.wasm", "-o", tmp_path / "i", level).returncode == 0
    for name in ("scalar", "lanes", "sum", "choice"):
        done = run(WEIR, "exec", tmp_path / "m.wasm", "--invoke", name, 1, "--tier", "aot", "--image", tmp_path / "i")
        assert done.returncode == 134 and "out of bounds memory access" in done.stderr, (name, done)


VECTORS_ON_THE_STACK = """(module
  (type $many (func %s (result f32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
  (table funcref (elem $many))
  (func $many (type $many) (f32.add (f32x4.extract_lane 1 (local.get 8)) (local.get 9)))
  (func $same (type $many) %s (return_call $many))
  (func $one (param v128) (result f32) %s (f32.const 8) (return_call $same))
  (func (export "go") (param $n i32) (result f32) (local $sum f32)
    (loop $l
      (local.set $sum (f32.add (local.get $sum) (call $one (f32x4.splat (f32.convert_i32_u (local.get $n))))))
      (local.set $sum (f32.add (local.get $sum) (call_indirect (type $many) %s (f32.const 0.5) (i32.const 0))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))""" % ("(param v128) " * 9 + "(param f32)", "".join(f"(local.get {i})" for i in range(10)),
                             "(local.get 0)" * 9, "(f32x4.splat (local.get $sum))" * 9)


@pytest.mark.parametrize("options", [["-O0"], ["-O1"], ["-O3"], ["-O3", "--open"]], ids=" ".join)
def test_vectors_on_the_stack_of_modules_with_tail_calls(tmp_path, options):
    """Who pops the stack pops what was pushed: ten parameters of which one vector and one float have no register."""
    (tmp_path / "m.wat").write_text(VECTORS_ON_THE_STACK)
    subprocess.run(["wat2wasm", "--enable-tail-call", tmp_path / "m.wat", "-o", tmp_path / "m.wasm"], check=True)
    assert weirc(tmp_path / "m.wasm", "-o", tmp_path / "i", *options).returncode == 0
    answers = [run(WEIR, "exec", tmp_path / "m.wasm", "--invoke", "go", 100, "--tier", *tier)
               for tier in (["interp"], ["aot", "--image", tmp_path / "i"])]
    assert answers[0].returncode == answers[1].returncode == 0, answers
    assert answers[0].stdout == answers[1].stdout != ""


CONSTANT_CALLS = """(module
  (type $t (func (result i32)))
  (table 4 funcref)
  (elem (i32.const 0) $yes $other $yes)
  (func $yes (result i32) (i32.const 1))
  (func $other (param i64) (result i64) (local.get 0))
  (func (export "right") (result i32) (call_indirect (type $t) (i32.const 2)))
  (func (export "type") (result i32) (return_call_indirect (type $t) (i32.const 1)))
  (func (export "null") (result i32) (return_call_indirect (type $t) (i32.const 3)))
  (func (export "beyond") (result i32) (call_indirect (type $t) (i32.const 4))))"""


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3"])
def test_indirect_calls_of_constant_index(tmp_path, level):
    (tmp_path / "m.wat").write_text(CONSTANT_CALLS)
    subprocess.run(["wat2wasm", "--enable-tail-call", tmp_path / "m.wat", "-o", tmp_path / "m.wasm"], check=True)
    assert weirc(tmp_path / "m.wasm", "-o", tmp_path / "i", level).returncode == 0
    for name in ("right", "type", "null", "beyond"):
        done = [run(WEIR, "exec", tmp_path / "m.wasm", "--invoke", name, "--tier", *tier)
                for tier in (["interp"], ["aot", "--image", tmp_path / "i"])]
        said = [(d.returncode, d.stdout, d.stderr.split("\n")[0]) for d in done]  # a tail call leaves no frame behind
        assert said[0] == said[1], name
        assert (done[1].returncode == 0) == (name == "right")


def test_elf_part(image):
    headers = run("readelf", "-Wld", image).stdout
    assert "NEEDED" not in headers and "INIT" not in headers and "INTERP" not in headers and "TEXTREL" not in headers
    assert not re.search(r"LOAD .* RWE", headers)
    stack = re.search(r"GNU_STACK .*", headers)
    assert stack and " RW " in stack.group() and "E" not in stack.group().split("0x")[-2][-6:], "no executable stack is asked for"


def test_debuggers_find_functions_and_offsets(wasm, image):
    """addr2line, as gdb and perf do, names the function and, as its line, the module's offset."""
    address = next(line.split()[0] for line in run("llvm-nm-19", image).stdout.splitlines() if line.endswith(".fib"))
    done = run("llvm-symbolizer-19", "--output-style=GNU", "-f", "-e", image, "0x" + address)
    assert done.returncode == 0, done.stderr
    function, place = done.stdout.splitlines()[:2]
    assert re.fullmatch(r"(w\d+\.)?fib", function), done.stdout
    name, _, line = place.split(" ")[0].rpartition(":")
    assert os.path.basename(name) == "work.wasm" and 0 < int(line) < os.path.getsize(wasm)


def test_progress_on_a_terminal(tmp_path):
    n = 6000
    funcs = "".join(f"(func (param i32) (result i32) (i32.add (i32.const {i}) (i32.mul (local.get 0) (i32.const {i + 7654321}))))" for i in range(n))
    (tmp_path / "m.wat").write_text(f"(module {funcs})")
    subprocess.run(["wat2wasm", tmp_path / "m.wat", "-o", tmp_path / "m.wasm"], check=True)
    for options, expected in ([], True), (["--quiet"], False):
        parent, child = pty.openpty()
        done = subprocess.run([WEIRC, tmp_path / "m.wasm", "-O0", "-o", tmp_path / "i", "--jobs", "2", *options], stderr=child, timeout=120,
                              check=False)
        os.set_blocking(parent, False)
        try:
            said = os.read(parent, 65536).decode()
        except BlockingIOError:
            said = ""
        os.close(child)
        os.close(parent)
        assert done.returncode == 0
        assert bool(re.search(r"weirc: (\d+) of \1 parts", said)) == expected, said


def test_outputs_beside(wasm, tmp_path):
    done = weirc(wasm, "-o", tmp_path / "i.aot", "--emit-llvm", "--emit-asm", "--jobs", "1")
    assert done.returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["i.aot", "i.aot.early.ll", "i.aot.ll", "i.aot.s"]
    assert "define " in (tmp_path / "i.aot.ll").read_text() and "target triple" in (tmp_path / "i.aot.early.ll").read_text()
    assert ".text" in (tmp_path / "i.aot.s").read_text() and "fib" in (tmp_path / "i.aot.s").read_text()


def test_stats(wasm, tmp_path):
    done = weirc(wasm, "-o", tmp_path / "i", "--stats")
    assert done.returncode == 0 and done.stdout == ""
    assert re.search(r"weirc: compile [\d.]+ s, link and write [\d.]+ s, [\d.]+ CPU s, \d+ parts", done.stderr)


def test_passes(wasm, expected, tmp_path):
    assert weirc(wasm, "-o", tmp_path / "i", "--passes", "function(instcombine)").returncode == 0
    assert compiled(wasm, tmp_path / "i") == expected
    done = weirc(wasm, "-o", tmp_path / "j", "--passes", "no-such-pass")
    assert done.returncode == 1 and "no-such-pass" in done.stderr and not (tmp_path / "j").exists()


def test_batch(wasm, expected, tmp_path):
    (tmp_path / "bad.wasm").write_bytes(b"\0asm\1\0\0\0\1")
    lines = f"{wasm}\t{tmp_path}/a\n{tmp_path}/bad.wasm\t{tmp_path}/b\nno tab\n{tmp_path}/none\t{tmp_path}/c\n{wasm}\t{tmp_path}/d\n"
    done = weirc("--batch", "-O1", input=lines)
    assert done.returncode == 0
    answers = done.stdout.splitlines()
    assert [a.split(":")[0] for a in answers] == ["ok", "error", "error", "error", "ok"], answers
    assert compiled(wasm, tmp_path / "a") == compiled(wasm, tmp_path / "d") == expected
    assert sorted(os.listdir(tmp_path)) == ["a", "bad.wasm", "d"]


# ---- wrong use


@pytest.mark.parametrize("args", [
    [], ["MODULE"], ["-o", "OUT"], ["MODULE", "MODULE", "-o", "OUT"], ["MODULE", "-o"], ["MODULE", "-o", "OUT", "--nonsense"],
    ["MODULE", "-o", "OUT", "-O4"], ["MODULE", "-o", "OUT", "-Os"], ["MODULE", "-o", "OUT", "-O", "12"],
    ["MODULE", "-o", "OUT", "--jobs", "0"], ["MODULE", "-o", "OUT", "--jobs", "257"], ["MODULE", "-o", "OUT", "--jobs", "x"],
    ["MODULE", "-o", "OUT", "--jobs", "-1"], ["MODULE", "-o", "OUT", "--jobs", ""], ["MODULE", "-o", "OUT", "--jobs"],
    ["MODULE", "-o", "OUT", "--target", "riscv"], ["MODULE", "-o", "OUT", "--cpu"], ["--batch", "MODULE"],
    ["MODULE", "-o", "OUT", "-x"]], ids=" ".join)
def test_wrong_use(wasm, tmp_path, args):
    done = weirc(*[{"MODULE": wasm, "OUT": tmp_path / "out"}.get(a, a) for a in args])
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("weirc: ") and "--help" in done.stderr
    assert os.listdir(tmp_path) == []


def test_help_and_version():
    text = weirc("--help")
    assert text.returncode == 0 and text.stderr == ""
    for option in ("-o", "-O0", "--cpu", "--target", "--jobs", "--no-segue", "--append", "--emit-llvm", "--emit-asm", "--stats",
                   "--batch", "--version", "--help"):
        assert option in text.stdout
    assert re.fullmatch(r"weirc-[0-9a-f]{16}-llvm19\.\d+\.\d+\n", weirc("--version").stdout)


def test_unknown_cpus(wasm, tmp_path):
    for args in (["--cpu", "pentium"], ["--cpu", ""], ["--cpu", "x86-64-v5"], ["--target", "aarch64", "--cpu", "x86-64-v3"]):
        done = weirc(wasm, "-o", tmp_path / "out", *args)
        assert done.returncode == 1 and "cpu" in done.stderr and os.listdir(tmp_path) == []


def test_files_that_cannot_be_had(wasm, tmp_path):
    done = weirc(tmp_path / "missing.wasm", "-o", tmp_path / "out")
    assert done.returncode == 1 and "missing.wasm" in done.stderr and "No such file" in done.stderr
    done = weirc(tmp_path, "-o", tmp_path / "out")
    assert done.returncode == 1 and "Is a directory" in done.stderr
    for out, why in ((tmp_path / "no/out", "No such file"), (tmp_path, "Is a directory"), ("/proc/out", "proc")):
        done = weirc(wasm, "-o", out)
        assert done.returncode == 1 and why in done.stderr
    assert os.listdir(tmp_path) == []
    done = weirc(wasm, "-o", tmp_path / "out", env={**os.environ, "TMPDIR": str(tmp_path / "nowhere")})
    assert done.returncode == 1 and "nowhere" in done.stderr


def test_an_output_is_replaced_whole(wasm, tmp_path):
    out = tmp_path / "out"
    out.write_text("old")
    os.link(out, tmp_path / "kept")
    assert weirc(wasm, "-o", out).returncode == 0
    assert (tmp_path / "kept").read_text() == "old", "it is a new file, not the old one overwritten"
    assert stat.S_IMODE(os.stat(out).st_mode) & 0o022 == 0


def test_hostile_modules(wasm, tmp_path):
    """Truncated and flipped modules: refused with a reason, or compiled if they are still valid; never a crash."""
    good = wasm.read_bytes()
    requests, modules = [], []
    for n in range(0, len(good), 16):
        modules.append(good[:n])
    for n in range(0, len(good), 7):
        modules.append(good[:n] + bytes([good[n] ^ (1 << n % 8)]) + good[n + 1:])
    for i, data in enumerate(modules):
        (tmp_path / f"{i}.wasm").write_bytes(data)
        requests.append(f"{tmp_path}/{i}.wasm\t{tmp_path}/{i}.aot\n")
    done = weirc("--batch", "-O0", "--verify", input="".join(requests))
    assert done.returncode == 0
    answers = done.stdout.splitlines()
    assert len(answers) == len(modules), "it lived to answer each"
    for i, answer in enumerate(answers):
        assert answer == "ok" or re.match(r"error: (malformed|invalid|unsupported|limit)", answer), (i, answer)
        assert os.path.exists(tmp_path / f"{i}.aot") == (answer == "ok")
    assert answers.count("ok") < len(answers) / 2


# ---- source lines


@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5"])
def test_source_lines_of_a_module_with_dwarf(tmp_path, dwarf):
    """A trap in compiled code leads to the line of the source: native code -> module offset -> the module's DWARF."""
    (tmp_path / "prog.c").write_text(C_SOURCE)
    done = run("clang-19", "--target=wasm32", dwarf, "-O1", "-nostdlib", "-Wl,--no-entry", "-Wl,--export=entry",
               "-o", tmp_path / "prog.wasm", tmp_path / "prog.c")
    assert done.returncode == 0, done.stderr
    assert weirc(tmp_path / "prog.wasm", "-o", tmp_path / "prog.aot").returncode == 0
    traces = [run(WEIR, "exec", tmp_path / "prog.wasm", "--invoke", "entry", 5, "--tier", *tier)
              for tier in (["interp"], ["aot", "--image", tmp_path / "prog.aot"])]
    assert traces[0].stderr == traces[1].stderr and traces[0].returncode == 134
    frames = re.findall(r"\d+: (\w+) \(offset 0x([0-9a-f]+)", traces[1].stderr)
    assert [name for name, _ in frames] == ["divide", "entry"]
    assert re.search(r"divide \(offset 0x[0-9a-f]+, prog\.c:3\)", traces[1].stderr), traces[1].stderr
    assert re.search(r"entry \(offset 0x[0-9a-f]+, prog\.c:10\)", traces[1].stderr), traces[1].stderr
