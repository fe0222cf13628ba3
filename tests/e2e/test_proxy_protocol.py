"""The PROXY protocol on every kind of listener: who the client is, and that only trusted proxies say so; broken headers are refused."""
import json
import re
import socket
import ssl
import struct
import subprocess

import pytest
from certificates import Authority
from conftest import GUESTS, PATIENCE_S, WEIR, free_port, wait_for
from test_client_address import rewrite
from test_tcp import PROBE, echo_bytes, read_all, script
from upstreams import Upstream

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TRUSTED = {"trusted": ["127.0.0.0/8", "10.0.0.0/8"]}
HTTP_PROBE = "file:" + GUESTS + "/host/probe-0_2_1.wasm"


def v1(source, port=4711, family=None):
    family = family or ("TCP6" if ":" in source else "TCP4")
    return f"PROXY {family} {source} {'::1' if family == 'TCP6' else '127.0.0.1'} {port} 80\r\n".encode()


def v2(source=None, port=4711, command=0x21, tlv=b""):
    if source is None:
        return SIGNATURE + bytes([command, 0, 0, len(tlv)]) + tlv
    family, length = (socket.AF_INET6, 36) if ":" in source else (socket.AF_INET, 12)
    to = "::1" if ":" in source else "127.0.0.1"
    return (SIGNATURE + bytes([command, 0x21 if ":" in source else 0x11]) + struct.pack(">H", length + len(tlv))
            + socket.inet_pton(family, source) + socket.inet_pton(family, to) + struct.pack(">HH", port, 80) + tlv)


class Proxied:
    """A gateway with a listener of each protocol, all with the PROXY protocol, and one without."""

    def __init__(self, start, echo, ca, trusted):
        self.upstream = Upstream(echo_bytes)
        pair = ca.make("one", "DNS:shop.example")
        self.ports = {name: free_port() for name in ("http", "https", "tcp", "tls")}
        own = [{"address": f"127.0.0.1:{self.ports[name]}", "protocol": "tcp" if name == "tls" else name, "proxyProtocol": True,
                **({"service": "bytes"} if name in ("tcp", "tls") else {}), **({"tls": {}} if name == "tls" else {})} for name in self.ports]
        self.config = {"listeners": [f"127.0.0.1:{free_port()}", *own], "clientAddress": trusted, "certificates": [{"certificate": pair[0], "key": pair[1]}],
                       "services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "bytes", "endpoints": [self.upstream.address]}],
                       "routes": [{"name": "all", "service": "echo"}],
                       "plugins": [{"name": "http", "url": HTTP_PROBE, "defaultConfig": {}},
                                   {"name": "tcp", "url": PROBE, "type": "NETWORK", "defaultConfig": script(new="prop source~address; log 4 done")}]}
        self.gateway = start(self.config, "--workers", "1")
        self.context = ssl.create_default_context(cafile=ca.ca)
        self.n = 0

    def connect(self, name, header):
        s = socket.create_connection(("127.0.0.1", self.ports[name]), timeout=PATIENCE_S)
        s.sendall(header)
        return self.context.wrap_socket(s, server_hostname="shop.example") if name in ("https", "tls") else s

    def client(self, name, header, forwarded=None):
        """Who the client of a new connection is to plugins; of a request the X-Forwarded-For that went on, too."""
        self.n += 1
        before = len(self.gateway.error_log)
        with self.connect(name, header) as s:
            if name in ("tcp", "tls"):
                s.sendall(b"hello")
                assert s.recv(100) == b"hello"
            else:
                more = f"X-Forwarded-For: {forwarded}\r\n" if forwarded else ""
                s.sendall(f"GET /{self.n} HTTP/1.1\r\nHost: h\r\n{more}x-request: prop source~address; log 4 done\r\nConnection: close\r\n\r\n".encode())
                body = json.loads(read_all(s).split(b"\r\n\r\n", 1)[1])
                seen = [v for k, v in body["headers"] if k.lower() == "x-forwarded-for"]
        wait_for("the plugin's lines", lambda: "log 4 done" in self.gateway.error_log[before:])
        address = re.search(r"prop source~address = 0 (\S+?),? ", self.gateway.error_log[before:]).group(1).rstrip(",")
        if name in ("tcp", "tls"):
            return address
        return address, seen

    def refused(self, name, header):
        with socket.create_connection(("127.0.0.1", self.ports[name]), timeout=PATIENCE_S) as s:
            s.sendall(header + (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" if name == "http" else b"hello"))
            try:
                s.shutdown(socket.SHUT_WR)
            except OSError:  # closed by the gateway already
                return b"<reset>"
            return read_all(s)


@pytest.fixture(name="ca", scope="module")
def fixture_ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="proxied", scope="module")
def fixture_proxied(gateways, echo, ca):
    p = Proxied(gateways, echo, ca, TRUSTED)
    p.gateway.allowed = []
    yield p
    p.upstream.close()


HEADERS = {"v1": v1, "v2": v2, "v2 with more": lambda source: v2(source, tlv=b"\x03\0\4abcd")}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("name", ["http", "https"])
def test_requests(proxied, name, header):
    make = HEADERS[header]
    assert proxied.client(name, make("203.0.113.9")) == ("203.0.113.9:4711", ["203.0.113.9"])
    assert proxied.client(name, make("2001:db8::9")) == ("[2001:db8::9]:4711", ["2001:db8::9"])
    # whom the PROXY header names is who asked: only if that is a proxy that is trusted, its X-Forwarded-For counts
    assert proxied.client(name, make("203.0.113.9"), "6.6.6.6") == ("203.0.113.9:4711", ["6.6.6.6, 203.0.113.9"])
    assert proxied.client(name, make("10.1.1.1"), "6.6.6.6, 198.51.100.7") == ("198.51.100.7:0", ["6.6.6.6, 198.51.100.7, 10.1.1.1"])


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("name", ["tcp", "tls"])
def test_connections(proxied, name, header):
    make = HEADERS[header]
    assert proxied.client(name, make("203.0.113.9")) == "203.0.113.9:4711"
    assert proxied.client(name, make("2001:db8::9")) == "[2001:db8::9]:4711"
    wait_for("the log's line", lambda: any(json.loads(line)["client"] == "2001:db8::9" for line in proxied.gateway.read("logs/tcp.log").splitlines()))


@pytest.mark.parametrize("name", ["http", "https", "tcp", "tls"])
def test_a_proxy_that_speaks_for_itself(proxied, name):
    for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::1 1 1\r\n", v2(command=0x20), v2("203.0.113.9", command=0x20)):
        found = proxied.client(name, header)
        assert (found if isinstance(found, str) else found[0]).startswith("127.0.0.1:")


def test_http2_behind_it(proxied):
    """With prior knowledge and by ALPN; curl sends a header of version 1 with its own address."""
    for url, options in ((f"http://127.0.0.1:{proxied.ports['http']}/h2c", ["--http2-prior-knowledge"]),
                         (f"https://shop.example:{proxied.ports['https']}/h2", ["-k", "--resolve", f"shop.example:{proxied.ports['https']}:127.0.0.1"])):
        done = subprocess.run(["curl", "-sS", "--haproxy-protocol", *options, "-w", "%{http_version}", "-o", "/dev/null", url],
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert (done.stdout, done.stderr) == ("2", "")
    with proxied.connect("http", v2("203.0.113.9") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0") as s:
        assert s.recv(9)[3] == 4, "settings, so HTTP/2 is spoken"


def test_keepalive_keeps_the_client(proxied):
    with proxied.connect("http", v1("203.0.113.77")) as s:
        for i in range(3):
            s.sendall(f"GET /kept-{i} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            assert s.recv(65536).startswith(b"HTTP/1.1 200")
    for i in range(3):
        assert proxied.gateway.access(path=f"/kept-{i}")["client"] == "203.0.113.77"


BROKEN = [b"", b"nonsense\r\n", b"PROXY TCP4 203.0.113.9\r\n", b"PROXY TCP4 <script> 1.1.1.1 1 1\r\n", b"PROXY TCP4 1.1.1.1 1.1.1.1 99999 1\r\n",
          b"PROXY TCP9 1.1.1.1 1.1.1.1 1 1\r\n", SIGNATURE + b"\x31\x11\0\x0c" + b"\1" * 12, SIGNATURE + b"\x21\x11\xff\xff" + b"\1" * 12,
          SIGNATURE + b"\x21\x11\0\4abcd", SIGNATURE + b"\x21\x21\0\x0c" + b"\1" * 12, b"PROXY TCP4 " + b"1" * 500 + b"\r\n"]
NO_ADDRESS = [b"PROXY TCP4 999.1.1.1 1.1.1.1 1 1\r\n", b"PROXY TCP4 1.2.3.4:80 1.1.1.1 1 1\r\n", b"PROXY TCP6 ::: ::1 1 1\r\n", b"PROXY TCP4  1.1.1.1 1 1\r\n"]


@pytest.mark.parametrize("name", ["http", "https", "tcp", "tls"])
def test_broken_headers_are_refused(proxied, name):
    for header in BROKEN:
        assert proxied.refused(name, header) in (b"", b"<reset>"), header
    for header in NO_ADDRESS[:3]:
        answer = proxied.refused(name, header)
        assert answer.startswith(b"HTTP/1.1 400 ") if name == "http" else b"hello" not in answer, header
    assert proxied.client(name, v1("203.0.113.9"))


def test_who_is_not_trusted_says_nothing(gateways, echo, ca):
    """Such a client is who connects; what a listener without the PROXY protocol gets is no header. It changes without a reload."""
    p = Proxied(gateways, echo, ca, {"trusted": ["192.0.2.1"]})
    for name in p.ports:
        for header in (v1("203.0.113.9"), v2("203.0.113.9")):
            found = p.client(name, header)
            assert (found if isinstance(found, str) else found[0]).startswith("127.0.0.1:"), name
    assert p.gateway.raw(v1("203.0.113.9") + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    workers = p.gateway.workers()
    rewrite(p.gateway, {**p.config, "clientAddress": TRUSTED})
    wait_for("the change", lambda: p.client("tcp", v1("203.0.113.9")) == "203.0.113.9:4711")
    assert p.gateway.workers() == workers
    p.upstream.close()


def test_it_needs_someone_to_trust(echo, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"listeners": [{"address": "127.0.0.1:1", "proxyProtocol": True}], "services": [{"name": "e", "endpoints": [echo.address]}],
                                "routes": [{"name": "all", "service": "e"}]}), encoding="utf-8")
    done = subprocess.run([WEIR, "check", "-c", str(path)], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1 and "listeners[0].proxyProtocol: 127.0.0.1:1 needs clientAddress" in done.stdout
