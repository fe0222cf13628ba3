"""The scenarios of tests/conformance through a real nginx, over HTTP/1.1 and HTTP/2."""
import os
import re
import select
import subprocess
import sys

import pytest

from conftest import GUESTS, PATIENCE_S
from upstreams import Upstream, ok, read_exactly, read_head

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../conformance"))
from rows import PROBE, ROWS, TWICE  # noqa: E402 (the path comes first)

MODULES = sorted({row.guest for row in ROWS.values()})


def serve(_upstream, s):
    while head := read_head(s):
        length = re.search(rb"content-length: (\d+)", head, re.I)
        read_exactly(s, int(length.group(1)) if length else 0)
        s.sendall(ok(b"answer"))


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways):
    upstream = Upstream(serve)
    g = gateways({"services": [{"name": "echo", "endpoints": [upstream.address]}],
                  "routes": [{"name": route(m), "match": {"path": {"prefix": "/c/" + m}}, "service": "echo"} for m in MODULES],
                  "plugins": [{"name": name, "url": "file:" + os.path.join(GUESTS, f"host/{m}.wasm"),
                               "matchRules": [{"route": [route(m)], "config": {"configure: conf": 1}}]}
                              for m in MODULES for name in ([m, m + ".2"] if m == TWICE else [m])]},
                 "--workers", "1", "--plugin-log-level", "trace")
    yield g
    upstream.close()


def route(module):
    return "a-route" if module == PROBE else module


def plugin_lines(text, plugin):
    return re.findall(rf"\[weir\] plugin {re.escape(plugin)}(?:\.2)?: (.*?)(?: while [a-z ]+)?(?:, client: .*)?$", text, re.M)


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if not row.nginx])
def test_row(gw, name, protocol):
    row = ROWS[name]
    before = len(gw.error_log)

    def send():
        done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_S), protocol, "-o", "/dev/null", "-w", "%{http_code} %{http_version}",
                               f"http://127.0.0.1:{gw.port}/c/{row.guest}?q=1", "-d", "hello", "-A", "agent", "-e", "http://from.example/",
                               "-H", "x-request-id: rid", *[arg for k, v in row.scripts.items() for arg in ("-H", f"x-{k}: {v}")]],
                              capture_output=True, text=True, check=False)
        version = "1.1" if "1.1" in protocol else "2"
        assert re.fullmatch(rf"[245]\d\d {version}|000 .*", done.stdout), done.stdout

    def problem():
        try:
            row.check(plugin_lines(gw.error_log[0 if row.start else before:], row.guest))
            return None
        except AssertionError as e:
            return e

    send()
    for _ in range(20):     # a plugin that trapped is not started again at once
        if problem() is None:
            return
        select.select([], [], [], 0.1)
        if row.guest == "abort":
            send()
    raise problem()
