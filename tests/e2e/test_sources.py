"""Plugins' modules over the network: registries and servers, down, slow and lying; the gateway starts and serves."""
import crypt
import glob
import gzip
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import warnings

import pytest

from conftest import KEY_AUTH, WEIR, wait_for
from registries import (DOCKER_LAYER, DOCKER_MANIFEST, TAR_LAYER, WASM_LAYER, DockerRegistry, Fake, digest, layer_of,
                        weir)
from test_reload import route, write

warnings.filterwarnings("ignore", category=DeprecationWarning)
PATH = KEY_AUTH.removeprefix("file:")
with open(PATH, "rb") as opened:
    MODULE = opened.read()
# Another module that does the same: a custom section more.
OTHER = MODULE + b"\0\x05\x04more"


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


@pytest.fixture(name="fake")
def fixture_fake():
    fake = Fake().start()
    yield fake
    fake.stop()


@pytest.fixture(name="registry")
def fixture_registry(tmp_path):
    registry = DockerRegistry(tmp_path)
    yield registry
    registry.stop()


def plugin(url, **rest):
    return {"name": "p", "url": url, **rest,
            "defaultConfig": {"consumers": [{"name": "a", "credential": "k"}], "keys": ["x-k"], "in_header": True}}


def state(g):
    """(state, kept, cause) of the plugin."""
    done = weir("status", "--state", g.state, "--json")
    found = next(p for p in json.loads(done.stdout)["plugins"] if p["name"] == "p")
    return found["state"], found["kept"], found["cause"]


def runs(g):
    return g.send().status == 401 and g.send(headers={"x-k": "k"}).status == 200


def wait_cause(g, text):
    wait_for(f"{text!r} as the cause", lambda: text in state(g)[2] and state(g), 40)
    return state(g)


def module_in_force(g):
    with open(os.path.join(g.state, "current"), encoding="utf-8") as f:
        return json.load(f)["plugins"][0]["url"][-69:-5]


def sha(data):
    return hashlib.sha256(data).hexdigest()


# ---- layouts -------------------------------------------------------------------------------------

@pytest.mark.parametrize("layers,media", [
    ([(WASM_LAYER, MODULE)], None),
    ([("application/vnd.module.wasm.spec.v1+yaml", b"a: b"), (TAR_LAYER, layer_of(MODULE))], None),
    ([(DOCKER_LAYER, layer_of(MODULE, "./plugin.wasm"))], DOCKER_MANIFEST),
    ([(TAR_LAYER.removesuffix("+gzip"), gzip.decompress(layer_of(MODULE, "main.wasm")))], None),
])
def test_layouts(fake, tmp_path, layers, media):
    fake.put("1", layers, *([media] if media else []))
    out = tmp_path / "out.wasm"
    done = weir("pull", fake.url(), "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == MODULE


def test_an_index_of_platforms(fake, tmp_path):
    wanted = fake.put("child", [(WASM_LAYER, MODULE)])
    fake.manifests["1"] = json.dumps({"schemaVersion": 2, "manifests": [
        {"digest": digest(b"none"), "size": 4, "platform": {"architecture": "amd64", "os": "linux"}},
        {"digest": wanted, "size": 9, "platform": {"architecture": "wasm", "os": "wasi"}}]}).encode()
    done = weir("pull", fake.url(), "-o", str(tmp_path / "out"))
    assert done.returncode == 0 and (tmp_path / "out").read_bytes() == MODULE, done.stderr


# ---- a real registry -----------------------------------------------------------------------------

def test_push_and_pull(gateway, echo, registry):
    done = weir("push", PATH, f"oci:{registry.host}/team/auth:1.0")
    assert done.returncode == 0, done.stderr
    by_digest = done.stdout.strip()
    assert by_digest.startswith(f"oci://{registry.host}/team/auth@sha256:")
    for url in (f"oci://{registry.host}/team/auth:1.0", by_digest, f"{registry.host}/team/auth:1.0"):
        g = gateway(route(echo, "a", [plugin(url)]), "--workers", "1")
        g.allowed = ["does not run"]
        wait_for("the plugin", lambda g=g: runs(g))
        assert state(g)[0] in ("ready", "compiling") and module_in_force(g) == sha(MODULE)


@pytest.mark.parametrize("form", ["docker", "folder", "line"])
def test_a_password(gateway, echo, tmp_path, form):
    import base64
    registry = DockerRegistry(tmp_path, "ann:" + crypt.crypt("s3cret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)) + "\n")
    try:
        auths = json.dumps({"auths": {registry.host: {"auth": base64.b64encode(b"ann:s3cret").decode()}}})
        secret = tmp_path / "secret"
        if form == "folder":
            secret.mkdir()
            (secret / ".dockerconfigjson").write_text(auths)
        else:
            secret.write_text(auths if form == "docker" else "ann:s3cret\n")
        url = f"oci://{registry.host}/team/auth:1"
        refused = weir("push", PATH, url, "--secret", "-", stdin="")
        assert refused.returncode == 1 and "401" in refused.stderr and "login" in refused.stderr
        assert weir("push", PATH, url, "--secret", str(secret)).returncode == 0
        g = gateway(route(echo, "a", [plugin(url)]), "--workers", "1")
        wait_cause(g, "401")
        write(g, route(echo, "a", [plugin(url, imagePullSecret=str(secret))]))
        wait_for("the plugin", lambda: runs(g))
        assert "s3cret" not in g.output() + g.error_log
    finally:
        registry.stop()


def test_a_token(gateway, echo, fake, tmp_path):
    fake.put("1", [(WASM_LAYER, MODULE)])
    fake.token, fake.login = "tok-1", "ann:pw"
    (tmp_path / "s").write_text("ann:pw")
    g = gateway(route(echo, "a", [plugin(fake.url(), imagePullSecret=str(tmp_path / "s"))]), "--workers", "1")
    wait_for("the plugin", lambda: runs(g))
    asked = [path for path, _ in fake.asked if path.startswith("/token")]
    assert "scope=repository:x/y:pull" in asked[0] and "service=fake" in asked[0]


# ---- a server ------------------------------------------------------------------------------------

@pytest.mark.parametrize("pin", [False, True])
def test_a_server(gateway, echo, fake, pin):
    fake.override["/m.wasm"] = lambda h: h.reply(200, MODULE)
    url = f"http://{fake.host}/m.wasm"
    g = gateway(route(echo, "a", [plugin(url, **({"sha256": sha(MODULE)} if pin else {}))]), "--workers", "1")
    wait_for("the plugin", lambda: runs(g))


def test_a_server_with_another_module(gateway, echo, fake):
    fake.override["/m.wasm"] = lambda h: h.reply(200, OTHER)
    g = gateway(route(echo, "a", [plugin(f"http://{fake.host}/m.wasm", sha256=sha(MODULE))]), "--workers", "1")
    assert wait_cause(g, "not to its sha256")[0] == "failed"
    assert g.send().status == 503
    fake.override["/m.wasm"] = lambda h: h.reply(200, MODULE)
    wait_for("the plugin", lambda: runs(g))


# ---- what may go wrong ---------------------------------------------------------------------------

def test_a_registry_that_is_down(gateway, echo):
    fake = Fake()
    fake.put("1", [(WASM_LAYER, MODULE)])
    for strategy, status in (("FAIL_OPEN", 200), ("FAIL_CLOSE", 503)):
        g = gateway(route(echo, "a", [plugin(fake.url(), failStrategy=strategy)]), "--workers", "1")
        assert g.send().status == status
        assert wait_cause(g, "connect to 127.0.0.1")[0] == "failed"
        done = weir("status", "--state", g.state)
        assert done.returncode == 3 and "plugin p: failed: cannot fetch oci://" in done.stdout
    fake.start()
    wait_for("the plugin", lambda: runs(g))
    wait_for("its state", lambda: state(g) in (("ready", False, ""), ("compiling", False, "")))
    fake.stop()


def lies():
    def loop(h):
        h.reply(302, headers={"Location": h.path})

    def huge(h):
        h.reply(200, b"x" * 70000, length=5 << 20)

    def endless(h):
        h.reply(200, b"x" * (5 << 20))

    blob, manifest = "/v2/x/y/blobs/", "/v2/x/y/manifests/"
    return {
        "5xx": (manifest, lambda h: h.reply(503), "answered 503"),
        "html": (manifest, lambda h: h.reply(200, b"<html>welcome</html>", {"Content-Type": "text/html"}), "is no JSON"),
        "other scheme": (manifest, lambda h: h.reply(200, b'{"schemaVersion": 1}'), "schemaVersion 2"),
        "wrong manifest": (manifest, lambda h: h.reply(200, b"{}", {"Docker-Content-Digest": digest(b"x")}), "has the digest"),
        "redirect loop": (manifest, loop, "redirect"),
        "redirect to a file": (manifest, lambda h: h.reply(302, headers={"Location": "file:///etc/passwd"}), "Protocol"),
        "huge manifest": (manifest, endless, "longer than"),
        "wrong layer": (blob, lambda h: h.reply(200, OTHER[:len(MODULE)][::-1]), "has the digest"),
        "long layer": (blob, lambda h: h.reply(200, OTHER), "longer than"),
        "short layer": (blob, lambda h: h.reply(200, MODULE[:100]), "not the"),
        "truncated layer": (blob, lambda h: (h.reply(200, MODULE[:100], length=len(MODULE)), setattr(h, "close_connection", True)), "transfer closed"),
        "layer 404": (blob, lambda h: h.reply(404), "answered 404"),
        "token service": ("/token", lambda h: h.reply(500), "the token service answered 500"),
        "no token": ("/token", lambda h: h.reply(200, b"{}"), "without a token"),
    }


@pytest.mark.parametrize("lie", lies())
def test_a_registry_that_lies(gateway, echo, fake, lie):
    start, act, cause = lies()[lie]
    fake.put("1", [(WASM_LAYER, MODULE)])
    fake.token = "t" if "token" in lie else None
    fake.override[start] = act
    g = gateway(route(echo, "a", [plugin(fake.url())]), "--workers", "1")
    assert g.send().status == 503
    assert wait_cause(g, cause)[:2] == ("failed", False)
    fake.override.clear()
    wait_for("the plugin", lambda: runs(g), 40)


@pytest.mark.parametrize("data,cause", [(b"no module", "no WebAssembly module")])
def test_what_is_no_module(gateway, echo, fake, data, cause):
    fake.put("1", [(WASM_LAYER, data)])
    g = gateway(route(echo, "a", [plugin(fake.url())]), "--workers", "1")
    wait_cause(g, cause)
    fake.put("1", [(WASM_LAYER, MODULE)])
    wait_for("the plugin", lambda: runs(g), 40)


def test_a_bomb(fake, tmp_path):
    fake.put("1", [(TAR_LAYER, gzip.compress(bytes(300 << 20), 1))])
    done = weir("pull", fake.url(), "-o", str(tmp_path / "out"))
    assert done.returncode == 1 and "unpacks to more than" in done.stderr and not (tmp_path / "out").exists()


def test_a_registry_that_is_silent(gateway, echo, fake):
    """Nothing waits for it: start, other changes, and what is in force."""
    go_on = threading.Event()
    fake.put("1", [(WASM_LAYER, MODULE)])
    fake.override["/v2/"] = lambda h: (go_on.wait(60), fake.answer(h))
    started = time.monotonic()
    g = gateway(route(echo, "a", [plugin(fake.url(), failStrategy="FAIL_OPEN")]), "--workers", "1")
    assert time.monotonic() - started < 10
    assert state(g) == ("fetching", False, "")
    write(g, route(echo, "b", [plugin(fake.url(), failStrategy="FAIL_OPEN")]))
    wait_for("another change", lambda: g.send().seen_header("host") == "b")
    assert wait_cause(g, "too slow")[0] == "failed"
    go_on.set()
    wait_for("the plugin", lambda: runs(g), 40)


# ---- versions ------------------------------------------------------------------------------------

def test_the_version_of_before_serves(gateway, echo, fake):
    fake.put("1", [(WASM_LAYER, MODULE)])
    g = gateway(route(echo, "a", [plugin(fake.url())]), "--workers", "1")
    wait_for("the plugin", lambda: runs(g))
    write(g, route(echo, "b", [plugin(fake.url(":2"))]))
    wait_for("the rest", lambda: g.send(headers={"x-k": "k"}).seen_header("host") == "b")
    found = wait_cause(g, "answered 404")
    assert found[0] in ("ready", "compiling") and found[1] and runs(g)
    fake.put("2", [(WASM_LAYER, OTHER)])
    wait_for("the new version", lambda: module_in_force(g) == sha(OTHER), 40)
    assert runs(g) and state(g)[1:] == (False, "")


@pytest.mark.parametrize("policy,tag,moves", [("IfNotPresent", ":1", False), ("Always", ":1", True), (None, ":latest", True)])
def test_the_pull_policy(gateway, echo, fake, policy, tag, moves):
    fake.put(tag[1:], [(WASM_LAYER, MODULE)])
    p = plugin(fake.url(tag), **({"imagePullPolicy": policy} if policy else {}))
    g = gateway(route(echo, "a", [p]), "--workers", "1")
    wait_for("the plugin", lambda: runs(g))
    fake.put(tag[1:], [(WASM_LAYER, OTHER)])
    asked = len(fake.asked)
    assert weir("apply", "--state", g.state).returncode == 0
    if moves:
        wait_for("the new module", lambda: module_in_force(g) == sha(OTHER))
        assert runs(g)
    else:
        assert len(fake.asked) == asked and module_in_force(g) == sha(MODULE)


def test_a_start_without_the_registry(gateway, echo, fake):
    """The copy on disk serves from the first request."""
    fake.put("latest", [(WASM_LAYER, MODULE)])
    config = route(echo, "a", [plugin(fake.url(":latest"))])
    g = gateway(config, "--workers", "1")
    wait_for("the plugin", lambda: runs(g))
    assert g.stop() == 0
    for path in glob.glob(g.state + "/generation*") + [g.state + "/current"]:
        os.remove(path)
    fake.override["/"] = lambda h: h.reply(500)
    again = gateway(config, "--workers", "1", state=g.state)
    assert runs(again)
    assert wait_cause(again, "answered 500")[1]
    fake.override.clear()
    wait_for("the registry to be asked again", lambda: state(again)[1:] == (False, ""), 40)


def test_killed_in_the_middle(gateway, echo, fake):
    """kill -9 of the control process during a fetch: nothing half is left, its child goes, the next one fetches."""
    fake.put("1", [(WASM_LAYER, MODULE)])
    arrived = threading.Event()

    def half(h):
        h.send_response(200)
        h.send_header("Content-Length", str(len(MODULE)))
        h.end_headers()
        h.wfile.write(MODULE[:5000])
        h.wfile.flush()
        arrived.set()
        time.sleep(5)
    fake.override["/v2/x/y/blobs/"] = half
    config = route(echo, "a", [plugin(fake.url())])
    g = gateway(config, "--workers", "1")
    assert arrived.wait(20)
    with open(f"/proc/{g.child.pid}/task/{g.child.pid}/children", encoding="ascii") as f:
        children = [p for p in f.read().split() if b"pull" in open(f"/proc/{p}/cmdline", "rb").read()]
    assert len(children) == 1
    g.child.kill()
    g.child.wait()
    wait_for("the child's end", lambda: not os.path.exists(f"/proc/{children[0]}"))
    files = [f for f in glob.glob(g.state + "/store/**/*", recursive=True) if os.path.isfile(f)]
    assert not files, files
    fake.override.clear()
    again = gateway(config, "--workers", "1", state=g.state)
    wait_for("the plugin", lambda: runs(again))


# ---- files, and weir check -----------------------------------------------------------------------

@pytest.mark.parametrize("how", ["rename", "in place"])
def test_a_file_that_changes(gateway, echo, tmp_path, how):
    path = tmp_path / "m.wasm"
    shutil.copy(PATH, path)
    g = gateway(route(echo, "a", [plugin(f"file:{path}")]), "--workers", "1")
    assert runs(g) and module_in_force(g) == sha(MODULE)
    if how == "rename":
        (tmp_path / "new").write_bytes(OTHER)
        os.rename(tmp_path / "new", path)
    else:
        path.write_bytes(OTHER)
    wait_for("the new module", lambda: module_in_force(g) == sha(OTHER))
    assert runs(g)


def test_the_store_is_swept(gateway, echo, tmp_path):
    """What nothing needs leaves the store when it is old; what is needed stays, however old, and serves in a new worker."""
    module = tmp_path / "m.wasm"
    shutil.copy(PATH, module)
    g = gateway(route(echo, "a", [plugin(f"file:{module}")]), "--workers", "1")
    assert runs(g) and g.stop() == 0
    store, old = os.path.join(g.state, "store"), time.time() - 31 * 86400
    needed = os.listdir(store + "/modules")
    for name in ("modules/" + "0" * 64 + ".wasm", "images/" + "0" * 64 + "-some-key.aot", "sources/" + "1" * 64):
        with open(os.path.join(store, name), "wb") as f:
            f.write(b"nothing")
    for path in glob.glob(store + "/*/*"):
        os.utime(path, (old, old))
    with open(store + "/modules/" + "2" * 64 + ".wasm", "wb") as f:
        f.write(b"young")
    h = gateway(route(echo, "a", [plugin(f"file:{module}")]), "--workers", "1", state=g.state)
    wait_for("the sweep", lambda: "3 files that nothing needs left the store" in h.output())
    assert sorted(os.listdir(store + "/modules")) == sorted(needed + ["2" * 64 + ".wasm"])
    assert os.listdir(store + "/sources") == [] and not glob.glob(store + "/images/000*")
    assert os.stat(store + "/modules/" + needed[0]).st_mtime > old + 86400
    pid = h.workers()[0]
    os.kill(pid, signal.SIGKILL)
    for one in (g, h):  # they have one log
        one.allowed.append(r"exited on signal 9")
    h.wait_replaced(pid)
    wait_for("the plugin in the new worker", lambda: runs(h))


def test_check(fake, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"listeners": ["127.0.0.1:1"], "plugins": [plugin(fake.url())]}))
    done = weir("check", "-c", str(config))
    assert done.returncode == 1 and "plugins[0].url: the module cannot be fetched: " in done.stdout
    assert "answered 404 MANIFEST_UNKNOWN" in done.stdout
    fake.put("1", [(WASM_LAYER, MODULE)])
    done = weir("check", "-c", str(config))
    assert done.returncode == 0, done.stdout
    assert f"fetching {fake.url()}" in done.stderr and f"{len(MODULE)} bytes" in done.stderr


def test_the_command_lines():
    for verb in ("push", "pull"):
        assert "Exit codes" in weir(verb, "--help").stdout and weir(verb).returncode == 2
    done = weir("pull", "oci://H/UPPER:x", "-o", "/dev/null")
    assert done.returncode == 1 and "no host" in done.stderr or "lower case" in done.stderr
    assert subprocess.run([WEIR, "push", "/dev/null", "oci://127.0.0.1:1/x:1"], capture_output=True, check=False).returncode == 1
