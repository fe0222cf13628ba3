#!/usr/bin/python3
"""Checks of the source that a compiler does not make: layers, sizes, formatting, headers.

  lint.py [--fix]

The layer table is the one of the design: which folder of src/ may include which.  Exceptions to the size
rules stand, each with its reason, in tools/lint-exceptions.txt.  Prints every finding as FILE:LINE: what,
ends with `N passed, N failed, 0 skipped`, and exits 1 if anything failed.
"""
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLANG, CLANG_FORMAT = "clang-19", "clang-format-19"
MAX_FILE_LINES, MAX_FUNCTION_LINES = 1200, 100

# folder: the folders it may include besides itself.  "weir" is include/weir/ (but not weir/engine.h and up
# for the low layers: those name the single headers).
LAYERS = {
    "base": ["weir/status.h", "weir/str.h"],
    "os": ["base", "weir/status.h"],
    "wasm": ["base", "weir/status.h"],
    "rt": ["base", "os", "wasm", "weir"],
    "interp": ["base", "os", "wasm", "rt", "weir"],
    "aot": ["base", "os", "wasm", "rt", "weir"],
    "engine": ["base", "os", "wasm", "rt", "interp", "aot", "weir"],
    "wasi": ["base", "weir"],
    "pw": ["base", "weir"],
    "gw": ["base", "weir/status.h", "weir/pw_quota.def"],
    "observe": ["base", "os", "weir"],
    "foreign": ["base", "weir/pw_server.h"],
    "http": ["base", "weir/pw_server.h"],
    "redis": ["base"],
    "nginx": ["base", "foreign", "gw", "http", "observe", "redis", "weir"],
    "weirc": ["base", "wasm", "weir/image.h", "weir/vmctx.h", "weir/engine.h", "weir/status.h"],
    "fetch": ["base", "weir/status.h"],
    "control": ["base", "os", "gw", "http", "observe", "weir"],
    "cli": ["base", "fetch", "foreign", "os", "gw", "http", "control", "observe", "weir"],
}
# System headers only some folders may use.
SYSTEM_ONLY = {
    r"ngx_.*": {"nginx"},
    r"llvm-c/.*": {"weirc"},
    r"yaml\.h": {"gw"},
    r"jansson\.h": {"cli", "fetch"},
    r"hiredis/.*": {"nginx"},
    r"zlib\.h": {"fetch", "foreign"},
    r"curl/.*": {"fetch"},
}


def source_files(*suffixes):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout.split("\n")
    return [f for f in listed if f.endswith(suffixes) and os.path.exists(os.path.join(ROOT, f))]


def lines_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read().split("\n")


def exceptions():
    """{(rule, file-or-function)} of tools/lint-exceptions.txt."""
    found = set()
    for line in lines_of("tools/lint-exceptions.txt"):
        words = line.split("#")[0].split()
        if words:
            found.add((words[0], words[1]))
    return found


def check_layers(path, lines, _allowed):
    parts = path.split("/")
    if parts[0] != "src":
        return
    layer = parts[1]
    may = LAYERS.get(layer)
    if may is None:
        yield 1, f"folder src/{layer} is not in the layer table of tools/lint.py"
        return
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)', line)
        if not match:
            continue
        target = match.group(2)
        for pattern, folders in SYSTEM_ONLY.items():
            if re.fullmatch(pattern, target) and layer not in folders:
                yield number, f"only {sorted(folders)} may include <{target}>"
        if match.group(1) != '"' or "/" not in target:
            continue
        folder = target.split("/")[0]
        if folder != layer and folder not in may and target not in may:
            yield number, f"src/{layer} may not include {target}"


def check_size(path, lines, allowed):
    if path.startswith(("src/", "sdk/", "plugins/", "include/")) and len(lines) > MAX_FILE_LINES \
            and ("file", path) not in allowed:
        yield 1, f"{len(lines)} lines, over {MAX_FILE_LINES}: split it, or name it in tools/lint-exceptions.txt"


def check_functions(path, lines, allowed):
    """A function starts with '{' in column 0 and ends with '}' there."""
    if not path.endswith(".c"):
        return
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            length = number - start
            head = " ".join(lines[max(0, start - 4):start])
            names = re.findall(r"(\w+)\(", head)
            name = names[0] if names else "?"
            if length > MAX_FUNCTION_LINES and ("function", name) not in allowed \
                    and ("functions-of", path) not in allowed:
                yield start, f"function {name} has {length} lines, over {MAX_FUNCTION_LINES}"
            start = None


def check_opening(path, lines, _allowed):
    if path.startswith(("src/", "include/", "sdk/", "plugins/")) and not lines[0].startswith("/*"):
        yield 1, "a file opens with a comment that says what it is"


def check_text(path, lines, _allowed):
    for number, line in enumerate(lines, 1):
        if line.rstrip() != line:
            yield number, "trailing white space"
        if "\t" in line and not path.endswith(".mk"):
            yield number, "tab"


def run_format(path, fix):
    command = [CLANG_FORMAT, "-i", path] if fix else [CLANG_FORMAT, "--dry-run", "-Werror", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    first = re.search(r":(\d+):\d+:", done.stderr)
    return [] if done.returncode == 0 else [(int(first.group(1)) if first else 1,
                                             "not as .clang-format has it: run `make format`")]


def header_alone(path):
    done = subprocess.run([CLANG, "-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-function",
                           "-Wno-pragma-once-outside-header", "-D_GNU_SOURCE", "-Iinclude", "-Isrc", "-x", "c",
                           path], cwd=ROOT, capture_output=True, text=True)
    return [] if done.returncode == 0 else [(1, "does not compile alone: " + done.stderr.split("\n")[0])]


def main():
    fix = "--fix" in sys.argv[1:]
    if [a for a in sys.argv[1:] if a != "--fix"]:
        sys.exit(__doc__)
    os.chdir(ROOT)
    allowed = exceptions()
    files = source_files(".c", ".h")
    findings, checks = [], 0
    for path in files:
        lines = lines_of(path)
        for check in (check_layers, check_size, check_functions, check_opening, check_text):
            checks += 1
            findings += [(path, n, what) for n, what in check(path, lines, allowed)]
    headers = [f for f in files if f.endswith(".h") and f.startswith(("src/", "include/"))
               and not f.startswith(("src/nginx/", "src/weirc/"))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(f, pool.submit(run_format, f, fix)) for f in files]
        jobs += [(f, pool.submit(header_alone, f)) for f in headers]
        for path, job in jobs:
            checks += 1
            findings += [(path, n, what) for n, what in job.result()]
    for path, number, what in sorted(findings):
        print(f"{path}:{number}: {what}")
    print(f"{checks - len(findings)} passed, {len(findings)} failed, 0 skipped")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
