"""Services by name whose first answer is late: Redis commands and TCP connections wait for it, within their time, and not for ever."""
import socket
import threading

import pytest

from conftest import PATIENCE_S, wait_for
from redis_server import RedisServer
from test_balance import Zone
from test_redis import ask as ask_redis, config
from test_tcp import Tcp, echo_bytes, read_all
from upstreams import Upstream


class Gate(Zone):
    """Knows its names when it is opened; queries of before get their answers then."""

    def __init__(self, zone):
        self.opened, self.late = threading.Event(), []
        super().__init__(zone)

    def answer(self, query):
        if not self.opened.is_set():
            threading.Thread(target=self.later, args=(query, self.client), daemon=True).start()
            return None
        return super().answer(query)

    def later(self, query, client):
        self.opened.wait(PATIENCE_S)
        try:
            self.socket.sendto(super().answer(query), client)
        except OSError:  # the test is over
            pass

    def serve(self):
        while True:
            try:
                query, self.client = self.socket.recvfrom(2048)
            except OSError:
                return
            if answer := self.answer(query):
                self.socket.sendto(answer, self.client)


@pytest.fixture(name="gate")
def fixture_gate():
    gate = Gate({"late.example": (["127.0.0.1"], 60)})
    yield gate
    gate.opened.set()
    gate.socket.close()


def test_a_redis_command_waits(gateway, echo, probe_module, gate, tmp_path):
    redis = RedisServer(tmp_path)
    try:
        g = gateway(config(echo, probe_module, {"late": f"late.example:{redis.port}"}, init="configure: rinit late _ _ 20000"),
                    "--workers", "1", "--plugin-log-level", "trace", "--resolver", gate.address)
        result = []
        t = threading.Thread(target=lambda: result.append(ask_redis(g, "redis late then SET k v; ret 1", "buf 9 0 100; status; effective @; continue 0")))
        t.start()
        wait_for("the command", lambda: g.worker_status()["redis"]["clients"][0]["waiting"] == 1)
        assert not result and g.worker_status()["redis"]["clients"][0]["failures"] == 0
        gate.opened.set()
        t.join(PATIENCE_S)
        assert "+OK" in str(result[0][1]), result
        assert g.worker_status()["redis"]["clients"][0]["refused"] == 0
    finally:
        redis.kill()


def test_a_redis_command_does_not_wait_for_ever(gateway, echo, probe_module, gate):
    g = gateway(config(echo, probe_module, {"late": "late.example:1"}, init="configure: rinit late _ _ 100"),
                "--workers", "1", "--plugin-log-level", "trace", "--resolver", gate.address)
    ask_redis(g, "redis late then PING; ret 1", "status; effective @; continue 0")
    client = g.worker_status()["redis"]["clients"][0]
    assert client["refused"] == 1 and client["waiting"] == 0 and client["in_flight"] == 0


def test_a_tcp_connection_waits(gateway, gate):
    upstream = Upstream(echo_bytes)
    t = Tcp(gateway, f"late.example:{upstream.port}", service={"connectTimeout": "20s"}.items(), options=("--workers", "1", "--resolver", gate.address))
    with t.connect() as s:
        s.sendall(b"hello")
        wait_for("the connection", lambda: t.gateway.worker_status()["live"]["connections"] == 1)
        gate.opened.set()
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"hello"
    t.logged(service="db", status=200)
    upstream.close()


def test_a_tcp_connection_does_not_wait_for_ever(gateway, gate):
    t = Tcp(gateway, "late.example:1", service={"connectTimeout": "200ms"}.items(), options=("--workers", "1", "--resolver", gate.address))
    with t.connect() as s:
        assert read_all(s) == b""
    t.logged(details="no_healthy_upstream", status=502)
    # Who leaves while it waits leaves nothing.
    s = t.connect()
    wait_for("the connection", lambda: t.gateway.worker_status()["live"]["connections"] == 1)
    s.close()
    t.wait_no_streams()


def test_a_name_without_addresses_is_told_at_once(gateway, gate):
    gate.opened.set()
    t = Tcp(gateway, "nobody.example:1", service={"connectTimeout": "60s"}.items(), options=("--workers", "1", "--resolver", gate.address))
    with t.connect() as s:
        assert read_all(s) == b""
    t.logged(details="no_healthy_upstream")
