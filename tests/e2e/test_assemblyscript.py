"""Plugins on somebody else's SDK (tests/guests/assemblyscript, ABI 0.2.0) through a real nginx."""
import http.server
import os
import subprocess
import threading

import pytest

from conftest import GUESTS, make, wait_for


def module(name):
    """The URL of as-NAME.wasm."""
    ok, why = make("build/guests/assemblyscript/.installed")
    if not ok:
        pytest.skip("npm cannot install AssemblyScript here: " + why[-200:])
    ok, why = make(f"build/guests/as-{name}.wasm")
    assert ok, why
    return "file:" + os.path.join(GUESTS, f"as-{name}.wasm")


@pytest.fixture(name="serve")
def fixture_serve(gateway, echo):
    def serve(name, config, *options, upstream=None):
        """`upstream`: a service that is the upstream, too, instead of the echo."""
        return gateway({"services": [{"name": "echo", "endpoints": [echo.address]}] +
                                    ([{"name": "own", "endpoints": [upstream]}] if upstream else []),
                        "routes": [{"name": "mirror", "match": {"path": {"prefix": "/mirror"}}, "service": "own" if upstream else "echo"},
                                   {"name": "rest", "match": {}, "service": "echo"}],
                        "plugins": [{"name": name, "url": module(name), "defaultConfig": config}]}, *options)
    return serve


@pytest.fixture(name="own")
def fixture_own():
    """A service that knows one token, and sends bodies back."""
    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("x-user", "alice")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.answer(200 if self.headers.get("x-token") == "good" and self.path == "/check" else 401, b"checked")

        def do_POST(self):
            self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_headers(serve):
    g = serve("headers", {"hello": 1})
    for _ in range(100):
        response = g.send()
        assert response.status == 200
        assert (response.seen_header("x-as-request"), response.header("x-as-response")) == ('{"hello":1}', '{"hello":1}')
        response = g.send(headers=[("X-Block", "me")])
        assert (response.status, response.text, response.header("x-as")) == (403, "blocked: me", "blocked")
        assert response.header("x-as-response") == '{"hello":1}', "the answer passes the plugin's response callback"


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2-prior-knowledge"])
def test_body(serve, own, protocol, tmp_path):
    g = serve("body", {"before": 1}, upstream=own)
    body = b"to upper case " * 10_000
    (tmp_path / "body").write_bytes(body)
    done = subprocess.run(["curl", "-s", protocol, "--data-binary", f"@{tmp_path}/body", f"http://127.0.0.1:{g.port}/mirror"],
                          capture_output=True, timeout=60, check=True)
    assert done.stdout == b'{"before":1}' + body.upper()


def test_callout(serve, own):
    g = serve("callout", {"service": "own"}, upstream=own)
    for _ in range(20):
        response = g.send(headers=[("X-Token", "good")])
        assert response.status == 200
        assert (response.seen_header("x-user"), response.seen_header("x-check")) == ("alice", "checked")
        response = g.send(headers=[("X-Token", "bad")])
        assert (response.status, response.text) == (403, "refused")


def test_shared_data(serve):
    g = serve("shared", {"key": "as-hits"}, "--workers", "2")
    hits = sorted(int(g.send().header("x-hits")) for _ in range(50))
    assert hits == list(range(1, 51)), "workers count together"


def test_tick(serve):
    g = serve("tick", {"period_ms": 20})
    wait_for("ticks", lambda: int(g.send().seen_header("x-ticks")) >= 3)
