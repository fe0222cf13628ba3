"""`weir run`: start, supervision, taking over, stopping, refusing."""
import json
import os
import pwd
import signal
import subprocess
import threading

import pytest

from conftest import PATIENCE_S, SANITIZED, WEIR, free_port, send, wait_for


def one_route(echo, name="all", **rest):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": name, "match": {}, "service": "echo", **rest}]}


def run(*args):
    return subprocess.run([WEIR, "run", *args], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def answers(g):
    def ask():
        try:
            return g.send().status == 200
        except OSError:
            return False
    return ask


def test_a_killed_worker_is_replaced(gateway, echo):
    g = gateway(one_route(echo), "--workers", "2")
    g.allowed = [r"worker process \d+ exited on signal 9"]
    before = wait_for("both workers", lambda: len(found := g.workers()) == 2 and found)
    os.kill(before[0], signal.SIGKILL)
    g.wait_replaced(before[0])
    assert all(g.send().status == 200 for _ in range(20))
    assert g.child.poll() is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_master_is_replaced(gateway, echo, how):
    g = gateway(one_route(echo), "--workers", "2")
    # nginx may have to try again for the port while the old workers let it go
    g.allowed = [r"bind\(\) to .* failed", r"still could not bind"]
    for times in (2, 3):
        master, workers = g.master(), g.workers()
        os.kill(master, how)
        g.wait_ready(times)
        assert g.master() != master
        wait_for("the old workers' end", lambda: not any(os.path.exists(f"/proc/{w}") for w in workers))
        assert g.send().status == 200
    assert "nginx ended (" in g.output()


def test_workers_outlive_the_control_process(gateway, echo):
    g = gateway(one_route(echo), "--workers", "1")
    master = g.master()
    g.child.kill()
    g.child.wait()
    assert [g.send().status for _ in range(5)] == [200] * 5

    again = gateway({**one_route(echo, rewrite={"host": "second"}), "listeners": [f"127.0.0.1:{g.port}"]}, "--workers", "1",
                    state=g.state)
    assert f"taking over the nginx that runs here (process {master})" in again.output()
    assert again.master() == master, "it was not started anew"
    assert again.send().seen_header("host") == "second", "and has the new configuration"
    assert again.stop() == 0
    wait_for("nginx's end", lambda: not os.path.exists(f"/proc/{master}"))


def test_taking_over_loses_no_request(gateway, echo):
    g = gateway(one_route(echo), "--workers", "2")
    config = {**one_route(echo, name="second"), "listeners": [f"127.0.0.1:{g.port}"]}
    stop, failures, count = threading.Event(), [], [0]

    def traffic():
        while not stop.is_set():
            try:
                status = send(g.port).status
            except OSError as e:
                status = e
            count[0] += 1
            if status != 200:
                failures.append(status)

    threads = [threading.Thread(target=traffic) for _ in range(4)]
    for t in threads:
        t.start()
    g.child.kill()
    g.child.wait()
    again = gateway(config, "--workers", "2", state=g.state)
    seen = count[0]
    wait_for("more traffic", lambda: count[0] > seen + 100)
    stop.set()
    for t in threads:
        t.join()
    assert not failures
    assert again.send().status == 200


def test_a_request_under_way_is_finished(gateway, echo):
    g = gateway(one_route(echo))
    result = []
    t = threading.Thread(target=lambda: result.append(g.send("/?delay_ms=1000&bytes=3")))
    t.start()
    wait_for("the request at the upstream", lambda: connections_to(echo.port) > 0)
    assert g.stop() == 0
    t.join()
    assert (result[0].status, result[0].body) == (200, b"abc")
    with pytest.raises(ConnectionError):
        g.send()


def connections_to(port):
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f][1:]
    return sum(1 for r in rows if r[2].endswith(f":{port:04X}") and r[3] == "01")


def test_a_second_interrupt_does_not_wait(gateway, echo):
    g = gateway(one_route(echo))
    g.allowed = [r"open socket #\d+ left in connection", r"aborting"]  # nginx is asked to hurry
    t = threading.Thread(target=lambda: pytest.raises(Exception, g.send, "/?delay_ms=60000"))
    t.start()
    wait_for("the request at the upstream", lambda: connections_to(echo.port) > 0)
    g.child.send_signal(signal.SIGINT)
    wait_for("the first interrupt's effect", lambda: "gracefully shutting down" in g.error_log)
    assert g.stop(signal.SIGINT) == 0
    t.join()


def test_one_gateway_a_state_folder(gateway, echo):
    g = gateway(one_route(echo))
    done = run("-c", g.config, "--state", g.state)
    assert done.returncode == 1 and "another `weir run` uses the state folder" in done.stderr
    assert g.send().status == 200


def test_a_port_in_use(gateway, echo, tmp_path):
    g = gateway(one_route(echo))
    done = run("-c", g.config, "--state", str(tmp_path / "other"))
    assert done.returncode == 3, done.stderr
    assert "Address already in use" in done.stderr and "nginx did not start" in done.stderr
    assert g.send().status == 200


def test_a_wrong_configuration(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("listeners: [127.0.0.1:1]\nroutes:\n  - { name: r, service: nowhere }\n  - { name: r, servise: x }\n")
    done = run("-c", str(bad), "--state", str(tmp_path / "state"))
    assert done.returncode == 1
    assert f"{bad}:3: " in done.stderr and f"{bad}:4: " in done.stderr and "nowhere" in done.stderr and "servise" in done.stderr
    assert not (tmp_path / "state/nginx.pid").exists()


@pytest.mark.parametrize("module,sha256,message", [
    ("file:nowhere.wasm", None, "cannot read the module"),
    ("file:KEY_AUTH", "0" * 64, "is it the right file?")])
def test_a_module_that_cannot_be_had(tmp_path, echo, module, sha256, message):
    from conftest import KEY_AUTH
    config = {**one_route(echo), "listeners": [f"127.0.0.1:{free_port()}"],
              "plugins": [{"name": "p", "url": module.replace("file:KEY_AUTH", KEY_AUTH), "defaultConfig": {},
                           **({"sha256": sha256} if sha256 else {})}]}
    (tmp_path / "c.yaml").write_text(json.dumps(config, indent=1))
    done = run("-c", str(tmp_path / "c.yaml"), "--state", str(tmp_path / "state"))
    assert done.returncode == 1 and message in done.stderr, done.stderr


def test_the_command_line(tmp_path):
    assert run("--help").returncode == 0 and "Exit codes" in run("--help").stdout
    assert run().returncode == 2
    assert run("-c", "x", "--nonsense").returncode == 2
    missing = run("-c", str(tmp_path / "missing.yaml"), "--state", str(tmp_path / "s"))
    assert missing.returncode == 1 and "missing.yaml" in missing.stderr
    assert run("-c", "x", "--state", "/proc/none").returncode == 1


def test_files_stay_below_the_state_folder(gateway, echo):
    g = gateway(one_route(echo))
    assert g.send(method="POST", body=b"x" * 3000000).status == 200
    assert sorted(os.listdir(g.state)) == ["admin.sock", "control.sock", "crashes", "current", "gateway.yaml", "generation", "generation-1.json", "lock", "logs", "nginx.conf",
                                           "nginx.pid", "run-0.log", "status.sock", "store", "tmp"]
    if os.geteuid() != 0 or SANITIZED:
        return
    workers = pwd.getpwnam("www-data")
    for name, mode in (("", 0o710), ("store", 0o750), ("store/modules", 0o750), ("store/images", 0o750),
                       ("store/work", 0o700), ("generation-1.json", 0o640), ("control.sock", 0o660)):
        info = os.stat(os.path.join(g.state, name))
        assert (name, info.st_uid, info.st_gid, oct(info.st_mode & 0o777)) == (name, 0, workers.pw_gid, oct(mode))
    for pid in g.workers():
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            assert f"Uid:\t{workers.pw_uid}\t{workers.pw_uid}\t" in f.read()


def test_the_plugins_file_may_change_meanwhile(gateway, echo, tmp_path):
    from conftest import KEY_AUTH
    copy = tmp_path / "copy.wasm"
    copy.write_bytes(open(KEY_AUTH.removeprefix("file:"), "rb").read())
    config = {**one_route(echo), "plugins": [{"name": "key-auth", "url": f"file:{copy}", "defaultConfig":
              {"consumers": [{"name": "a", "credential": "k"}], "keys": ["x-k"]}}]}
    g = gateway(config, "--workers", "1")
    g.allowed = [r"exited on signal 9"]
    copy.write_bytes(b"something else")
    before = g.workers()
    os.kill(before[0], signal.SIGKILL)
    g.wait_replaced(*before)
    assert g.send(headers={"x-k": "k"}).status == 200 and g.send().status == 401
