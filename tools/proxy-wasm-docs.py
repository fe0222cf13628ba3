#!/usr/bin/python3
"""Makes docs/proxy-wasm.md from the tables in the code.

  proxy-wasm-docs.py [--check]

Rows come from src/pw/abi.def (host calls), src/pw/exports.def (callbacks), the tables of src/pw/property.c and
src/nginx/ngx_http_weir_property.c, and the foreign functions' tables.  docs/proxy-wasm.notes adds to a row what no
table knows: what it does, how it differs from Envoy, which tests show it.  tests/conformance/rows.py has more tests: a scenario
for a row is run through a real nginx over HTTP/1.1 and HTTP/2, and through `weir try` on both tiers.  A row is an
error if it names a test that does not exist, or has no test in tests/e2e or none in tests/pw.  --check writes nothing and exits 1 if the file is
not what would be written.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/conformance"))
from rows import ROWS  # noqa: E402 (the path comes first)

PAGE = "docs/proxy-wasm.md"
SINCE = {"ANY": "all", "V010": "0.1.0", "V020": "0.2.0", "V021": "0.2.1", "HIGRESS": "Higress", "EXTRA": "toolchains"}
SCENARIO = "{}/test_conformance.py::test_row"
problems, seen = [], set()


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def read_notes():
    """{name: (does, differs, [tests])}; '-' is nothing."""
    notes = {}
    for line in read("docs/proxy-wasm.notes").split("\n"):
        if line and not line.startswith("#"):
            fields = [field.strip() for field in line.split("|")]
            if len(fields) != 4:
                problems.append(f"docs/proxy-wasm.notes: not four fields: {line}")
                continue
            name, does, differs, tests = ("" if field == "-" else field for field in fields)
            notes[name] = (does, differs, tests.split())
    return notes


NOTES = read_notes()


def test_exists(test):
    path, _, function = test.partition("::")
    path = os.path.join(ROOT, "tests", path)
    return os.path.exists(path) and re.search(rf"\b{re.escape(function)}\(", read(os.path.relpath(path, ROOT)))


def row(kind, name, shown, does="", needs_test=True):
    note = NOTES.get(name, ("", "", []))
    tests = list(note[2])
    for test in tests:
        if not test_exists(test):
            problems.append(f"{kind} {name}: there is no test {test}")
    on_nginx = name not in ROWS or not ROWS[name].nginx
    if name in ROWS:
        seen.add(name)
        tests += [SCENARIO.format("pw")] + ([SCENARIO.format("e2e")] if on_nginx else [])
    for place in ["pw"] + (["e2e"] if on_nginx else []):
        if needs_test and not any(test.startswith(place + "/") for test in tests):
            problems.append(f"{kind} {name}: no test in tests/{place} shows it; name one in docs/proxy-wasm.notes or add a scenario to "
                            "tests/conformance/rows.py")
    if not (note[0] or does):
        problems.append(f"{kind} {name}: nothing says what it does")
    differs = " ".join(part for part in (note[1], "" if on_nginx else ROWS[name].nginx[0].upper() + ROWS[name].nginx[1:] + ".") if part)
    return f"| {shown} | {note[0] or does} | {differs} | " + ", ".join(f"`{test}`" for test in tests) + " |"


def table(first):
    return [f"| {first} | what weir does | differs from Envoy | shown by |", "|---|---|---|---|"]


def c_strings(text):
    return re.findall(r'"((?:[^"\\]|\\.)*)"', text)


def host_calls():
    """A row each of abi.def, by its sections."""
    lines = []
    for part in re.split(r"\n(?=/\* |#)", read("src/pw/abi.def")):
        calls = re.findall(r"PW_CALL\((\w+), (\w+),(.*?)\)(?=\s*(?:PW_CALL|PW_ALSO|/\*|#|$))", part, re.S)
        if not calls:
            continue
        title = re.match(r"/\* (.*?)\.? \*/", part)
        lines += ["", f"### {title.group(1) if title else 'Others'}", "", *table("host call")]
        for name, _, rest in calls:
            args, names, doc = c_strings(rest)[0], c_strings(rest)[1].split(), "".join(c_strings(rest)[2:])
            since = re.findall(r"\b(ANY|V010|V020|V021|HIGRESS|EXTRA),\s*DONE", rest)[0]
            shown = "`" + name + "(" + ", ".join(names) + ")`" + ("" if since == "ANY" else f" ({SINCE[since]})")
            assert len(args) >= len(names)
            lines.append(row("host call", name, shown, doc))
    return lines


def callbacks():
    names = [n for n in re.findall(r'PW_EXPORT\(\w+, "(\w+)"', read("src/pw/exports.def"))]
    rest = [n for n in NOTES if n.startswith(("proxy_on_", "envoy_on_")) and n not in names and NOTES[n][0].startswith("Not called")]
    return ["", *table("callback"), *(row("callback", n, f"`{n}`") for n in names),
            *(row("callback", n, f"`{n}`", needs_test=False) for n in rest)]


def property_names():
    host = read("src/pw/property.c")
    of_request = re.search(r"of_request\[\] = \{(.*?)\n\};", host, re.S).group(1)
    maps = re.search(r"\} maps\[\] = \{(.*?)\n\};", host, re.S).group(1)
    built_in = re.search(r"built_in\[\] = \{(.*?)\n\};", host, re.S).group(1)
    nginx = "\n".join(re.search(r"\} properties\[\] = \{(.*?)\n\};", read(f"src/nginx/ngx_http_weir_{name}.c"), re.S).group(1)
                      for name in ("property", "connection"))
    names = {"request." + c_strings(line)[0] for line in re.findall(r"\{STR\(.*?\}", of_request)}
    names |= {".".join(c_strings(line)[:2]) for line in re.findall(r"\{STR\(.*?\}", maps)}
    names |= {".".join(c_strings(line)) for line in nginx.split("\n") if '"' in line}
    roots = {name.split(".")[0] for name in names}
    return sorted(names), sorted(set(c_strings(built_in)) - roots)


def properties():
    found, others = property_names()
    lines = ["", *table("property, read"), *(row("property", n, f"`{n}`") for n in found)]
    for name in others:
        note = NOTES.get(name, ("", "", []))
        lines.append(row("property", name, f"`{name}`") if note[2] else f"| `{name}` | Known, but there is none here: NOT_FOUND. | Envoy has one. | |")
    stored = [n for n in NOTES if n.startswith("set ")]
    return lines + ["", *table("property, set"), *(row("property", n, f"`{n[4:]}`") for n in stored)]


def foreign():
    host = re.search(r"built_in\[\] = \{(.*?)\n\};", read("src/pw/hostcalls_foreign.c"), re.S).group(1)
    server = re.search(r"foreign_functions\[\] = \{(.*?)\n\};", read("src/foreign/foreign.c"), re.S).group(1)
    lines = ["", *table("foreign function")]
    for entry in re.findall(r'\{STR\(".*?\}', host):
        lines.append(row("foreign function", "foreign " + c_strings(entry)[0], f"`{c_strings(entry)[0]}`"))
    for entry in re.findall(r'\{STR\(".*?\}', server, re.S):
        name, *doc = c_strings(entry)
        lines.append(row("foreign function", "foreign " + name, f"`{name}`", "".join(doc)))
    for name in [n[8:] for n in NOTES if n.startswith("foreign ") and NOTES[n][0].startswith("Not")]:
        lines.append(row("foreign function", "foreign " + name, f"`{name}`"))
    return lines


def page():
    intro = read("docs/proxy-wasm.intro.md").rstrip("\n").split("\n")
    return "\n".join(["<!-- Written by tools/proxy-wasm-docs.py from the tables in the code; changes here are lost. -->", "", *intro,
                      "", "## Host calls", *host_calls(), "", "## Callbacks", *callbacks(), "", "## Properties", *properties(),
                      "", "## Foreign functions", *foreign(), ""])


def main():
    text = page()
    problems.extend(f"tests/conformance/rows.py: there is no row {name}" for name in sorted(set(ROWS) - seen))
    for problem in problems:
        print(problem)
    if problems:
        return 1
    if "--check" in sys.argv[1:]:
        if read(PAGE) != text:
            print(f"{PAGE} is not what tools/proxy-wasm-docs.py would write")
            return 1
        return 0
    with open(os.path.join(ROOT, PAGE), "w", encoding="utf-8") as f:
        f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
