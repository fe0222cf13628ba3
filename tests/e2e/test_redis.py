"""Redis from plugins on nginx, with a real redis-server: logins, order, deadlines, losses, recovery; and servers that lie.

The guest is `probe`: request header x-request sends commands and pauses, x-then runs when a reply is there."""
import os
import re
import signal
import socket
import threading
import time

import pytest

from conftest import ROOT, SANITIZED, free_port, wait_for
from redis_server import Pretender, RedisServer, command, fixture_redis  # pylint: disable=unused-import

GO = "effective @; continue 0"
SLOW = 3 if SANITIZED else 1


@pytest.fixture(name="locked", scope="module")
def fixture_locked(tmp_path_factory):
    r = RedisServer(tmp_path_factory.mktemp("locked"), "--requirepass", "secret")
    r.ask("ACL", "SETUSER", "ann", "on", ">annspass", "~ann:*", "+@all", login=("secret",))
    yield r
    r.kill()


def config(echo, probe_module, services, init="", **more):
    return {"services": [{"name": "echo", "endpoints": [echo.address]},
                         *({"name": name, "endpoints": [address], "connectTimeout": "500ms"} for name, address in services.items())],
            "routes": [{"name": "p", "match": {}, "service": "echo"}],
            "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {"c": init}, "limits": {"logLines": 1000000}, **more}]}


def start(gateway, *args, workers=1, **more):
    return gateway(config(*args, **more), "--workers", str(workers), "--plugin-log-level", "trace")


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module, redis, locked):
    return start(gateways, echo, probe_module, {"redis": redis.address, "locked": locked.address, "outbound|6379||alias.static": redis.address,
                                                "down": f"127.0.0.1:{free_port()}"})


def logs(gw, before):
    return re.findall(r"\[weir\] plugin probe: (.*?)(?: while [a-z ]+)?(?:, client: .*)?$", gw.error_log[before:], re.M)


def ask(gw, request, then=GO, **more):
    """(response, {command: outcome}, [callback]) of one request through the probe; the log shows a line end of RESP as two blanks."""
    before = len(gw.error_log)
    headers = [("x-request", request), ("x-then", then)] + [("x-" + k, v) for k, v in more.items()]
    response = gw.send("/p", headers=headers)
    lines = logs(gw, before)
    callbacks = [line[len("trace: on_redis_call_response "):] for line in lines if line.startswith("trace: on_redis_call_response ")]
    return response, dict(line.split(" = ", 1) for line in lines if " = " in line), callbacks


def get(gw, service, *args, then="buf 9 0 2000; status; " + GO):
    """(status of the callback, reply or why not, seconds) of one command that the request waits for."""
    began = time.monotonic()
    response, said, callbacks = ask(gw, f"redis {service} then {' '.join(args)}; ret 1", then)
    took = time.monotonic() - began
    assert response.status == 200 and len(callbacks) == 1, (response.status, said, callbacks)
    status = int(callbacks[0].split()[2])
    return status, said["buf 9 0 2000"][2:] if status == 0 else said["status"][2:], took


def state(gw, service=None, **fields):
    """The worker's Redis, or the client of this service (and user, db)."""
    redis = gw.worker_status()["redis"]
    if service is None:
        return redis
    return next(c for c in redis["clients"] if c["service"] == service and all(c[k] == v for k, v in fields.items()))


def settled(gw, connections=None):
    """No command is left in memory."""
    return wait_for("all commands to end", lambda: state(gw)["commands"] == 0 and connections in (None, state(gw)["connections"]))


# ---- calls ------------------------------------------------------------------------------------------------------------------


def test_a_call(gw, redis):
    redis.ask("SET", "greeting", "hello")
    response, said, callbacks = ask(gw, "redis redis then GET greeting; ret 1", "bufstatus 9; status; effective @; add 0 x-new 1; continue 0")
    assert response.status == 200 and response.seen_header("x-new") == "1"
    assert said["bufstatus 9"] == "0 11 0" and said["status"] == "0 0"
    assert [c.split()[2:] for c in callbacks] == [["0", "11"]]
    settled(gw)


@pytest.mark.parametrize("name", ["redis", "outbound|6379||redis.static", "outbound|6379||alias.static", "redis?db=3"])
def test_names(gw, name):
    assert get(gw, name, "PING")[:2] == (0, "+PONG")


def test_unknown(gw):
    _, said, callbacks = ask(gw, "redis nobody _ PING; rinit nobody _ _ 100; redis _ _ PING")
    assert (said["redis nobody _ PING"], said["rinit nobody _ _ 100"], said["redis _ _ PING"], callbacks) == ("2 77", "2", "2 77", [])


def test_replies_and_errors(gw):
    assert get(gw, "redis", "SET", "n", "1")[:2] == (0, "+OK")
    assert get(gw, "redis", "INCR", "n")[:2] == (0, ":2")
    assert get(gw, "redis", "LPUSH", "n", "x")[1].startswith("-WRONGTYPE")
    assert get(gw, "redis", "GET", "nothing")[:2] == (0, "$-1")
    assert get(gw, "redis", "BLPOP", "nothing", "0.01")[:2] == (0, "*-1")
    assert get(gw, "redis", "EVAL", "return{1,{'a',false,{}},redis.status_reply('S')}", "0")[1] == "*3  :1  *3  $1  a  $-1  *0  +S"
    assert get(gw, "redis", "NONSENSE")[1].startswith("-ERR unknown command")


def test_binary_and_large(gw, redis):
    redis.ask("SET", "large", "v" * 3_000_000)
    _, said, callbacks = ask(gw, "redis redis then GET large; ret 1", "bufstatus 9; buf 9 0 12; buf 9 3000005 99; " + GO)
    assert said["bufstatus 9"] == "0 3000012 0" and said["buf 9 0 12"] == "0 $3000000  vv" and said["buf 9 3000005 99"] == "0 vvvvv"
    assert callbacks[0].split()[2:] == ["0", "3000012"]
    _, said, _ = ask(gw, "redis redis then SET bin a~b; redis redis then STRLEN bin; ret 1", "buf 9 0 9; " + GO)
    assert redis.ask("GET", "bin") == "a\0b"


def test_order_and_one_connection(gw, redis):
    """What one callback sends goes over one connection, in one piece, and is answered in order."""
    redis.ask("DEL", "counter")
    before = state(gw, "redis", user="", db=0)
    _, said, callbacks = ask(gw, "redismany redis _ 300 INCR counter; redis redis then GET counter; ret 1", "buf 9 0 99; " + GO)
    assert said["redismany redis _ 300 INCR counter"] == "0 300" and said["buf 9 0 99"] == "0 $3  300"
    tokens = [int(c.split()[1]) for c in callbacks]
    assert tokens == sorted(tokens) and len(tokens) == 301
    after = state(gw, "redis", user="", db=0)
    assert after["connects"] == before["connects"] == 1 and after["replies"] == before["replies"] + 301
    settled(gw)


def test_requests_share_it(gw, redis):
    """So do all plugins of the worker; their commands come back to those who sent them."""
    redis.ask("DEL", "shared")
    before = state(gw, "redis", user="", db=0)
    bodies = []
    threads = [threading.Thread(target=lambda: bodies.append(gw.send("/p", headers=[
        ("x-request", "redis redis then INCR shared; ret 1"), ("x-then", "effective @; local 200 d b -1")]).status)) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    after = state(gw, "redis", user="", db=0)
    assert bodies == [200] * 20 and redis.ask("GET", "shared") == "20" and after["connects"] == before["connects"]


# ---- logins and databases -------------------------------------------------------------------------------------------------------


def logged_in(gw, init, *args):
    _, said, callbacks = ask(gw, f"rinit {init}; redis locked then {' '.join(args)}; ret 1", "buf 9 0 200; " + GO)
    assert said["rinit " + init] == "0" and len(callbacks) == 1
    return callbacks[0].split()[2], said["buf 9 0 200"][2:]


def test_logins(gw):
    assert get(gw, "locked", "GET", "a")[1].startswith("-NOAUTH")
    assert logged_in(gw, "locked _ secret 1000", "SET", "a", "1") == ("0", "+OK")
    assert logged_in(gw, "locked default secret 1000", "GET", "a") == ("0", "$1  1")
    assert logged_in(gw, "locked ann annspass 1000", "ACL", "WHOAMI") == ("0", "$3  ann")
    assert logged_in(gw, "locked ann annspass 1000", "GET", "a")[1].startswith("-NOPERM")
    assert logged_in(gw, "locked?db=5 _ secret 1000", "GET", "a") == ("0", "$-1")
    assert logged_in(gw, "locked?db=5 _ secret 1000", "CLIENT", "LIST", "ID", "1") [0] == "0"
    clients = [(c["user"], c["db"]) for c in state(gw)["clients"] if c["service"] == "locked"]
    assert sorted(clients) == [("", 0), ("", 0), ("", 5), ("ann", 0), ("default", 0)]
    settled(gw)


def test_another_plugin_has_no_part_in_a_login(gateway, echo, probe_module, locked):
    """Each plugin by its own init, over its own connection."""
    c = config(echo, probe_module, {"locked": locked.address}, init="configure: rinit locked _ secret 1000")
    c["plugins"].append({"name": "other", "url": probe_module, "defaultConfig": {}})
    g = gateway(c, "--workers", "1", "--plugin-log-level", "trace")
    g.send("/p", headers=[("x-request", "redis locked then PING; ret 1"), ("x-then", "buf 9 0 99; " + GO)])
    assert "plugin probe: buf 9 0 99 = 0 +PONG" in g.error_log and "plugin other: buf 9 0 99 = 0 -NOAUTH" in g.error_log
    assert len(state(g)["clients"]) == 2


def test_wrong_logins(gw):
    """No command is carried out as another user or in another database: each gets what Redis said to the login."""
    for _ in range(6):
        assert logged_in(gw, "locked ann wrong 1000", "SET", "a", "2")[1].startswith("-WRONGPASS")
        assert logged_in(gw, "locked?db=99 _ secret 1000", "SET", "a", "2")[1].startswith("-ERR DB index is out of range")
    assert state(gw, "locked", db=99)["login_failures"] >= 2 and state(gw, "locked", db=99)["replies"] == 6
    assert logged_in(gw, "locked _ secret 1000", "GET", "a") == ("0", "$1  1")


def test_databases(gw, redis):
    _, said, _ = ask(gw, "rinit redis?db=2 _ _ 1000; redis redis _ SET where two; rinit redis?db=3 _ _ 1000; redis redis then SET where three; ret 1")
    wait_for("both", lambda: settled(gw))
    c = redis.ask("INFO", "keyspace")
    assert "db2:keys=1" in c and "db3:keys=1" in c
    assert ask(gw, "rinit redis _ _ 1000")[1]["rinit redis _ _ 1000"] == "0"


# ---- refused, timed out, disconnected ----------------------------------------------------------------------------------------------


def test_refused(gw):
    for _ in range(8):
        status, why, took = get(gw, "down", "PING")
        assert (status, why) == (1, "11 refused") and took < 0.8 * SLOW
    down = state(gw, "down")
    assert down["refused"] == 8 and down["connect_failures"] >= 3 and down["in_flight"] == down["waiting"] == 0


def test_attempts_back_off(gateway, echo, probe_module):
    """Commands keep coming, attempts to connect do not: after n failures the next one waits for at least 10 ms * 2^n, up to 200 ms."""
    g = start(gateway, echo, probe_module, {"down": f"127.0.0.1:{free_port()}"})
    began = time.monotonic()
    for _ in range(60):
        assert get(g, "down", "PING")[:2] == (1, "11 refused")
    took, down = time.monotonic() - began, state(g, "down")
    assert down["refused"] == down["commands"] == 60 and 3 <= down["connect_failures"] <= 7 + took / 0.2
    assert down["failures"] == down["connect_failures"] and not down["connections"]


def test_several_endpoints(gateway, echo, probe_module, tmp_path):
    """One is taken; where it refuses or dies, another, and nobody is told of the detour."""
    servers = [RedisServer(tmp_path / str(i)) for i in range(2)]
    c = config(echo, probe_module, {"redis": servers[0].address})
    c["services"][1]["endpoints"] = [f"127.0.0.1:{free_port()}", servers[0].address, f"127.0.0.1:{free_port()}", servers[1].address]
    g = gateway(c, "--workers", "1", "--plugin-log-level", "trace")
    try:
        for _ in range(3):
            assert get(g, "redis", "PING")[:2] == (0, "+PONG")
        used = next(s for s in servers if s.address == state(g, "redis")["connections"][0]["address"])
        used.kill()
        wait_for("the loss", lambda: not state(g, "redis")["connections"])
        assert get(g, "redis", "PING")[:2] == (0, "+PONG")
        for s in servers:
            s.kill()
        wait_for("the loss", lambda: not state(g, "redis")["connections"])
        assert get(g, "redis", "PING")[:2] == (1, "11 refused")
        settled(g, connections=0)
    finally:
        for s in servers:
            s.kill()


def test_ipv6(gateway, echo, probe_module, tmp_path):
    redis = RedisServer(tmp_path / "r", "--bind", "127.0.0.1", "::1")
    try:
        with socket.create_connection(("::1", redis.port)):
            pass
    except OSError:
        redis.kill()
        pytest.skip("this machine has no IPv6")
    g = start(gateway, echo, probe_module, {"redis": f"[::1]:{redis.port}"})
    assert get(g, "redis", "PING")[:2] == (0, "+PONG")
    redis.kill()


def test_timeout(gateway, echo, probe_module, tmp_path):
    """SIGSTOP: each command ends by its own deadline; after SIGCONT the late replies are dropped and all is well within a second."""
    redis = RedisServer(tmp_path / "r")
    g = start(gateway, echo, probe_module, {"redis": redis.address})
    try:
        assert get(g, "redis", "SET", "a", "1")[0] == 0
        redis.signal(signal.SIGSTOP)
        before = len(g.error_log)
        began = time.monotonic()
        response, said, callbacks = ask(g, "rinit redis _ _ 300; redis redis one GET a; rinit redis _ _ 600; redis redis then GET b; ret 1",
                                        "status; " + GO, one="status")
        assert 0.55 < time.monotonic() - began < 1.2 * SLOW and response.status == 200
        assert said["status"] == "0 11 timeout" and [c.split()[2] for c in callbacks] == ["1", "1"]
        assert "says nothing since 300 ms" in g.error_log[before:]
        assert state(g, "redis")["timed_out"] == 2
        redis.signal(signal.SIGCONT)
        wait_for("recovery", lambda: get(g, "redis", "GET", "a")[:2] == (0, "$1  1"), 1 * SLOW)
        settled(g, connections=1)
    finally:
        redis.kill()


def test_a_deadline_counts_from_the_sending(gw):
    """The worker is busy for longer than the deadline between the call and the sending: that is not Redis's fault. (On a machine
    that is busy, too, Redis may need longer than the deadline now and then.)"""
    def once():
        _, said, _ = ask(gw, "rinit redis _ _ 30; redis redis then PING; busy 60; ret 1", "status; buf 9 0 9; rinit redis _ _ 1000; " + GO)
        return said["status"] == "0 0" and said["buf 9 0 9"] == "0 +PONG"
    wait_for("an answer in time", once)


def test_slow_commands_do_not_break_others_up(gateway, echo, probe_module, tmp_path):
    """One plugin's blocking command holds up the connection; who does not want to wait gets a new one."""
    redis = RedisServer(tmp_path / "r")
    g = start(gateway, echo, probe_module, {"redis": redis.address})
    try:
        get(g, "redis", "PING")
        _, said, callbacks = ask(g, "rinit redis _ _ 5000; redis redis long BLPOP nothing 1; rinit redis _ _ 200; redis redis then GET a; ret 1",
                                 "status; effective @; redis redis again GET a", long="buf 9 0 9; log 2 end", again="buf 9 0 9; " + GO)
        assert said["status"] == "0 11 timeout" and said["buf 9 0 9"] == "0 $-1"
        g.wait_log("plugin probe: end")
        settled(g, connections=1)
        assert state(g, "redis")["disconnected"] == 0 and state(g, "redis")["connects"] == 2
    finally:
        redis.kill()


def test_disconnected(gw, redis):
    """The connection breaks with commands under way."""
    threading.Timer(0.3, lambda: redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")).start()
    status, why, _ = get(gw, "redis", "BLPOP", "nothing", "5")
    assert (status, why) == (1, "11 reset")
    assert get(gw, "redis", "PING")[0] == 0
    settled(gw)


def test_an_idle_connection_that_went(gw, redis):
    get(gw, "redis", "PING")
    redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    wait_for("the loss to be seen", lambda: not any(c["address"] == redis.address for c in state(gw, "redis", db=0)["connections"]))
    assert get(gw, "redis", "PING")[:2] == (0, "+PONG")


def test_idle_connections_are_closed(gateway, echo, probe_module, redis):
    c = config(echo, probe_module, {"redis": redis.address})
    c["services"][1]["keepaliveTimeout"] = "200ms"
    g = gateway(c, "--workers", "1", "--plugin-log-level", "trace")
    assert get(g, "redis", "PING")[0] == 0
    settled(g, connections=0)
    assert get(g, "redis", "PING")[0] == 0 and state(g, "redis")["connects"] == 2 and state(g, "redis")["disconnected"] == 0


def storm(g, seen, over):
    """Requests one after another until it is over: (when, status of the callback, why) of each."""
    while not over.is_set():
        status, why, _ = get(g, "redis", "INCR", "storm")
        seen.append((time.monotonic(), status, why))


def test_kill_under_load(gateway, echo, probe_module, tmp_path):
    """kill -9 with commands under way: each ends; when Redis is there again, so is the service within a second; nothing leaks."""
    redis = RedisServer(tmp_path / "r")
    g = start(gateway, echo, probe_module, {"redis": redis.address}, init="configure: rinit redis _ _ 400")
    result, over = [], threading.Event()
    load = threading.Thread(target=storm, args=(g, result, over))
    try:
        load.start()
        wait_for("load", lambda: redis.ask("GET", "storm") is not None)
        for _ in range(2):
            redis.kill()
            time.sleep(0.4)
            redis.start()
            back = time.monotonic()
            time.sleep(1.5 * SLOW)
        over.set()
        load.join()
        assert any(status == 1 for _, status, _ in result) and result[-1][1] == 0
        late = [(when - back, why) for when, status, why in result if status != 0 and when > back + 1 * SLOW]
        assert not late and {why for _, status, why in result if status} <= {"11 refused", "11 reset"}
        settled(g, connections=1)
        s = state(g, "redis")
        assert s["commands"] == s["replies"] + s["refused"] + s["disconnected"] + s["timed_out"] + s["cancelled"]
    finally:
        over.set()
        load.join()
        redis.kill()


# ---- bounds ---------------------------------------------------------------------------------------------------------------------


def test_the_queue_is_bounded(gateway, echo, probe_module):
    """A server that does not take connections: 1024 commands wait, the next is INTERNAL_FAILURE at once; all end in time."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fill = [socket.socket() for _ in range(3)]
    for s in fill:
        s.setblocking(False)
        s.connect_ex(full.getsockname())
    g = start(gateway, echo, probe_module, {"redis": "127.0.0.1:%d" % full.getsockname()[1]})
    response, said, callbacks = ask(g, "rinit redis _ _ 300; redismany redis _ 2000 PING; redis redis _ PING")
    assert response.status == 200
    assert said["redismany redis _ 2000 PING"] == "10 1024" and said["redis redis _ PING"] == "10 77"
    settled(g)
    s = state(g, "redis")
    assert (s["refused"], s["rejected"], s["in_flight"]) == (1024, 2, 0) and len(callbacks) <= 1024
    for s in [full, *fill]:
        s.close()


def test_more_than_the_socket_takes(gateway, echo, probe_module, tmp_path):
    """A server that does not read: what is left over is written when it does, and nothing is mixed up."""
    redis = RedisServer(tmp_path / "r")
    g = start(gateway, echo, probe_module, {"redis": redis.address}, init="configure: rinit redis _ _ 20000")
    many = "redismany redis _ 6500 RPUSH list" + 6 * (" " + "w" * 180)
    try:
        get(g, "redis", "PING")
        redis.signal(signal.SIGSTOP)
        for _ in range(2):
            assert ask(g, many)[1][many] == "0 6500"
        wait_for("a full socket", lambda: state(g, "redis")["connections"][0]["unsent_bytes"] > 0)
        redis.signal(signal.SIGCONT)
        settled(g, connections=1)
        assert get(g, "redis", "LREM", "list", "0", "w" * 180)[:2] == (0, ":78000")
    finally:
        redis.kill()


def test_a_short_absence_is_bridged(gateway, echo, probe_module, tmp_path):
    """Commands that come while the connection is being made anew wait and are answered."""
    redis = RedisServer(tmp_path / "r")
    g = start(gateway, echo, probe_module, {"redis": redis.address})
    try:
        for _ in range(20):
            assert get(g, "redis", "PING")[0] == 0
            redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert state(g, "redis")["connects"] >= 2
    finally:
        redis.kill()


def test_unused_clients_go(gateway, echo, probe_module, redis):
    """A plugin that names a new login again and again does not make the worker grow."""
    g = start(gateway, echo, probe_module, {"redis": redis.address})
    for db in range(1, 16):
        for user in range(6):
            ask(g, f"rinit redis?db={db} _ p{user} 1000; redis redis then PING; ret 1")
    assert settled(g) and len(state(g)["clients"]) == 64


# ---- streams and VMs that go -----------------------------------------------------------------------------------------------------


def test_the_stream_is_gone(gw):
    """The client leaves while its command is under way: the root hears of it still."""
    before = len(gw.error_log)
    with gw.connect() as s:
        s.sendall(b"GET /p HTTP/1.1\r\nHost: x\r\nx-request: redis redis then BLPOP nothing 0.3; ret 1\r\nx-then: effective @; buf 9 0 9\r\n\r\n")
        wait_for("the command", lambda: state(gw)["commands"] == 1)
    settled(gw)
    lines = logs(gw, before)
    assert "effective @ = 2" in lines and any(line.startswith("buf 9 0 9 = 0 *-1") for line in lines)


@pytest.mark.parametrize("tier", ["interp", "auto"])
def test_a_vm_that_traps(gateway, echo, probe_module, redis, tier):
    """Its commands are dropped without a callback; the next VM has its own, and knows the login."""
    g = start(gateway, echo, probe_module, {"redis": redis.address}, vm={"runtime": tier}, init="configure: rinit redis?db=4 _ _ 5000")
    g.allowed.append("trap in")
    if tier == "auto":
        wait_for("compiled code", lambda: g.worker_status()["plugins"][0]["tier"] == "aot", 120)
    response, _, callbacks = ask(g, "redismany redis _ 50 GET a; redis redis _ BLPOP nothing 0.2; trap")
    assert response.status == 503 and callbacks == []
    assert get(g, "redis", "SET", "vm", "2")[:2] == (0, "+OK")
    settled(g)
    assert state(g, "redis", db=4)["cancelled"] == 51 and g.worker_status()["plugins"][0]["callouts"] == 0
    response, _, callbacks = ask(g, "redis redis then PING; redis redis then PING; ret 1", "trap")
    assert response.status == 503 and len(callbacks) == 1
    settled(g)
    assert get(g, "redis", "PING")[0] == 0


def test_a_gateway_that_ends(gateway, echo, probe_module, redis):
    """Open connections and commands under way: a graceful end waits for the request, and leaves nothing behind (the log says if it does)."""
    g = start(gateway, echo, probe_module, {"redis": redis.address}, workers=2)
    for _ in range(8):
        ask(g, "redis redis then PING; redis redis _ BLPOP nothing 1; ret 1")
    ask(g, "redis redis _ BLPOP nothing 30")


# ---- servers that lie --------------------------------------------------------------------------------------------------------------


def answer(*replies, rest=b"+PONG\r\n"):
    """Reads one command at a time and answers with the next of the replies, then with `rest`; None closes."""
    def serve(_self, s):
        left = list(replies)
        while s.recv(65536):
            reply = left.pop(0) if left else rest
            if reply is None:
                return
            s.sendall(reply)
    return serve


@pytest.mark.parametrize("reply", [b"nonsense\r\n", b"$-2\r\n", b"$99999999999999999999\r\n", b"*99999999999\r\n", b":x\r\n", b"%1\r\n", b"\0", b"$3\r\nabc",
                                   b"*1\r\n" * 12 + b":1\r\n", b"$20000000\r\n" + b"x" * 20000000 + b"\r\n", b"+" + b"x" * 200000, b"*1000000000\r\n" + b":1\r\n" * 4000000,
                                   b"$" + b"1" * 100000], ids=lambda r: repr(r[:12]))
def test_replies_that_are_none(gateway, echo, probe_module, reply):
    """Malformed, too large, too deep or cut short: the connection breaks off, the command ends, the next one is well."""
    first = [True]

    def serve(_self, s):
        while s.recv(65536):
            if first.pop() if first else False:
                s.sendall(reply)
                s.shutdown(socket.SHUT_WR)
            else:
                s.sendall(b"+PONG\r\n")
    p = Pretender(serve)
    g = start(gateway, echo, probe_module, {"redis": p.address}, init="configure: rinit redis _ _ 20000")
    assert get(g, "redis", "PING")[:2] == (1, "11 reset")
    wait_for("the next one", lambda: get(g, "redis", "PING")[:2] == (0, "+PONG"))
    settled(g, connections=1)
    p.close()


def test_replies_to_no_command(gateway, echo, probe_module):
    """hiredis would abort the worker; the connection breaks off instead, and no reply goes to the wrong command."""
    p = Pretender(answer(b"+PONG\r\n+MORE\r\n:7\r\n", rest=b"+PONG\r\n+MORE\r\n"))
    g = start(gateway, echo, probe_module, {"redis": p.address})
    worker = g.workers()
    for _ in range(5):
        status, reply, _ = get(g, "redis", "PING")
        assert (status, reply) in ((0, "+PONG"), (1, "11 reset"))
    assert g.workers() == worker and p.connections >= 2 and "a reply to no command" in g.error_log
    settled(g)
    p.close()


def test_half_a_reply_to_no_command(gateway, echo, probe_module):
    """It begins before the command that would take it for its own."""
    p = Pretender(answer(b"+PONG\r\n*2\r\n+A\r\n", b"+B\r\n"))
    g = start(gateway, echo, probe_module, {"redis": p.address})
    assert get(g, "redis", "PING")[:2] == (0, "+PONG")
    assert get(g, "redis", "PING")[:2] == (1, "11 reset")
    p.close()


def test_a_server_that_is_full(gateway, echo, probe_module):
    def serve(_self, s):
        s.sendall(b"-ERR max number of clients reached\r\n")
    p = Pretender(serve)
    g = start(gateway, echo, probe_module, {"redis": p.address})
    for _ in range(3):
        status, why, _ = get(g, "redis", "PING")
        assert (status, why) in ((0, "-ERR max number of clients reached"), (1, "11 reset"), (1, "11 refused"))
    settled(g)
    p.close()


def test_a_login_without_an_answer(gateway, echo, probe_module):
    p = Pretender(lambda _self, s: s.recv(1) and time.sleep(3))
    g = start(gateway, echo, probe_module, {"redis": p.address}, init="configure: rinit redis _ secret 3000")
    status, why, took = get(g, "redis", "PING")
    assert (status, why) == (1, "11 refused") and 0.4 < took < 1.5 * SLOW
    p.close()


# ---- batching ----------------------------------------------------------------------------------------------------------------------


def pieces(gateway, echo, probe_module, options, script):
    """What arrived together, in commands, while the first command is not answered; (when, how many) of each, and the client's state."""
    seen = []

    def serve(self, s):
        self.held.append(s)
        while data := s.recv(1 << 20):
            seen.append((time.monotonic(), data.count(b"PING\r\n")))
    p = Pretender(serve)
    g = start(gateway, echo, probe_module, {"redis": p.address}, init=f"configure: rinit redis?{options} _ _ 30000")

    def send(count=1):
        ask(g, "; ".join(["redis redis _ PING"] * count))

    def arrived(n):
        wait_for(f"{n} commands", lambda: sum(count for _, count in seen) == n)
    send()            # the connection; and nothing waits while nothing is outstanding
    arrived(1)
    script(send, arrived)
    p.held[0].sendall(b"+PONG\r\n" * sum(n for _, n in seen))   # or the gateway's end would wait for them
    settled(g)
    p.close()
    return seen, state(g, "redis")


def test_batches_by_time(gateway, echo, probe_module):
    def four(send, arrived):
        for _ in range(3):
            send()
        arrived(4)
    seen, s = pieces(gateway, echo, probe_module, "buffer_flush_timeout=1000&max_buffer_size_before_flush=100000", four)
    assert [n for _, n in seen] == [1, 3] and seen[1][0] - seen[0][0] > 0.9 and (s["commands"], s["writes"]) == (4, 2)


def test_batches_by_size(gateway, echo, probe_module):
    """14 bytes a command: the third one is over 40. What is behind it waits for its own three."""
    def seven(send, arrived):
        for _ in range(3):
            send()
        arrived(4)
        for _ in range(3):
            send()
        arrived(7)
    seen, s = pieces(gateway, echo, probe_module, "buffer_flush_timeout=20000&max_buffer_size_before_flush=40", seven)
    assert [n for _, n in seen] == [1, 3, 3] and (s["commands"], s["writes"]) == (7, 3)


def test_without_batches(gateway, echo, probe_module):
    def four(send, arrived):
        for n in range(2, 5):
            send()
            arrived(n)
    seen, s = pieces(gateway, echo, probe_module, "buffer_flush_timeout=0", four)
    assert [n for _, n in seen] == [1, 1, 1, 1] and s["writes"] == 4


COUNTS = {"commands", "rejected", "replies", "error_replies", "refused", "timed_out", "disconnected", "cancelled", "late", "sent_again", "connects",
          "connect_failures", "login_failures", "connections_lost", "moved", "asked", "slots_read", "writes", "bytes_sent", "reply_bytes"}


def test_counts(gateway, echo, probe_module, redis):
    """Each count is there and documented; bytes and replies are those of the commands."""
    g = start(gateway, echo, probe_module, {"redis": redis.address})
    assert get(g, "redis", "SET", "counted", "x" * 100)[0] == 0 and get(g, "redis", "GET", "counted")[0] == 0
    assert get(g, "redis", "LPUSH", "counted", "1")[1].startswith("-WRONGTYPE")
    s = state(g, "redis")
    assert COUNTS <= set(s)
    assert (s["commands"], s["replies"], s["error_replies"], s["writes"], s["connects"]) == (3, 3, 1, 3, 1)
    sent = [command("SET", "counted", "x" * 100), command("GET", "counted"), command("LPUSH", "counted", "1")]
    assert s["bytes_sent"] == sum(map(len, sent))
    assert s["reply_bytes"] == len(b"+OK\r\n$100\r\n" + b"x" * 100 + b"\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n")
    assert not any(s[name] for name in COUNTS - {"commands", "replies", "error_replies", "writes", "connects", "bytes_sent", "reply_bytes"})
    with open(os.path.join(ROOT, "docs/proxy-wasm.intro.md"), encoding="utf-8") as f:
        assert COUNTS <= set(re.findall(r"`(\w+)`", f.read()))
