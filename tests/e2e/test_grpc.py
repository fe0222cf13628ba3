"""gRPC calls of plugins over HTTP/2 (host facts 1.21), against a server of the h2 library that does what methods say."""
import json
import re
import struct
import subprocess

import h2.config
import h2.connection
import h2.events
import pytest

from conftest import free_port, wait_for
from upstreams import Upstream

GO = "effective @; continue 0"
HEADERS = [(":status", "200"), ("content-type", "application/grpc"), ("x-initial", "i")]


def framed(message):
    return struct.pack(">BI", 0, len(message)) + message


class Grpc(Upstream):
    """Methods: Echo answers each message with itself; Fail, Only, Http, Twice, None, Broken, Compressed, Hold as their names say."""

    def __init__(self):
        self.seen = []
        super().__init__(self.conversation)

    def conversation(self, _self, s):
        c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        c.initiate_connection()
        s.sendall(c.data_to_send())
        method, pending = "", b""
        while data := s.recv(65536):
            for event in c.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self.seen.append(dict(event.headers))
                    method = self.seen[-1][":path"].rsplit("/", 1)[1]
                    if method in ("Only", "Http"):
                        c.send_headers(1, [(":status", "200" if method == "Only" else "503"), ("grpc-status", "5"), ("grpc-message", "not%20here")]
                                       if method == "Only" else [(":status", "503")], end_stream=True)
                    elif method != "Hold":
                        c.send_headers(1, HEADERS)
                elif isinstance(event, h2.events.DataReceived) and method not in ("Only", "Http", "Hold"):
                    c.acknowledge_received_data(event.flow_controlled_length, 1)
                    pending += event.data
                    while len(pending) >= 5 and len(pending) >= 5 + struct.unpack(">I", pending[1:5])[0]:
                        n = struct.unpack(">I", pending[1:5])[0]
                        self.message(c, s, method, pending[5:5 + n])
                        pending = pending[5 + n:]
                elif isinstance(event, h2.events.StreamEnded) and method == "Echo":
                    c.send_headers(1, [("grpc-status", "0"), ("x-trailing", "t")], end_stream=True)
                elif isinstance(event, h2.events.StreamReset):
                    self.seen.append("reset")
            s.sendall(c.data_to_send())

    def message(self, c, s, method, message):
        if method == "Echo":
            for part in framed(message)[:7], framed(message)[7:]:
                if part:
                    c.send_data(1, part)
        elif method == "Fail":
            c.send_headers(1, [("grpc-status", "9"), ("grpc-message", "a %C3%A9 b")], end_stream=True)
        elif method == "None":
            c.send_headers(1, [("x", "y")], end_stream=True)
        elif method == "Broken":
            c.send_data(1, framed(b"abcdef")[:8], end_stream=True)
        elif method == "Compressed":
            c.send_data(1, b"\1" + framed(b"abc")[1:])
        elif method == "Silent":
            c.send_headers(1, [("grpc-status", "0")], end_stream=True)


@pytest.fixture(name="upstream", scope="module")
def fixture_upstream():
    u = Grpc()
    yield u
    u.close()


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module, upstream):
    return gateways({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "rpc", "endpoints": [upstream.address]},
                                  {"name": "down", "endpoints": [f"127.0.0.1:{free_port()}"]}],
                     "routes": [{"name": "p", "match": {}, "service": "echo"}],
                     "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1", "--plugin-log-level", "trace")


def in_flight(gw):
    out = subprocess.run(["curl", "-sS", "--unix-socket", gw.state + "/status.sock", "http://x/"], capture_output=True, check=True).stdout
    return sum(p["callouts"] for p in json.loads(out)["plugins"])


def ask(gw, request, then):
    """(response, {command: outcome}, [callback]) of one request through the probe."""
    before = len(gw.error_log)
    response = gw.send("/p", headers=[("x-request", request), ("x-then", then)])
    lines = re.findall(r"\[weir\] plugin probe: (.*?)(?: while [a-z ]+)?(?:, client: .*)?$", gw.error_log[before:], re.M)
    callbacks = [line[len("trace: on_grpc_"):] for line in lines if line.startswith("trace: on_grpc_")]
    return response, dict(line.split(" = ", 1) for line in lines if " = " in line), [re.sub(r" \d+ \d+ ", " ", c) for c in callbacks]


def test_unary(gw, upstream):
    _, said, callbacks = ask(gw, "grpccall rpc pkg.Svc Echo 5000 hello then x-md v; ret 1", "buf 5 0 99; pairs 4; status; " + GO)
    assert callbacks == ["receive 5"] and said["buf 5 0 99"] == "0 hello" and said["status"] == "0 0" and said["pairs 4"] == "0 null"
    seen = upstream.seen[-1]
    assert (seen[":path"], seen["x-md"], seen["te"], seen["content-type"]) == ("/pkg.Svc/Echo", "v", "trailers", "application/grpc")
    assert seen[":method"] == "POST" and seen["grpc-timeout"] == "5000m" and in_flight(gw) == 0


@pytest.mark.parametrize("method,status,text", [("Fail", 9, "a é b"), ("Only", 5, "not here"), ("Http", 14, "no grpc-status"), ("None", 2, "no grpc-status"),
                                                ("Broken", 13, "the stream ended within a message"), ("Compressed", 12, "a compressed message"),
                                                ("Silent", 13, ""), ("Hold", 4, "the deadline is over")])
def test_unary_failures(gw, method, status, text):
    response, said, callbacks = ask(gw, f"grpccall rpc pkg.Svc {method} 500 hello then; ret 1", "log 2 never|status; " + GO)
    assert response.status == 200 and callbacks == [f"close {status}"]
    assert said["status"] == f"0 {status} {text}".strip() and "log 2 never" not in said and in_flight(gw) == 0


def test_refused(gw):
    response, said, callbacks = ask(gw, "grpccall down s m 500 hello then; ret 1", "|status; " + GO)
    assert response.status == 200 and callbacks == ["close 14"] and said["status"].startswith("0 14 ")
    _, said, _ = ask(gw, "grpccall nobody s m 500 hello then; grpcstream nobody s m then; grpccall rpc s a~b 500 x then", "|")
    assert said["grpccall nobody s m 500 hello then"] == "4 77" and said["grpcstream nobody s m then"] == "4 77"
    assert said["grpccall rpc s a~b 500 x then"] == "10 77"



def test_a_serialised_service(gw):
    _, said, callbacks = ask(gw, "grpccall %rpc s Echo 500 hello then; ret 1", "buf 5 0 99; " + GO)
    assert callbacks == ["receive 5"] and said["buf 5 0 99"] == "0 hello"
    assert ask(gw, "grpccall %nobody s Echo 500 hello then", "")[1]["grpccall %nobody s Echo 500 hello then"] == "4 77"


def test_stream(gw, upstream):
    _, said, callbacks = ask(gw, "grpcstream rpc pkg.Svc Echo then x-md v; grpcsend 0 one 0; grpcsend 0 two 1; grpcsend 0 three 1; ret 1",
                             "buf 5 0 99|status; " + GO)
    assert callbacks == ["initial 3", "receive 3", "receive 3", "trailing 2", "close 0"], callbacks
    assert said["pairs 4"] == "0 n=3 :status=200 content-type=application/grpc x-initial=i"
    assert said["pairs 5"] == "0 n=2 grpc-status=0 x-trailing=t" and said["buf 5 0 99"] == "0 two" and said["status"] == "0 0"
    assert said["grpcsend 0 three 1"] == "2" and upstream.seen[-1]["x-md"] == "v" and in_flight(gw) == 0


def test_a_conversation(gw):
    """Sending and closing from inside of the callbacks."""
    _, _, callbacks = ask(gw, "grpcstream rpc s Echo then; grpcsend 0 one 0; ret 1", "grpcclose 0; grpcclose 0|" + GO)
    assert callbacks == ["initial 3", "receive 3", "trailing 2", "close 0"]


def test_trailers_only_stream(gw):
    _, said, callbacks = ask(gw, "grpcstream rpc s Only then; ret 1", "|status; " + GO)
    assert callbacks == ["trailing 3", "close 5"] and said["status"] == "0 5 not here"


def test_cancel(gw, upstream):
    _, said, callbacks = ask(gw, "grpcstream rpc s Echo then; grpcsend 0 one 0; ret 1", "grpccancel 0; grpccancel 0; grpcsend 0 x 0; " + GO + "|log 2 no")
    assert callbacks == ["initial 3", "receive 3"] and said["grpcsend 0 x 0"] == "1" and "log 2 no" not in said
    _, said, callbacks = ask(gw, "grpccall rpc s Hold 5000 one then; grpcclose 0; grpcsend 0 x 0", "log 2 no|log 2 no")
    assert callbacks == [] and said["grpcclose 0"] == "0" and said["grpcsend 0 x 0"] == "2" and in_flight(gw) == 0
    _, said, _ = ask(gw, "grpccancel 4; grpcclose 6; grpcsend 4 x 0; grpcsend 6 x 0", "")
    assert [said[c] for c in ("grpccancel 4", "grpcclose 6", "grpcsend 4 x 0", "grpcsend 6 x 0")] == ["1", "1", "2", "1"]


def test_a_trap_in_a_callback(gw):
    response, _, callbacks = ask(gw, "grpcstream rpc s Echo then; grpcsend 0 one 0; grpcsend 0 two 0; ret 1", "trap")
    assert response.status == 503 and callbacks == ["initial 3", "receive 3"] and in_flight(gw) == 0
    assert ask(gw, "grpccall rpc s Echo 5000 hello then; ret 1", GO)[0].status == 200


def test_a_large_message(gw):
    message = "m" * 250
    _, said, callbacks = ask(gw, "grpcstream rpc s Echo then; " + "; ".join(f"grpcsend 0 {message} 0" for _ in range(20)) + "; grpcclose 0; ret 1",
                             "buf 5 0 999|" + GO)
    assert callbacks.count("receive 250") == 20 and said["buf 5 0 999"] == "0 " + message
    wait_for("the end", lambda: in_flight(gw) == 0)
