"""Load that goes on while a gateway is changed: requests at a steady rate, WebSockets and gRPC streams that stay open."""
import queue
import socket
import ssl
import threading

import grpc

from conftest import PATIENCE_S
from rpc import Client
from storm_kit import h2load
from upstreams import read_exactly, read_head

NAME = "shop.example"  # what TLS clients ask for
KEY = "k"
# What h2load is told, and which port: clear text or TLS.
PROTOCOLS = {"HTTP/1.1": (["--h1"], "http"), "HTTP/2": (["-m4"], "http"), "HTTP/1.1, TLS": (["--h1"], "https"), "HTTP/2, TLS": (["-m4"], "https")}
PATHS = ["/", "/r0/x", "/r1/x", "/r2/x?delay_ms=100", "/r3/x", "/elsewhere"]  # the slow one is often under way when something changes
ROUND_S = 4  # then the connections are made anew, with handshakes


class Requests:
    """h2load for each protocol, again and again; every answer must be 200.  `count` by protocol, `failures` of all."""

    def __init__(self, ports, connections, rate):
        """ports: {"http": ..., "https": ...}; connections: of each protocol; rate: requests a second on each, 0 is as many as go"""
        self.stop, self.count, self.failures = threading.Event(), dict.fromkeys(PROTOCOLS, 0), []
        self.ports, self.connections, self.rate = ports, connections, rate
        self.threads = [threading.Thread(target=self.run, args=(p,)) for p in PROTOCOLS]
        for t in self.threads:
            t.start()

    def run(self, protocol):
        options, scheme = PROTOCOLS[protocol]
        total = self.connections * (self.rate * ROUND_S or 250)
        origin = f"{scheme}://{NAME}:{self.ports[scheme]}"
        options = [f"-c{self.connections}", f"-n{total}", f"--connect-to=127.0.0.1:{self.ports[scheme]}", *options,
                   *([f"--rps={self.rate}"] if self.rate else []), "-H", f"x-k: {KEY}"]
        while not self.stop.is_set():
            by_status, lost, _ = h2load(options, [origin + p for p in PATHS])
            self.count[protocol] += total
            if by_status != [total, 0, 0, 0]:
                self.failures.append(f"requests: {protocol}: {by_status} (2xx 3xx 4xx 5xx), {lost} without an answer")

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()


class WebSocket:
    def __init__(self, port, context=None):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        if context:
            self.s = context.wrap_socket(self.s, server_hostname=NAME)
        self.s.sendall(b"GET /ws HTTP/1.1\r\nHost: ws\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        head = read_head(self.s)
        assert b" 101 " in head, head

    def exchange(self, text):
        self.s.sendall(text)
        got = read_exactly(self.s, len(text))
        assert got == text, f"{got!r}, not {text!r}"

    def close(self):
        self.s.close()


class Stream:
    """A gRPC stream in both directions."""

    def __init__(self, client):
        self.questions = queue.Queue()
        self.call = client.both("Both", iter(self.questions.get, None), timeout=None)

    def exchange(self, text):
        self.questions.put(text)
        got = next(self.call)
        assert got == text, f"{got!r}, not {text!r}"

    def close(self):
        self.questions.put(None)
        assert not list(self.call) and self.call.code() == grpc.StatusCode.OK


class Open:
    """WebSockets and gRPC streams, half of each over TLS.  A message goes there and back on each when they are opened, every `pause_s`
    seconds, and when they are closed; `messages` counts them, `failures` has what did not."""

    def __init__(self, ports, websockets, streams, ca, pause_s=2):
        context = ssl.create_default_context(cafile=ca)
        with open(ca, "rb") as f:
            authority = f.read()
        self.clients = [self.client(ports, authority if i % 2 else None) for i in range(4)]
        self.all = {f"WebSocket {i}": WebSocket(*((ports["https"], context) if i % 2 else (ports["http"],))) for i in range(websockets)}
        self.all |= {f"gRPC stream {i}": Stream(self.clients[i % 4]) for i in range(streams)}
        self.messages, self.failures, self.rounds, self.pause_s, self.stop = 0, [], 0, pause_s, threading.Event()
        self.exchange()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    @staticmethod
    def client(ports, authority):
        """A connection of its own, so that they spread over the workers."""
        own = ("grpc.use_local_subchannel_pool", 1)
        if authority is None:
            return Client(ports["http"], own)
        client = Client(ports["https"], own)
        client.channel.close()
        client.channel = grpc.secure_channel(f"127.0.0.1:{ports['https']}", grpc.ssl_channel_credentials(authority), options=[
            own, ("grpc.ssl_target_name_override", NAME), ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)])
        return client

    def exchange(self):
        self.rounds += 1
        for name, one in list(self.all.items()):
            try:
                one.exchange(f"message {self.rounds} of {name}".encode())
                self.messages += 1
            except (OSError, AssertionError, StopIteration, grpc.RpcError) as e:
                self.failures.append(f"{name}, round {self.rounds}: {e!r}"[:300])
                del self.all[name]

    def run(self):
        while not self.stop.wait(self.pause_s):
            self.exchange()

    def alive(self, kind):
        return sum(name.startswith(kind) for name in self.all)

    def end(self):
        """How many of each kind still carried a message at the end."""
        self.stop.set()
        self.thread.join(PATIENCE_S)
        if self.thread.is_alive():
            self.failures.append(f"a message of round {self.rounds} got no answer")
            return {}
        self.exchange()
        alive = {kind: self.alive(kind) for kind in ("WebSocket", "gRPC stream")}
        for name, one in self.all.items():
            try:
                one.close()
            except (OSError, AssertionError, grpc.RpcError) as e:
                self.failures.append(f"{name} at its end: {e!r}"[:300])
        for c in self.clients:
            c.channel.close()
        return alive
