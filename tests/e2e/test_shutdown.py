"""A gateway that stops, or a worker that does, while plugins hold requests.

No callout is pending for these requests, and for some no timer: only the plugin could go on. They keep their worker as any request does,
until it has waited as long as nginx.conf's worker_shutdown_timeout; then they end as such, with their last callbacks."""
import os
import time

import pytest

from conftest import GUESTS, wait_for

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
                   "--workers", "1")


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
    assert time.monotonic() - begin > 5, "the worker did not wait for them"
    for s in clients:
        rest(s)
        s.close()
