"""Real redis-servers on free ports, without persistence, alone or as a cluster; and servers that only pretend."""
import os
import signal
import socket
import subprocess
import threading

import pytest

from conftest import PATIENCE_S, free_port, wait_for


def command(*args):
    """A command in RESP."""
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class Client:
    """One connection of the tests themselves."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def __call__(self, *args):
        self.socket.sendall(command(*args))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind in b"+:":
            return int(rest) if kind == b":" else rest.decode()
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if rest == b"-1":
            return None
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode()
        return [self.reply() for _ in range(int(rest))]

    def close(self):
        self.file.close()
        self.socket.close()


class RedisServer:
    def __init__(self, folder, *options, port=None):
        self.folder, self.options, self.port = str(folder), options, port or free_port()
        os.makedirs(self.folder, exist_ok=True)
        self.address = f"127.0.0.1:{self.port}"
        self.child = None
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "redis.log"), "ab") as log:
            self.child = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                                           *self.options], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait()
        return self

    def wait(self):
        def answers():
            try:
                c = Client(self.port)
            except OSError:
                return False
            try:
                return c("PING") == "PONG"
            except RuntimeError as e:
                return "NOAUTH" in str(e)
            except OSError:
                return False
            finally:
                c.close()
        wait_for("redis-server to answer", answers)

    def ask(self, *args, login=()):
        c = Client(self.port)
        try:
            if login:
                c("AUTH", *login)
            return c(*args)
        finally:
            c.close()

    def signal(self, how):
        self.child.send_signal(how)

    def kill(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
        self.child.wait(PATIENCE_S)


@pytest.fixture(name="redis", scope="module")
def fixture_redis(tmp_path_factory):
    """One that the tests of a module share; whoever takes it from here must import fixture_redis."""
    r = RedisServer(tmp_path_factory.mktemp("redis"))
    yield r
    r.kill()


@pytest.fixture(name="own_redis")
def fixture_own_redis(tmp_path):
    """One that a test may stop and kill; import fixture_own_redis."""
    r = RedisServer(tmp_path / "redis")
    yield r
    r.kill()


class Cluster:
    """Three masters; slots in thirds."""

    def __init__(self, folder):
        def port():  # a node's bus has its port + 10000
            while (p := free_port()) > 50000:
                pass
            return p
        self.nodes = [RedisServer(os.path.join(str(folder), str(i)), "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", port=port())
                      for i in range(3)]
        for i, node in enumerate(self.nodes):
            node.ask("CLUSTER", "ADDSLOTSRANGE", *self.slots(i))
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        for node in self.nodes:
            wait_for("the cluster", lambda node=node: "cluster_state:ok" in node.ask("CLUSTER", "INFO")
                     and "cluster_known_nodes:3" in node.ask("CLUSTER", "INFO"))
        self.ids = [node.ask("CLUSTER", "MYID") for node in self.nodes]

    @staticmethod
    def slots(i):
        return (0, 5460) if i == 0 else (5461, 10922) if i == 1 else (10923, 16383)

    def owner(self, key):
        slot = self.nodes[0].ask("CLUSTER", "KEYSLOT", key)
        return next(i for i in range(3) if self.slots(i)[0] <= slot <= self.slots(i)[1])

    def kill(self):
        for node in self.nodes:
            node.kill()


class Pretender:
    """Serves each connection by serve(self, socket) in a thread."""

    def __init__(self, serve):
        self.serve, self.connections, self.held = serve, 0, []
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
            self.connections += 1
            threading.Thread(target=self.run, args=(s,), daemon=True).start()

    def run(self, s):
        try:
            with s:
                s.settimeout(PATIENCE_S)
                self.serve(self, s)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
