"""HTTPS listeners: certificates are data of the generation, chosen by the name a client asks for, and change under load."""
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from certificates import Authority
from conftest import GUESTS, PATIENCE_S, WEIR, free_port, wait_for

PROBE = "file:" + os.path.join(GUESTS, "host/probe-0_2_100.wasm")


@pytest.fixture(name="ca", scope="module")
def fixture_ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


def config(echo, certificates, **listener):
    return {"listeners": [{"address": f"127.0.0.1:{free_port()}", "protocol": "https", **listener}],
            "certificates": certificates,
            "services": [{"name": "echo", "endpoints": [echo.address]}],
            "routes": [{"name": "all", "service": "echo"}]}


def entry(pair, **more):
    return {"certificate": pair[0], "key": pair[1], **more}


def client(ca, cert=None, alpn=None):
    context = ssl.create_default_context(cafile=ca.ca)
    if cert:
        context.load_cert_chain(*cert)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def handshake(port, context, name, session=None):
    raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    try:
        return context.wrap_socket(raw, server_hostname=name, session=session)
    except Exception:
        raw.close()
        raise


def ask(s, path="/"):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode())
    r = http.client.HTTPResponse(s)
    r.begin()
    return r.status, r.read()


def anyone(check_hostname=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.verify_mode = ssl.CERT_NONE
    return context


def shown(port, name):
    """The common name of the certificate a client gets, or the alert."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *(["-servername", name] if name else ["-noservername"])],
                          input="", capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    found = re.search(r"subject=CN = (\S+)", done.stdout)
    return found.group(1) if found else re.search(r"tlsv1 (unrecognized name)|$", done.stderr).group(1)


def rewrite(gw, change):
    with open(gw.config, encoding="utf-8") as f:
        model = json.load(f)
    change(model)
    with open(gw.config + ".new", "w", encoding="utf-8") as f:
        json.dump(model, f)
    os.replace(gw.config + ".new", gw.config)


def apply(gw):
    return subprocess.run([WEIR, "apply", "--state", gw.state], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_names(gateway, echo, ca):
    exact, wild, default = ca.make("exact", "DNS:shop.example"), ca.make("wild", "DNS:*.shop.example"), ca.make("default", "IP:127.0.0.1")
    gw = gateway(config(echo, [entry(exact), entry(wild), entry(default, default=True)]))
    for name, expected in {"shop.example": "exact", "SHOP.example": "exact", "a.shop.example": "wild", "a.b.shop.example": "wild",
                           "other.example": "default", None: "default"}.items():
        assert shown(gw.port, name) == expected, name
    with handshake(gw.port, client(ca), "a.shop.example") as s:
        status, body = ask(s)
        assert status == 200
        assert ["x-forwarded-proto", "https"] in [[k.lower(), v] for k, v in json.loads(body)["headers"]]


def test_a_name_without_a_certificate_is_refused(gateway, echo, ca):
    gw = gateway(config(echo, [entry(ca.make("only", "DNS:shop.example"))]))
    assert shown(gw.port, "other.example") == "unrecognized name"
    assert shown(gw.port, None) == "unrecognized name"
    assert shown(gw.port, "shop.example") == "only"


def test_hosts_take_the_place_of_the_certificates_names(gateway, echo, ca):
    gw = gateway(config(echo, [entry(ca.make("moved", "DNS:old.example"), hosts=["new.example"])]))
    assert shown(gw.port, "new.example") == "moved"
    assert shown(gw.port, "old.example") == "unrecognized name"
    assert re.search(r"gateway\.yaml:\d+: certificates\[0\]\.hosts\[0\]: warning: the certificate is not made for new\.example", gw.output())
    assert gw.output().count("not made for") == 1


def test_keys_of_two_kinds(gateway, echo, ca):
    ec, rsa = ca.make("ec", "DNS:shop.example"), ca.make("rsa", "DNS:shop.example", key="rsa:2048")
    gw = gateway(config(echo, [entry(ec), entry(rsa)]))

    def with_(algorithm):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gw.port}", "-servername", "shop.example", "-tls1_2", "-cipher", algorithm],
                              input="", capture_output=True, text=True, timeout=PATIENCE_S, check=False).stdout
    assert "subject=CN = ec\n" in with_("ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "subject=CN = rsa\n" in with_("ECDHE-RSA-AES128-GCM-SHA256")


@pytest.mark.parametrize("http2", [True, False])
def test_protocols(gateway, echo, ca, http2):
    gw = gateway(config(echo, [entry(ca.make("one", "DNS:shop.example"))], http2=http2))
    for offered, expected in ((["h2", "http/1.1"], "h2" if http2 else "http/1.1"), (["http/1.1"], "http/1.1"), (None, None)):
        with handshake(gw.port, client(ca, alpn=offered), "shop.example") as s:
            assert s.selected_alpn_protocol() == expected
    done = subprocess.run(["curl", "-sS", "--http2", "--cacert", ca.ca, "--resolve", f"shop.example:{gw.port}:127.0.0.1", "-w", "%{http_version}",
                           "-o", os.devnull, f"https://shop.example:{gw.port}/x"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.stdout, done.stderr) == ("2" if http2 else "1.1", "")


def test_clear_text_at_an_https_port_is_answered(gateway, echo, ca):
    gw = gateway(config(echo, [entry(ca.make("one", "DNS:shop.example"))]))
    assert gw.raw(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_the_oldest_version(gateway, echo, ca):
    gw = gateway(config(echo, [entry(ca.make("one", "DNS:shop.example"))]))
    old = client(ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with handshake(gw.port, old, "shop.example") as s:
        assert s.version() == "TLSv1.2"
    workers = gw.workers()
    rewrite(gw, lambda m: m["listeners"][0].update(tls={"minVersion": "TLSv1.3"}))
    assert apply(gw).returncode == 0
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        handshake(gw.port, old, "shop.example")
    with handshake(gw.port, client(ca), "shop.example") as s:
        assert s.version() == "TLSv1.3"
    assert gw.workers() == workers


class TestClientCertificates:
    @pytest.fixture(name="clients", scope="class")
    def fixture_clients(self, tmp_path_factory):
        return Authority(tmp_path_factory.mktemp("clients"), "clients")

    def gw(self, gateway, echo, ca, clients, required):
        c = config(echo, [entry(ca.make("one", "DNS:shop.example"))], tls={"clientCertificate": {"ca": clients.ca, "required": required}})
        c["plugins"] = [{"name": "probe", "url": PROBE, "defaultConfig": {}}]
        return gateway(c)

    def status(self, gw, context):
        with handshake(gw.port, context, "shop.example") as s:
            return ask(s)[0]

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_required(self, gateway, echo, ca, clients, version):
        gw = self.gw(gateway, echo, ca, clients, True)
        contexts = [client(ca, clients.make("ann", "DNS:ann")), client(ca), client(ca, ca.make("stranger", "DNS:ann"))]
        for context in contexts:
            context.maximum_version = version
        assert self.status(gw, contexts[0]) == 200
        for context in contexts[1:]:
            with pytest.raises((ssl.SSLError, ConnectionResetError, http.client.HTTPException)):
                self.status(gw, context)
    
    def test_optional(self, gateway, echo, ca, clients):
        gw = self.gw(gateway, echo, ca, clients, False)
        assert self.status(gw, client(ca)) == 200
        assert self.status(gw, client(ca, clients.make("bob", "DNS:bob"))) == 200
        with pytest.raises((ssl.SSLError, ConnectionResetError, http.client.HTTPException)):
            self.status(gw, client(ca, ca.make("stranger", "DNS:ann")))

    def test_plugins_see_it(self, gateway, echo, ca, clients):
        gw = self.gw(gateway, echo, ca, clients, False)
        script = "prop connection~tls_version;prop connection~requested_server_name;prop request~scheme;prophex connection~mtls"
        for context, mtls in ((client(ca), "00"), (client(ca, clients.make("ann", "DNS:ann")), "01")):
            with handshake(gw.port, context, "shop.example") as s:
                s.sendall(f"GET / HTTP/1.1\r\nHost: other.example\r\nx-request: {script}\r\nConnection: close\r\n\r\n".encode())
                while s.recv(65536):
                    pass
            gw.wait_log(f"prophex connection~mtls = 0 {mtls}")
        for line in ("connection~tls_version = 0 TLSv1.3", "connection~requested_server_name = 0 shop.example", "request~scheme = 0 https"):
            assert gw.error_log.count(f"prop {line}") == 2, line

    def test_plugins_see_certificates(self, gateway, echo, ca, clients):
        """What the client showed and what it was shown, also on a connection that resumes a session; without one, without TLS."""
        gw = self.gw(gateway, echo, ca, clients, False)
        gw.allowed = []
        names = ["subject_peer_certificate", "dns_san_peer_certificate", "uri_san_peer_certificate", "sha256_peer_certificate_digest",
                 "subject_local_certificate", "dns_san_local_certificate", "uri_san_local_certificate"]
        ann = clients.make("ann", "IP:127.0.0.1,DNS:ann.example,DNS:other.example,URI:spiffe://example/ann,URI:spiffe://example/other")
        plain = clients.make("bob", "IP:127.0.0.1")
        digest = subprocess.run(["openssl", "x509", "-in", ann[0], "-outform", "DER"], capture_output=True, check=True).stdout
        digest = hashlib.sha256(digest).hexdigest()
        own = ["= 0 CN=one", "= 0 shop.example", "= 1"]
        expected = {"ann": ["= 0 CN=ann", "= 0 ann.example", "= 0 spiffe://example/ann", "= 0 " + digest, *own],
                    "bob": ["= 0 CN=bob", "= 1", "= 1", "= 0 ", *own], "nobody": ["= 0", "= 1", "= 1", "= 0", *own]}
        contexts = {"ann": client(ca, ann), "bob": client(ca, plain), "nobody": client(ca)}
        contexts["ann"].maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for who in ("ann", "ann", "bob", "nobody"):
            before = len(gw.error_log)
            with handshake(gw.port, contexts[who], "shop.example", session) as s:
                assert s.session_reused == (session is not None)
                script = ";".join("prop connection~" + name for name in names) + ";log 4 done"
                s.sendall(f"GET / HTTP/1.1\r\nHost: h\r\nx-request: {script}\r\nConnection: close\r\n\r\n".encode())
                while s.recv(65536):
                    pass
                session = s.session if session is None and who == "ann" else None
            wait_for("the plugin's lines", lambda before=before: "log 4 done" in gw.error_log[before:])
            for name, value in zip(names, expected[who]):
                assert f"prop connection~{name} {value}" in gw.error_log[before:], (who, name, value)

    def test_a_session_from_before_does_not_get_around_it(self, gateway, echo, ca, clients):
        gw = gateway(config(echo, [entry(ca.make("one", "DNS:shop.example"))]))
        context = client(ca)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with handshake(gw.port, context, "shop.example") as s:
            session = s.session
        with handshake(gw.port, context, "shop.example", session) as s:
            assert s.session_reused
        rewrite(gw, lambda m: m["listeners"][0].update(tls={"clientCertificate": {"ca": clients.ca}}))
        assert apply(gw).returncode == 0
        with pytest.raises(ssl.SSLError):
            handshake(gw.port, context, "shop.example", session)


def test_a_session_is_resumed_in_every_worker_until_the_certificate_changes(gateway, echo, ca):
    gw = gateway(config(echo, [entry(ca.make("first", "DNS:shop.example"))]), "--workers", "3")
    context = client(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with handshake(gw.port, context, "shop.example") as s:
        session = s.session
    for _ in range(20):
        with handshake(gw.port, context, "shop.example", session) as s:
            assert s.session_reused
    second = ca.make("second", "DNS:shop.example")
    rewrite(gw, lambda m: m.update(certificates=[entry(second)]))
    assert apply(gw).returncode == 0
    for _ in range(20):
        with handshake(gw.port, context, "shop.example", session) as s:
            assert not s.session_reused
            assert s.getpeercert()["subject"] == ((("commonName", "second"),),)


def test_certificates_change_under_load(gateway, echo, ca):
    pairs = [ca.make(f"swap{i}", "DNS:shop.example", key=k) for i, k in enumerate(("ec", "rsa:2048"))]
    gw = gateway(config(echo, [entry(pairs[0])]), "--workers", "2")
    workers = wait_for("both workers", lambda: len(found := gw.workers()) == 2 and found)
    stop, failed, done, seen = threading.Event(), [], [], set()

    def load(kept):
        s = None
        while not stop.is_set():
            try:
                if s is None:
                    s = handshake(gw.port, client(ca), "shop.example")
                    seen.add(s.getpeercert()["subject"][0][0][1])
                status, _ = ask(s)
                assert status == 200
                done.append(1)
                if not kept:
                    s.close()
                    s = None
            except Exception as e:  # pylint: disable=broad-exception-caught
                failed.append(repr(e))
                s = None
        if s:
            s.close()

    threads = [threading.Thread(target=load, args=(i < 2,)) for i in range(6)]
    for t in threads:
        t.start()
    for i in range(20):
        before = len(done)
        rewrite(gw, lambda m, i=i: m.update(certificates=[entry(pairs[(i + 1) % 2])]))
        answer = apply(gw)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert shown(gw.port, "shop.example") == f"swap{(i + 1) % 2}"
        wait_for("requests", lambda before=before: len(done) > before + 5)
    stop.set()
    for t in threads:
        t.join()
    assert not failed
    assert seen == {"swap0", "swap1"}
    assert gw.workers() == workers
    assert "signal 1 (SIGHUP)" not in gw.error_log


def test_a_broken_certificate_keeps_the_old_one(gateway, echo, ca, tmp_path):
    gw = gateway(config(echo, [entry(ca.make("good", "DNS:shop.example"))]))
    other = ca.make("other", "DNS:shop.example")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="ascii")
    for pair, field, why in ((("/nowhere.pem", other[1]), "certificate", "cannot be read"), ((str(broken), other[1]), "certificate", "number 1 is damaged"),
                             ((other[0], ca.make("third", "DNS:a")[1]), "key", "is not the key of the first certificate")):
        rewrite(gw, lambda m, pair=pair: m.update(certificates=[entry(pair)]))
        answer = apply(gw)
        assert answer.returncode != 0
        assert re.search(rf"gateway\.yaml:\d+: certificates\[0\]\.{field}: .*{why}", answer.stdout + answer.stderr)
        assert shown(gw.port, "shop.example") == "good"


def swap_files(folder, pair):
    """As certbot does: a new file takes the name of the old one."""
    for source, name in zip(pair, ("tls.crt", "tls.key")):
        shutil.copy(source, folder / ".new")
        os.replace(folder / ".new", folder / name)


def swap_links(folder, pair):
    """As Kubernetes does: one link leads to another folder."""
    number = len(list(folder.glob("..[0-9]*")))
    data = folder / f"..{number}"
    data.mkdir()
    for source, name in zip(pair, ("tls.crt", "tls.key")):
        shutil.copy(source, data / name)
        if number == 0:
            (folder / name).symlink_to("..data/" + name)
    (folder / "..tmp").symlink_to(data.name)
    os.replace(folder / "..tmp", folder / "..data")


@pytest.mark.parametrize("swap", [swap_files, swap_links])
def test_a_renewed_certificate_is_taken(gateway, echo, ca, tmp_path, swap):
    """Nobody touches the configuration. What is broken keeps the one before in force, and is looked at again."""
    swap(tmp_path, ca.make("first", "DNS:shop.example"))
    gw = gateway(config(echo, [entry((str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")))]), "--workers", "1")
    assert shown(gw.port, "shop.example") == "first"
    swap(tmp_path, ca.make("second", "DNS:shop.example"))
    wait_for("the renewed certificate", lambda: shown(gw.port, "shop.example") == "second")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="ascii")
    swap(tmp_path, (str(broken), ca.make("third", "DNS:shop.example")[1]))
    wait_for("what is wrong", lambda: "number 1 is damaged" in gw.output() and "stays in force" in gw.output())
    assert shown(gw.port, "shop.example") == "second"
    swap(tmp_path, ca.make("fourth", "DNS:shop.example"))
    wait_for("the one after", lambda: shown(gw.port, "shop.example") == "fourth")


def test_a_certificate_that_came_late_is_taken(gateway, echo, ca, tmp_path):
    """A change names a file that is not there yet: it is refused, and comes into force when the file does."""
    gw = gateway(config(echo, [entry(ca.make("early", "DNS:shop.example"))]), "--workers", "1")
    late = (str(tmp_path / "late.pem"), str(tmp_path / "late.key"))
    rewrite(gw, lambda m: m.update(certificates=[entry(late)]))
    wait_for("the refusal", lambda: "stays in force" in gw.output())
    swap = ca.make("late", "DNS:shop.example")
    shutil.copy(swap[1], late[1])
    shutil.copy(swap[0], late[0])
    wait_for("the late certificate", lambda: shown(gw.port, "shop.example") == "late")


def test_an_old_certificate_is_said_to_be_old(gateway, echo, ca):
    gw = gateway(config(echo, [entry(ca.make("old", "DNS:shop.example", days=-1))]))
    assert re.search(r"certificates\[0\]\.certificate: warning: expired on \d{4}-\d\d-\d\d .* UTC; clients refuse it", gw.output())
    assert shown(gw.port, "shop.example") == "old"


def test_keys_are_not_for_others(gateway, echo, ca):
    gw = gateway(config(echo, [entry(ca.make("one", "DNS:shop.example"))]))
    for name in os.listdir(gw.state):
        path = os.path.join(gw.state, name)
        if os.path.isfile(path) and "BEGIN" in gw.read(name):
            assert name == "current" or name.startswith("generation-") and os.stat(path).st_mode & 0o007 == 0


def test_sockets_change_with_their_certificates(gateway, echo, ca):
    """From clear text to TLS on one port, and back: nginx is reloaded, and ends up with what is written."""
    gw = gateway({**config(echo, []), "listeners": [f"127.0.0.1:{free_port()}"]})
    assert gw.send("/").status == 200
    pair = ca.make("late", "DNS:shop.example")
    rewrite(gw, lambda m: m.update(listeners=[{"address": f"127.0.0.1:{gw.port}", "protocol": "https"}], certificates=[entry(pair)]))
    assert apply(gw).returncode == 0
    assert shown(gw.port, "shop.example") == "late"
    rewrite(gw, lambda m: m.update(listeners=[f"127.0.0.1:{gw.port}"], certificates=[]))
    assert apply(gw).returncode == 0
    assert gw.send("/").status == 200


def test_what_is_wrong_is_said(echo, ca, tmp_path):
    one, two, address = ca.make("one", "DNS:shop.example,DNS:*.shop.example"), ca.make("two", "DNS:*.shop.example"), ca.make("address", "IP:127.0.0.1")
    cases = [
        ({"certificates": []}, r"listeners\[0\]: https needs a certificate"),
        ({"certificates": [entry(one), entry(two)]}, r"certificates\[1\]: \*\.shop\.example has a certificate with such a key already, at .*:\d+"),
        ({"certificates": [entry(one, default=True), entry(address, default=True)]}, r"certificates\[1\]: the default has a certificate"),
        ({"certificates": [entry(one, name="n"), entry(address, default=True, name="n")]}, r"certificates\[1\]: the name 'n' is taken"),
        ({"certificates": [entry(address)]}, r"certificates\[0\]: the certificate is made for no DNS name; give hosts"),
        ({"certificates": [entry(one, hosts=["*"])]}, r"certificates\[0\]\.hosts\[0\]: for every name there is `default: true`"),
        ({"listeners": [{"address": "127.0.0.1:1", "tls": {}}]}, r"listeners\[0\]\.tls: is only for protocol: https"),
        ({"listeners": [{"address": "127.0.0.1:1", "protocol": "https", "tls": {"clientCertificate": {}}}]}, r"clientCertificate\.ca: is missing"),
        ({"certificates": [entry(one), entry(address, default=True), entry(two, hosts=["a.example"])]}, None),
    ]
    for change, expected in cases:
        path = tmp_path / "gateway.yaml"
        path.write_text(json.dumps({**config(echo, [entry(one)]), **change}), encoding="utf-8")
        done = subprocess.run([WEIR, "check", "-c", str(path)], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == (expected is not None), done.stdout
        assert expected is None or re.search(expected, done.stdout), done.stdout
