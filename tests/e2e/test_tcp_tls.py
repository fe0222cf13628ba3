"""TLS of tcp listeners: certificates and settings are data of the generation; plugins see the clear bytes, the service gets them."""
import hashlib
import json
import os
import random
import socket
import ssl
import subprocess
import threading

import pytest
from certificates import Authority, over_tls, server_context
from conftest import PATIENCE_S, WEIR, wait_for
from test_tcp import Tcp, echo_bytes, plugin, read_all, reset, script
from upstreams import Upstream


@pytest.fixture(name="ca", scope="module")
def fixture_ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="pair", scope="module")
def fixture_pair(ca):
    return ca.make("one", "DNS:shop.example")


@pytest.fixture(name="upstream", scope="module")
def fixture_upstream():
    u = Upstream(echo_bytes)
    yield u
    u.close()


def entry(pair, **more):
    return {"certificate": pair[0], "key": pair[1], **more}


@pytest.fixture(name="tls")
def fixture_tls(gateway, upstream, pair):
    """tls(plugins, settings): a Tcp whose listener has TLS."""
    return lambda plugins=(), settings=(), certificates=None, to=upstream, **kwargs: Tcp(
        gateway, to.address, plugins, listener={"tls": dict(settings)}, certificates=certificates or [entry(pair)], **kwargs)


def client(ca, cert=None):
    context = ssl.create_default_context(cafile=ca.ca)
    if cert:
        context.load_cert_chain(*cert)
    return context


def connect(t, context, name="shop.example", session=None):
    raw = t.connect()
    try:
        return context.wrap_socket(raw, server_hostname=name, session=session, suppress_ragged_eofs=False)
    except Exception:
        raw.close()
        raise


def talk(s, data=b"hello"):
    s.sendall(data)
    got = b""
    while len(got) < len(data):
        got += s.recv(65536)
    return got


def change(t, edit):
    with open(t.gateway.config, encoding="utf-8") as f:
        model = json.load(f)
    edit(model)
    with open(t.gateway.config + ".new", "w", encoding="utf-8") as f:
        json.dump(model, f)
    os.replace(t.gateway.config + ".new", t.gateway.config)
    done = subprocess.run([WEIR, "apply", "--state", t.gateway.state], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_clear_bytes_between_plugins_and_service(tls, ca):
    t = tls([plugin("a", script(down="setbuf 2 0 0 +|ret 0", up="setbuf 3 0 0 -|ret 0"))])
    data = random.Random(1).randbytes(1 << 20)
    with connect(t, client(ca)) as s:
        assert s.version() == "TLSv1.3" and s.getpeercert()["subject"] == ((("commonName", "one"),),)
        sender = threading.Thread(target=s.sendall, args=(data,), daemon=True)
        sender.start()
        got = b""
        while len(got) < len(data) + 2:
            got += s.recv(65536)
        sender.join()
        assert got == b"-+" + data
        s.unwrap().close()
    line = t.logged(received=len(data))
    assert (line["sent"], line["status"], line["details"]) == (len(data) + 2, 200, "")
    t.wait_no_streams()


def end(s):
    """close_notify, without waiting for the other side's."""
    s.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        s.unwrap()
    s.settimeout(PATIENCE_S)


def test_ends_pass_as_ends(tls, ca):
    """close_notify ends one direction; the other one goes on."""
    def count(_upstream, s):
        s.sendall(b"%d" % len(read_all(s)))
    u = Upstream(count)
    t = tls(to=u)
    with connect(t, client(ca)) as s:
        s.sendall(b"x" * 100000)
        end(s)
        assert s.recv(100) == b"100000"
        with pytest.raises(ssl.SSLZeroReturnError):  # the end that is said, not one that breaks off
            s.recv(100)
    assert t.logged(received=100000)["details"] == ""
    t.wait_no_streams()
    u.close()


def test_a_name_without_a_certificate_and_nonsense_are_refused(tls, ca):
    t = tls()
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        connect(t, client(ca), "other.example")
    with t.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        read_all(s)
    with t.connect() as s:
        s.sendall(b"\x16\x03\x01")
        reset(s)
    wait_for("three lines", lambda: len(t.log_lines()) == 3)
    assert all((line["status"], line["details"], line["upstream"], line["received"]) == (400, "tls_handshake_failed", "", 0) for line in t.log_lines())
    assert talk(connect(t, client(ca))) == b"hello"
    t.wait_no_streams()


def test_a_client_that_says_nothing_does_not_hold_a_worker_that_stops(tls):
    t = tls(options=("--workers", "1", "--drain-timeout", "1"))
    with t.connect() as s:
        wait_for("the connection", lambda: t.gateway.worker_status()["live"]["connections"] == 1)
        assert t.gateway.stop() == 0
        assert read_all(s) in (b"", b"<reset>")
    assert t.logged(details="shutdown")


def test_certificates_and_settings_change_without_a_reload(tls, ca):
    """One connection lives through all of it; each new one has what is in force."""
    t = tls()
    workers = t.gateway.workers()
    kept = connect(t, client(ca))
    old = client(ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with connect(t, old) as s:
        session = s.session
        assert talk(s) == b"hello"
    with connect(t, old, session=session) as s:
        assert s.session_reused and talk(s) == b"hello"
    waiting = t.connect()  # its handshake begins after the change
    second = ca.make("second", "DNS:shop.example")
    change(t, lambda m: m.update(certificates=[entry(second)]))
    with old.wrap_socket(waiting, server_hostname="shop.example", session=session) as s:
        assert not s.session_reused and s.getpeercert()["subject"] == ((("commonName", "second"),),)
    change(t, lambda m: m["listeners"][1].update(tls={"minVersion": "TLSv1.3"}))
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        connect(t, old)
    change(t, lambda m: m["listeners"][1].pop("tls"))
    assert t.talk(b"in clear text") == b"in clear text"
    change(t, lambda m: m["listeners"][1].update(tls={}))
    with connect(t, old) as s:
        assert talk(s) == b"hello"
    assert talk(kept) == b"hello"
    kept.close()
    assert t.gateway.workers() == workers and "nginx is reloaded" not in t.gateway.output()


@pytest.mark.parametrize("required", [True, False])
def test_client_certificates(tls, ca, tmp_path, required):
    clients = Authority(tmp_path, "clients")
    t = tls(settings={"clientCertificate": {"ca": clients.ca, "required": required}})
    assert talk(connect(t, client(ca, clients.make("ann", "DNS:ann")))) == b"hello"
    refused = [client(ca, ca.make("stranger", "DNS:ann"))] + ([client(ca)] if required else [])
    for context in refused:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            talk(connect(t, context))
    if not required:
        assert talk(connect(t, client(ca))) == b"hello"


def test_plugins_see_certificates(tls, ca, tmp_path):
    """Already when the connection is new."""
    clients = Authority(tmp_path, "clients")
    names = ["tls_version", "requested_server_name", "subject_peer_certificate", "dns_san_peer_certificate", "uri_san_peer_certificate",
             "sha256_peer_certificate_digest", "subject_local_certificate"]
    t = tls([plugin("a", script(new="prophex connection~mtls; " + "; ".join("prop connection~" + n for n in names) + "; log 4 done"))],
            settings={"clientCertificate": {"ca": clients.ca}})
    cert = clients.make("ann", "URI:spiffe://example/ann")
    digest = hashlib.sha256(subprocess.run(["openssl", "x509", "-in", cert[0], "-outform", "DER"], capture_output=True, check=True).stdout).hexdigest()
    assert talk(connect(t, client(ca, cert))) == b"hello"
    t.gateway.wait_log("log 4 done")
    for name, value in zip(names, ["0 TLSv1.3", "0 shop.example", "0 CN=ann", "1", "0 spiffe://example/ann", "0 " + digest, "0 CN=one"]):
        assert f"prop connection~{name} = {value}" in t.gateway.error_log, name
    assert "prophex connection~mtls = 0 01" in t.gateway.error_log


def stuck(count):
    """A condition: the number that count() gives was the same 30 times in a row."""
    seen = []

    def same():
        seen.append(count())
        return len(seen) > 30 and len(set(seen[-30:])) == 1 and seen[-1] > 0
    return same


def test_a_client_with_tls_that_does_not_read_loses_nothing(tls, ca):
    """What could not be written is tried again, from another place in memory."""
    data, sent = random.Random(3).randbytes(16 << 20), []

    def send(_upstream, s):
        for i in range(0, len(data), 4096):
            s.sendall(data[i:i + 4096])
            sent.append(1)
    u = Upstream(send)
    t = tls(to=u)
    with connect(t, client(ca)) as s:
        wait_for("the relay to be full", stuck(lambda: len(sent)))
        assert read_all(s) == data
    t.wait_no_streams()
    u.close()


def test_an_upstream_with_tls_that_does_not_read_loses_nothing(gateway, tmp_path):
    data, go = random.Random(4).randbytes(16 << 20), threading.Event()

    def digest(_upstream, s):
        go.wait(PATIENCE_S)
        s.sendall(hashlib.sha256(read_all(s)).hexdigest().encode())
    authority = Authority(tmp_path)
    u = Upstream(over_tls(digest, server_context(*authority.make("up", "DNS:up.example")), []))
    t = Tcp(gateway, u.address, service={"tls": {"serverName": "up.example", "ca": str(authority.ca)}})
    with t.connect() as s:
        sent = []

        def send():
            for i in range(0, len(data), 4096):
                s.sendall(data[i:i + 4096])
                sent.append(1)
            s.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        wait_for("the relay to be full", stuck(lambda: len(sent)))
        go.set()
        assert read_all(s) == hashlib.sha256(data).hexdigest().encode()
        sender.join()
    t.wait_no_streams()
    u.close()
