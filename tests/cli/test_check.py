"""`weir check` and the frame of the command: outputs and exit codes."""
import os
import re
import subprocess
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"))
WEIR = os.path.join(BUILD, "weir")
KEY_AUTH = os.path.join(ROOT, "build/plugins/key-auth.wasm")

# A guest that answers every callback it has as `configure` says.
GUEST = """(module
  (func (export "proxy_abi_version_0_2_1"))
  (memory (export "memory") 1)
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) %s))"""

BASE = """\
listeners: [127.0.0.1:10000]
services:
  - { name: echo, endpoints: [127.0.0.1:10080] }
routes:
  - { name: orders, match: { hosts: [shop.example], path: { prefix: /orders } }, service: echo }
"""


def weir(*args, cwd=ROOT, env=None):
    done = subprocess.run([WEIR, *map(str, args)], capture_output=True, text=True, timeout=60, check=False, cwd=cwd,
                          env={**os.environ, **(env or {})})
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    assert done.returncode >= 0, done.stderr
    return done


@pytest.fixture(name="check")
def fixture_check(tmp_path):
    """check(text, *options): exit code and the lines printed, with the file's name as FILE."""

    def check(text, *options, **kwargs):
        path = tmp_path / "gateway.yaml"
        path.write_text(text)
        done = weir("check", "-c", path, *options, **kwargs)
        return done.returncode, done.stdout.replace(str(path), "FILE").splitlines()

    return check


@pytest.fixture(name="guest")
def fixture_guest(tmp_path):
    """guest(body of proxy_on_configure): the path of a module."""

    def guest(configure):
        (tmp_path / "guest.wat").write_text(GUEST % configure)
        subprocess.run(["wat2wasm", tmp_path / "guest.wat", "-o", tmp_path / "guest.wasm"], check=True)
        return tmp_path / "guest.wasm"

    return guest


def plugin(url, rest=""):
    return BASE + f"plugins:\n  - name: p\n    url: file:{url}\n{rest}"


def test_help_and_version():
    done = weir("--help")
    assert done.returncode == 0
    for verb in ("check", "try", "exec"):
        assert f"\n  {verb} " in done.stdout
    assert weir("--version").stdout.startswith("weir ")
    done = weir("check", "--help")
    assert done.returncode == 0
    assert "usage: weir check -c FILE" in done.stdout
    for text in ("--config FILE", "--timeout SECONDS", "Exit codes:", "  2   the command line is wrong"):
        assert text in done.stdout


@pytest.mark.parametrize("args, message", [
    ([], "usage: weir VERB"),
    (["nothing"], "no verb 'nothing'"),
    (["--nothing"], "no option '--nothing'"),
    (["check"], "--config FILE is missing"),
    (["check", "--nothing"], "no option '--nothing'"),
    (["check", "-x"], "no option '-x'"),
    (["check", "-c"], "--config needs a value: FILE"),
    (["check", "-c", "x", "y"], "too many arguments"),
    (["check", "-c", "x", "--timeout", "soon"], "--timeout takes a number"),
    (["check", "-c", "x", "--timeout", "0"], "--timeout takes 1 to 3600 seconds"),
    (["check", "-c", "x", "--no-start=1"], "--no-start takes no value"),
])
def test_usage_errors(args, message):
    done = weir(*args)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_good(check):
    assert check(BASE) == (0, [])


def test_every_problem_has_its_line(check):
    assert check(BASE + """\
  - name: orders
    service: ecco
plugins:
  - name: p
    url: file:x
    phase: FIRST
    matchRules:
      - { route: [nowhere], confg: {} }
""") == (1, [
        "FILE:6: routes[1]: the name 'orders' is taken, at FILE:5; rename one of the two",
        "FILE:7: routes[1].service: there is no service 'ecco'; add it to services or correct the name",
        "FILE:11: plugins[0].phase: must be one of AUTHN, AUTHZ, STATS, UNSPECIFIED_PHASE",
        "FILE:13: plugins[0].matchRules[0].confg: no such field; there are route, domain, service, listener, config, "
        "configDisable, routeType",
        "FILE:13: plugins[0].matchRules[0].route: there is no route 'nowhere'; add it to routes or correct the name",
    ])


def test_warnings_do_not_fail(check, guest):
    module = guest("(i32.const 1)")
    code, lines = check(plugin(module, "    matchRules: [{ domain: ['shop.example:80'] }]\n"))
    assert code == 0
    assert lines == ["FILE:9: plugins[0].matchRules[0].domain[0]: warning: never matches: the port is taken off the "
                     "request's host; leave it out here too"]


TLS = """\
listeners: [127.0.0.1:10000]
services:
- name: s
  endpoints: [127.0.0.1:1]
  tls:
    %s
"""


@pytest.fixture(name="pem", scope="session")
def fixture_pem(tmp_path_factory):
    """pem(name): a file with a certificate (a.pem, b.pem, wild.pem for *.shop.example), its key (a.key, b.key, wild.key), a key with a password (locked.key), a damaged certificate, none."""
    folder = tmp_path_factory.mktemp("pem")
    for name, host in ("a", "a"), ("b", "b"), ("wild", "*.shop.example"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + host,
                        "-addext", "subjectAltName=DNS:" + host,
                        "-keyout", folder / (name + ".key"), "-out", folder / (name + ".pem")], check=True, capture_output=True)
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", folder / "a.key", "-passout", "pass:secret", "-out", folder / "locked.key"], check=True)
    text = (folder / "a.pem").read_text()
    (folder / "damaged.pem").write_text(text + text.replace("MII", "AAA", 1))
    (folder / "none.pem").write_text("nothing in here\n")
    (folder / "binary.pem").write_bytes(bytes(range(256)))
    (folder / "large.pem").write_bytes(b"x" * ((1 << 20) + 1))
    os.mkfifo(folder / "fifo")
    return lambda name: folder / name


@pytest.mark.parametrize("fields,line,problem", [
    ("ca: {a.pem}", 0, None), ("certificate: {a.pem}\n    key: {a.key}", 0, None), ("verify: false", 0, None), ("serverName: up.example", 0, None),
    ("ca: nowhere.pem", 6, 'tls.ca: the file "nowhere.pem" cannot be read: No such file or directory; give a file, or the PEM text itself'),
    ("ca: {fifo}", 6, 'tls.ca: the file "{fifo}" cannot be read: it is not a plain file; give a file, or the PEM text itself'),
    ("ca: {large.pem}", 6, 'tls.ca: the file "{large.pem}" cannot be read: it is larger than 1 MiB; give a file, or the PEM text itself'),
    ("ca: {none.pem}", 6, "tls.ca: has no certificate; PEM text with BEGIN CERTIFICATE is wanted"),
    ("ca: {a.key}", 6, "tls.ca: has no certificate; PEM text with BEGIN CERTIFICATE is wanted"),
    ("ca: {binary.pem}", 6, "tls.ca: is not PEM text; convert it, like `openssl x509 -inform der -in FILE`"),
    ("ca: {damaged.pem}", 6, "tls.ca: its certificate number 2 is damaged"),
    ("ca: [x]", 6, "tls.ca: must be a string, not a list"),
    ("certificate: {a.pem}", 6, "tls: certificate and key go together; give both or neither"),
    ("key: {a.key}", 6, "tls: certificate and key go together; give both or neither"),
    ("certificate: {a.pem}\n    key: {b.key}", 7, "tls.key: is not the key of the first certificate in certificate"),
    ("certificate: {a.pem}\n    key: {locked.key}", 7,
     "tls.key: has no private key that can be used: PEM text with BEGIN PRIVATE KEY and without a password is wanted"),
    ("serverName: a b", 6, "tls.serverName: a host has letters, digits, '-', '.' and '_' only; international names are written xn--..."),
    ("verify: maybe", 6, "tls.verify: must be true or false, not a string; write true or false"),
    ("insecure: true", 6, "tls.insecure: no such field; there are serverName, verify, ca, certificate, key"),
])
def test_tls(check, pem, fields, line, problem):
    def filled(text):
        return re.sub(r"\{([a-z.]+)\}", lambda m: str(pem(m.group(1))), text)
    code, lines = check(TLS % filled(fields))
    if problem is None:
        assert (code, lines) == (0, [])
    else:
        assert code == 1 and f"FILE:{line}: services[0]." + filled(problem) in lines, lines


def test_tls_text_and_warning(check, pem):
    code, lines = check(TLS % ("ca: |\n" + "".join("      " + line + "\n" for line in pem("a.pem").read_text().splitlines()) + "    verify: false"))
    assert code == 0 and "FILE:6: services[0].tls: warning: ca has no use with verify: false; remove one of them" in lines


def test_missing_file():
    done = weir("check", "-c", "/nonexistent/gateway.yaml")
    assert done.returncode == 1
    assert done.stdout == "/nonexistent/gateway.yaml: cannot be opened: No such file or directory\n"


def test_directory(tmp_path):
    (tmp_path / "a.yaml").write_text(BASE)
    (tmp_path / "b.yaml").write_text("routes: [{ name: x, service: nowhere }]\n")
    done = weir("check", "-c", tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{tmp_path}/b.yaml:1: routes[0].service: there is no service 'nowhere'")


def test_module_problems(check, tmp_path):
    assert check(plugin("nowhere.wasm"))[1] == [
        "FILE:7: plugins[0].url: the module cannot be used: io: nowhere.wasm: No such file or directory"]
    (tmp_path / "bad.wasm").write_bytes(b"\0asm\1\0\0\0\xff")
    code, lines = check(plugin(tmp_path / "bad.wasm"))
    assert code == 1
    assert lines[0].startswith("FILE:7: plugins[0].url: the module cannot be used: malformed:")
    code, lines = check(plugin(tmp_path / "bad.wasm", "    sha256: " + "0" * 63 + "a\n"))
    assert "not to its sha256" in lines[0]
    assert check(plugin(tmp_path / "bad.wasm"), "--no-start") == (0, [])
    code, lines = check(BASE + "plugins: [{ name: p, url: 'oci://127.0.0.1:1/x/y:1' }]\n")
    assert (code, len(lines)) == (1, 1)
    assert "FILE:6: plugins[0].url: the module cannot be fetched: https://127.0.0.1:1/" in lines[0]


def test_file_urls_count_from_the_working_directory(check, guest, tmp_path):
    guest("(i32.const 1)")
    assert check(plugin("guest.wasm"), cwd=tmp_path) == (0, [])
    assert check(plugin("guest.wasm"), cwd="/")[0] == 1


@pytest.mark.parametrize("configure, message", [
    ("(i32.const 0)", "refused"),
    ("unreachable", "trap"),
])
def test_plugin_that_does_not_start(check, guest, configure, message):
    code, lines = check(plugin(guest(configure)))
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("FILE:7: plugins[0]: the plugin does not start with it: ")
    assert message in lines[0]


def test_plugin_that_hangs(check, guest):
    started = time.monotonic()
    code, lines = check(plugin(guest("(loop (br 0)) (i32.const 1)")), "--timeout", 1)
    assert time.monotonic() - started < 20
    assert code == 1
    assert "does not start within 1 s" in lines[0]


def test_the_cpu_of_a_start_is_limited(check, guest):
    code, lines = check(plugin(guest("(loop (br 0)) (i32.const 1)"), "    limits: { startCpu: 50ms }\n"))
    assert code == 1
    assert "deadline exceeded" in lines[0]


def test_the_configuration_to_blame(check, guest):
    """A plugin that refuses configurations of more than ten bytes: only that rule is named."""
    module = guest("(i32.lt_u (local.get 1) (i32.const 11))")
    code, lines = check(plugin(module, """\
    defaultConfig: { a: 1 }
    matchRules:
      - { route: [orders], config: { b: 2 } }
      - { domain: [x.example], config: { much: longer } }
      - { service: [echo], config: { b: 2 } }
"""))
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("FILE:12: plugins[0].matchRules[1].config: the plugin does not start with it: ")


def test_key_auth(check):
    text = plugin(KEY_AUTH, """\
    defaultConfig: { consumers: [{ name: ann, credential: k }], keys: [apikey] }
    matchRules:
      - { route: [orders], config: { allow: [ann] } }
      - { service: [echo], configDisable: true }
""")
    assert check(text) == (0, [])
    code, lines = check(text.replace("consumers:", "customers:"))
    assert code == 1
    assert lines[0].startswith("FILE:7: plugins[0].defaultConfig: the plugin does not start with it: ")
    assert "needs exactly one of credentials and consumers" in lines[0]


def test_plugins_of_connections_are_started_too(check, guest):
    text = """\
listeners: [{ address: "127.0.0.1:9000", protocol: tcp, service: db }]
services: [{ name: db, endpoints: ["127.0.0.1:5432"] }]
plugins:
  - name: tap
    url: file:%s
    type: NETWORK
    matchRules:
      - { listener: ["127.0.0.1:9000"], config: { log: true } }
"""
    assert check(text % guest("(i32.const 1)")) == (0, [])
    code, lines = check(text % guest("(i32.const 0)"))
    assert code == 1 and lines[0].startswith("FILE:8: plugins[0].matchRules[0].config: the plugin does not start with it: ")


def test_reference_in_the_documentation():
    with open(os.path.join(ROOT, "docs/configuration.md"), encoding="utf-8") as f:
        text = f.read()
    done = weir("check", "--fields")
    assert done.returncode == 0
    assert text.endswith("## Fields\n\n" + done.stdout.rstrip("\n") + "\n")


def test_example_in_the_documentation(check, pem):
    with open(os.path.join(ROOT, "docs/configuration.md"), encoding="utf-8") as f:
        blocks = [part.split("```")[0] for part in f.read().split("```yaml\n")[1:]]
    assert len(blocks) >= 4
    for block in blocks:
        block = re.sub(r"/etc/weir/([a-z-]+)\.(pem|key)", lambda m: str(pem(("wild." if m.group(1) == "wild" else "a.") + m.group(2))), block)
        if "kind: WasmPlugin" in block:
            assert check(BASE + "---\n" + block, "--no-start") == (0, []), block
        elif "type: NETWORK" in block or "oci://" in block:  # there is no such plugin to start
            assert check(block, "--no-start") == (0, []), block
        else:
            assert check(block) == (0, []), block
