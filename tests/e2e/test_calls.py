"""HTTP callouts on nginx: requests of plugins to services, with real upstreams that behave and that do not.

The guest is `probe`: request header x-request sends calls and pauses, x-then runs when the answer is there."""
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from conftest import PATIENCE_S, free_port, wait_for
from upstreams import Upstream, ok, read_exactly, read_head

GO = "effective @; continue 0"


class Scripted(Upstream):
    """Answers by path: /NAME is looked up in `answers`, bytes or a function of (upstream, socket, head)."""

    def __init__(self, answers):
        self.answers, self.heads = answers, []
        super().__init__(self.conversation)

    def conversation(self, _self, s):
        while head := read_head(s):
            text = head.decode()
            self.heads.append(text)
            name = text.split(" ")[1].split("?")[0][1:]
            length = re.search(r"content-length: (\d+)", text, re.I)
            body = read_exactly(s, int(length.group(1))) if length else b""
            answer = self.answers[name]
            answer = answer(self, s, body) if callable(answer) else answer
            if answer is None:
                return
            s.sendall(answer)


def slowly(text, n=1):
    def serve(_upstream, s, _body):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(0, len(text), n):
            s.sendall(text[i:i + n])
        return b""
    return serve


def then_close(text):
    def serve(_upstream, s, _body):
        s.sendall(text)
    return serve


def hold(upstream, s, _body):
    """No answer until somebody lets it go."""
    upstream.held.release()
    upstream.go.wait(PATIENCE_S)
    return ok(b"late")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n5\r\nhello\r\n7;ext=1\r\n, world\r\n0\r\nX-T: end\r\n\r\n"
BAD_ANSWERS = {
    "nonsense": b"nonsense\r\n\r\n", "http2": b"HTTP/2 200\r\n\r\n", "badstatus": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "twolengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "both": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "endless": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100000, "manyheaders": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
    "large": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "fold": b"HTTP/1.1 200 OK\r\na: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "negative": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "blank": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
}


@pytest.fixture(name="upstream", scope="module")
def fixture_upstream():
    u = Scripted({
        "ok": ok(b"fine", b"X-Up: Yes\r\n"), "echo": lambda u, s, body: ok(body), "count": lambda u, s, body: ok(b"%d" % u.connections),
        "chunked": CHUNKED, "slow": slowly(CHUNKED), "slowlength": slowly(ok(b"0123456789")), "close": then_close(b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        "interim": b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok(b"after"), "empty": b"HTTP/1.1 204 None\r\n\r\n",
        "big": ok(b"b" * 3000000), "short": then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), "reset": then_close(b""),
        "hold": hold, **{name: then_close(text) for name, text in BAD_ANSWERS.items()}})
    u.held, u.go = threading.Semaphore(0), threading.Event()
    yield u
    u.go.set()
    u.close()


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module, upstream):
    silent = socket.create_server(("127.0.0.1", 0))  # accepts nobody, says nothing
    g = gateways({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "svc", "endpoints": [upstream.address]},
                               {"name": "down", "endpoints": [f"127.0.0.1:{free_port()}"]},
                               {"name": "silent", "endpoints": [f"127.0.0.1:{silent.getsockname()[1]}"]},
                               {"name": "outbound|80||alias.static", "endpoints": [upstream.address]}],
                  "routes": [{"name": "p", "match": {}, "service": "echo"}],
                  "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1", "--plugin-log-level", "trace")
    yield g
    silent.close()


def logs(gw, before):
    return re.findall(r"\[weir\] plugin probe: (.*?)(?: while [a-z ]+)?(?:, client: .*)?$", gw.error_log[before:], re.M)


def ask(gw, request, then=GO, **more):
    """(response, {command: outcome}, [callback]) of one request through the probe."""
    before = len(gw.error_log)
    headers = [("x-request", request), ("x-then", then)] + [("x-" + k, v) for k, v in more.items()]
    response = gw.send("/p", headers=headers)
    lines = logs(gw, before)
    callbacks = [line[len("trace: on_http_call_response "):] for line in lines if line.startswith("trace: on_http_call_response ")]
    return response, dict(line.split(" = ", 1) for line in lines if " = " in line), callbacks


def in_flight(gw):
    out = subprocess.run(["curl", "-sS", "--unix-socket", gw.state + "/status.sock", "http://x/"], capture_output=True, check=True).stdout
    return sum(p["callouts"] for p in json.loads(out)["plugins"])


def test_call_then_continue(gw, upstream):
    response, said, callbacks = ask(gw, "call svc /ok?a=b 5000 _ then; ret 1", "pairs 6; buf 4 0 99; effective @; add 0 x-new 1; continue 0")
    assert response.status == 200 and response.seen_header("x-new") == "1" and response.seen["path"] == "/p"
    assert said["pairs 6"] == "0 n=3 :status=200 x-up=Yes content-length=4" and said["buf 4 0 99"] == "0 fine"
    assert [c.split()[2:] for c in callbacks] == [["3", "4", "0"]]
    head = upstream.heads[-1].lower()
    assert head.startswith("get /ok?a=b http/1.1\r\nhost: callout.example\r\n")
    assert "content-length" not in head and "x-forwarded-for" not in head and "connection" not in head
    assert in_flight(gw) == 0


def test_call_then_local_response(gw):
    response, _, _ = ask(gw, "call svc /ok 5000 _ then; ret 1", "effective @; local 403 d denied -1 x-why because")
    assert (response.status, response.body, response.header("x-why")) == (403, b"denied", "because")


def test_names(gw):
    assert ask(gw, "call outbound|80||svc.static /ok 5000 _ then; ret 1", "get 6 :status; " + GO)[1]["get 6 :status"] == "0 200"
    assert ask(gw, "call outbound|80||alias.static /ok 5000 _ then; ret 1", "get 6 :status; " + GO)[1]["get 6 :status"] == "0 200"
    assert ask(gw, "call nobody /ok 5000 _ _")[1]["call nobody /ok 5000 _ _"] == "2 77"


def test_bodies(gw, upstream):
    response, said, _ = ask(gw, "call svc /echo 5000 " + "x" * 200 + " then; ret 1", "buf 4 0 999; " + GO)
    assert response.status == 200 and said["buf 4 0 999"] == "0 " + "x" * 200
    assert upstream.heads[-1].startswith("POST /echo") and "content-length: 200" in upstream.heads[-1]
    _, said, callbacks = ask(gw, "call svc /big 10000 _ then; ret 1", "bufstatus 4; buf 4 2999990 99; " + GO)
    assert said["bufstatus 4"] == "0 3000000 0" and said["buf 4 2999990 99"] == "0 " + "b" * 10 and callbacks[0].split()[3] == "3000000"


def test_trailers_are_sent(gw, echo):
    response, said, _ = ask(gw, "call echo /x 5000 some then t1 v1; ret 1", "get 6 :status; buf 4 0 2000; " + GO)
    assert response.status == 200 and said["get 6 :status"] == "0 200"
    assert "transfer-encoding" in said["buf 4 0 2000"]


@pytest.mark.parametrize("name,body,trailers", [("chunked", "hello, world", "n=1 x-t=end"), ("slow", "hello, world", "n=1 x-t=end"),
                                                ("slowlength", "0123456789", "null"), ("close", "until the end", "null"),
                                                ("interim", "after", "null"), ("empty", "", "null")])
def test_shapes_of_answers(gw, name, body, trailers):
    for _ in range(2):
        _, said, _ = ask(gw, f"call svc /{name} 10000 _ then; ret 1", "get 6 :status; buf 4 0 99; pairs 7; get 6 link; " + GO)
        assert said["get 6 :status"] == ("0 204" if name == "empty" else "0 200")
        assert said["buf 4 0 99"].split(" ", 1)[1].replace("null", "") == body and said["pairs 7"] == "0 " + trailers
        assert said["get 6 link"] == "1"


@pytest.mark.parametrize("name", ["reset", "short", *BAD_ANSWERS])
def test_answers_that_are_none(gw, name):
    response, said, callbacks = ask(gw, f"call svc /{name} 10000 _ then; ret 1", "status; pairs 6; " + GO)
    assert response.status == 200 and said["status"] == "0 11 reset" and said["pairs 6"] == "0 null"
    assert [c.split()[2:] for c in callbacks] == [["0", "0", "0"]] and in_flight(gw) == 0


def test_refused(gw):
    for _ in range(3):
        response, said, _ = ask(gw, "call down / 5000 _ then; call down / 0 _ again; ret 1", "status; " + GO, again="get 6 :status")
        assert response.status == 200 and said["status"] == "0 11 reset" and said["get 6 :status"] == "2"


def test_timeout(gw):
    for service, path in (("svc", "/hold"), ("silent", "/")):
        response, said, _ = ask(gw, f"call {service} {path} 200 _ then; ret 1", "status; get 6 :status; buf 4 0 99; " + GO)
        assert response.status == 200 and said["status"] == "0 0" and said["get 6 :status"] == "0 504"
        assert said["buf 4 0 99"] == "0 upstream request timeout" and in_flight(gw) == 0


def test_connections_are_kept(gw, upstream):
    ask(gw, "call svc /count 5000 _ then; ret 1")
    first = [ask(gw, "call svc /count 5000 _ then; ret 1", "buf 4 0 9; " + GO)[1]["buf 4 0 9"] for _ in range(4)]
    assert len(set(first)) == 1
    ask(gw, "call svc /close 5000 _ then; ret 1")  # this one is not
    ask(gw, "call svc /nonsense 5000 _ then; ret 1")
    assert ask(gw, "call svc /ok 5000 _ then; ret 1", "get 6 :status; " + GO)[1]["get 6 :status"] == "0 200"


def test_a_kept_connection_that_went_meanwhile(gateway, echo, probe_module):
    """The upstream closes each connection after its answer without saying so: the next call gets a new one."""
    u = Upstream(lambda upstream, s: s.sendall(ok(b"%d" % upstream.connections)) if read_head(s) else None)
    g = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "svc", "endpoints": [u.address]}],
                 "routes": [{"name": "p", "match": {}, "service": "echo"}],
                 "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1")
    for i in range(20):
        assert ask(g, "call svc /x 5000 _ then; ret 1", "buf 4 0 9; " + GO)[1]["buf 4 0 9"] == f"0 {i + 1}"
    u.close()


def test_several_in_flight(gw):
    calls = "; ".join(f"call svc /slowlength 10000 _ {'then' if i == 5 else 'other'}" for i in range(6))
    response, _, callbacks = ask(gw, calls + "; ret 1", GO, other="log 2 other")
    assert response.status == 200
    wait_for("the other answers", lambda: in_flight(gw) == 0)
    assert 1 <= len(callbacks) <= 6 and len({c.split()[1] for c in callbacks}) == len(callbacks)


def test_calls_one_after_the_other(gw):
    response, said, callbacks = ask(gw, "call svc /ok 5000 _ then; ret 1", "effective @; call svc /echo 5000 second again", again="buf 4 0 9; " + GO)
    assert response.status == 200 and said["buf 4 0 9"] == "0 second" and len(callbacks) == 2


def test_response_phase(gw):
    before = len(gw.error_log)
    r = gw.send("/p?bytes=100000", headers=[("x-response", "call svc /slow 5000 _ then; ret 1"), ("x-then", "effective @; add 2 x-late 1; continue 1")])
    assert (r.status, len(r.body), r.header("x-late")) == (200, 100000, "1")
    r = gw.send("/p?bytes=100000", headers=[("x-response", "call svc /slow 5000 _ then; ret 1"), ("x-then", "effective @; local 403 d no -1")])
    assert (r.status, r.body) == (403, b"no")
    assert "on_http_call_response" in gw.error_log[before:]


def test_from_the_log(gw):
    """The stream is gone before the answer comes."""
    before = len(gw.error_log)
    assert gw.send("/p", headers=[("x-log", "call svc /ok 5000 _ then"), ("x-then", "get 6 :status; effective @")]).status == 200
    wait_for("the answer", lambda: "effective @ = 2" in logs(gw, before))
    assert "get 6 :status = 0 200" in logs(gw, before)


def test_a_client_that_leaves(gw, upstream):
    before = len(gw.error_log)
    upstream.go.clear()
    with gw.connect() as s:
        s.sendall(b"GET /left HTTP/1.1\r\nHost: a\r\nx-request: call svc /hold 20000 _ then; ret 1\r\nx-then: effective @; get 6 :status; continue 0\r\n\r\n")
        assert upstream.held.acquire(timeout=PATIENCE_S)
        wait_for("the call", lambda: in_flight(gw) == 1)
    wait_for("the stream's end", lambda: "on_delete" in gw.error_log[before:])
    assert in_flight(gw) == 1
    upstream.go.set()
    wait_for("the answer", lambda: "get 6 :status = 0 200" in logs(gw, before))
    assert "effective @ = 2" in logs(gw, before) and in_flight(gw) == 0


def test_a_trap_with_calls_in_flight(gw, upstream):
    """Nobody hears of them; the next request has a new VM."""
    upstream.go.clear()
    while upstream.held.acquire(blocking=False):
        pass
    response, _, callbacks = ask(gw, "call svc /hold 20000 _ then; call svc /hold 20000 _ then; trap")
    assert response.status == 503 and in_flight(gw) == 0
    upstream.go.set()
    response, _, callbacks = ask(gw, "call svc /ok 5000 _ then; ret 1", "trap")
    assert response.status == 503 and len(callbacks) == 1
    assert ask(gw, "call svc /ok 5000 _ then; ret 1")[0].status == 200


def test_from_configure(gateway, echo, probe_module, upstream):
    """Before the worker's event loop runs; nobody answers while `weir run` checks the plugin."""
    config = {"a": "configure: call svc /ok 5000 _ then; call down / 5000 _ fail; call nobody / 5000 _ _", "b": "then: buf 4 0 9", "c": "fail: status"}
    g = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "svc", "endpoints": [upstream.address]},
                              {"name": "down", "endpoints": [f"127.0.0.1:{free_port()}"]}],
                 "routes": [{"name": "p", "match": {}, "service": "echo"}],
                 "plugins": [{"name": "probe", "url": probe_module, "pluginConfig": config}]}, "--workers", "1")
    for line in ("call nobody / 5000 _ _ = 2 77", "buf 4 0 9 = 0 fine", "status = 0 11 reset"):
        wait_for(line, lambda text=line: text in logs(g, 0))
    assert g.send("/p").status == 200 and in_flight(g) == 0


def test_from_ticks(gateway, echo, probe_module, upstream):
    """Each tick sends one, and no stream is there."""
    g = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "svc", "endpoints": [upstream.address]}],
                 "routes": [{"name": "p", "match": {}, "service": "echo"}],
                 "plugins": [{"name": "probe", "url": probe_module, "pluginConfig": {"a": "configure: tick 20", "b": "tick: call svc /ok 5000 _ _"}}]},
                "--workers", "1", "--plugin-log-level", "trace")
    wait_for("three answers", lambda: sum("on_http_call_response 1 " in line and line.endswith(" 3 4 0") for line in logs(g, 0)) >= 3)


@pytest.mark.parametrize("how", ["term", "quit"])
def test_the_worker_ends_with_calls_in_flight(gateway, echo, probe_module, upstream, how):
    g = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "svc", "endpoints": [upstream.address]}],
                 "routes": [{"name": "p", "match": {}, "service": "echo"}],
                 "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1")
    upstream.go.clear()
    assert g.send("/p", headers=[("x-request", "call svc /hold 600 _ then; call svc /hold 900 _ then"), ("x-then", "status")]).status == 200
    wait_for("the calls", lambda: in_flight(g) == 2)
    if how == "quit":
        worker = g.workers()[0]
        os.kill(worker, signal.SIGQUIT)
        g.wait_replaced(worker)
        assert g.send("/p").status == 200
    assert g.stop() == 0
    upstream.go.set()


def test_a_paused_stream_outlives_its_worker(gateway, echo, probe_module, upstream):
    """A worker that shuts down waits for the answer, though the call has no timeout."""
    g = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "svc", "endpoints": [upstream.address]}],
                 "routes": [{"name": "p", "match": {}, "service": "echo"}],
                 "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1")
    upstream.go.clear()
    got = []
    thread = threading.Thread(target=lambda: got.append(g.send("/p", headers=[("x-request", "call svc /hold 0 _ then; ret 1"), ("x-then", GO)])))
    thread.start()
    wait_for("the call", lambda: in_flight(g) == 1)
    os.kill(g.workers()[0], signal.SIGQUIT)
    g.wait_log("gracefully shutting down")
    upstream.go.set()
    thread.join(PATIENCE_S)
    assert got and got[0].status == 200
