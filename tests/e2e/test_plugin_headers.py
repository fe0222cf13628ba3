"""Headers of any shape at each plugin through the real gateway: an answer, never a trap.

WEIR_FUZZ_SECONDS is how long for each plugin (default 2); 60 is a minute for each.  Bytes are seeded, so a run repeats."""
import os
import random
import time

import pytest

from conftest import ROOT

SECONDS = float(os.environ.get("WEIR_FUZZ_SECONDS", "2"))
TOKEN = ("eyJhbGciOiJIUzI1NiIsInR5cCI6ImFwcGxpY2F0aW9uL2F0K2p3dCJ9.eyJzdWIiOiJhIiwiZXhwIjoxfQ."
         "LsZ6mlRxlaqWa0IAZgmGVuDgypRbctkTcOyoCxqLrHY")
# name: configuration, headers it reads with a value to begin from, paths
PLUGINS = {
    "key-auth": ({"consumers": [{"name": "a", "credential": "k"}], "keys": ["x-api-key"]},
                 {"x-api-key": "k", "x-hi-original-auth": "k"}, ["/?x-api-key=%6b", "/"]),
    "oauth": ({"consumers": [{"name": "a", "client_id": "c", "client_secret": "s"}]},
              {"authorization": "Bearer " + TOKEN, "content-type": "application/x-www-form-urlencoded"},
              ["/", "/oauth2/token?grant_type=client_credentials&client_id=c&client_secret=s"]),
    "hmac-auth": ({"consumers": [{"name": "a", "key": "k", "secret": "s"}], "date_offset": 60},
                  {"x-ca-key": "k", "x-ca-signature": "AAAA", "x-ca-signature-headers": "x-ca-key,date", "x-ca-signature-method": "HmacSHA1",
                   "date": "Sun, 06 Nov 1994 08:49:37 GMT", "x-ca-timestamp": "1525872629832", "content-md5": "XUFAKrxLKna5cZ2REBfFkg==",
                   "content-type": "application/x-www-form-urlencoded"}, ["/?a=%31&b", "/"]),
}


def mutate(rng, value):
    """Some bytes changed, repeated, cut or put in; none that ends a line."""
    data = bytearray(value.encode("latin-1"))
    for _ in range(rng.randrange(6)):
        at = rng.randrange(len(data) + 1)
        how = rng.randrange(4)
        if how == 0:
            data[at:at + 1] = bytes([rng.choice([rng.randrange(33, 256), 0x2e, 0x25, 0x3d, 0x26, 0x2c])])
        elif how == 1:
            data[at:at] = data[:at][:200] * rng.randrange(3)
        elif how == 2:
            del data[at:at + rng.randrange(8)]
        else:
            data[at:at] = bytes(rng.randrange(33, 256) for _ in range(rng.randrange(20)))
    return bytes(data[:4000])


def request(rng, headers, paths):
    body = mutate(rng, "grant_type=client_credentials&client_id=c&a=%31") if rng.random() < 0.5 else b""
    path = mutate(rng, rng.choice(paths)[1:]).replace(b" ", b"")
    lines = [b"%s /%s HTTP/1.1" % (b"POST" if body else b"GET", path.replace(b"#", b"")), b"Host: a.example", b"Content-Length: %d" % len(body)]
    lines += [name.encode() + b": " + mutate(rng, value) for name, value in headers.items() if rng.random() < 0.8]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def ask(connection, data):
    """The status, 0 if the connection ended, and whether it can be used again."""
    connection.sendall(data)
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            return 0, False
        head += part
    top, rest = head.split(b"\r\n\r\n", 1)
    lengths = [int(line.split(b":")[1]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(rest) < lengths[0]:
        rest += connection.recv(65536)
    return int(head.split()[1]), bool(lengths) and b"connection: close" not in top.lower()


@pytest.mark.parametrize("name", PLUGINS)
def test_headers_of_any_shape(gateways, echo, name):
    config, headers, paths = PLUGINS[name]
    gw = gateways({"services": [{"name": "echo", "endpoints": [echo.address]}],
                   "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
                   "plugins": [{"name": name, "url": f"file:{ROOT}/build/plugins/{name}.wasm", "failStrategy": "FAIL_CLOSE",
                                "defaultConfig": config}]})
    rng, seen, end, connection = random.Random(name), {}, time.monotonic() + SECONDS, None
    while time.monotonic() < end:
        connection = connection or gw.connect()
        try:
            status, usable = ask(connection, request(rng, headers, paths))
        except ConnectionError:
            status, usable = 0, False
        seen[status] = seen.get(status, 0) + 1
        if not usable:
            connection.close()
            connection = None
    assert set(seen) <= {0, 200, 400, 401, 403, 413, 414}, seen
    assert sum(seen.values()) > 50 and seen.get(401, 0) + seen.get(400, 0) > 0, seen
    assert "trap" not in gw.output() and gw.send("/").status == 401
