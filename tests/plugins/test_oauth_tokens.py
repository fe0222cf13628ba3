"""oauth through `weir try`: a token of node's crypto and the demonstration's, each of their bytes changed; what another algorithm or no signature makes."""
import base64
import json
import os
import shutil
import subprocess

import pytest

from test_jwt_tokens import STEPS, changed, hs256
from test_plugins import BUILD, ROOT, TIERS, run_try

MODULE = os.path.join(ROOT, "build/plugins/oauth.wasm")
CLIENT, SECRET = "9515b564-0b1d-11ee-9c4c-00163e1250b5", "9e55de56-0b1d-11ee-b8ec-00163e1250b5"
CONFIG = json.dumps({"consumers": [{"name": "consumer1", "client_id": CLIENT, "client_secret": SECRET}], "clock_skew_seconds": 3153600000})
CLAIMS = {"iss": "Higress-Gateway", "sub": "consumer1", "aud": "default", "client_id": CLIENT, "iat": 1700000000, "exp": 1700000010, "jti": "1"}
NODE = """
const { createHmac } = require('node:crypto');
const [secret, claims] = process.argv.slice(1), encode = (x) => Buffer.from(x).toString('base64url');
const text = encode('{"alg":"HS256","typ":"application/at+jwt"}') + '.' + encode(claims);
console.log(text + '.' + createHmac('sha256', secret).update(text).digest('base64url'));
"""


def node_token():
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    return subprocess.run(["node", "-e", NODE, SECRET, json.dumps(CLAIMS)], capture_output=True, text=True, check=True).stdout.strip()


def demo_token():
    with open(os.path.join(ROOT, "bench/k6/oauth.js"), encoding="utf-8") as f:
        return next(line.strip(" ';\n") for line in f if "'eyJ" in line)


def ask(tokens, tier, tmp_path):
    if tier == "aot" and not os.path.exists(os.path.join(BUILD, "weirc")):
        pytest.skip("weirc is not built")
    code, lines = run_try(MODULE, CONFIG, [{"headers": [["authorization", "Bearer " + t]]} for t in tokens], tier, tmp_path)
    assert code == 0 and len(lines) == len(tokens), lines
    return lines


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("token_of", [node_token, demo_token])
def test_each_byte_changed(token_of, tier, tmp_path):
    token = token_of()
    tokens = [token, *changed(token, STEPS[tier])]
    first, *others = ask(tokens, tier, tmp_path)
    assert first["action"] == "continue" and ["X-Mse-Consumer", "consumer1"] in [[n.title(), v] for n, v in first["request_headers"]], first
    for text, answer in zip(tokens[1:], others):
        assert (answer["status"], answer["body"]) == (401, "Invalid Jwt token"), (text, answer)


def unsigned(header, claims):
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, claims)) + "."


@pytest.mark.parametrize("tier", TIERS)
def test_hostile(tier, tmp_path):
    typ, claims = '"typ":"application/at+jwt"', json.dumps(CLAIMS)
    twice = claims[:-1] + ', "sub": "consumer1"}'
    size = 1 << 20
    tokens = [unsigned(f'{{"alg":"none",{typ}}}'.encode(), claims.encode()), unsigned(f'{{"alg":"HS256",{typ}}}'.encode(), claims.encode()),
              hs256(SECRET.encode(), CLAIMS),                                     # no typ
              hs256(b"", CLAIMS), hs256(CLIENT.encode(), CLAIMS), unsigned(f'{{"alg":"HS256",{typ}}}'.encode(), twice.encode()) + "AAAA",
              "x" * size, "." * size, "e30." + "A" * size + ".A", "\u00ff\ufffd.\u0080.\u00c3"]
    for token, answer in zip(tokens, ask(tokens, tier, tmp_path)):
        assert (answer["action"], answer["status"], answer["body"]) == ("local", 401, "Invalid Jwt token"), (token[:60], answer)
