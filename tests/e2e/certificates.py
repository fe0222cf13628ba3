"""Certificates for tests, made by openssl: an authority, and what it signed."""
import os
import ssl
import subprocess


class Authority:
    """`ca`: the authority's certificate; make(...) signs others.  All are files in `folder`."""

    def __init__(self, folder, name="authority"):
        self.folder, self.name = str(folder), name
        self.ca, self.ca_key = self.path(name + ".pem"), self.path(name + ".key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                     "-keyout", self.ca_key, "-out", self.ca)

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *args, text=None):
        done = subprocess.run(["openssl", *args], input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, name, alt, days=2, key="ec"):
        """(certificate, key) with these subjectAltNames, like "DNS:a.example,IP:127.0.0.1"; kind: "ec" or "rsa:2048"."""
        kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else [key]
        cert, key, request, extensions = (self.path(f"{self.name}-{name}{e}") for e in (".pem", ".key", ".csr", ".ext"))
        self.openssl("req", "-newkey", *kind, "-nodes", "-subj", "/CN=" + name, "-keyout", key, "-out", request)
        with open(extensions, "w", encoding="ascii") as f:
            f.write("subjectAltName=" + alt + "\n")
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days", str(days),
                     "-extfile", extensions, "-out", cert)
        return cert, key


def server_context(cert, key, client_ca=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def over_tls(serve, context, seen=None):
    """serve(upstream, socket) behind a handshake; `seen` gets what each handshake said."""
    names = {}

    def on_name(s, name, _context):
        names[id(s)] = name

    context.sni_callback = on_name

    def wrapped(upstream, s):
        with context.wrap_socket(s, server_side=True) as tls:
            if seen is not None:
                subject = dict(pair for part in (tls.getpeercert() or {}).get("subject", ()) for pair in part)
                seen.append({"name": names.get(id(tls)), "alpn": tls.selected_alpn_protocol(), "reused": tls.session_reused,
                             "version": tls.version(), "client": subject.get("commonName")})
            serve(upstream, tls)
    return wrapped
