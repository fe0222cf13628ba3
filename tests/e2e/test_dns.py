"""envoy_resolve_dns on a real nginx: addresses, /etc/hosts, a DNS server that answers, fails, is silent; over HTTP/1.1 and HTTP/2."""
import ipaddress
import re
import socket
import struct
import subprocess
import threading

import pytest

from conftest import PATIENCE_S, wait_for
from test_grpc import in_flight

GO = "effective @; continue 0"
RECORDS = {"a.example": ["10.1.2.3", "10.1.2.4"], "six.example": ["fd00::1"], "both.example": ["10.1.2.5", "fd00::5"], "empty.example": []}


class Dns:
    """A server over UDP: RECORDS, each for 60 s; names it does not know are NXDOMAIN, of silent.example it says nothing."""

    def __init__(self):
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(2048)
            except OSError:
                return
            answer = self.answer(query)
            if answer:
                self.socket.sendto(answer, client)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        name, question = ".".join(labels), query[12:at + 5]
        self.asked.append(name)
        if name == "silent.example":
            return None
        found = [ipaddress.ip_address(a) for a in RECORDS.get(name, [])]
        found = [a.packed for a in found if a.version == {1: 4, 28: 6}.get(kind)]
        flags = 0x8180 if name in RECORDS else 0x8183
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + question + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(a)) + a for a in found)


@pytest.fixture(name="dns", scope="module")
def fixture_dns():
    dns = Dns()
    yield dns
    dns.socket.close()


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module, dns):
    return gateways({"services": [{"name": "echo", "endpoints": [echo.address]}], "routes": [{"name": "p", "match": {}, "service": "echo"}],
                     "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]},
                    "--workers", "1", "--plugin-log-level", "trace", "--resolver", dns.address)


@pytest.fixture(name="ask", params=["--http1.1", "--http2-prior-knowledge"])
def fixture_ask(request, gw):
    """ask(name): (outcome of `dns`, size of the answer)."""

    def ask(name):
        before = len(gw.error_log)
        done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_S), request.param, "-o", "/dev/null", "-w", "%{http_code}",
                               f"http://127.0.0.1:{gw.port}/p", "-H", f"x-request: resolve {name} then; ret 1", "-H", "x-then: dns; " + GO],
                              capture_output=True, text=True, check=True)
        assert done.stdout == "200"
        log = gw.error_log[before:]
        assert re.search(r"resolve \S+ then = 0 \d+", log)
        return re.search(r"dns = (.*?)(?: while|, client|$)", log, re.M).group(1), int(re.search(r"on_resolve_dns 1 \d+ (\d+)", log).group(1))
    return ask


def test_a_server_answers(ask):
    shown, _ = ask("a.example")
    assert sorted(re.sub(r"=\d+", "", shown).split()) == ["0", "10.1.2.3:0", "10.1.2.4:0"]
    assert all(50 <= int(ttl) <= 60 for ttl in re.findall(r"=(\d+)", shown))
    assert re.sub(r"=\d+", "", ask("six.example")[0]) == "0 [fd00::1]:0"
    assert sorted(re.sub(r"=\d+", "", ask("both.example")[0]).split()) == ["0", "10.1.2.5:0", "[fd00::5]:0"]


def test_answers_are_kept_for_their_time(ask, dns):
    ask("a.example")
    before = len(dns.asked)
    ask("a.example")
    assert len(dns.asked) == before


def test_failures(ask):
    for name in "nobody.example", "empty.example", "_", "x" * 70 + ".example", "..":
        assert ask(name) == ("0", 0)


def test_without_a_server(ask, dns):
    before = len(dns.asked)
    assert ask("127.0.0.9")[0] == "0 127.0.0.9:0=5" and ask("fd00::9")[0] == "0 [fd00::9]:0=5"
    assert "127.0.0.1:0=5" in ask("localhost")[0]
    assert len(dns.asked) == before


def test_nobody_answers(gw, dns):
    """The request waits, the plugin's end takes the lookup with it."""
    with gw.connect() as s:
        s.sendall(b"GET /p HTTP/1.1\r\nHost: a\r\nx-request: resolve silent.example then; ret 1\r\n\r\n")
        wait_for("the question", lambda: "silent.example" in dns.asked)
        assert in_flight(gw) == 1


def test_usage(gw):
    done = subprocess.run([gw.child.args[0], "run", "-c", gw.config, "--resolver", "a.example"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--resolver" in done.stderr
