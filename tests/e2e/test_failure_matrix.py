"""docs/failure-model.md, the matrix: each failure × policy × tier through a real nginx.

Two gateways a tier.  `changed` served with good plugins, then one change brought everything that can fail before a plugin serves: for
each failure a new plugin of each policy, and one that had a good version.  `serving` has a plugin of each policy, for what fails while
they serve; the guest is `probe`."""
import json
import os
import signal
import subprocess

import pytest

from conftest import BUILD, GUESTS, WEIR, Process, free_port, wait_for

TIERS = ("interp", "aot")
POLICIES = {"FAIL_CLOSE": 503, "FAIL_OPEN": 200}
STAMP = "file:" + os.path.join(GUESTS, "host/stamp.wasm")
PASS_ON = os.path.join(BUILD, "weirc")


def name_of(failure, policy):
    return f"{policy.lower().replace('_', '-')}-{failure}"


def plugin(name, tier, url=STAMP, mark="good", **rest):
    return {"name": name, "url": url, "vm": {"runtime": tier}, "defaultConfigDisable": True,
            "matchRules": [{"route": [name], "config": {"mark": mark}}], **rest}


def gateway_config(echo, plugins, **services):
    return {"services": [{"name": "echo", "endpoints": [echo.address]},
                         *({"name": name, "endpoints": [address], "connectTimeout": "500ms"} for name, address in services.items())],
            "routes": [{"name": p["name"], "match": {"path": {"prefix": "/" + p["name"]}}, "service": "echo"} for p in plugins],
            "plugins": plugins}


# ---- before a plugin serves -----------------------------------------------------------------------------------

# What is wrong, as fields of a plugin, and what the operator reads.  "compile" waits for ever where only compiled code may run.
START = """(module (func (export "proxy_abi_version_0_2_1")) (memory (export "memory") 1)
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "_initialize") %s))"""
CAUSES = {"fetch": "cannot fetch", "checksum": "is it the right file?", "malformed": "malformed", "link": "proxy_make_coffee",
          "start": "unreachable", "configure": "refused", "configure-trap": "unreachable", "start-deadline": "deadline exceeded",
          "memory": "over the limit", "compile": "out of ideas"}


@pytest.fixture(name="modules", scope="module")
def fixture_modules(tmp_path_factory):
    """modules(failure): fields of a plugin that fails so."""
    folder = tmp_path_factory.mktemp("modules")

    def put(name, data):
        (folder / name).write_bytes(data)
        return {"url": f"file:{folder}/{name}"}

    def assemble(name, start):
        (folder / "start.wat").write_text(START % start)
        subprocess.run(["wat2wasm", folder / "start.wat", "-o", folder / name], check=True)
        return {"url": f"file:{folder}/{name}"}
    with open(STAMP.removeprefix("file:"), "rb") as f:
        stamp = f.read()
    found = {"fetch": {"url": f"http://127.0.0.1:{free_port()}/m.wasm"},
             "checksum": {"url": STAMP, "sha256": "0" * 63 + "a"},
             "malformed": put("malformed.wasm", stamp[:200]),
             "link": {"url": "file:" + os.path.join(GUESTS, "host/unknown_import.wasm")},
             "start": assemble("start.wasm", "unreachable"),
             "start-deadline": {**assemble("loop.wasm", "(loop (br 0))"), "limits": {"startCpu": "50ms"}},
             "memory": {"url": STAMP, "limits": {"memory": "64KiB"}},
             "compile": put("uncompilable.wasm", stamp + b"\0\x0b\x0anot-by-us!"),
             "configure": {"url": STAMP, "mark": "refuse"}, "configure-trap": {"url": STAMP, "mark": "trap"}}
    assert set(found) == set(CAUSES)
    return found.get


@pytest.fixture(name="weirc", scope="module")
def fixture_weirc(tmp_path_factory):
    """The compiler, which refuses one module."""
    path = tmp_path_factory.mktemp("weirc") / "weirc"
    path.write_text(f'#!/bin/sh\nif grep -q not-by-us! "$1"; then echo weirc: out of ideas >&2; exit 1; fi\nexec {PASS_ON} "$@"\n')
    path.chmod(0o755)
    return str(path)


def status(g):
    """{plugin: what `weir status` says}."""
    done = subprocess.run([WEIR, "status", "--json", "--state", g.state], capture_output=True, text=True, timeout=60, check=False)
    return {p["name"]: p for p in json.loads(done.stdout)["plugins"]}


@pytest.fixture(name="changed", scope="module", params=TIERS)
def fixture_changed(request, gateways, echo, modules, weirc):
    """One change, all failures in it."""
    tier = request.param
    good = [plugin("last-" + f, tier) for f in CAUSES]
    g = gateways(gateway_config(echo, good), "--workers", "1", "--weirc", weirc)
    g.tier = tier
    wait_for("the tier", lambda: {p["tier"] for p in g.worker_status()["plugins"]} == {tier}, 120)
    bad = [plugin("last-" + f, tier, **modules(f)) for f in CAUSES]
    bad += [plugin(name_of(f, policy), tier, failStrategy=policy, **modules(f)) for f in CAUSES for policy in POLICIES]
    with open(g.config + ".new", "w", encoding="utf-8") as f:
        json.dump({"listeners": [f"127.0.0.1:{g.port}"], **gateway_config(echo, bad)}, f)
    os.rename(g.config + ".new", g.config)
    wait_for("the change", lambda: len(g.worker_status()["plugins"]) == len(bad))
    wait_for("the fetches to fail", lambda: status(g)[name_of("fetch", "FAIL_OPEN")]["cause"])
    return g


def interpreted(g, failure):
    """The interpreter needs no compiler: there is nothing wrong."""
    return failure == "compile" and g.tier == "interp"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("failure", CAUSES)
def test_a_new_plugin_that_fails_before_it_serves(changed, failure, policy):
    answer = changed.send("/" + name_of(failure, policy))
    if interpreted(changed, failure):
        assert (answer.status, answer.header("x-stamp")) == (200, "00000000/good")
    else:
        assert (answer.status, answer.header("x-stamp")) == (POLICIES[policy], None)


@pytest.mark.parametrize("failure", CAUSES)
def test_its_last_good_version_serves(changed, failure):
    answer = changed.send("/last-" + failure)
    assert (answer.status, answer.header("x-stamp")) == (200, "00000000/good")


@pytest.mark.parametrize("failure", CAUSES)
def test_the_operator_reads_why(changed, failure):
    name, last = name_of(failure, "FAIL_CLOSE"), "last-" + failure
    if interpreted(changed, failure):
        assert all((p["state"], p["kept"], p["cause"]) == ("ready", False, "") for p in map(status(changed).get, (name, last)))
        return
    wait_for("the cause", lambda: CAUSES[failure] in status(changed)[name]["cause"])
    wait_for("the cause of the last one", lambda: CAUSES[failure] in status(changed)[last]["cause"])
    found = status(changed)
    assert found[name]["state"] == "failed" and not found[name]["kept"]
    assert found[last]["kept"]
    assert ("/m.wasm: Failed to connect" if failure == "fetch" else f"plugin {name}") in changed.output()


# ---- while they serve -------------------------------------------------------------------------------------------

GO = "effective @; continue 0"
# A script for `probe`, and what the trap is called.
FAILING = {"trap": ("add 0 x-ran yes; trap", "unreachable"), "deadline": ("loop", "deadline exceeded"),
           "memory": ("sbig key 9000000", "unreachable"), "exit": ("exit 3", "the guest exited with code 3")}


@pytest.fixture(name="serving", scope="module", params=TIERS)
def fixture_serving(request, gateways, echo, probe_module):
    plugins = [plugin(policy.lower().replace("_", "-"), request.param, probe_module, failStrategy=policy,
                      limits={"cpu": "50ms", "memory": "8MiB", "contexts": 2}) for policy in POLICIES]
    g = gateways(gateway_config(echo, plugins, down=f"127.0.0.1:{free_port()}", redis=f"127.0.0.1:{free_port()}"),
                 "--workers", "1", "--plugin-log-level", "info")
    g.allowed = [r"exited on signal 9"]
    g.tier = request.param
    wait_for("the tier", lambda: {p["tier"] for p in g.worker_status()["plugins"]} == {request.param}, 120)
    return g


def ask(g, policy, script, **more):
    """(response, what the error log got meanwhile) of a request through the plugin of that policy."""
    before = len(g.error_log)
    headers = [("x-request", script), *(("x-" + k, v) for k, v in more.items())]
    response = g.send("/" + policy.lower().replace("_", "-"), headers=headers)
    return response, g.error_log[before:]


def serves(g, policy):
    response, _ = ask(g, policy, "add 0 x-ran yes")
    return response.status == 200 and response.seen_header("x-ran") == "yes"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("failure", FAILING)
def test_a_plugin_that_fails_while_it_serves(serving, failure, policy):
    pids, (script, told) = serving.workers(), FAILING[failure]
    response, log = ask(serving, policy, script)
    assert response.status == POLICIES[policy]
    assert "trap in proxy_on_request_headers: " + told in log
    assert serves(serving, policy) and serving.workers() == pids


@pytest.mark.parametrize("policy", POLICIES)
def test_a_quota_that_is_used_up(serving, policy):
    """Two requests wait in the plugin, it may have no third: that takes the policy, and the plugin runs on."""
    head = f"GET /{policy.lower().replace('_', '-')} HTTP/1.1\r\nHost: a\r\nx-request: ret 1\r\n\r\n".encode()
    with serving.connect() as a, serving.connect() as b:
        a.sendall(head)
        b.sendall(head)
        wait_for("two contexts", lambda: serving.worker_status()["live"]["contexts"] == 2)
        response, log = ask(serving, policy, "add 0 x-ran yes")
        assert response.status == POLICIES[policy] and (policy == "FAIL_CLOSE" or response.seen_header("x-ran") is None)
        assert "wants more than limits.contexts, which is 2" in log or \
            next(p for p in serving.worker_status()["plugins"] if p["name"] == policy.lower().replace("_", "-"))["quotas"]["contexts"] > 1
    wait_for("them to be gone", lambda: serving.worker_status()["live"]["contexts"] == 0)
    assert serves(serving, policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_callout_that_fails(serving, policy):
    """The plugin hears of it and decides, whatever its policy."""
    response, log = ask(serving, policy, "call down / 500 _ then; ret 1", then="status; add 0 x-ran yes; " + GO)
    assert response.status == 200 and "status = 0 11 reset" in log
    response, _ = ask(serving, policy, "call down / 500 _ then; ret 1", then="effective @; local 502 d b -1")
    assert response.status == 502 and serves(serving, policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_redis_that_is_down(serving, policy):
    """The same; the worker's status counts."""
    response, log = ask(serving, policy, "redis redis then GET a; ret 1", then="status; " + GO)
    assert response.status == 200 and "status = 0 11 refused" in log
    response, _ = ask(serving, policy, "redis redis then GET a; ret 1", then="effective @; local 502 d b -1")
    assert response.status == 502 and serves(serving, policy)
    client = next(c for c in serving.worker_status()["redis"]["clients"] if c["service"] == "redis")
    assert client["refused"] >= 2 and client["connect_failures"] >= 1


@pytest.mark.parametrize("policy", POLICIES)
def test_a_worker_that_is_killed(serving, policy):
    """What it was about breaks off; the next one has the plugin, on its tier, from the first request on."""
    pid, = serving.workers()
    with serving.connect() as held:
        held.sendall(f"GET /{policy.lower().replace('_', '-')} HTTP/1.1\r\nHost: a\r\nx-request: ret 1\r\n\r\n".encode())
        wait_for("the request", lambda: serving.worker_status()["live"]["contexts"] == 1)
        os.kill(pid, signal.SIGKILL)
        try:
            assert held.recv(1) == b""
        except ConnectionResetError:
            pass
    serving.wait_replaced(pid)
    assert all(serves(serving, p) for p in POLICIES)
    assert {p["tier"] for p in serving.worker_status()["plugins"]} == {serving.tier}
    assert ask(serving, policy, "trap")[0].status == POLICIES[policy]
    serving.wait_log(f"worker process {pid} exited on signal 9")


@pytest.fixture(name="orphaned", scope="module")
def fixture_orphaned(serving):
    """Its control process is dead; another takes over at the end."""
    serving.child.kill()
    serving.child.wait()
    yield serving
    serving.out.close()
    next_one = Process([WEIR, "run", "-c", serving.config, "--state", serving.state, "--workers", "1"], os.path.join(serving.state, "next.log"))
    wait_for("another control process", lambda: "weir: ready" in next_one.output())
    assert "taking over the nginx that runs here" in next_one.output()
    assert serves(serving, "FAIL_OPEN")
    assert next_one.stop() == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_a_control_process_that_is_down(orphaned, policy):
    assert serves(orphaned, policy)
    assert ask(orphaned, policy, "trap")[0].status == POLICIES[policy]
    assert serves(orphaned, policy)
    done = subprocess.run([WEIR, "status", "--state", orphaned.state], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
