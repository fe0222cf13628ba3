"""A gateway that stops, or a worker that does, while plugins hold requests.

No callout is pending for these requests, and for some no timer: only the plugin could go on. They keep their worker as any request does,
until it has waited as long as nginx.conf's worker_shutdown_timeout; then they end as such, with their last callbacks."""
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from conftest import GUESTS, PATIENCE_S, WEIR, wait_for

HELD = {  # what the request does, and what of it is sent
    "headers": ("x-request: ret 1\r\n", b""),
    "body": ("x-reqbody: ret 1\r\nContent-Length: 4\r\n", b"body"),
    "half a body": ("x-reqbody: ret 1\r\nContent-Length: 400\r\n", b"half"),
    "the end of a body that left": ("x-reqbody: ret 0|ret 1\r\nTransfer-Encoding: chunked\r\n", b"4\r\nbody\r\n0\r\n\r\n"),
    "response": ("x-response: ret 3\r\n", b""),
    "response body": ("x-respbody: ret 1\r\n", b""),
}


@pytest.fixture(name="gw")
def fixture_gw(gateway, echo):
    return gateway({"services": [{"name": "echo", "endpoints": [echo.address]}],
                    "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
                    "plugins": [{"name": "probe", "url": "file:" + os.path.join(GUESTS, "host/probe_body-0_2_100.wasm"), "defaultConfig": {}}]},
                   "--workers", "1", "--drain-timeout", "3")


def ask(gw, held):
    headers, body = HELD[held]
    s = gw.connect()
    s.sendall(f"POST /{held.replace(' ', '-')} HTTP/1.1\r\nHost: h\r\n{headers}\r\n".encode() + body)
    return s


def in_flight(gw):
    return gw.worker_status()["live"]["requests"]


def rest(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass


@pytest.mark.parametrize("kinds", [["headers", "body"], list(HELD)], ids=["without a timer of nginx", "all"])
def test_held_requests_end_with_the_gateway(gw, kinds):
    clients = [ask(gw, held) for held in kinds]
    wait_for("the requests", lambda: in_flight(gw) == len(kinds))
    begin = time.monotonic()
    assert gw.stop() == 0
    assert time.monotonic() - begin > 2.5, "the worker did not wait for them"
    for s in clients:
        rest(s)
        s.close()


def test_a_stop_ends_by_its_bound(gateway, echo):
    gw = gateway({"services": [{"name": "echo", "endpoints": [echo.address]}],
                  "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
                  "plugins": [{"name": "probe", "url": "file:" + os.path.join(GUESTS, "host/probe_body-0_2_100.wasm"), "defaultConfig": {}}]},
                 "--workers", "1", "--drain-timeout", "2")
    held = ask(gw, "headers")
    wait_for("the request", lambda: in_flight(gw) == 1)
    begin = time.monotonic()
    gw.child.send_signal(signal.SIGTERM)

    def refused():
        try:
            gw.connect().close()
            return False
        except ConnectionRefusedError:
            return True

    wait_for("connections to be refused", refused, 1.5)
    assert gw.child.poll() is None, "it did not wait for the request"
    assert gw.child.wait(10) == 0  # a second signal would be less patient
    assert 1.5 < time.monotonic() - begin < 4
    rest(held)
    held.close()


def test_the_configuration_bounds_a_stop(gateway, echo):
    """Its word takes the place of the option's, in workers that run, too."""
    config = {"services": [{"name": "echo", "endpoints": [echo.address]}],
              "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "echo"}],
              "plugins": [{"name": "probe", "url": "file:" + os.path.join(GUESTS, "host/probe_body-0_2_100.wasm"), "defaultConfig": {}}]}
    gw = gateway(config, "--workers", "1", "--drain-timeout", "600")
    held = ask(gw, "headers")
    wait_for("the request", lambda: in_flight(gw) == 1)
    workers = gw.workers()
    with open(gw.config + ".new", "w", encoding="utf-8") as f:
        json.dump({**config, "drainTimeout": "1s"}, f)
    os.replace(gw.config + ".new", gw.config)
    assert subprocess.run([WEIR, "apply", "--state", gw.state], capture_output=True, timeout=PATIENCE_S, check=False).returncode == 0
    assert gw.workers() == workers and in_flight(gw) == 1
    begin = time.monotonic()
    assert gw.stop() == 0
    assert time.monotonic() - begin < PATIENCE_S
    rest(held)
    held.close()


def test_an_end_that_a_plugin_holds_has_no_timeout(gw):
    """The client has sent everything: its time is over only while it is its turn."""
    with open(os.path.join(gw.state, "nginx.conf"), encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(gw.state, "nginx.conf"), "w", encoding="utf-8") as f:
        f.write(text.replace("http {\n", "http {\n    client_body_timeout 1s;\n", 1))
    before = gw.workers()
    os.kill(gw.master(), signal.SIGHUP)
    gw.wait_replaced(*before)

    held = [ask(gw, "the end of a body that left"), ask(gw, "body"), gw.connect()]
    held[2].sendall(b"POST /parts HTTP/1.1\r\nHost: h\r\nx-reqbody: ret 0|ret 1\r\nContent-Length: 4\r\n\r\nbo")
    time.sleep(0.3)
    held[2].sendall(b"dy")
    late = ask(gw, "half a body")  # this client does not send what it promised
    wait_for("the requests", lambda: in_flight(gw) == 4)
    late.settimeout(5)
    rest(late)
    late.close()
    time.sleep(1)
    for s in held:
        s.settimeout(0.2)
        with pytest.raises(socket.timeout):
            s.recv(1)
        s.close()
