"""Registries over TLS: the system's authorities and one's own; certificates that do not hold; logins that are tokens."""
import json
import os
import shutil
import tempfile

import pytest

from certificates import Authority, server_context
from registries import WASM_LAYER, DockerRegistry, Fake, weir
from test_reload import route
from test_sources import MODULE, PATH, plugin, runs, state, wait_cause
from conftest import wait_for


@pytest.fixture(name="authority")
def fixture_authority(tmp_path):
    return Authority(tmp_path)


def trusting(authority):
    return {**os.environ, "SSL_CERT_FILE": authority.ca}


def test_push_and_pull_over_tls(authority, tmp_path):
    registry = DockerRegistry(tmp_path, tls=authority.make("registry", "IP:127.0.0.1"))
    try:
        url, out = f"oci://{registry.host}/team/auth:1.0", tmp_path / "out.wasm"
        refused = weir("push", PATH, url)
        assert refused.returncode == 1 and "SSL_CERT_FILE" in refused.stderr and "certificate" in refused.stderr
        pushed = weir("push", PATH, url, env=trusting(authority))
        assert pushed.returncode == 0 and "@sha256:" in pushed.stdout, pushed.stderr
        for wanted in (url, pushed.stdout.strip()):
            out.unlink(missing_ok=True)
            assert weir("pull", wanted, "-o", str(out), env=trusting(authority)).returncode == 0
            assert out.read_bytes() == MODULE
        refused = weir("pull", url, "-o", str(tmp_path / "no.wasm"))
        assert refused.returncode == 1 and "SSL_CERT_FILE" in refused.stderr and not (tmp_path / "no.wasm").exists()
        other = Authority(tmp_path, "other")
        refused = weir("pull", url, "-o", str(tmp_path / "no.wasm"), env=trusting(other))
        assert refused.returncode == 1 and "SSL_CERT_FILE" in refused.stderr
        unreadable = weir("pull", url, "-o", str(tmp_path / "no.wasm"), env={**os.environ, "SSL_CERT_FILE": str(tmp_path / "none")})
        assert unreadable.returncode == 1 and "SSL_CERT_FILE must name" in unreadable.stderr
    finally:
        registry.stop()


@pytest.mark.parametrize("alt,days,said", [("IP:127.0.0.9", 2, "127.0.0.1"), ("DNS:other.example", 2, "127.0.0.1")])
def test_a_certificate_that_does_not_hold(authority, tmp_path, alt, days, said):
    """Never over plain HTTP instead, though the address is a loopback one."""
    fake = Fake()
    fake.tls = server_context(*authority.make("registry", alt, days))
    fake.put("1", [(WASM_LAYER, MODULE)])
    fake.start()
    try:
        done = weir("pull", fake.url(), "-o", str(tmp_path / "out"), env=trusting(authority))
        assert done.returncode == 1 and said in done.stderr and "another certificate" in done.stderr and not fake.asked, done.stderr
    finally:
        fake.stop()


def test_a_gateway_and_a_registry_over_tls(gateway, echo, authority, tmp_path, monkeypatch):
    fake = Fake()
    fake.tls = server_context(*authority.make("registry", "IP:127.0.0.1"))
    fake.put("1", [(WASM_LAYER, MODULE)])
    fake.token, fake.login = "tok-2", "ann:pw"
    fake.start()
    (tmp_path / "s").write_text("ann:pw")
    try:
        config = route(echo, "a", [plugin(fake.url(), imagePullSecret=str(tmp_path / "s"))])
        g = gateway(config, "--workers", "1")
        assert wait_cause(g, "SSL_CERT_FILE")[0] == "failed" and not fake.asked
        assert g.stop() == 0
        with tempfile.TemporaryDirectory() as folder:  # who fetches is somebody else, and may not look into tmp_path
            os.chmod(folder, 0o755)
            monkeypatch.setenv("SSL_CERT_FILE", shutil.copy(authority.ca, folder))
            again = gateway(config, "--workers", "1")
            wait_for("the plugin", lambda: runs(again))
            assert state(again)[1:] == (False, "")
    finally:
        fake.stop()


@pytest.mark.parametrize("tls", [False, True])
def test_a_login_that_is_a_token(authority, tmp_path, tls):
    """What `docker login` keeps for some registries: an identity token, to be changed for one for each pull."""
    fake = Fake()
    fake.tls = server_context(*authority.make("registry", "IP:127.0.0.1")) if tls else None
    fake.token, fake.identity = "tok-3", "identity/+="
    fake.put("1", [(WASM_LAYER, MODULE)])
    fake.start()
    secret, out = tmp_path / "config.json", tmp_path / "out.wasm"
    entry = {"auth": "PHRva2VuPjo=", "identitytoken": fake.identity}  # "<token>:"
    secret.write_text(json.dumps({"auths": {fake.host: entry}}))
    try:
        done = weir("pull", fake.url(), "-o", str(out), "--secret", str(secret), env=trusting(authority))
        assert done.returncode == 0 and out.read_bytes() == MODULE, done.stderr
        assert fake.forms[0] == {"grant_type": "refresh_token", "client_id": "weir", "refresh_token": fake.identity,
                                 "scope": "repository:x/y:pull", "service": "fake"}
        fake.identity = "another"
        done = weir("pull", fake.url(), "-o", str(out), "--secret", str(secret), env=trusting(authority))
        assert done.returncode == 1 and "the token service answered 401" in done.stderr and "identity/" not in done.stderr
    finally:
        fake.stop()


def test_a_token_service_without_tls(authority, tmp_path):
    """A registry over TLS does not send a login over plain HTTP."""
    fake = Fake()
    fake.tls = server_context(*authority.make("registry", "IP:127.0.0.1"))
    fake.override["/v2/"] = lambda h: h.reply(401, headers={"WWW-Authenticate": f'Bearer realm="http://{fake.host}/token"'})
    fake.start()
    (tmp_path / "s").write_text("ann:pw")
    try:
        done = weir("pull", fake.url(), "-o", str(tmp_path / "out"), "--secret", str(tmp_path / "s"), env=trusting(authority))
        assert done.returncode == 1 and "which is not https" in done.stderr
    finally:
        fake.stop()
