"""Upstreams that do what `weir echo` does not: scripted connections, WebSocket echo."""
import base64
import hashlib
import socket
import threading


class Upstream:
    """Serves each connection with serve(self, socket) in a thread; counts connections."""

    def __init__(self, serve):
        self.serve, self.connections, self.lock = serve, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            threading.Thread(target=self.run, args=(s,), daemon=True).start()

    def run(self, s):
        try:
            with s:
                s.settimeout(60)
                self.serve(self, s)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_head(s):
    """One request's head, or b"" at the end of the connection."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = s.recv(1)
        if not part:
            return b""
        head += part
    return head


def read_exactly(s, n):
    data = b""
    while len(data) < n and (part := s.recv(n - len(data))):
        data += part
    return data


def ok(body=b"ok\n", extra=b""):
    return b"HTTP/1.1 200 OK\r\n" + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


def keepalive(upstream, s):
    """Answers every request of a connection with how many connections there were."""
    while read_head(s):
        s.sendall(ok(b"%d" % upstream.connections))


def websocket(_upstream, s):
    """Accepts the handshake, then echoes bytes."""
    head = read_head(s).decode()
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    if fields.get("upgrade") != "websocket" or fields.get("connection") != "upgrade":
        s.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")
        return
    key = next(line.split(": ", 1)[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
    s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
              + accept + b"\r\n\r\n")
    while data := s.recv(65536):
        s.sendall(data)
