"""TCP listeners and plugins of type NETWORK through a real nginx."""
import json
import os
import random
import socket
import struct
import threading

import pytest
from conftest import GUESTS, PATIENCE_S, SANITIZED, free_port, make, wait_for
from certificates import Authority, over_tls, server_context
from upstreams import Upstream, keepalive

PROBE = "file:" + os.path.join(GUESTS, "host/probe_tcp.wasm")
PAUSER = "file:" + os.path.join(GUESTS, "host/tcp_pauser.wasm")


def echo_bytes(_upstream, s):
    """Echoes, and ends when the client does."""
    while data := s.recv(65536):
        s.sendall(data)


@pytest.fixture(name="upstream", scope="module")
def fixture_upstream():
    u = Upstream(echo_bytes)
    yield u
    u.close()


def script(**lines):
    """A configuration: texts of JSON, each a line to the probe."""
    return {key: f"{key}: {value}" for key, value in lines.items()}


def plugin(name, config=None, url=PROBE, **fields):
    return {"name": name, "url": url, "type": "NETWORK", "defaultConfig": config or {}, **fields}


class Tcp:
    """A gateway with one TCP listener before one service."""

    def __init__(self, start, address, plugins=(), service=(), services=(), routes=(), options=("--workers", "1"), listener=(), **more):
        self.port = free_port()
        services = [{"name": "db", "endpoints": [address] if isinstance(address, str) else address, **dict(service)}, *services]
        self.gateway = start({
            "listeners": [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{self.port}", "name": "front", "protocol": "tcp", "service": "db",
                                                           **dict(listener)}],
            "services": services, "routes": list(routes), "plugins": list(plugins), **more}, *options)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def talk(self, *parts):
        """Send each part, then the end; everything that comes back."""
        with self.connect() as s:
            try:
                for part in parts:
                    s.sendall(part)
                s.shutdown(socket.SHUT_WR)
            except OSError:  # closed by the gateway already
                return b"<reset>"
            return read_all(s)

    def log_lines(self):
        return [json.loads(line) for line in self.gateway.read("logs/tcp.log").splitlines()]

    def logged(self, **fields):
        return wait_for(f"a line of tcp.log with {fields}",
                        lambda: next((x for x in self.log_lines() if all(x.get(k) == v for k, v in fields.items())), None))

    def streams(self):
        return self.gateway.worker_status()["live"]["streams"]

    def wait_no_streams(self):
        wait_for("all that is counted to end", lambda: not any(self.gateway.worker_status()["live"].values()))


@pytest.fixture(name="tcp")
def fixture_tcp(gateway):
    """tcp(upstream or address, plugins, service=..., options=...): a Tcp."""
    return lambda upstream, *args, **kwargs: Tcp(gateway, getattr(upstream, "address", upstream), *args, **kwargs)


def read_all(s):
    data = b""
    try:
        while more := s.recv(65536):
            data += more
    except ConnectionResetError:
        data += b"<reset>"
    return data


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


# ---- without plugins ---------------------------------------------------------------------------


def test_bytes_pass_both_ways(tcp, upstream):
    t = tcp(upstream)
    assert t.talk(b"hello") == b"hello"
    entry = t.logged(service="db")
    assert entry["listener"] == f"127.0.0.1:{t.port}" and entry["status"] == 200 and entry["upstream"] == upstream.address
    assert (entry["received"], entry["sent"], entry["plugin"], entry["details"]) == (5, 5, "", "")
    assert t.gateway.send("/").status == 404  # HTTP is served beside it


def test_large_transfer(tcp, upstream):
    t = tcp(upstream)
    data = random.Random(1).randbytes(8 << 20)
    with t.connect() as s:
        threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True).start()
        assert read_all(s) == data


def test_the_upstream_speaks_first(tcp):
    def greeting(_u, s):
        s.sendall(b"220 hi\r\n")
        s.recv(100)
    u = Upstream(greeting)
    with tcp(u).connect() as s:
        assert s.recv(100) == b"220 hi\r\n"
    u.close()


def test_half_close_both_ways(tcp):
    def answer_at_end(_u, s):
        data = read_all(s)
        s.sendall(b"got %d" % len(data))
    u = Upstream(answer_at_end)
    assert tcp(u).talk(b"x" * 100000) == b"got 100000"
    u.close()


def test_another_endpoint_when_one_is_down(tcp, upstream):
    dead = f"127.0.0.1:{free_port()}"
    t = tcp([dead, upstream.address])
    assert all(t.talk(b"a") == b"a" for _ in range(4))
    assert dead in t.gateway.error_log


def test_no_upstream(tcp):
    t = tcp(f"127.0.0.1:{free_port()}", [plugin("a")])
    assert t.talk() in (b"", b"<reset>")
    entry = t.logged(details="no_healthy_upstream")
    assert entry["status"] == 502
    t.wait_no_streams()


def test_weights(tcp):
    first, second = Upstream(echo_bytes), Upstream(echo_bytes)
    t = tcp([{"address": first.address, "weight": 3}, second.address])
    for _ in range(8):
        assert t.talk(b"a") == b"a"
    assert (first.connections, second.connections) == (6, 2)
    first.close()
    second.close()


def test_idle_connections_end(tcp, upstream):
    t = tcp(upstream, [plugin("a")], service={"readTimeout": "300ms"})
    with t.connect() as s:
        s.sendall(b"a")
        assert s.recv(10) == b"a"
        assert read_all(s) == b""
    assert t.logged(details="idle_timeout")
    t.wait_no_streams()


@pytest.mark.parametrize("plugins", [[], [plugin("a")]])
def test_a_reset_reaches_the_other_side(tcp, plugins):
    seen = []

    def note(_u, s):
        s.sendall(b"x")
        seen.append(read_all(s))
    u = Upstream(note)
    t = tcp(u, plugins)
    s = t.connect()
    assert s.recv(1) == b"x"
    reset(s)
    wait_for("the upstream to hear of it", lambda: seen)
    assert t.logged(details="downstream_reset")

    def break_off(_u, s):
        s.recv(10)
        reset(s)
    u.serve = break_off
    with t.connect() as s:
        s.sendall(b"x")
        assert read_all(s) in (b"", b"<reset>")
    assert t.logged(details="upstream_reset")
    t.wait_no_streams()
    u.close()


# ---- plugins -------------------------------------------------------------------------------------


def test_callbacks_in_order(tcp, upstream):
    t = tcp(upstream, [plugin("a")], options=["--workers", "1", "--plugin-log-level", "trace"])
    with t.connect() as s:
        s.sendall(b"hello")
        assert s.recv(5) == b"hello"
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b""
    t.gateway.wait_log("on_delete 2")
    lines = [line.split("trace: ")[1].split(" while")[0] for line in t.gateway.error_log.splitlines() if "plugin a: trace: " in line]
    assert lines[lines.index("on_context_create 2 1"):] == [
        "on_context_create 2 1", "on_new_connection 2", "on_downstream_data 2 5 0", "on_upstream_data 2 5 0", "on_downstream_data 2 0 1",
        "on_upstream_data 2 0 1", "on_upstream_close 2 2", "on_downstream_close 2 2", "on_done 2", "on_log 2", "on_delete 2"]


def test_data_changed_both_ways(tcp, upstream):
    t = tcp(upstream, [plugin("a", script(down="setbuf 2 0 1 J|setbuf 2 99 0 !", up="setbuf 3 0 0 <|ret 0"))])
    assert t.talk(b"hello") == b"<Jello!"


def test_several_plugins(tcp, upstream):
    t = tcp(upstream, [plugin("a", script(down="setbuf 2 0 0 a|ret 0", up="setbuf 3 0 0 A|ret 0"), priority=1),
                       plugin("b", script(down="setbuf 2 0 0 b|ret 0", up="setbuf 3 0 0 B|ret 0"), phase="AUTHN")])
    assert t.talk(b"-") == b"BAab-"  # AUTHN first: b, then a; back through a, then b


def test_rules_by_listener_and_service(gateway, upstream):
    ports = [free_port() for _ in range(3)]
    rules = [{"listener": ["first"], "config": script(down="setbuf 2 0 0 1|ret 0")},
             {"listener": [f"127.0.0.1:{ports[1]}"], "service": ["other"], "config": script(down="setbuf 2 0 0 2|ret 0")},
             {"service": ["other"], "configDisable": True}]
    gateway({"listeners": [f"127.0.0.1:{free_port()}",
                           {"address": f"127.0.0.1:{ports[0]}", "name": "first", "protocol": "tcp", "service": "db"},
                           {"address": f"127.0.0.1:{ports[1]}", "protocol": "tcp", "service": "other"},
                           {"address": f"127.0.0.1:{ports[2]}", "protocol": "tcp", "service": "db"}],
             "services": [{"name": "db", "endpoints": [upstream.address]}, {"name": "other", "endpoints": [upstream.address]}],
             "plugins": [{"name": "a", "url": PROBE, "type": "NETWORK", "matchRules": rules,
                          "defaultConfig": script(down="setbuf 2 0 0 d|ret 0")}]})
    answers = []
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s:
            s.sendall(b"-")
            s.shutdown(socket.SHUT_WR)
            answers.append(read_all(s))
    assert answers == [b"1-", b"2-", b"d-"]


def test_pause_and_resume_by_a_callout(tcp, upstream):
    web = Upstream(keepalive)
    t = tcp(upstream, [plugin("a", script(down="call web /p 5000 _ x; ret 1|ret 1", answer="status; effective @; buf 2 0 99; continue 2"))],
            services=[{"name": "web", "endpoints": [web.address]}])
    assert t.talk(b"hello") == b"hello"
    t.gateway.wait_log("buf 2 0 99 = 0 hello")
    t.wait_no_streams()
    web.close()


def test_pause_and_resume_by_a_tick(tcp, upstream):
    t = tcp(upstream, [plugin("a", script(configure="tick 20", tick="effective @; continue 2; continue 3", down="ret 1", up="ret 1"))])
    assert t.talk(b"hello") == b"hello"
    t.wait_no_streams()


def test_a_stopped_connection_is_not_connected(tcp):
    u = Upstream(echo_bytes)
    t = tcp(u, [plugin("a", script(new="ret 1", down="hold 1"))])
    with t.connect() as s:
        s.sendall(b"part")
        wait_for("the plugin to have it", lambda: t.streams() == 1)
        assert u.connections == 0
        s.sendall(b" and the rest")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"part and the rest"
    assert u.connections == 1
    u.close()


def test_a_limit_is_back_pressure(tcp):
    """The client cannot send much more than the limit and what sockets hold, until the plugin goes on."""
    u = Upstream(echo_bytes)
    t = tcp(u, [plugin("a", script(configure="tick 1500", tick="effective @; continue 2", down="ret 1|ret 1|ret 1|ret 1"),
                       limits={"body": "64KiB"})])
    data = b"x" * (16 << 20)
    with t.connect() as s:
        s.setblocking(False)
        sent = 0

        def full():
            nonlocal sent
            try:
                sent += s.send(data[sent:])
                return False
            except BlockingIOError:
                return "nothing is read until it goes on" in t.gateway.error_log
        wait_for("the sockets to be full", full)
        assert sent < len(data)
        reset(s)
    t.wait_no_streams()
    u.close()


@pytest.mark.parametrize("where", ["new", "down", "up"])
@pytest.mark.parametrize("kind", [2, 3])
def test_close_by_a_plugin(tcp, upstream, where, kind):
    t = tcp(upstream, [plugin("other", priority=1), plugin("a", script(**{where: f"close {kind}"}))])
    assert t.talk(b"hello") in (b"", b"<reset>")
    assert t.logged(details="wasm_close_stream", plugin="a")["status"] == 200
    t.wait_no_streams()


def test_what_was_let_through_is_sent_before_a_close(tcp, upstream):
    t = tcp(upstream, [plugin("a", script(up="ret 0|close 2"))])
    with t.connect() as s:
        s.sendall(b"first")
        assert s.recv(5) == b"first"
        s.sendall(b"second")
        assert read_all(s) in (b"", b"<reset>")


@pytest.mark.parametrize("where", ["new", "down", "up"])
def test_a_trap_closes(tcp, upstream, where):
    t = tcp(upstream, [plugin("a", script(**{where: "trap"})), plugin("b", phase="AUTHN")])
    assert t.talk(b"hello") in (b"", b"<reset>")
    assert t.logged(details="wasm_fail_stream", plugin="a")["status"] == 503
    assert t.talk(b"again") in (b"", b"<reset>")
    t.wait_no_streams()


@pytest.mark.parametrize("where", ["new", "down", "up"])
def test_a_trap_passes_by_with_fail_open(tcp, upstream, where):
    t = tcp(upstream, [plugin("a", script(**{where: "trap"}), failStrategy="FAIL_OPEN")])
    assert t.talk(b"hello") == b"hello" and t.talk(b"again") == b"again"
    t.wait_no_streams()


def test_a_plugin_that_does_not_start(tcp, upstream):
    refused = script(configure="ret 0")
    t = tcp(upstream, [plugin("a", refused)])
    assert t.talk(b"hello") in (b"", b"<reset>")
    t.gateway.stop()
    t = tcp(upstream, [plugin("a", refused, failStrategy="FAIL_OPEN")])
    assert t.talk(b"hello") == b"hello"


def test_the_log_says_what_each_plugin_did(tcp, upstream):
    """In their order, with the time it took."""
    t = tcp(upstream, [plugin("fine", priority=9), plugin("trapped", script(down="trap"), failStrategy="FAIL_OPEN", priority=8),
                       plugin("stopped", script(configure="ret 0"), failStrategy="FAIL_OPEN", priority=7),
                       plugin("closing", script(down="ret 0|close 2"), priority=6)])
    with t.connect() as s:
        s.sendall(b"first")
        assert s.recv(5) == b"first"
        s.sendall(b"second")
        assert read_all(s) in (b"", b"<reset>")
    line = t.logged(plugin="closing")
    assert [(p["name"], p["outcome"]) for p in line["plugins"]] == [
        ("fine", "ok"), ("trapped", "trapped"), ("stopped", "stopped"), ("closing", "closed")]
    assert all(0 < p["time_us"] < 1e7 for p in line["plugins"] if p["outcome"] != "stopped") and 0 <= line["duration_s"] < PATIENCE_S
    assert t.gateway.send("/").status == 404  # the gateway lives
    t.gateway.stop()
    t = tcp(upstream, [plugin("fine", priority=9), plugin("stopped", script(configure="ret 0"))])
    assert t.talk(b"x") in (b"", b"<reset>")
    assert [(p["name"], p["outcome"]) for p in t.logged(status=503)["plugins"]] == [("fine", "ok"), ("stopped", "stopped")]


def test_properties(tcp, upstream):
    t = tcp(upstream, [plugin("a", script(new="prop source~address; prop destination~address; prop cluster_name; prop upstream~address; "
                                              "prophex connection~id; prophex connection~mtls; prop connection~requested_server_name; "
                                              "prop request~path; hosts; prophex destination~port; prophex listener_direction; prop plugin_name",
                                          up="prop upstream~address; prophex upstream~port|ret 0"))])
    with t.connect() as s:
        own = "%s:%d" % s.getsockname()
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    t.gateway.wait_log("prophex upstream~port")
    port = int(upstream.address.split(":")[1])
    log = t.gateway.error_log
    for line in [f"prop source~address = 0 {own}", f"prop destination~address = 0 127.0.0.1:{t.port}",
                 f"prop cluster_name = 0 outbound|{port}||db.static", "prop upstream~address = 1", "prophex connection~mtls = 0 00",
                 "prop connection~requested_server_name = 0", "prop request~path = 1", f"hosts = 0 n=1 {upstream.address}=",
                 "prophex destination~port = 0 " + struct.pack("<q", t.port).hex(), "prophex listener_direction = 0 0200000000000000",
                 "prop plugin_name = 0 a", f"prop upstream~address = 0 {upstream.address}", "prophex upstream~port = 0 " + struct.pack("<q", port).hex()]:
        assert line in log, line


def test_connections_and_requests_share_data(tcp, upstream, probe_module):
    t = tcp(upstream, [plugin("a", script(down="sset of_tcp told 0|ret 0")),
                       {"name": "web", "url": probe_module, "defaultConfig": {}}],
            routes=[{"name": "all", "redirect": {"path": "/there"}}])
    assert t.talk(b"x") == b"x"
    t.gateway.send("/", headers={"Host": "h", "x-request": "sget of_tcp"})
    t.gateway.wait_log("sget of_tcp = 0 told")


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_to_the_upstream(tcp, tmp_path, trusted):
    """Both ends of the conversation come through, half-close too; an upstream that is not trusted is none."""
    authority = Authority(tmp_path)
    served = Upstream(over_tls(echo_bytes, server_context(*authority.make("up", "DNS:up.example")), []))
    ca = authority.ca if trusted else Authority(tmp_path, "other").ca
    t = tcp(served, [plugin("a", script(down="setbuf 2 0 0 +|ret 0"))], service={"tls": {"serverName": "up.example", "ca": str(ca)}})
    data = random.Random(2).randbytes(1 << 20)
    if trusted:
        with t.connect() as s:
            threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True).start()
            assert read_all(s) == b"+" + data
    else:
        assert t.talk(b"x") in (b"", b"<reset>")
        assert t.logged(details="no_healthy_upstream")
    t.wait_no_streams()
    served.close()


def test_override_host(tcp):
    first, second = Upstream(echo_bytes), Upstream(echo_bytes)
    t = tcp([first.address, second.address], [plugin("a", script(new=f"override {second.address}"))])
    for _ in range(3):
        assert t.talk(b"a") == b"a"
    assert (first.connections, second.connections) == (0, 3)
    first.close()
    second.close()


def test_compiled_code_serves_connections(tcp, upstream):
    t = tcp(upstream, [plugin("a", script(down="setbuf 2 0 0 c|ret 0"))])
    wait_for("compiled code", lambda: t.gateway.worker_status()["plugins"][0]["tier"] == "aot", 120)
    assert t.talk(b"-") == b"c-"


def test_connections_end_with_the_gateway(tcp, upstream):
    """A connection that stays open does not keep a worker longer than nginx.conf's worker_shutdown_timeout."""
    t = tcp(upstream, [plugin("a")], options=("--workers", "1", "--drain-timeout", "1"))
    with t.connect() as s:
        s.sendall(b"a")
        assert s.recv(1) == b"a"
        assert t.gateway.stop() == 0
        assert read_all(s) in (b"", b"<reset>")


def test_storm(tcp, upstream):
    """Three plugins in a row that hold and resume at random; a tenth of the clients break off."""
    t = tcp(upstream, [plugin(f"p{letter}", url=PAUSER, priority=9 - i, defaultConfig={"l": letter}) for i, letter in enumerate("ABC")],
            options=["--workers", "2"])
    wrong = []
    rounds = 5 if SANITIZED else 15

    def client(seed):
        r = random.Random(seed)
        for _ in range(rounds):
            data = r.randbytes(r.choice([0, 1, 1000, 70000, 300000]))
            try:
                with t.connect() as s:
                    if r.random() < 0.1:
                        s.sendall(data[:len(data) // 2])
                        reset(s)
                        continue
                    sender = threading.Thread(target=lambda s=s, d=data: (s.sendall(d), s.shutdown(socket.SHUT_WR)), daemon=True)
                    sender.start()
                    answer = read_all(s)
                    sender.join(PATIENCE_S)
                if answer != b"ABC" + b"CBA" + data + b"ABC" + b"CBA":
                    wrong.append((seed, len(data), len(answer), answer[:12], answer[-12:]))
            except OSError as e:
                wrong.append((seed, repr(e)))

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    for _ in range(10):  # whichever worker answers
        t.wait_no_streams()


# ---- the C SDK's callbacks -----------------------------------------------------------------------


@pytest.fixture(name="lines", scope="session")
def fixture_lines():
    ok, why = make("build/guests/sdk_tcp.wasm")
    assert ok, why
    return "file:" + os.path.join(GUESTS, "sdk_tcp.wasm")


def lines_gateway(tcp, upstream, lines, tier, config=None):
    t = tcp(upstream, [plugin("lines", config, url=lines, vm={"runtime": tier})], options=["--workers", "1", "--plugin-log-level", "info"])
    if tier == "auto":
        wait_for("compiled code", lambda: t.gateway.worker_status()["plugins"][0]["tier"] == "aot", 120)
    return t


@pytest.mark.parametrize("tier", ["interp", "auto"])
def test_a_plugin_of_the_sdk(tcp, lines, tier):
    """tests/guests/sdk_tcp.c: data changed both ways, whole lines only, what is held and resumed, who closed."""
    heard = []

    def at_the_end(_u, s):
        heard.append(read_all(s))
        s.sendall(b"hi")

    def when_nothing_comes(_u, s):
        s.settimeout(0.2)
        try:
            heard.append(s.recv(100))
        except TimeoutError:
            heard.append("silence")
        s.settimeout(PATIENCE_S)
        s.sendall(b"go")
        heard.append(read_all(s))

    def greet(_u, s):
        s.sendall(b"hi")
        heard.append(read_all(s))

    def connected():
        """The gateway has both connections."""
        s = t.connect()
        assert s.recv(100) == b"[hi]"
        return s

    def hang_up(_u, s):
        s.sendall(b"bye")

    u = Upstream(at_the_end)
    t = lines_gateway(tcp, u, lines, tier)
    assert t.talk(b"hel", b"lo\nb\ntail") == b"[hi]" and heard == [b"1.1 hello\n1.2 b\n1.3 tail\n"]

    u.serve = when_nothing_comes
    heard.clear()
    with t.connect() as s:
        s.sendall(b"wait\n")
        assert s.recv(100) == b"[go]"
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b""
    wait_for("the upstream's end", lambda: len(heard) == 2)
    assert heard == ["silence", b"2.1 wait\n"]

    u.serve = greet
    with connected() as s:
        s.sendall(b"quit\n")
        assert read_all(s) in (b"", b"<reset>")
    t.gateway.wait_log("3: client gone, local")
    t.wait_no_streams()
    heard.clear()
    with connected() as s:
        s.sendall(b"hang up\n")
        wait_for("the upstream's end", lambda: heard)
        assert read_all(s) in (b"", b"<reset>")
    t.gateway.wait_log("4: upstream gone, local")
    s = connected()
    s.sendall(b"a\n")
    reset(s)
    t.gateway.wait_log("5: client gone, remote")
    u.serve = hang_up
    with t.connect() as s:
        assert read_all(s) == b"[bye]"
    t.gateway.wait_log("6: upstream gone, remote")
    for n, count in enumerate([3, 1, 1, 1, None, 0], 1):
        if count is not None:
            t.gateway.wait_log(f"{n}: over after {count} lines")
    t.wait_no_streams()
    u.close()


@pytest.mark.parametrize("tier", ["interp", "auto"])
def test_a_plugin_of_the_sdk_that_lets_nobody_in(tcp, lines, tier):
    u = Upstream(echo_bytes)
    t = lines_gateway(tcp, u, lines, tier, {"closed": True})
    assert t.talk(b"a\n") in (b"", b"<reset>") and u.connections == 0
    t.gateway.wait_log("1: client gone, local")
    t.wait_no_streams()
    u.close()
