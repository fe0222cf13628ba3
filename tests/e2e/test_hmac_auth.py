"""hmac-auth through the gateway: what real clients send is what is signed."""
import base64
import hashlib
import hmac
import time
from email.utils import formatdate

import pytest

from conftest import ROOT

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo):
    return gateways({
        "services": [{"name": "echo", "endpoints": [echo.address]}],
        "routes": [{"name": n, "match": {"path": {"prefix": p}}, "service": "echo"} for n, p in (("open", "/open"), ("all", "/"))],
        "plugins": [{"name": "hmac-auth", "url": f"file:{ROOT}/build/plugins/hmac-auth.wasm", "phase": "AUTHN", "priority": 330,
                     "defaultConfig": {"consumers": [{"name": "alice", "key": "k", "secret": "s"}], "date_offset": 60},
                     "matchRules": [{"route": ["open"], "configDisable": True}]}]})


def sign(lines, digest=hashlib.sha256):
    return base64.b64encode(hmac.new(b"s", "\n".join(lines).encode(), digest).digest()).decode()


def ask(gw, path, headers=(), body=None, method=None, canonical=None, **fixed):
    """A signed request; `canonical` is path and parameters as they are signed."""
    method = method or ("GET" if body is None else "POST")
    values = {"accept": "*/*", "content-md5": "", "content-type": "", "date": formatdate(usegmt=True), **fixed}
    extra = sorted((name.lower(), value) for name, value in headers)
    lines = [method, *values.values(), *(f"{n}:{v}" for n, v in extra), canonical or path]
    sent = [("X-Ca-Key", "k"), ("X-Ca-Signature", sign(lines)), ("X-Ca-Signature-Headers", ",".join(n for n, _ in headers))]
    sent += list(headers) + [(n, v) for n, v in values.items() if v]
    return gw.send(path, method=method, headers=sent, body=body)


def test_signed(gw):
    response = ask(gw, "/a/b?y=%32&x=1", [("X-B", "two"), ("X-A", "one")], canonical="/a/b?x=1&y=2")
    assert response.status == 200 and response.seen_header("x-mse-consumer") == "alice"


def test_not_signed(gw):
    assert gw.send("/a").status == 401
    response = ask(gw, "/a", canonical="/b")
    assert (response.status, response.text) == (400, "Invalid Signature")
    assert response.header("x-ca-error-message").startswith("Server StringToSign:`GET#*/*###")
    assert gw.send("/open").status == 200


def test_old(gw):
    response = ask(gw, "/a", date=formatdate(time.time() - 90, usegmt=True))
    assert (response.status, response.text) == (400, "Invalid Date")


@pytest.mark.parametrize("size", [0, 10, 100000])
def test_forms(gw, size):
    body = b"b=2&a=" + b"x" * size
    kwargs = {"content-type": FORM, "canonical": f"/f?a={'x' * size}&b=2&q=1"}
    response = ask(gw, "/f?q=1", body=body, **kwargs)
    assert response.status == 200 and response.seen_header("content-length") == str(len(body))
    response = ask(gw, "/f?q=1", body=body + b"y", **kwargs)
    assert response.status == 400 and response.text == "Invalid Signature"


def test_a_form_without_a_body(gw):
    assert ask(gw, "/f", method="POST", canonical="/f", **{"content-type": FORM}).status == 200
    assert ask(gw, "/f", method="POST", canonical="/g", **{"content-type": FORM}).status == 400


@pytest.mark.parametrize("size", [5, 1000000])
def test_content_md5(gw, size):
    body = b"z" * size
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    response = ask(gw, "/m", body=body, **{"content-md5": md5})
    assert response.status == 200 and response.seen_header("x-mse-consumer") == "alice"
    response = ask(gw, "/m/bad", body=body[:-1] + b"y", **{"content-md5": md5})
    assert (response.status, response.text) == (400, "Invalid Content-MD5")
    assert gw.access(path="/m/bad")["upstream"] == ""


def test_too_large(gw):
    # The gateway's own limit of what a plugin may hold comes first.
    assert ask(gw, "/f", body=b"a" * (1100 << 10), **{"content-type": FORM}).status == 413


@pytest.mark.parametrize("name", ["x-ca-key", "x-ca-signature", "x-ca-signature-headers", "date", "content-type", "content-md5"])
@pytest.mark.parametrize("value", ["\xff\xfe", ",", ",".join("x%d" % i for i in range(500)), "\x7f", "=" * 4000])
def test_hostile_headers(gw, name, value):
    headers = {"x-ca-key": "k", "x-ca-signature": "AAAA", name: value}
    response = gw.send("/a", method="POST", headers=headers, body=b"x")
    assert response.status in (400, 401)
