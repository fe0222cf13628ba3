"""Changing what a running gateway does: no request fails, no worker and no nginx is started anew."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import KEY_AUTH, PATIENCE_S, WEIR, send, wait_for


def write(g, config, how="rename"):
    """What an editor does to the file."""
    config = {"listeners": [f"127.0.0.1:{g.port}"], **config}
    text = config if isinstance(config, str) else json.dumps(config, indent=1)
    if how == "rename":
        with open(g.config + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(g.config + ".new", g.config)
    else:
        with open(g.config, "w", encoding="utf-8") as f:
            f.write(text)


def route(echo, mark, plugins=(), **rest):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": "all", "match": {}, "service": "echo", "rewrite": {"host": mark}}],
            "plugins": list(plugins), **rest}


def key_auth(key, url=KEY_AUTH, name="key-auth", **rest):
    return {"name": name, "url": url, **rest,
            "defaultConfig": {"consumers": [{"name": "a", "credential": key}], "keys": ["x-k"], "in_header": True}}


def mark(g, **kwargs):
    response = g.send(**kwargs)
    assert response.status == 200, response.status
    return response.seen_header("host")


def both(g):
    """The pids of two workers, once both are there."""
    return wait_for("both workers", lambda: len(found := g.workers()) == 2 and found)


def generations(g):
    return g.worker_status()["generations"]


@pytest.mark.parametrize("how", ["rename", "truncate"])
def test_a_written_file_is_in_force(gateway, echo, how):
    g = gateway(route(echo, "first"), "--workers", "2")
    workers, master = both(g), g.master()
    assert mark(g) == "first"
    for i in range(5):
        write(g, route(echo, f"change-{i}"), how)
        wait_for("the change", lambda i=i: mark(g) == f"change-{i}")
        wait_for("the change in both workers", lambda i=i: all(mark(g) == f"change-{i}" for _ in range(20)))
    assert (g.workers(), g.master()) == (workers, master)
    wait_for("the old generations' end", lambda: generations(g) == 1)
    assert "signal 1 (SIGHUP)" not in g.error_log


def test_links_that_are_swapped(gateway, echo, tmp_path):
    """As Kubernetes does it: gateway.yaml -> ..data/gateway.yaml, ..data -> ..1."""
    g = gateway(route(echo, "first"), "--workers", "1")
    assert g.stop() == 0
    mount = tmp_path / "mount"

    def put(n):
        folder = mount / f"..{n}"
        folder.mkdir(parents=True)
        (folder / "gateway.yaml").write_text(json.dumps({"listeners": [f"127.0.0.1:{g.port}"], **route(echo, f"swap-{n}")}))
        (mount / "..data_tmp").symlink_to(f"..{n}")
        os.rename(mount / "..data_tmp", mount / "..data")

    put(0)
    (mount / "gateway.yaml").symlink_to("..data/gateway.yaml")
    os.remove(g.config)
    os.makedirs(os.path.join(g.state, "x"), exist_ok=True)
    from conftest import Process
    run = Process([WEIR, "run", "-c", str(mount / "gateway.yaml"), "--state", g.state, "--workers", "1"], str(tmp_path / "log"))
    try:
        wait_for("readiness", lambda: "weir: ready" in run.output())
        assert mark(g) == "swap-0"
        for n in range(1, 4):
            put(n)
            wait_for("the swap", lambda n=n: mark(g) == f"swap-{n}")
            shutil.rmtree(mount / f"..{n - 1}")
    finally:
        assert run.stop() == 0


def test_a_wrong_file_changes_nothing(gateway, echo):
    g = gateway(route(echo, "good"), "--workers", "1")
    write(g, {**route(echo, "bad"), "routes": [{"name": "r", "match": {}, "service": "nowhere"}]})
    wait_for("the refusal", lambda: "the change was refused" in g.output())
    assert "nowhere" in g.output() and g.config + ":" in g.output()
    assert mark(g) == "good"
    write(g, route(echo, "better"))
    wait_for("the next change", lambda: mark(g) == "better")


def test_a_file_that_is_half_written_is_not_read(gateway, echo, tmp_path):
    """Emptied, and not written yet; a module changes meanwhile, which has the configuration read again."""
    module = tmp_path / "m.wasm"
    shutil.copy(KEY_AUTH.removeprefix("file:"), module)
    config = route(echo, "first", [key_auth("k", url=f"file:{module}")])
    g = gateway(config, "--workers", "1")
    wait_for("the gateway", lambda: mark(g, headers={"x-k": "k"}) == "first")
    with open(g.config, encoding="utf-8") as f:
        text = f.read()
    with open(g.config, "w", encoding="utf-8") as f:
        for n in range(20):
            module.write_bytes(module.read_bytes() + bytes([0, 2, 1, 65 + n]))
            assert mark(g, headers={"x-k": "k"}) == "first"
            time.sleep(0.02)
        assert weir("apply", "--state", g.state)[0] == 1
        f.write(text[:100])
        f.flush()
        assert "refused" not in g.output()
        f.write(text[100:].replace("first", "second"))
    wait_for("the change", lambda: mark(g, headers={"x-k": "k"}) == "second")
    assert "(SIGHUP)" not in g.error_log


def test_a_request_keeps_its_generation(gateway, echo):
    g = gateway(route(echo, "old", [key_auth("k1")]), "--workers", "1")
    result = []
    t = threading.Thread(target=lambda: result.append(g.send("/?delay_ms=700", headers={"x-k": "k1"})))
    t.start()
    wait_for("the request", lambda: g.worker_status()["live"]["requests"] > 0)
    write(g, route(echo, "new", [key_auth("k2")]))
    wait_for("the change", lambda: g.send(headers={"x-k": "k2"}).status == 200)
    assert generations(g) == 2
    t.join()
    assert result[0].status == 200
    wait_for("the old generation's end", lambda: generations(g) == 1)


def test_a_plugin_keeps_its_vm(gateway, echo):
    """Its counter of requests goes on, whatever else changes."""
    g = gateway(route(echo, "a", [key_auth("k"), key_auth("l", name="other", priority=3)]), "--workers", "1")
    before = g.error_log.count("key-auth")
    status = {p["name"]: p["memory_bytes"] for p in g.worker_status()["plugins"]}
    assert status["key-auth"] > 0
    write(g, route(echo, "b", [key_auth("m", name="other"), key_auth("k", priority=7)]))
    wait_for("the change", lambda: "generation-2.json" == g.worker_status()["generation"])
    assert g.error_log.count("key-auth") == before
    assert g.send(headers={"x-k": "k"}).status in (401, 403)  # `other` wants m


def section(number, content):
    return bytes([number, len(content)]) + content


def looping_module():
    """A plugin whose start function never ends."""
    marker = b"proxy_abi_version_0_2_1"
    return (b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(3, b"\2\0\0") + section(5, b"\1\0\1")
            + section(7, b"\2" + bytes([len(marker)]) + marker + b"\0\0" + b"\6memory\2\0") + section(8, b"\1")
            + section(10, b"\2" + b"\2\0\x0b" + b"\7\0\3\x40\x0c\0\x0b\x0b"))


def broken(kind, tmp_path):
    """A plugin of which something is wrong, by kind."""
    if kind == "no file":
        return key_auth("k2", url="file:nowhere.wasm")
    if kind == "no module":
        (tmp_path / "junk.wasm").write_bytes(b"junk")
        return key_auth("k2", url=f"file:{tmp_path}/junk.wasm")
    if kind == "hangs":
        (tmp_path / "loop.wasm").write_bytes(looping_module())
        return key_auth("k2", url=f"file:{tmp_path}/loop.wasm")
    if kind == "wrong hash":
        return key_auth("k2", sha256="0" * 64)
    return {"name": "key-auth", "url": KEY_AUTH, "defaultConfig": {"consumers": 5}}


@pytest.mark.parametrize("kind", ["no file", "no module", "wrong hash", "configuration", "hangs"])
def test_a_broken_plugin_keeps_its_last_version(gateway, echo, tmp_path, kind):
    g = gateway(route(echo, "first", [key_auth("k1")]), "--workers", "2")
    assert mark(g, headers={"x-k": "k1"}) == "first" and g.send().status == 401
    write(g, route(echo, "second", [broken(kind, tmp_path)]))
    wait_for("the rest of the change", lambda: all(mark(g, headers={"x-k": "k1"}) == "second" for _ in range(10)))
    assert g.send(headers={"x-k": "k2"}).status != 200 and g.send().status == 401
    assert "keeps its last good version" in g.output()
    write(g, route(echo, "third", [key_auth("k3")]))
    wait_for("the mended plugin", lambda: all(g.send(headers={"x-k": "k3"}).status == 200 for _ in range(10)))
    assert g.send(headers={"x-k": "k1"}).status != 200


@pytest.mark.parametrize("strategy,status", [("FAIL_CLOSE", 503), ("FAIL_OPEN", 200)])
def test_a_new_plugin_that_is_broken(gateway, echo, strategy, status):
    g = gateway(route(echo, "first"), "--workers", "1")
    g.allowed = [r"does not run"]
    write(g, route(echo, "second", [{**broken("no file", None), "failStrategy": strategy}]))
    wait_for("the change", lambda: g.worker_status()["generation"] == "generation-2.json")
    assert g.send().status == status
    write(g, route(echo, "third", [key_auth("k3")]))
    wait_for("the mended plugin", lambda: g.send().status == 401)
    assert g.send(headers={"x-k": "k3"}).status == 200


def test_a_replaced_worker_has_the_generation_in_force(gateway, echo):
    g = gateway(route(echo, "first"), "--workers", "1")
    g.allowed = [r"exited on signal 9"]
    write(g, route(echo, "second"))
    wait_for("the change", lambda: mark(g) == "second")
    before = g.workers()
    os.kill(before[0], signal.SIGKILL)
    g.wait_replaced(*before)
    assert all(mark(g) == "second" for _ in range(10))


def test_only_listeners_reload_nginx(gateway, echo):
    from conftest import free_port
    g = gateway(route(echo, "first"), "--workers", "1")
    master, other = g.master(), free_port()
    write(g, {**route(echo, "second"), "listeners": [f"127.0.0.1:{g.port}", f"127.0.0.1:{other}"]})

    def there():
        try:
            return send(other).status == 200
        except OSError:
            return False
    wait_for("the new listener", there)
    assert mark(g) == "second" and g.master() == master


def test_the_control_process_dies_in_the_middle(gateway, echo):
    g = gateway(route(echo, "first"), "--workers", "2")
    workers = both(g)
    stop, failures = threading.Event(), []

    def traffic():
        while not stop.is_set():
            try:
                status = send(g.port).status
            except OSError as e:
                status = e
            if status != 200:
                failures.append(status)
    t = threading.Thread(target=traffic)
    t.start()
    for i in range(20):
        write(g, route(echo, f"m{i}"))
        time.sleep(0.003 * i)
        if i == 13:
            g.child.kill()
            g.child.wait()
    in_force = mark(g)
    assert in_force == "first" or in_force in [f"m{i}" for i in range(14)]
    config = json.loads(open(g.config, encoding="utf-8").read())
    again = gateway(config, "--workers", "2", state=g.state)
    assert all(mark(again) == "m19" for _ in range(20))
    assert again.workers() == workers
    write(again, route(echo, "after"))
    wait_for("a further change", lambda: mark(again) == "after")
    stop.set()
    t.join()
    assert not failures


def status(g):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE_S)
        s.connect(g.state + "/admin.sock")
        s.sendall(b"GET /v1/status HTTP/1.1\r\n\r\n")
        text = b""
        while more := s.recv(65536):
            text += more
    return json.loads(text.split(b"\r\n\r\n", 1)[1])


def in_all_workers(g, number):
    """That generation or a later one."""
    workers = status(g)["workers"]
    return len(workers) == 2 and all(w["generation"] >= number for w in workers)


def weir(*args):
    done = subprocess.run([WEIR, *args], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.returncode, done.stdout + done.stderr


def test_apply_and_status(gateway, echo, tmp_path):
    g = gateway(route(echo, "first", [key_auth("k1")]), "--workers", "2")
    both(g)
    wait_for("both workers' words", lambda: in_all_workers(g, 1))
    code, out = weir("status", "--state", g.state)
    assert code == 0 and out.count("worker ") == 2 and "plugin key-auth: " in out, out
    assert weir("apply", "--state", g.state)[0] == 0

    other = tmp_path / "other.yaml"

    def put(config):
        other.write_text(json.dumps({"listeners": [f"127.0.0.1:{g.port}"], **config}, indent=1))

    put(route(echo, "second", [key_auth("k1")]))
    code, out = weir("apply", "-c", str(other), "--state", g.state)
    assert code == 0 and "generation-2.json is in force" in out, out
    assert all(mark(g, headers={"x-k": "k1"}) == "second" for _ in range(20)), "all workers have it"

    put(route(echo, "third", [broken("no file", tmp_path)]))
    code, out = weir("apply", "--state", g.state)
    assert code == 3 and "plugin key-auth: " in out and "last good version" in out and "nowhere.wasm" in out, out
    assert mark(g, headers={"x-k": "k1"}) == "third"
    assert weir("status", "--state", g.state)[0] == 3

    put({**route(echo, "fourth"), "routes": [{"name": "r", "match": {}, "service": "nowhere"}]})
    code, out = weir("apply", "--state", g.state)
    assert code == 1 and f"{other}:" in out and "nowhere" in out, out
    assert mark(g, headers={"x-k": "k1"}) == "third"

    assert weir("apply", "--state", str(tmp_path))[0] == 4
    assert weir("status", "--state", str(tmp_path))[0] == 4
    assert weir("apply", "--nonsense")[0] == 2


def test_the_socket_is_the_owners(gateway, echo):
    g = gateway(route(echo, "first"))
    assert os.stat(g.state + "/admin.sock").st_mode & 0o777 == 0o600
    for request, status in ((b"GET / HTTP/1.1\r\n\r\n", b"404"), (b"junk\r\n\r\n", b"400"), (b"GET /v1/status HTTP/1.0\r\n\r\n", b"200")):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE_S)
            s.connect(g.state + "/admin.sock")
            s.sendall(request)
            assert s.recv(65536).split()[1] == status


def test_a_worker_that_was_killed_is_replaced_with_the_generation_in_force(gateway, echo):
    """Requests may break with the worker that carries them; whatever is answered after the change is by the new generation."""
    g = gateway(route(echo, "mark-0"), "--workers", "2")
    for i in range(1, 6):
        workers = both(g)
        write(g, route(echo, f"mark-{i}"))
        wait_for("the change", lambda i=i: all(mark(g) == f"mark-{i}" for _ in range(20)))
        stop, marks = threading.Event(), []

        def load():
            while not stop.is_set():
                try:
                    marks.append(mark(g))
                except (OSError, http.client.HTTPException):
                    pass
        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        os.kill(workers[0], signal.SIGKILL)
        g.wait_replaced(workers[0])
        before = len(marks)
        wait_for("requests", lambda: len(marks) > before + 100)
        stop.set()
        for t in threads:
            t.join()
        assert set(marks) == {f"mark-{i}"}
    g.allowed.append(r"worker process \d+ exited on signal 9")
