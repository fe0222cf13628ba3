"""jwt-logout with key sets: tokens that node's crypto makes, of each algorithm; what is not signed never reaches Redis."""
import json
import os
import subprocess

import pytest

from test_jwt_tokens import ALGORITHMS, changed, fixture_made, hs256  # pylint: disable=unused-import
from test_plugins import BUILD, ROOT, TIERS, WEIR, run_try

MODULE = os.path.join(ROOT, "build/plugins/jwt-logout.wasm")
CLEAN, REVOKED = [None, None, None], [None, "1", None]
# How far apart the changed bytes are, compiled; the interpreter gets a few.
STEPS = {"HS": 3, "RS": 3, "PS": 3, "ES": 11, "Ed": 3}


def config_of(*keys, **more):
    return json.dumps({"keys": keys, "redis": {"service_name": "redis"}, "logout_path": "/logout", **more})


def ask(config, requests, tier, tmp_path):
    if tier == "aot" and not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    code, lines = run_try(MODULE, config, requests, tier, tmp_path)
    assert code == 0 and len(lines) == len(requests), lines
    return lines


def request(token, reply, path="/", method="GET"):
    return {"headers": [[":path", path], [":method", method], ["authorization", "Bearer " + token]], "redis": [{"reply": reply}]}


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_each_algorithm(made, alg, tier, tmp_path):
    token, jwk = made[alg]["token"], made[alg]["jwk"]
    forged = list(changed(token, STEPS[alg[:2]] if tier == "aot" else 97))
    forged = forged if tier == "aot" else forged[:12] + forged[-3:]
    good = [request(token, CLEAN), request(token, REVOKED), request(token, {"status": "OK"}, "/logout", "POST")]
    config = config_of({"jwks": {"keys": [jwk]}, "issuer": "node"}, cache_entries=0)
    clean, revoked, logout, *others = ask(config, good + [request(t, CLEAN) for t in forged] + [request(t, {"status": "OK"}, "/logout", "POST") for t in forged[:9]],
                                          tier, tmp_path)
    assert clean["action"] == "continue" and clean["redis"][0]["command"][0] == "MGET", clean
    assert (revoked["status"], revoked["body"]) == (401, "Jwt is revoked")
    assert logout["status"] == 204 and logout["redis"][0]["command"][0] == "SET"
    for answer in others:
        assert answer["status"] == 401 and "redis" not in answer, answer


@pytest.mark.parametrize("tier", TIERS)
def test_keys_of_several_kinds_and_issuers(made, tier, tmp_path):
    """A token counts if any set of its issuer verifies it; a public key is never a secret."""
    es, rs = made["ES256"], made["RS256"]
    public = {k: v for k, v in rs["jwk"].items() if k != "alg"}
    config = config_of({"secret": "s3cret", "issuer": "other"}, {"jwks": json.dumps({"keys": [es["jwk"], public]}), "issuer": "node"})
    tokens = [es["token"], rs["token"], hs256(b"s3cret", {"iss": "other", "sub": "a"}), hs256(b"s3cret", {"iss": "node", "sub": "a"}),
              hs256(public["n"].encode(), {"iss": "node", "sub": "a"}), hs256(json.dumps(public).encode(), {"iss": "node", "sub": "a"})]
    lines = ask(config, [request(t, CLEAN) for t in tokens], tier, tmp_path)
    assert [line["action"] for line in lines] == ["continue"] * 3 + ["local"] * 3, lines
    assert all("redis" not in line for line in lines[3:])


@pytest.mark.parametrize("key,what", [
    ({}, "keys[0]: needs exactly one of secret and jwks"), ({"secret": "a", "jwks": {"keys": []}}, "needs exactly one of secret and jwks"),
    ({"jwks": {"keys": []}}, "keys[0].jwks.keys: holds no key that can be used"), ({"jwks": 1}, "keys[0].jwks: must be a key set"),
    ({"jwks": {"keys": [{"kty": "oct", "k": "YQ"}]}, "alg": "HS256"}, "keys[0].alg: belongs beside secret"),
    ({"jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}}, "keys[0].jwks.keys[0]: is no RSA key")])
def test_refused_keys(key, what, tmp_path):
    (tmp_path / "config").write_text(config_of(key))
    (tmp_path / "requests").write_text("[]")
    done = subprocess.run([WEIR, "try", MODULE, "--config", tmp_path / "config", "--requests", tmp_path / "requests"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and what in done.stderr, done.stderr
