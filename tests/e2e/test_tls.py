"""TLS to services: proxied routes, HTTP callouts and gRPC calls of plugins; certificates are made here by openssl."""
import re
import threading

import pytest

from certificates import Authority, over_tls, server_context
from test_calls import GO, ask
from test_grpc import Grpc, ask as ask_grpc
from upstreams import Upstream, keepalive, ok, read_exactly, read_head, websocket


class Tls(Upstream):
    """Answers every request over TLS with the number of connections; `seen`: what handshakes said."""

    def __init__(self, context, serve=keepalive):
        self.seen = []
        super().__init__(over_tls(serve, context, self.seen))


def bulk(_upstream, s):
    """The request's body back."""
    while head := read_head(s):
        n = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
        s.sendall(ok(read_exactly(s, n)))


class GrpcTls(Grpc):
    def __init__(self, context):
        self.context, self.handshakes = context, []
        super().__init__()

    def conversation(self, _self, s):
        over_tls(super().conversation, self.context, self.handshakes)(self, s)


@pytest.fixture(name="authority", scope="module")
def fixture_authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="upstreams", scope="module")
def fixture_upstreams(authority, tmp_path_factory):
    named = authority.make("named", "DNS:up.example,DNS:*.wild.example")
    address = authority.make("address", "IP:127.0.0.1")
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "stranger").make("up", "DNS:up.example")
    silent = threading.Event()
    found = {
        "named": Tls(server_context(*named)), "address": Tls(server_context(*address)), "stranger": Tls(server_context(*stranger)),
        "asking": Tls(server_context(*named, client_ca=authority.ca)), "alpn": Tls(server_context(*named, alpn=["h2", "http/1.1"])),
        "bulk": Tls(server_context(*named), bulk), "websocket": Tls(server_context(*named), websocket),
        "once": Tls(server_context(*named), lambda u, s: read_head(s) and s.sendall(ok(b"once", b"Connection: close\r\n"))),
        "echo": Upstream(keepalive), "clear": Upstream(lambda u, s: s.recv(99) and s.sendall(ok())), "silent": Upstream(lambda u, s: silent.wait(60)),
        "rpc": GrpcTls(server_context(*named, alpn=["h2"])), "rpc-plain": GrpcTls(server_context(*named)),
    }
    yield found
    silent.set()
    for u in found.values():
        u.close()


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, probe_module, upstreams, authority):
    client, key = authority.make("the-client", "DNS:client.example")
    with open(client, encoding="ascii") as f:
        inline = f.read()
    named = {"serverName": "up.example", "ca": authority.ca}
    settings = {
        "good": ("named", named), "wild": ("named", {"serverName": "a.wild.example", "ca": authority.ca}),
        "wrong-name": ("named", {"serverName": "other.example", "ca": authority.ca}), "no-name": ("named", {"ca": authority.ca}),
        "address": ("address", {"ca": authority.ca}), "stranger": ("stranger", named), "system": ("named", {"serverName": "up.example"}),
        "unverified": ("stranger", {"serverName": "up.example", "verify": False}),
        "client": ("asking", {**named, "certificate": inline, "key": key}), "no-client": ("asking", named), "alpn": ("alpn", named),
        "bulk": ("bulk", named), "websocket": ("websocket", named), "once": ("once", named), "not-tls": ("clear", named), "silent": ("silent", named), "clear": ("named", None),
        "rpc": ("rpc", named), "rpc-wrong": ("rpc", {"serverName": "other.example", "ca": authority.ca}), "rpc-plain": ("rpc-plain", named),
        "rpc-silent": ("silent", named),
    }
    services = [{"name": name, "endpoints": [upstreams[up].address], "connectTimeout": "500ms", **({"tls": tls} if tls is not None else {})}
                for name, (up, tls) in settings.items()]
    g = gateways({"services": services + [{"name": "echo", "endpoints": [upstreams["echo"].address]}],
                  "routes": [{"name": name, "match": {"path": {"prefix": "/" + name}}, "service": name} for name in settings]
                  + [{"name": "p", "match": {}, "service": "echo"}],
                  "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1", "--plugin-log-level", "trace")
    return g


def new_log(gw, before):
    return gw.error_log[before:]


def test_proxied(gw, upstreams):
    seen = upstreams["named"].seen
    assert gw.send("/good").status == 200
    assert seen[-1]["name"] == "up.example" and seen[-1]["version"] == "TLSv1.3" and seen[-1]["client"] is None
    assert gw.send("/wild").status == 200 and seen[-1]["name"] == "a.wild.example"
    assert gw.access(path="/good")["upstream_status"] == "200"


def test_an_address_is_verified_too(gw, upstreams):
    assert gw.send("/address").status == 200
    assert upstreams["address"].seen[-1]["name"] is None


@pytest.mark.parametrize("service,why", [
    ("wrong-name", 'it is not for "other.example"'), ("no-name", 'it is not for "127.0.0.1"'), ("stranger", "unable to get local issuer certificate"),
    ("system", "unable to get local issuer certificate")])
def test_a_certificate_that_is_refused(gw, service, why):
    before = len(gw.error_log)
    assert gw.send("/" + service).status == 502
    log = new_log(gw, before)
    assert re.search(r"\[error\].*\[weir\] tls: the certificate of 127\.0\.0\.1:\d+ is refused: " + re.escape(why) + r" \(subject \"/CN=", log), log
    before = len(gw.error_log)
    response, said, _ = ask(gw, f"call {service} /x 2000 _ then; ret 1", "pairs 6; " + GO)
    assert response.status == 200 and said["pairs 6"] == "0 null" and why in new_log(gw, before)


def test_without_verification(gw):
    assert gw.send("/unverified").status == 200


def test_client_certificate(gw, upstreams):
    assert gw.send("/client").status == 200
    assert upstreams["asking"].seen[-1]["client"] == "the-client"
    assert gw.send("/no-client").status == 502


def test_no_tls_there(gw):
    before = len(gw.error_log)
    assert gw.send("/not-tls").status == 502
    assert "SSL_do_handshake() failed" in new_log(gw, before)
    assert gw.send("/silent").status == 504
    assert gw.send("/clear").status == 502


def test_alpn(gw, upstreams):
    assert gw.send("/alpn").status == 200
    assert upstreams["alpn"].seen[-1]["alpn"] == "http/1.1"


def test_connections_are_kept_apart_and_sessions_resumed(gw, upstreams):
    """A connection is used again, by callouts too, but only under the settings it was made with."""
    seen = upstreams["named"].seen
    assert gw.send("/good").status == 200
    made = len(seen)
    assert gw.send("/good").status == 200
    assert ask(gw, "call good /x 2000 _ then; ret 1", "get 6 :status; " + GO)[1]["get 6 :status"] == "0 200"
    assert gw.send("/good").status == 200 and len(seen) == made
    assert gw.send("/unverified").status == 200 and gw.send("/wrong-name").status == 502
    for _ in range(3):
        assert gw.send("/once").text == "once"
    assert upstreams["once"].seen[-1]["reused"] and not upstreams["once"].seen[0]["reused"]


def test_callouts(gw, upstreams):
    before = len(upstreams["once"].seen)
    said = ask(gw, "call once /x 2000 _ then; ret 1", "buf 4 0 99; " + GO)[1]
    assert said["buf 4 0 99"] == "0 once" and upstreams["once"].seen[before]["name"] == "up.example"
    for service in "not-tls", "no-client", "silent":
        assert ask(gw, f"call {service} /x 2000 _ then; ret 1", "pairs 6; " + GO)[1]["pairs 6"] == "0 null"


def test_bulk(gw):
    body = bytes(range(256)) * 12000
    for _ in range(2):
        assert gw.send("/bulk", "POST", body=body).body == body


def test_websocket(gw):
    with gw.connect() as s:
        s.sendall(b"GET /websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        assert b" 101 " in read_head(s)
        for data in b"a", b"b" * 30000:
            s.sendall(data)
            assert read_exactly(s, len(data)) == data


def test_grpc(gw, upstreams):
    _, said, callbacks = ask_grpc(gw, "grpccall rpc pkg.Svc Echo 5000 hello then; ret 1", "buf 5 0 99; " + GO)
    assert callbacks == ["receive 5"] and said["buf 5 0 99"] == "0 hello"
    assert upstreams["rpc"].seen[-1][":scheme"] == "https" and upstreams["rpc"].handshakes[-1] == {
        "name": "up.example", "alpn": "h2", "reused": False, "version": "TLSv1.3", "client": None}
    assert ask_grpc(gw, "grpccall rpc-plain s Echo 5000 hello then; ret 1", GO)[2] == ["receive 5"]     # a server without ALPN
    for service, why in [("rpc-wrong", "the TLS handshake failed"), ("rpc-silent", "the upstream does not end the TLS handshake"), ("not-tls", "the TLS handshake failed")]:
        _, said, callbacks = ask_grpc(gw, f"grpccall {service} s Echo 5000 hello then; ret 1", "|status; " + GO)
        assert callbacks == ["close 14"] and said["status"] == "0 14 " + why
