#!/usr/bin/python3
"""Requests with mutated headers through a real gateway, at one plugin after the other.

  [WEIR_BUILD=build/san] header_fuzz.py [--seconds 60] [--seed N] [PLUGIN ...]

Whatever a client sends, a plugin answers or lets pass: exits 1 if an answer is a 5xx that the plugin does not give
itself, if the log tells of a trap, or if a worker was replaced.  A run prints its seed, and a failure the request; the
same seed sends the same requests.

What a plugin is fuzzed with is its dictionary.  The requests of plugins/NAME/tests/cases.json are where mutation starts,
and their names and values are the words it puts in; the configuration is that of plugins/NAME/bench.json.
plugins/NAME/fuzz.json may say more:
  config    instead of bench.json's
  requests  more to start from, as `weir try` takes them
  values    more words
  services  of the gateway, next to `echo`, for plugins that call some
  statuses  5xx that the plugin gives by itself
"""
import argparse
import glob
import http.client
import json
import os
import random
import re
import socket
import sys
import tempfile
import time

import conftest
from conftest import ROOT

# Every byte that may stand in a header's value; the others end a header or a request, which is nginx's business.
BYTES = bytes(b for b in range(256) if b not in (0, 10, 13))
MAX_HEAD = 12000  # beyond it nginx answers by itself
MAX_VALUE = 4000
METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH"]
FRAMING = {"content-length", "transfer-encoding", "connection", "expect", "upgrade", "host"}
WORDS = [b"", b" ", b"\t", b"=", b";", b",", b"&", b"?", b"%", b"%00", b"%2", b"%ff", b"+", b'"', b"\\", b":", b".", b"..", b"...", b"*", b"-1", b"0",
         b"9223372036854775808", b"1e999", b"null", b"{}", b"[]", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"Bearer ", b"Basic ", b"a" * 300,
         b"A" * 3000, b"%41" * 500, b"=;" * 500, b"." * 1000, b"\x80" * 1000]
NAMES = [b"authorization", b"cookie", b"user-agent", b"content-type", b"accept", b"date", b"x-forwarded-for", b"x-mse-consumer", b"x-envoy-original-path"]


def load(path, otherwise):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return otherwise


def plugins():
    return sorted(path.split(os.sep)[-2] for path in glob.glob(os.path.join(ROOT, "plugins/*/plugin.c")))


def text(value):
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


class Request:
    def __init__(self, method=b"GET", path=b"/", headers=(), body=b""):
        self.method, self.path, self.headers, self.body = method, path, list(headers), body

    @staticmethod
    def of(case):
        """From what `weir try` takes."""
        r = Request(body=text(case.get("body", "")) if isinstance(case.get("body", ""), str) else b"")
        for name, value in case.get("headers", []):
            if name == ":method":
                r.method = text(value)
            elif name == ":path":
                r.path = text(value)
            elif name == ":authority":
                r.headers.append((b"host", text(value)))
            elif not name.startswith(":"):
                r.headers.append((text(name), text(value)))
        return r

    def copy(self):
        return Request(self.method, self.path, self.headers, self.body)

    def sendable(self):
        """As bytes, with framing that is right; None if it is too long for nginx."""
        headers = [(n, v) for n, v in self.headers if n.lower().decode("latin-1") not in FRAMING]
        host = next((v for n, v in self.headers if n.lower() == b"host"), b"a.example")
        if self.body or self.method in (b"POST", b"PUT", b"PATCH"):
            headers.append((b"Content-Length", str(len(self.body)).encode()))
        lines = [self.method + b" " + self.path + b" HTTP/1.1", b"Host: " + host] + [n + b": " + v for n, v in headers]
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        return head + self.body if len(head) <= MAX_HEAD else None


class Dictionary:
    def __init__(self, plugin):
        folder = os.path.join(ROOT, "plugins", plugin)
        bench, more = load(folder + "/bench.json", None), load(folder + "/fuzz.json", {})
        first = (bench[0] if isinstance(bench, list) else bench) or {}
        assert "config" in more or "config" in first, f"plugins/{plugin} has neither bench.json nor fuzz.json"
        self.config = more.get("config", first.get("config"))
        self.services, self.statuses = more.get("services", []), set(more.get("statuses", []))
        cases = [step["request"] for case in load(folder + "/tests/cases.json", []) for step in case.get("requests", [])]
        starts = more.get("requests", []) + ([first["request"]] if "request" in first else []) + cases
        self.starts = [r for r in map(Request.of, starts) if r.sendable()] or [Request()]
        self.names = sorted({n.lower() for r in self.starts for n, _ in r.headers} | set(NAMES))
        self.words = sorted({v for r in self.starts for _, v in r.headers} | {r.path for r in self.starts} | set(map(text, more.get("values", [])))) + WORDS


class Mutator:
    """The same seed and dictionary make the same requests."""

    def __init__(self, dictionary, seed):
        self.dictionary, self.random = dictionary, random.Random(seed)

    def next(self):
        while True:
            r = self.random.choice(self.dictionary.starts).copy()
            for _ in range(self.random.choice([0, 1, 1, 1, 2, 3, 5, 8])):
                self.random.choice([self.change_header, self.change_header, self.change_header, self.add_header, self.remove_header, self.repeat_header,
                                    self.change_path, self.change_rest])(r)
            if r.sendable():
                return r

    def value(self, v):
        """One change of a value."""
        pick, at = self.random, self.random.randint(0, len(v))
        to = pick.randint(at, len(v))
        how = pick.randrange(8)
        if how == 0:
            return pick.choice(self.dictionary.words)
        if how == 1:
            v = v[:at] + pick.choice(self.dictionary.words) + v[at:]
        elif how == 2:
            v = v[:at] + v[to:]
        elif how == 3:
            v = v[:at] + v[at:to] * pick.choice([2, 3, 50]) + v[to:]
        elif how == 4:
            other = pick.choice(self.dictionary.words)
            v = v[:at] + other[pick.randint(0, len(other)):]
        elif how == 5:
            v = v[:at] + bytes([pick.choice(BYTES)]) + v[at + 1:]
        elif how == 6:
            flipped = v[at] ^ 1 << pick.randrange(8) if at < len(v) else 65
            v = v[:at] + (bytes([flipped]) if flipped in BYTES else b"") + v[at + 1:]
        else:
            v = v[:at] + bytes(pick.choice(BYTES) for _ in range(pick.randint(1, 8))) + v[at:]
        return v[:MAX_VALUE]

    def change_header(self, r):
        if not r.headers:
            self.add_header(r)
        at = self.random.randrange(len(r.headers))
        r.headers[at] = (r.headers[at][0], self.value(r.headers[at][1]))

    def add_header(self, r):
        name = self.random.choice(self.dictionary.names)
        r.headers.insert(self.random.randint(0, len(r.headers)), (self.random.choice([name, name.upper(), name.title()]), self.value(self.random.choice(self.dictionary.words))))

    def remove_header(self, r):
        if r.headers:
            r.headers.pop(self.random.randrange(len(r.headers)))

    def repeat_header(self, r):
        if r.headers:
            r.headers += [self.random.choice(r.headers)] * self.random.choice([1, 2, 30])

    def change_path(self, r):
        path = self.value(r.path) if self.random.random() < 0.5 else r.path + self.random.choice([b"?", b"&"]) + self.value(self.random.choice(self.dictionary.words))
        # What ends a request line; nginx would say 400.
        r.path = b"/" + b"".join(b"%%%02x" % c if c <= 32 or c == 127 else bytes([c]) for c in path.lstrip(b"/"))[:MAX_VALUE]

    def change_rest(self, r):
        if self.random.random() < 0.5:
            r.method = text(self.random.choice(METHODS))
        else:
            r.body = self.value(r.body or self.random.choice(self.dictionary.words))


class Client:
    """One kept connection; what it sends is bytes."""

    def __init__(self, port):
        self.port, self.socket = port, None

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def status(self, request, again=True):
        """The answer's status; 0 if the connection ended without one."""
        fresh = self.socket is None
        if fresh:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=conftest.PATIENCE_S)
        try:
            self.socket.sendall(request.sendable())
            answer = http.client.HTTPResponse(self.socket, method=request.method.decode("latin-1"))
            answer.begin()
            answer.read()
        except (http.client.HTTPException, ConnectionError):
            self.close()
            return 0 if fresh or not again else self.status(request, again=False)
        if answer.will_close:
            self.close()
        answer.close()
        return answer.status


def config_of(plugin, dictionary, echo):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}, *dictionary.services],
            "routes": [{"name": "all", "match": {}, "service": "echo"}],
            "plugins": [{"name": plugin, "url": f"file:{ROOT}/build/plugins/{plugin}.wasm", "failStrategy": "FAIL_CLOSE", "defaultConfig": dictionary.config}]}


def fuzz(gateway, plugin, dictionary, seconds, seed):
    """Send for some seconds; how often each status came.  Raises AssertionError."""
    mutator, client = Mutator(dictionary, seed), Client(gateway.port)
    statuses, end = {}, time.monotonic() + seconds
    while time.monotonic() < end:
        request = mutator.next()
        status = client.status(request)
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500 or status in dictionary.statuses, \
            f"{plugin}, seed {seed}, request {sum(statuses.values())}: {status} for {request.sendable()!r}\n{gateway.error_log[-4000:]}"
    client.close()
    assert "trap in " not in gateway.error_log, f"{plugin}, seed {seed}: {gateway.error_log[-4000:]}"
    # Not by asking for the workers before and after: a new one takes a moment to have its title.
    started = sorted(map(int, re.findall(r"start worker process (\d+)", gateway.error_log)))
    assert not re.search(r"worker process \d+ exited", gateway.error_log) and sorted(gateway.workers()) == started, \
        f"{plugin}, seed {seed}: a worker was replaced\n{gateway.error_log[-4000:]}"
    assert not gateway.bad_lines(), gateway.bad_lines()
    return statuses


def describe(plugin, statuses, seed):
    return f"{plugin:<24} {sum(statuses.values()):>7} requests, seed {seed}: " + ", ".join(f"{n} x {s or 'closed'}" for s, n in sorted(statuses.items()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("plugins", nargs="*")
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        echo = conftest.Echo(folder + "/echo.log")
        for plugin in args.plugins or plugins():
            dictionary = Dictionary(plugin)
            gateway = conftest.Gateway(config_of(plugin, dictionary, echo), f"{folder}/{plugin}").wait_ready()
            try:
                print(describe(plugin, fuzz(gateway, plugin, dictionary, args.seconds, args.seed), args.seed), flush=True)
            except AssertionError as e:
                print(f"FAILED {e}", flush=True)
                failed += 1
            gateway.stop()
        echo.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
