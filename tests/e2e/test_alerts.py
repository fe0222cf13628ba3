"""Crashes are told to webhooks: their form, how often, and servers that fail, hang, lie or are not there."""
import glob
import json
import os
import threading
import time

import pytest

from conftest import PATIENCE_S, free_port, wait_for
from redis_server import Pretender
from test_crashes import config, counted

SECRET = "hook-secret-4711"
TOKEN = "token-0815-secret"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def status(code, more=b""):
    return b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n" % code + more + b"\r\n"


def read_request(s):
    """(head, body) of one request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := s.recv(65536))
        if not more:
            raise ConnectionError("half a request")
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length"))
    while len(body) < length:
        body += s.recv(65536)
    return head.decode(), body


class Hook(Pretender):
    """Answers by `answers` in turn, the last for all that follow: bytes, or a function of the socket."""

    def __init__(self, *answers):
        self.answers, self.got, self.times, self.lock = list(answers), [], [], threading.Lock()
        super().__init__(Hook.take)

    def take(self, s):
        request = read_request(s)
        with self.lock:
            self.got.append(request)
            self.times.append(time.monotonic())
            answer = self.answers[min(len(self.got), len(self.answers)) - 1]
        if callable(answer):
            answer(s)
        else:
            s.sendall(answer)

    @property
    def bodies(self):
        return [json.loads(body) for _, body in self.got]

    def wait(self, n):
        wait_for(f"{n} alerts", lambda: len(self.got) >= n)
        return self.bodies


@pytest.fixture(name="hook")
def fixture_hook():
    made = []

    def make(*answers):
        made.append(Hook(*answers))
        return made[-1]
    yield make
    for h in made:
        h.close()


def alert(port, **fields):
    return {"name": "ops", "url": f"http://127.0.0.1:{port}/{SECRET}", **fields}


def trap(g, how="unreachable"):
    assert g.send(headers={"x-trap": how, "authorization": "Bearer of-the-client"}).status == 503
    assert g.send().status == 200


def start(gateway, echo, module, *alerts):
    return gateway({**config(echo, module), "alerts": list(alerts)}, "--workers", "1")


def test_an_alert(gateway, echo, trapper_module, hook, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "url").write_text(f"http://127.0.0.1:{(other := hook(OK)).port}/{SECRET}\n")
    h = hook(OK)
    template = '{"who": "${plugin}", "what": "${trap} \\" ${function}", "at": ["${at}"], "n": "${count}/${missed}", "q": "${route}/${request}"}'
    g = start(gateway, echo, trapper_module, alert(h.port, tokenFile=str(tmp_path / "token")),
              {"name": "second", "urlFile": str(tmp_path / "url"), "template": template})
    assert g.send(headers={"x-trap": "unreachable", "x-request-id": 'id"\\<!channel>'}).status == 503
    text = h.wait(1)[0]["text"]
    assert "Plugin trapper crashed: unreachable in trap-unreachable at " in text and "trapper.c:" in text and "1 in all" in text, text
    head = h.got[0][0]
    assert head.startswith(f"POST /{SECRET} HTTP/1.1") and f"Authorization: Bearer {TOKEN}" in head and "Content-Type: application/json" in head
    body = other.wait(1)[0]
    assert (body["who"], body["what"], body["n"]) == ("trapper", 'unreachable " trap_unreachable', "1/1") and "trapper.c:" in body["at"][0]
    assert body["q"].startswith("orders/") and "Authorization" not in other.got[0][0]
    # Nobody but the webhook learns where it is and what opens it.
    said = g.output() + g.error_log + "".join(open(f, encoding="utf-8").read() for f in glob.glob(g.state + "/generation-*.json"))
    assert SECRET not in said and TOKEN not in said


def test_groups_and_rate(gateway, echo, trapper_module, hook):
    """A storm of three kinds is three alerts; the same again is told, with its count, when its time has come."""
    h = hook(OK)
    g = start(gateway, echo, trapper_module, alert(h.port, repeatAfter="2s", rateLimit=600, template='{"t":"${trap}","m":"${missed}"}'))
    for kind in ("unreachable", "div0", "oob") * 3:
        trap(g, kind)
    counted(g, 9)
    wait_for("all to be told", lambda: sum(int(b["m"]) for b in h.bodies) == 9)
    told = len(h.got)
    assert {b["t"] for b in h.bodies[:3]} == {"unreachable", "integer divide by zero", "out of bounds memory access"} and told <= 6
    trap(g, "div0")
    assert h.wait(told + 1)[told] == {"t": "integer divide by zero", "m": "1"}
    last = [t for b, t in zip(h.bodies, h.times) if b["t"] == "integer divide by zero"]
    assert min(b - a for a, b in zip(last, last[1:])) > 1.5


def test_no_more_than_the_rate(gateway, echo, trapper_module, hook):
    h = hook(OK)
    g = start(gateway, echo, trapper_module, alert(h.port, rateLimit=2))
    for kind in ("unreachable", "div0", "oob", "call"):
        trap(g, kind)
    counted(g, 4)
    h.wait(2)
    trap(g, "loop")
    time.sleep(1.5)
    assert len(h.got) == 2


def endless(s):
    s.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        s.sendall(b"x" * 65536)


def silent(s):
    s.recv(1)


def drip(s):
    for c in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
        s.sendall(bytes([c]))
        time.sleep(0.05)


@pytest.mark.parametrize("bad", [status(500), status(429), b"", b"\0garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", endless, silent,
                                 drip, b"HTTP/1.1 200 OK\r\n" + b"A: " + b"b" * 500_000 + b"\r\n\r\n"],
                         ids=["500", "429", "closed", "garbage", "short", "endless", "silent", "drip", "header"])
def test_a_failing_webhook_is_tried_again(gateway, echo, trapper_module, hook, bad):
    """It takes its time, and the gateway none: requests are served and the administration answers meanwhile."""
    h = hook(bad, bad, OK)
    g = start(gateway, echo, trapper_module, alert(h.port, timeout="500ms"))
    trap(g)
    began = time.monotonic()
    while len(h.got) < 3:
        asked = time.monotonic()
        assert g.send().status == 200
        assert time.monotonic() - asked < PATIENCE_S / 2 and time.monotonic() - began < 2 * PATIENCE_S
    bodies = h.wait(3)
    assert bodies[0] == bodies[2] and h.times[2] - h.times[1] > 0.3
    assert g.output().count("it is tried again") == 2 and SECRET not in g.output()
    counted(g, 1)
    time.sleep(0.5)
    assert len(h.got) == 3


def test_a_webhook_that_refuses_is_left_alone(gateway, echo, trapper_module, hook):
    h = hook(status(404))
    g = start(gateway, echo, trapper_module, alert(h.port))
    trap(g)
    wait_for("the refusal", lambda: "cannot be told: weir: the answer's status was 404" in g.output())
    time.sleep(1)
    assert len(h.got) == 1


def test_one_that_is_not_there_and_one_that_is(gateway, echo, trapper_module, hook):
    """Each webhook has its own tries; a change of the configuration takes a new one at once."""
    h = hook(OK)
    g = start(gateway, echo, trapper_module, alert(free_port()), {**alert(h.port), "name": "good"})
    trap(g)
    h.wait(1)
    wait_for("the failure", lambda: "alert ops: " in g.output())
    late = hook(OK)
    with open(g.config, encoding="utf-8") as f:
        c = json.load(f)
    c["alerts"] = [alert(late.port)]
    with open(g.config + ".new", "w", encoding="utf-8") as f:
        json.dump(c, f)
    os.rename(g.config + ".new", g.config)

    def told():
        trap(g, "div0")
        return late.got
    wait_for("the new webhook", told)
    assert SECRET not in g.output()
