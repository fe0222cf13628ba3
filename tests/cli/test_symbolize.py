"""`weir symbolize`: functions and lines of offsets, with DWARF inside, beside, of another build, or absent."""
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"), "weir")

SOURCE = """static int look(const int *p) { /* 1: inlined into boom */
    return *p;
}
__attribute__((noinline, export_name("boom"))) int boom(int i) {
    int seven = 7;
    seven += look((const int *)(i - 16));
    return seven;
}
"""


def weir(*args):
    return subprocess.run([WEIR, *map(str, args)], capture_output=True, text=True, timeout=60, check=False)


def section(payload, name="external_debug_info"):
    body = bytes([len(name)]) + name.encode() + payload
    assert len(body) < 128
    return b"\0" + bytes([len(body)]) + body


def named(path):
    return section(bytes([len(path)]) + path.encode())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """debug.wasm, stripped.wasm with names, bare.wasm without; the offset where `boom` traps."""
    folder = tmp_path_factory.mktemp("symbolize")
    (folder / "boom.c").write_text(SOURCE)
    subprocess.run(["clang-19", "--target=wasm32-wasi", "-nostdlib", "-Wl,--no-entry", "-g", "-O1", "boom.c", "-o",
                    "debug.wasm"], cwd=folder, check=True)
    subprocess.run(["llvm-objcopy-19", "--strip-debug", "debug.wasm", "stripped.wasm"], cwd=folder, check=True)
    subprocess.run(["llvm-strip-19", "--strip-all", "debug.wasm", "-o", "bare.wasm"], cwd=folder, check=True)
    trap = weir("exec", folder / "debug.wasm", "--invoke", "boom", "--", "0")
    assert trap.returncode == 134, trap.stderr
    return folder, re.search(r"0: boom \(offset (0x[0-9a-f]+)", trap.stderr).group(1)


def expect_lines(done, offset):
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and done.stderr == "", done
    assert re.fullmatch(offset + r" look \S*boom\.c:2:12", lines[0]), lines
    assert re.fullmatch(r"    inlined into boom \S*boom\.c:6:14", lines[1]), lines
    assert len(lines) == 2


def test_dwarf_inside(built):
    folder, offset = built
    expect_lines(weir("symbolize", folder / "debug.wasm", offset), offset)


def test_dwarf_in_the_file_the_module_names(built, tmp_path):
    folder, offset = built
    (tmp_path / "d").mkdir()
    shutil.copy(folder / "debug.wasm", tmp_path / "d")
    (tmp_path / "m.wasm").write_bytes((folder / "stripped.wasm").read_bytes() + named("d/debug.wasm"))
    expect_lines(weir("symbolize", tmp_path / "m.wasm", offset), offset)


def test_dwarf_given_by_hand(built):
    folder, offset = built
    expect_lines(weir("symbolize", folder / "bare.wasm", offset, "--debug", folder / "debug.wasm"), offset)


def test_the_same_offset_twice_is_two_answers(built):
    folder, offset = built
    done = weir("symbolize", folder / "debug.wasm", offset, int(offset, 16))
    assert done.stdout.count(offset + " look ") == 2 and done.stdout.count("inlined into") == 2, done


def test_without_dwarf_the_names_are_what_is_known(built):
    folder, offset = built
    done = weir("symbolize", folder / "stripped.wasm", offset)
    assert (done.returncode, done.stdout) == (0, offset + " boom\n")
    assert "carries no DWARF and names no file that does" in done.stderr


def test_a_function_without_a_name_has_its_index(tmp_path):
    (tmp_path / "f.wat").write_text("(module (func nop nop) (func (export \"f\")))")
    subprocess.run(["wat2wasm", "f.wat"], cwd=tmp_path, check=True)
    code = (tmp_path / "f.wasm").read_bytes().index(b"\x01\x01\x0b")
    done = weir("symbolize", tmp_path / "f.wasm", code)
    assert done.stdout == f"0x{code:x} func[0]\n", done


def test_an_offset_in_no_function(built):
    folder, offset = built
    done = weir("symbolize", folder / "debug.wasm", 3, offset, 99999999)
    assert done.returncode == 1
    assert done.stdout.startswith("0x3 is in no function\n" + offset + " look")
    assert done.stdout.endswith("0x5f5e0ff is in no function\n")


def test_dwarf_of_another_build_is_refused(built, tmp_path):
    folder, offset = built
    (tmp_path / "boom.c").write_text(SOURCE.replace("7", "8"))
    subprocess.run(["clang-19", "--target=wasm32-wasi", "-nostdlib", "-Wl,--no-entry", "-g", "-O1", "boom.c", "-o",
                    "other.wasm"], cwd=tmp_path, check=True)
    done = weir("symbolize", folder / "stripped.wasm", offset, "--debug", tmp_path / "other.wasm")
    assert done.stdout == offset + " boom\n"
    assert "is of another build of the module" in done.stderr


@pytest.mark.parametrize("payload", [named("/etc/passwd"), named("../debug.wasm"), named("a/../../debug.wasm"),
                                     named("a\0b"), section(b"\x7f"), section(b""), section(b"\xff" * 9)])
def test_a_module_cannot_name_files_elsewhere(built, tmp_path, payload):
    folder, offset = built
    (tmp_path / "d").mkdir()
    shutil.copy(folder / "debug.wasm", tmp_path)
    (tmp_path / "d/m.wasm").write_bytes((folder / "stripped.wasm").read_bytes() + payload)
    done = weir("symbolize", tmp_path / "d/m.wasm", offset)
    assert done.stdout == offset + " boom\n"
    assert "is not below its folder" in done.stderr


@pytest.mark.parametrize("program,says", [("no-such-symbolizer", "install the package llvm-19"),
                                          ("false", "did not answer"), ("true", "")])
def test_a_symbolizer_that_fails_leaves_the_names(built, program, says):
    folder, offset = built
    done = weir("symbolize", folder / "debug.wasm", offset, "--symbolizer", program)
    assert (done.returncode, done.stdout) == (0, offset + " boom\n")
    assert says in done.stderr


def test_damaged_dwarf_harms_nobody(built, tmp_path):
    folder, offset = built
    good = (folder / "debug.wasm").read_bytes()
    at = good.index(b".debug_info") + 11
    (tmp_path / "bad.wasm").write_bytes(good[:at] + b"\xff" * 60 + good[at + 60:])
    done = weir("symbolize", tmp_path / "bad.wasm", offset)
    assert done.returncode == 0 and offset in done.stdout


@pytest.mark.parametrize("args,code,says", [
    (["nowhere.wasm", "1"], 1, "nowhere.wasm"),
    ([__file__, "1"], 1, "weir: "),
    (["x.wasm"], 2, "--help"),
    (["x.wasm", "1x"], 2, "'1x' is no offset"),
    (["x.wasm", "0x100000000"], 2, "is no offset"),
    (["x.wasm", "-1"], 2, "is no offset"),
])
def test_errors(args, code, says):
    done = weir("symbolize", *args)
    assert done.returncode == code and says in done.stderr and done.stdout == "", done


def test_help():
    done = weir("symbolize", "--help")
    assert done.returncode == 0 and "external_debug_info" in done.stdout and "--debug FILE" in done.stdout
