"""jwt-auth through `weir try`: tokens that node's crypto makes now, and what is hostile by its size."""
import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess

import pytest

from test_plugins import BUILD, ROOT, TIERS, run_try

MODULE = os.path.join(ROOT, "build/plugins/jwt-auth.wasm")
ALGORITHMS = [f"{family}{bits}" for family in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)] + ["EdDSA"]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# How far apart the changed bytes are: each of them, but for the interpreter, where it takes minutes.
STEPS = {"aot": 1, "interp": 19}
CPU_BUDGET_NS = 100_000_000  # of a callback, by default


@pytest.fixture(name="made", scope="module")
def fixture_made():
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    script = os.path.join(ROOT, "tests/plugins/jws_tokens.mjs")
    return json.loads(subprocess.run(["node", script], capture_output=True, check=True).stdout)


def config_of(*jwks):
    return json.dumps({"consumers": [{"name": "node", "issuer": "node", "jwks": json.dumps({"keys": jwks})}]})


def ask(config, tokens, tier, tmp_path):
    if tier == "aot" and not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    requests = [{"headers": [["authorization", "Bearer " + t]]} for t in tokens]
    code, lines = run_try(MODULE, config, requests, tier, tmp_path)
    assert code == 0, lines
    assert len(lines) == len(tokens)
    return lines


def changed(token, step):
    """The token with a byte changed, for every `step`th byte; its last one, which has loose bits, in all ways."""
    for at in range(0, len(token), step):
        yield token[:at] + ALPHABET[ALPHABET.find(token[at]) ^ 1] + token[at + 1:]
    for other in ALPHABET + "=.":
        if other != token[-1]:
            yield token[:-1] + other
    yield token[:-1]
    yield token + "A"
    yield token + "="


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_token_of_node_and_each_byte_of_it_changed(made, alg, tier, tmp_path):
    token = made[alg]["token"]
    step = STEPS[tier] if alg[:2] != "ES" or tier == "aot" else 5 * STEPS[tier]
    tokens = [token, *changed(token, step)]
    if tier == "interp" and alg[:2] == "ES":
        tokens = tokens[:20] + tokens[-3:]
    first, *others = ask(config_of(made[alg]["jwk"]), tokens, tier, tmp_path)
    assert first["action"] == "continue" and ["x-mse-consumer", "node"] in first["request_headers"], first
    for text, answer in zip(tokens[1:], others):
        assert answer["action"] == "local" and answer["status"] == 401, (text, answer)


@pytest.mark.parametrize("tier", TIERS)
def test_a_key_of_another_algorithm(made, tier, tmp_path):
    for alg in ALGORITHMS:
        others = [made[other]["jwk"] for other in ALGORITHMS if other != alg]
        without_kid = [{k: v for k, v in jwk.items() if k not in ("kid", "alg")} for jwk in others]
        for keys, text in ((others, "Jwks doesn't have key to match kid or alg from Jwt"), (without_kid, "Jwt verification fails")):
            answer, = ask(config_of(*keys), [made[alg]["token"]], tier, tmp_path)
            assert (answer["status"], answer["body"]) == (401, text), alg


@pytest.mark.parametrize("tier", TIERS)
def test_a_public_key_as_a_secret(made, tier, tmp_path):
    """HS256 with what everybody knows of an RSA key: its modulus, and the text of its JWK."""
    jwk = {k: v for k, v in made["RS256"]["jwk"].items() if k != "alg"}
    n = base64.urlsafe_b64decode(jwk["n"] + "==")
    tokens = [hs256(secret, {"iss": "node"}) for secret in (n, jwk["n"].encode(), json.dumps(jwk).encode(), b"")]
    for answer in ask(config_of(jwk), tokens, tier, tmp_path):
        assert (answer["status"], answer["body"]) == (401, "Jwt verification fails")


def hs256(secret, claims):
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "HS256"}, claims))
    return text + "." + base64.urlsafe_b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize("tier", TIERS)
def test_tokens_of_a_mebibyte(tier, tmp_path):
    config = config_of({"kty": "oct", "k": "c2VjcmV0"})
    size = 1 << 20
    tokens = ["x" * size, "." * size, "e30." + "A" * size + ".A", hs256(b"secret", {"iss": "node", "x": "y" * size}),
              "eyJhbGciOiJIUzI1NiJ9." + "A" * size]
    for answer in ask(config, tokens, tier, tmp_path):
        assert (answer["status"], answer["body"]) == (401, "Jwt is too large")
    places = json.dumps({"consumers": [{"name": "node", "jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, "from_params": ["t"],
                                        "from_cookies": ["jwt"]}]})
    requests = [{"headers": [[":path", "/?" + "&" * (size // 2) + "t=" + "%41" * (size // 6)]]},
                {"headers": [["cookie", ";=" * (size // 4) + ";jwt=" + "x" * (size // 2)]]}]
    code, lines = run_try(MODULE, places, requests, tier, tmp_path)
    assert code == 0 and [(line["status"], line["body"]) for line in lines] == [(401, "Jwt is too large")] * 2


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_verifying_is_well_within_the_cpu_budget(made, alg, tmp_path):
    """A tenth of it, compiled; the good token and a bad one."""
    if not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    (tmp_path / "config").write_text(config_of(made[alg]["jwk"]))
    (tmp_path / "requests").write_text(json.dumps([{"headers": [["authorization", "Bearer " + made[alg]["token"]]]}]))
    done = subprocess.run([os.path.join(BUILD, "weir"), "try", MODULE, "--config", tmp_path / "config", "--requests", tmp_path / "requests",
                           "--tier", "aot", "--bench", "5"], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["bench"]["cpu_ns_per_request"] < CPU_BUDGET_NS / 10
