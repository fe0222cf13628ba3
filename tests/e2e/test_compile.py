"""The gateway compiles by itself: cold and warm starts under traffic, damaged images, compilers that fail."""
import glob
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from conftest import BUILD, KEY_AUTH, ROOT, SANITIZED, Gateway, wait_for

REAL = os.path.join(BUILD, "weirc")
HEADERS = {"x-api-key": "k"}


def config(echo, module=KEY_AUTH, name="key-auth", **rest):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": "all", "match": {}, "service": "echo"}],
            "plugins": [{"name": name, "url": module,
                         "defaultConfig": {"consumers": [{"name": "a", "credential": "k"}], "keys": ["x-api-key"]}, **rest}]}


def again(g, **changes):
    """The configuration a gateway was started with, on the same port."""
    with open(g.config, encoding="utf-8") as f:
        c = json.load(f)
    c["plugins"][0].update(changes)
    return c


def status(g):
    with socket.socket(socket.AF_UNIX) as s:
        folder = os.open(g.state, os.O_PATH)
        try:
            s.connect(f"/proc/self/fd/{folder}/status.sock")
        finally:
            os.close(folder)
        s.sendall(b"GET / HTTP/1.0\r\nHost: weir\r\n\r\n")
        answer = b""
        while part := s.recv(65536):
            answer += part
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])


def tiers(g):
    try:
        return [p["tier"] for p in status(g)["plugins"]]
    except OSError:
        return []


def wait_compiled(g, n=1):
    wait_for("compiled plugins in the worker", lambda: tiers(g) == ["aot"] * n, 120)


def images(g):
    return sorted(glob.glob(g.state + "/store/images/*.aot"))


def failures(g):
    return sorted(glob.glob(g.state + "/store/images/*.failed"))


class Traffic:
    """Requests one after another in two threads until stop(); wrong answers are kept."""

    def __init__(self, port, expected=200):
        self.port, self.expected, self.count, self.wrong = port, expected, 0, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(2)]
        for t in self.threads:
            t.start()

    def run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

        def ask():
            c.request("GET", "/", headers=HEADERS)
            r = c.getresponse()
            r.read()
            return r.status

        while not self.over.is_set():
            try:
                reused = c.sock is not None
                try:
                    got = ask()
                except (http.client.RemoteDisconnected, ConnectionError):
                    c.close()
                    if not reused:
                        raise
                    got = ask()  # a reload closes idle connections; every client tries a new one
            except (OSError, http.client.HTTPException) as e:
                got = repr(e)
                c.close()
            self.count += 1
            if got != self.expected:
                self.wrong.append(got)

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join()
        assert self.count > 0
        assert not self.wrong, (len(self.wrong), self.count, self.wrong[:5])
        return self.count


@pytest.fixture(name="fake", scope="module")
def fixture_fake(tmp_path_factory):
    """fake(shell commands): a compiler that notes the call for calls() and does that; $1 the module, $3 the image.

    It is as confined as the real one, so the notes are in the store's folder for compilations."""
    folder = tmp_path_factory.mktemp("fake")
    made = []

    def make(body):
        path = folder / f"weirc{len(made)}"
        made.append(path)
        path.write_text(f'#!/bin/sh\necho "$$" >> "$(dirname "$3")/calls"\n{body}\n')
        path.chmod(0o755)
        return str(path)

    return make


def calls(g):
    """Process ids of the fake compiler's runs."""
    return [int(line) for line in g.read("store/compile/calls").split()]


PASS_ON = f'exec {REAL} "$@"'


@pytest.fixture(name="slow")
def fixture_slow(fake):
    """The real compiler, after a second."""
    return fake("sleep 1\n" + PASS_ON)


@pytest.fixture(name="warm_store", scope="module")
def fixture_warm_store(tmp_path_factory, echo):
    """A store with key-auth's image."""
    state = tmp_path_factory.mktemp("warm")
    g = Gateway(config(echo), state)
    try:
        g.wait_ready()
        wait_compiled(g)
    finally:
        g.stop()
    return str(state / "store")


def warm_state(tmp_path, warm_store):
    """A new state folder with a copy of the store."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    shutil.copytree(warm_store, state / "store")
    return str(state)


def test_cold_start_under_traffic(gateway, echo, slow):
    c = config(echo)
    c["plugins"].append({**c["plugins"][0], "name": "twin", "priority": 1})  # one module, two plugins, one compilation
    started = time.monotonic()
    g = gateway(c, "--weirc", slow)
    first = g.send(headers=HEADERS)
    assert first.status == 200 and first.seen_header("x-mse-consumer") == "a"
    served_s = time.monotonic() - started
    assert set(tiers(g)) == {"interp"} and not images(g), "the interpreter answered"
    traffic = Traffic(g.port)
    wait_compiled(g, 2)
    compiled_s = time.monotonic() - started
    n = traffic.count
    wait_for("traffic on the image", lambda: traffic.count > n + 200)
    total = traffic.stop()
    assert g.send(headers=HEADERS).status == 200 and g.send().status == 401
    assert len(images(g)) == 1 and len(calls(g)) == 1
    assert "runs compiled" in g.error_log
    print(f"\ncold start: first answer after {served_s:.3f} s, compiled after {compiled_s:.1f} s, {total} requests")


def test_warm_start(tmp_path, warm_store, echo, fake):
    """No compiler runs; the first answer, compiled code's, comes within 300 ms (asserted generously)."""
    state = warm_state(tmp_path, warm_store)
    times = []
    for _ in range(3):
        started = time.monotonic()
        g = Gateway(config(echo), state, ["--weirc", fake("exit 1"), "--workers", "1"])
        try:
            def answered():
                try:
                    return g.send(headers=HEADERS).status
                except OSError:
                    return None
            got = wait_for("an answer", answered)
            times.append(time.monotonic() - started)
            assert got == 200
            g.wait_ready()
            assert tiers(g) == ["aot"] and not calls(g)
            assert "runs compiled" not in g.error_log, "it started compiled"
        finally:
            assert g.stop() == 0
        assert not g.bad_lines()
    print("\nwarm start: first answer after " + ", ".join(f"{t * 1000:.0f} ms" for t in times))
    assert SANITIZED or min(times) < 1


def damage(path, how):
    with open(path, "rb") as f:
        data = bytearray(f.read())
    os.unlink(path)
    if how == "flipped":
        data[len(data) // 3] ^= 1
    elif how == "truncated":
        del data[len(data) // 2:]
    elif how == "empty":
        data.clear()
    if how == "linked":
        path, link = path + ".elsewhere", path
        os.symlink(path, link)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o622 if how == "writable" else 0o500)


@pytest.mark.parametrize("how,reason", [
    ("flipped", "its digest does not match"), ("truncated", "truncated, or no image"), ("empty", "too short"),
    ("linked", "symbolic link"), ("writable", "can be written by others")])
def test_damaged_image(gateway, tmp_path, warm_store, echo, how, reason):
    state = warm_state(tmp_path, warm_store)
    path, = glob.glob(state + "/store/images/*.aot")
    damage(path, how)
    g = gateway(config(echo), state=state)
    assert g.send(headers=HEADERS).status == 200 and g.send().status == 401
    traffic = Traffic(g.port)
    wait_compiled(g)
    traffic.stop()
    assert "its image is refused and made anew" in g.error_log and reason in g.error_log
    assert "was refused" in g.output() and reason in g.output()
    assert not os.path.islink(path) and os.stat(path).st_mode & 0o777 == 0o550
    assert g.send(headers=HEADERS).status == 200


@pytest.mark.parametrize("folder", ["store", "store/images", "store/modules", "store/work"])
def test_a_store_that_others_can_write(tmp_path, warm_store, echo, folder):
    state = warm_state(tmp_path, warm_store)
    os.chmod(os.path.join(state, folder), 0o777)
    g = Gateway(config(echo), state)
    assert g.child.wait(20) == 1
    assert "only this user can write" in g.output() and os.path.join(state, folder) in g.output()


def test_a_store_of_another(tmp_path, warm_store, echo):
    if os.geteuid() != 0:
        pytest.skip("giving a folder away takes root")
    state = warm_state(tmp_path, warm_store)
    os.chown(state + "/store", 65534, 65534)
    g = Gateway(config(echo), state)
    assert g.child.wait(20) == 1 and "only this user can write" in g.output()


def test_interp_is_never_compiled(gateway, echo, fake, tmp_path, warm_store):
    g = gateway(config(echo, vm={"runtime": "interp"}), "--weirc", fake("exit 1"), state=warm_state(tmp_path, warm_store))
    assert g.send(headers=HEADERS).status == 200
    assert tiers(g) == ["interp"] and not calls(g), "not even an image that is there is used"


@pytest.mark.parametrize("strategy,before", [("FAIL_CLOSE", 503), ("FAIL_OPEN", 200)])
def test_aot_waits_for_its_image(gateway, echo, fake, strategy, before):
    g = gateway(config(echo, vm={"runtime": "aot"}, failStrategy=strategy), "--weirc",
                fake("while [ ! -e go ]; do sleep 0.05; done\n" + PASS_ON))
    for _ in range(3):
        response = g.send(headers=HEADERS)
        assert response.status == before
        assert before == 503 or response.seen_header("x-mse-consumer") is None
    assert "aot" not in tiers(g)
    with open(g.state + "/store/compile/go", "w", encoding="ascii"):
        pass
    wait_compiled(g)
    assert g.send(headers=HEADERS).seen_header("x-mse-consumer") == "a" and g.send().status == 401


def test_an_update_waits_for_its_image(gateway, echo, fake, tmp_path):
    """Where only compiled code may run, the version of before serves until the new one is compiled; the first one leaves nothing behind."""
    stamp = os.path.join(ROOT, "build/guests/host/stamp.wasm")
    g = gateway(config(echo, "file:" + stamp, name="stamp", vm={"runtime": "aot"}, defaultConfig={"mark": "a"}), "--workers", "1", "--weirc",
                fake('if grep -q module=11111111 "$1"; then while [ ! -e go ]; do sleep 0.05; done; fi\n' + PASS_ON))
    wait_compiled(g)

    def said():
        found = json.loads(subprocess.run([os.path.join(BUILD, "weir"), "status", "--json", "--state", g.state], capture_output=True,
                                          check=False).stdout)["plugins"][0]
        return found["state"], found["kept"], found["cause"]

    def marks():
        response = g.send()
        assert response.status == 200, response.status
        return response.header("x-stamp")
    assert said() == ("ready", False, "")
    with open(stamp, "rb") as f:
        (tmp_path / "next.wasm").write_bytes(f.read().replace(b"module=00000000", b"module=11111111"))
    with open(g.config + ".new", "w", encoding="utf-8") as f:
        json.dump(again(g, url=f"file:{tmp_path}/next.wasm", defaultConfig={"mark": "b"}), f)
    os.rename(g.config + ".new", g.config)
    wait_for("the compiler", lambda: len(calls(g)) == 2)
    wait_for("the word of it", lambda: said()[2])
    assert said()[1:] == (True, "it is being compiled") and [marks() for _ in range(10)] == ["00000000/a"] * 10
    with open(g.state + "/store/compile/go", "w", encoding="ascii"):
        pass
    wait_for("the next version", lambda: marks() == "11111111/b", 120)
    assert said() == ("ready", False, "") and tiers(g) == ["aot"]


@pytest.fixture(name="precompiled", scope="module")
def fixture_precompiled(tmp_path_factory):
    """key-auth as a module with its image inside; three more with an image that does not fit."""
    folder = tmp_path_factory.mktemp("precompiled")
    module = KEY_AUTH.removeprefix("file:")
    good = folder / "good.aot.wasm"
    subprocess.run([REAL, module, "-O1", "-o", good], check=True, timeout=300)
    data, plain = good.read_bytes(), open(module, "rb").read()
    assert data.startswith(plain)
    other = folder / "other.aot.wasm"
    subprocess.run([REAL, os.path.join(ROOT, "build/guests/host/probe-0_2_1.wasm"), "-O0", "-o", other], check=True, timeout=300)
    foreign = other.read_bytes()[os.path.getsize(os.path.join(ROOT, "build/guests/host/probe-0_2_1.wasm")):]
    flipped = bytearray(data)
    flipped[len(plain) + (len(data) - len(plain)) // 2] ^= 0x10
    build = data.rindex(b"WEIRAOT\n") + 8
    outdated = data[:build] + b"\xff" + data[build + 1:]
    (folder / "foreign.aot.wasm").write_bytes(plain + foreign)
    (folder / "damaged.aot.wasm").write_bytes(bytes(flipped))
    (folder / "outdated.aot.wasm").write_bytes(outdated)
    return lambda name: f"file:{folder}/{name}.aot.wasm"


def test_a_module_with_its_image(gateway, echo, fake, precompiled):
    g = gateway(config(echo, precompiled("good"), vm={"allowPrecompiled": True}), "--weirc", fake("exit 1"))
    assert tiers(g) == ["aot"], "from the first request on"
    assert g.send(headers=HEADERS).status == 200 and g.send().status == 401
    assert not calls(g) and not images(g)


def test_a_module_with_an_image_that_is_not_wanted(gateway, echo, slow, precompiled):
    g = gateway(config(echo, precompiled("good")), "--weirc", slow)
    assert tiers(g) == ["interp"]
    wait_compiled(g)
    assert len(calls(g)) == 1 and g.send(headers=HEADERS).status == 200


@pytest.mark.parametrize("name,reason", [("foreign", "made for another module"), ("damaged", "its digest does not match"),
                                         ("outdated", "another build of Weir")])
def test_a_module_with_an_image_that_does_not_fit(gateway, echo, precompiled, name, reason):
    g = gateway(config(echo, precompiled(name), vm={"allowPrecompiled": True}))
    assert g.send(headers=HEADERS).status == 200
    assert "the image inside of its module is refused" in g.error_log and reason in g.error_log
    assert reason in g.output(), "the control process says so, too"
    wait_compiled(g)
    assert g.send(headers=HEADERS).status == 200 and len(images(g)) == 1


@pytest.mark.parametrize("body,options,why", [
    ("kill -SEGV $$", [], "killed by signal 11"),
    ("echo 'weirc: out of ideas' >&2; exit 1", [], "out of ideas"),
    ("exit 0", [], ""),
    ("while :; do sleep 1; done", ["--compile-seconds", "1"], "timed out after 1 s"),
    ("while :; do :; done", ["--compile-seconds", "1"], ""),
    ("echo no image > \"$3\"", [], "its images are refused")])
def test_a_compiler_that_fails(gateway, echo, fake, body, options, why):
    g = gateway(config(echo), "--weirc", fake(body), "--workers", "1", *options)
    traffic = Traffic(g.port)
    wait_for("the control process to say so", lambda: "plugin key-auth stays interpreted" in g.output())
    n = traffic.count
    wait_for("more traffic", lambda: traffic.count > n + 50)
    traffic.stop()
    assert tiers(g) == ["interp"] and g.send(headers=HEADERS).status == 200 and g.send().status == 401
    assert why in g.output()


def test_a_compiler_that_is_not_there(tmp_path, echo):
    g = Gateway(config(echo), tmp_path / "state", ["--weirc", "/nonexistent/weirc"])
    assert g.child.wait(20) == 1 and "the compiler is not there: /nonexistent/weirc" in g.output()


def test_the_compiler_is_another_user(gateway, echo, fake):
    """It owns the folder it works in, sees neither the store nor the configuration, and leaves nothing that it owns."""
    if os.geteuid() != 0 or SANITIZED:
        pytest.skip("another user takes root, and no sanitizer, whose reports root writes")
    g = gateway(config(echo), "--weirc", fake('id -u > uid; ls ../images > listing 2>&1; pwd > folder\n' + PASS_ON), "--workers", "1")
    wait_compiled(g)
    assert g.read("store/compile/uid").strip() == str(pwd.getpwnam("nobody").pw_uid)
    assert "denied" in g.read("store/compile/listing")
    image, = images(g)
    assert os.stat(image).st_uid == 0 and stat.S_IMODE(os.stat(image).st_mode) == 0o550
    assert stat.S_IMODE(os.stat(g.state + "/store/compile").st_mode) == 0o700
    assert g.send(headers=HEADERS).status == 200


def test_no_such_user_to_compile(tmp_path, echo):
    if os.geteuid() != 0:
        pytest.skip("another user takes root")
    g = Gateway(config(echo), tmp_path / "state", ["--compile-user", "nobody-of-that-name"])
    assert g.child.wait(20) == 1 and "--compile-user" in g.output()


@pytest.mark.parametrize("body,options,why", [
    ("echo 'weirc: cannot' >&2; exit 1", [], "weirc: cannot"),
    ("while :; do sleep 1; done", ["--compile-seconds", "1"], "timed out after 1 s")])
def test_a_failure_is_remembered(gateway, echo, fake, body, options, why):
    """That of a compiler that never ends, too: a restart does not spend its time again."""
    g = gateway(config(echo), "--weirc", fake(body), *options)
    wait_for("the failure", lambda: failures(g))
    assert not alive(calls(g)[0])
    g.stop()
    h = gateway(again(g), "--weirc", fake("exit 1"), state=g.state)
    assert h.send(headers=HEADERS).status == 200
    assert "did not compile before: " + why in h.output() and not calls(h)


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


def test_the_control_process_dies_while_compiling(gateway, echo, fake):
    g = gateway(config(echo), "--weirc", fake("exec sleep 600"), "--workers", "1")
    wait_for("the compiler", lambda: calls(g))
    compiler, = calls(g)
    traffic = Traffic(g.port)
    g.child.kill()
    g.child.wait()
    wait_for("the compiler's end", lambda: not alive(compiler))
    h = gateway(again(g), "--workers", "1", state=g.state)
    wait_compiled(h)
    traffic.stop()
    assert h.send(headers=HEADERS).status == 200 and not failures(h)
    assert os.listdir(h.state + "/store/work") == [] and os.listdir(h.state + "/store/compile") == []


def test_stopping_while_compiling(gateway, echo, fake):
    g = gateway(config(echo), "--weirc", fake("exec sleep 600"), "--workers", "1")
    wait_for("the compiler", lambda: calls(g))
    compiler, = calls(g)
    assert g.stop(signal.SIGTERM) == 0
    assert not alive(compiler) and not failures(g), "it is tried again next time"


def test_an_update_is_served_compiled(gateway, echo, slow, tmp_path, warm_store):
    """A new module under an old gateway: the interpreter serves it until its image is ready."""
    g = gateway(config(echo), state=warm_state(tmp_path, warm_store))
    assert tiers(g) == ["aot"]
    traffic = Traffic(g.port)
    g.child.kill()
    g.child.wait()
    changed = tmp_path / "changed.wasm"
    with open(KEY_AUTH.removeprefix("file:"), "rb") as f:
        changed.write_bytes(f.read() + b"\0\x05\x04more")
    h = gateway(again(g, url=f"file:{changed}"), "--weirc", slow, state=g.state)
    assert set(tiers(h)) <= {"interp", "aot"}
    wait_compiled(h)
    traffic.stop()
    assert len(images(h)) == 2
