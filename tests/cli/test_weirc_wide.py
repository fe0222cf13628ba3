"""weirc's wide products: whatever makes one of four narrow ones gets one multiplication and the right result, for every
edge of the halves; what only looks like one is left alone."""
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"))
WEIR = os.path.join(BUILD, "weir")
WEIRC = os.path.join(BUILD, "weirc")

ALL = (1 << 64) - 1
EDGES = [0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xfffffffd, 0xfffffffe, 0xffffffff, 0x100000000, 0x100000001, 0x1ffffffff,
         0x7fffffff80000000, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, 0x80000000ffffffff,
         0xfffffffe00000001, 0xfffffffeffffffff, 0xffffffff00000000, 0xffffffff00000001, 0xfffffffffffffffe, ALL,
         0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x0123456789abcdef]

MASK = 0xffffffff


def op(name, x, y):
    return f"(i64.{name} {x} {y})"


def get(name):
    return f"(local.get ${name})"


def const(n):
    return f"(i64.const {n})"


def low(x):
    return op("and", x, const(MASK))


def low_by_wrap(x):
    return f"(i64.extend_i32_u (i32.wrap_i64 {x}))"


def high(x):
    return op("shr_u", x, const(32))


def mul(x, y):
    return op("mul", x, y)


def add(*terms):
    total = terms[0]
    for t in terms[1:]:
        total = op("add", total, t)
    return total


def right_add(*terms):
    return terms[0] if len(terms) == 1 else op("add", terms[0], right_add(*terms[1:]))


def put(name, x):
    return f"(local.set ${name} {x})"


A, B, P, T, U, H, L = (get(n) for n in "abptuhl")
A0, A1, B0, B1 = low(A), high(A), low(B), high(B)
JOINED = op("or", op("shl", U, const(32)), low(P))
HALVES = [put("p", mul(A0, B0)), put("t", add(high(P), mul(A1, B0))), put("u", add(low(T), mul(A0, B1)))]


def shape(*lines, results=(H, L)):
    return "\n".join(lines) + " " + " ".join(results)


# Name: the body, and what it is of a and b.  The results are $h and $l unless said.
SHAPES = {
    "library": (shape(*HALVES, put("h", add(high(T), mul(A1, B1), high(U))), put("l", JOINED)), lambda a, b: a * b),
    "plain_low": (shape(*HALVES, put("h", add(mul(A1, B1), high(T), high(U))), put("l", mul(A, B))), lambda a, b: a * b),
    "low_first": (shape(put("l", mul(B, A)), *HALVES, put("h", right_add(high(U), high(T), mul(A1, B1)))),
                  lambda a, b: a * b),
    "changed_places": (shape(put("p", mul(B0, A0)), put("t", add(mul(B1, A0), high(P))), put("u", add(mul(B0, A1), low(T))),
                             put("h", right_add(high(U), mul(B1, A1), high(T))),
                             put("l", op("or", op("and", const(MASK), P), op("shl", U, const(32))))), lambda a, b: a * b),
    "by_wrap": (shape(put("p", mul(low_by_wrap(A), low_by_wrap(B))), put("t", add(high(P), mul(A1, low_by_wrap(B)))),
                      put("u", add(low_by_wrap(T), mul(low_by_wrap(A), B1))),
                      put("h", add(high(T), mul(A1, B1), high(U))),
                      put("l", op("or", op("shl", U, const(32)), low_by_wrap(P)))), lambda a, b: a * b),
    "hash": (shape(put("p", mul(A0, B0)), put("t", mul(A1, B0)), put("u", add(high(P), low(T), mul(A0, B1))),
                   put("h", add(high(T), high(U), mul(A1, B1))), put("l", JOINED)), lambda a, b: a * b),
    "hash_otherwise": (shape(put("p", mul(A0, B0)), put("t", mul(B1, A0)),
                             put("u", add(mul(B0, A1), add(low(T), high(P)))),
                             put("h", add(high(T), high(U), mul(A1, B1))), put("l", JOINED)), lambda a, b: a * b),
    "square": (shape(put("p", mul(A0, A0)), put("t", add(high(P), mul(A1, A0))), put("u", add(low(T), mul(A1, A0))),
                     put("h", add(high(T), mul(A1, A1), high(U))),
                     put("l", op("or", op("shl", U, const(32)), op("and", P, const(MASK - 2))))), lambda a, b: a * a),
    # a * b + b + ~a, with the terms of the sums in the order clang leaves them in
    "carries": (shape(*HALVES, put("c", op("xor", A, const(-1))),
                      put("l", add(low(P), B, op("shl", U, const(32)))), put("m", add(L, get("c"))),
                      put("h", add(high(T), mul(A1, B1), high(U), f"(i64.extend_i32_u {op('lt_u', L, B)})",
                                   f"(i64.extend_i32_u {op('lt_u', get('m'), L)})")), results=(H, get("m"))),
                lambda a, b: a * b + b + (a ^ ALL)),
    # a * b, and what else is computed of its low half before the parts are
    "low_is_read": (shape(put("l", mul(A, B)), put("c", op("rotl", L, const(7))), *HALVES,
                          put("h", add(mul(A1, B1), high(T), high(U))), put("l", op("rotr", get("c"), const(7)))),
                    lambda a, b: a * b),
    "high_only": (shape(*HALVES, results=(add(high(T), mul(A1, B1), high(U)), const(0))), lambda a, b: a * b >> 64 << 64),
}

# None of these is a wide product, or not all of its terms can be replaced.
OTHERS = {
    "shift": shape(put("p", mul(A0, B0)), put("t", add(op("shr_u", P, const(31)), mul(A1, B0))),
                   put("u", add(low(T), mul(A0, B1))), put("h", add(high(T), mul(A1, B1), high(U))), put("l", JOINED)),
    "mask": shape(put("p", mul(A0, B0)), put("t", add(high(P), mul(A1, B0))),
                  put("u", add(op("and", T, const(0x7fffffff)), mul(A0, B1))),
                  put("h", add(high(T), mul(A1, B1), high(U))), put("l", JOINED)),
    "one_side": shape(put("p", mul(A0, B0)), put("t", add(high(P), mul(A1, B0))), put("u", add(low(T), mul(A1, B0))),
                      put("h", add(high(T), mul(A1, B1), high(U))), put("l", JOINED)),
    "other_side": shape(put("p", mul(A0, B0)), put("t", add(high(P), mul(A0, B1))), put("u", add(low(T), mul(A0, B1))),
                        put("h", add(high(T), mul(A1, B1), high(U))), put("l", JOINED)),
    "other_top": shape(*HALVES, put("h", add(high(T), mul(A1, B0), high(U))), put("l", JOINED)),
    "no_carry": shape(*HALVES, put("h", add(mul(A1, B1), high(U))), put("l", JOINED)),
    "signed": shape(*HALVES, put("h", add(op("shr_s", T, const(32)), mul(A1, B1), high(U))), put("l", JOINED)),
    "part_is_read": shape(*HALVES, put("l", add(high(T), high(U))), put("h", add(L, mul(A1, B1))), put("l", add(L, A))),
    "part_is_read_first": shape(*HALVES, put("l", add(high(T), high(U))), put("c", add(L, A)),
                                put("h", add(L, mul(A1, B1))), put("l", get("c"))),
    "third_value": shape(put("p", mul(A0, low(get("c")))), put("t", add(high(P), mul(A1, B0))),
                         put("u", add(low(T), mul(A0, B1))), put("h", add(high(T), mul(A1, B1), high(U))), put("l", JOINED)),
    "square_mask": shape(*HALVES, put("h", add(high(T), mul(A1, B1), high(U))),
                         put("l", op("or", op("shl", U, const(32)), op("and", P, const(MASK - 2))))),
}

LOCALS = " ".join(f"(local ${n} i64)" for n in "ptuhlcm")
# Each pair of edges, and a hash of both results of all.
SWEEP = """(func (export "sweep_{0}") (result i64) (local $i i32) (local $j i32) (local $s i64)
  (loop $outer
    (local.set $j (i32.const 0))
    (loop $inner
      (call $mix (call ${0} (i64.load (local.get $i)) (i64.load (local.get $j))) (local.get $s))
      (local.set $s)
      (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 8))) (i32.const {1}))))
    (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const {1}))))
  (local.get $s))"""
FACTOR = 0x9e3779b97f4a7c15


def module():
    data = "".join(f"\\{byte:02x}" for e in EDGES for byte in e.to_bytes(8, "little"))
    parts = [f'(memory 1) (data (i32.const 0) "{data}")',
             f"""(func $mix (param $h i64) (param $l i64) (param $s i64) (result i64)
                 (i64.add (i64.mul (i64.add (i64.mul (local.get $s) (i64.const {FACTOR})) (local.get $h))
                   (i64.const {FACTOR})) (local.get $l)))"""]
    for name, body in {**{n: b for n, (b, _) in SHAPES.items()}, **OTHERS}.items():
        parts += [f"(func ${name} (param $a i64) (param $b i64) (result i64 i64) {LOCALS} {body})",
                  SWEEP.format(name, len(EDGES) * 8)]
    return "(module " + "\n".join(parts) + ")"


def expected(compute):
    s = 0
    for a in EDGES:
        for b in EDGES:
            wide = compute(a, b)
            s = ((s * FACTOR + (wide >> 64)) * FACTOR + (wide & ALL)) & ALL
    return s - (1 << 64) if s >> 63 else s


@pytest.fixture(name="wasm", scope="module")
def fixture_wasm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide")
    (folder / "wide.wat").write_text(module())
    subprocess.run(["wat2wasm", "--debug-names", folder / "wide.wat", "-o", folder / "wide.wasm"], check=True)
    return folder / "wide.wasm"


def sweep(wasm, name, *options):
    done = subprocess.run([WEIR, "exec", wasm, "--invoke", f"sweep_{name}", *options], capture_output=True, text=True,
                          timeout=120, check=True)
    return int(re.search(r"-?\d+", done.stdout).group())


def multiplications(ir, name):
    """The widths of the multiplications in a function's optimised form."""
    body = re.search(rf"^define [^\n]*@\"?w\d+\.{name}\"?\(.*?^}}", ir, re.M | re.S).group()
    return sorted(re.findall(r" = mul (?:nuw |nsw )*(i\d+)", body))


@pytest.mark.parametrize("options", [["-O0"], ["-O1"], ["-O2"], ["-O3"], ["--no-segue"], ["--cpu", "x86-64-v2"]], ids=" ".join)
def test_products_are_right_at_every_edge(wasm, tmp_path, options):
    subprocess.run([WEIRC, wasm, "-o", tmp_path / "i", *options], check=True, timeout=120)
    for name, (_, compute) in SHAPES.items():
        assert sweep(wasm, name, "--tier", "aot", "--image", tmp_path / "i") == expected(compute), name
    for name in OTHERS:
        compiled = sweep(wasm, name, "--tier", "aot", "--image", tmp_path / "i")
        assert compiled == sweep(wasm, name, "--tier", "interp"), name


def test_the_interpreter_is_right_at_every_edge(wasm):
    for name, (_, compute) in SHAPES.items():
        assert sweep(wasm, name, "--tier", "interp") == expected(compute), name


@pytest.mark.parametrize("level", ["-O1", "-O2", "-O3"])
def test_one_multiplication_is_left(wasm, tmp_path, level):
    subprocess.run([WEIRC, wasm, "-o", tmp_path / "i", level, "--emit-llvm", "--verify", "--jobs", "1"], check=True,
                   timeout=120)
    ir = (tmp_path / "i.ll").read_text()
    for name in SHAPES:
        assert multiplications(ir, name) == ["i128"], name
    for name in OTHERS:
        # a low half of which a bit is missing is no low half, but the high one is a product's
        assert ("i128" in multiplications(ir, name)) == (name == "square_mask"), name
