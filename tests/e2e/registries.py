"""Registries: Debian's docker-registry, and one that lies, stalls and falls over when told to."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import subprocess
import tarfile
import threading
import urllib.parse

from conftest import WEIR, free_port, wait_for

WASM_LAYER = "application/vnd.module.wasm.content.layer.v1+wasm"
TAR_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer_of(module, name="plugin.wasm"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, data in (("README.md", b"read me"), (name, module)):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue())


class Fake:
    """A registry with one repository, x/y, over plain HTTP.  Attributes may change while it runs."""

    def __init__(self):
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.blobs, self.manifests, self.asked, self.forms = {}, {}, [], []
        self.override = {}      # start of a path: function(handler), which answers in another way
        self.token = None       # wanted as a bearer; /token gives it
        self.tls = None         # an ssl.SSLContext
        self.identity = None    # what /token wants as a refresh token instead of a login
        self.login = None       # "user:password", which /token or every request wants
        self.server = None

    def start(self):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body=b"", headers=(), length=None):
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                self.form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                self.do_GET()

            def do_GET(self):
                fake.asked.append((self.path, self.headers.get("Authorization")))
                for start, act in fake.override.items():
                    if self.path.startswith(start):
                        act(self)
                        return
                fake.answer(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def may(self, h, scheme, secret):
        return secret is None or h.headers.get("Authorization") == f"{scheme} {secret}"

    def answer(self, h):
        login = None if self.login is None else base64.b64encode(self.login.encode()).decode()
        if h.path.startswith("/token"):
            if self.identity is not None:
                form = dict(urllib.parse.parse_qsl(getattr(h, "form", "")))
                may = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == self.identity
                h.reply(200 if may else 401, json.dumps({"access_token": self.token} if may else {}).encode())
                self.forms.append(form)
            elif not self.may(h, "Basic", login):
                h.reply(401)
            else:
                h.reply(200, json.dumps({"token": self.token}).encode())
            return
        if self.token is not None and not self.may(h, "Bearer", self.token):
            h.reply(401, headers={"WWW-Authenticate":
                                  f'Bearer realm="{"http" if self.tls is None else "https"}://{self.host}/token",service="fake",scope="repository:x/y:pull"'})
            return
        if self.token is None and not self.may(h, "Basic", login):
            h.reply(401, headers={"WWW-Authenticate": 'Basic realm="fake"'})
            return
        kind, _, name = h.path.removeprefix("/v2/x/y/").partition("/")
        table = {"manifests": self.manifests, "blobs": self.blobs}.get(kind, {})
        if name in table:
            h.reply(200, table[name], {"Content-Type": "application/octet-stream"})
        else:
            h.reply(404, json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN"}]}).encode())

    def put(self, tag, layers, media=OCI_MANIFEST):
        """Layers are (mediaType, bytes)."""
        for _, data in layers:
            self.blobs[digest(data)] = data
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": media,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2},
            "layers": [{"mediaType": t, "digest": digest(d), "size": len(d)} for t, d in layers]}).encode()
        self.manifests[tag] = self.manifests[digest(manifest)] = manifest
        return digest(manifest)

    def url(self, rest=":1"):
        return f"oci://{self.host}/x/y{rest}"


class DockerRegistry:
    def __init__(self, folder, htpasswd=None, tls=None):
        """`tls`: files of a certificate and its key."""
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        config = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                  "http": {"addr": self.host}, "log": {"level": "error"}}
        if tls is not None:
            config["http"]["tls"] = {"certificate": tls[0], "key": tls[1]}
        if htpasswd is not None:
            (folder / "htpasswd").write_text(htpasswd)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
        (folder / "registry.yml").write_text(json.dumps(config))
        self.command = ["docker-registry", "serve", str(folder / "registry.yml")]
        self.log = open(folder / "registry.log", "ab")
        self.start()

    def start(self):
        from test_sources import accepts
        self.child = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        wait_for("docker-registry", lambda: accepts(self.port))

    def stop(self):
        self.child.terminate()
        self.child.wait()


def weir(*args, env=None, stdin=None):
    return subprocess.run([WEIR, *args], capture_output=True, text=True, timeout=60, check=False, env=env, input=stdin)
