"""jwt-logout: two gateways and one redis-server; who is logged out at one is at the other, and what happens without Redis."""
import base64
import hashlib
import hmac
import json
import os
import time
import urllib.parse

import pytest

from conftest import ROOT, free_port, wait_for
from redis_load import SLOW, Load, outage, settled
from redis_server import fixture_own_redis, fixture_redis  # pylint: disable=unused-import

MODULE = "file:" + os.path.join(ROOT, "build/plugins/jwt-logout.wasm")
OAUTH = "file:" + os.path.join(ROOT, "build/plugins/oauth.wasm")
SECRET, ADMIN = "a-secret-of-this-test", "the administrator's"
POLICIES = ["open", "closed", "cache-only"]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims, secret=SECRET):
    return sign_bytes(json.dumps(claims).encode(), secret)


def sign_bytes(claims, secret=SECRET):
    text = b64(b'{"alg":"HS256"}') + "." + b64(claims)
    return text + "." + b64(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def token(sub="ann", ttl=600, age=10, secret=SECRET, **claims):
    now = int(time.time())
    all_claims = {"iss": "tests", "sub": sub, "jti": os.urandom(8).hex(), "iat": now - age, "exp": now + ttl, **claims}
    return sign({k: v for k, v in all_claims.items() if v is not None}, secret)


def bearer(of):
    return [("Authorization", "Bearer " + of)]


def config(echo, redis, *before, timeout=1000, **fields):
    fields.setdefault("keys", [{"secret": SECRET, "issuer": "tests"}])
    fields = {k: v for k, v in fields.items() if v is not None}
    return {"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "redis", "endpoints": [redis], "connectTimeout": "200ms"}],
            "routes": [{"name": "all", "match": {}, "service": "echo"}],
            "plugins": [*before, {"name": "jwt-logout", "url": MODULE, "phase": "AUTHN", "priority": 300, "defaultConfig": {
                "logout_path": "/logout", "admin_path": "/revoke", "admin_secret": ADMIN,
                "redis": {"service_name": "redis", "timeout": timeout}, **fields}}]}


def two(gateway, *args, workers=2, **fields):
    return [gateway(config(*args, **fields), "--workers", str(workers)) for _ in range(2)]


def compiled(gateways):
    """Until then a worker may change from interpreted to compiled code, and begin with an empty cache."""
    for g in gateways:
        wait_for("compiled code", lambda g=g: all(p["tier"] == "aot" for p in g.worker_status()["plugins"]), 120)
    return gateways


@pytest.fixture(name="pair", scope="module")
def fixture_pair(gateways, echo, redis):
    return two(gateways, echo, redis.address)


def ask(g, of, path="/", **kwargs):
    return g.send(path, headers=bearer(of), **kwargs)


def logout(g, of):
    return ask(g, of, "/logout", method="POST")


def revoke(g, secret=ADMIN, **params):
    return g.send("/revoke?" + urllib.parse.urlencode(params), method="POST", headers=[("X-Admin-Secret", secret)])


# ---- logging out ------------------------------------------------------------------------------------------------------------


def test_at_one_is_at_the_other(pair):
    """At once, in all workers of both."""
    for g, other in (pair, pair[::-1]):
        mine, another = token(), token()
        assert [ask(x, mine).status for x in pair * 3] == [200] * 6
        assert logout(g, mine).status == 204
        for x in [other, g] * 6:
            response = ask(x, mine)
            assert (response.status, response.text) == (401, "Jwt is revoked")
            assert response.header("www-authenticate") == 'Bearer error="invalid_token", error_description="Jwt is revoked"'
        assert ask(other, another).status == 200
    settled(pair)


def test_under_load(pair):
    """Nobody passes whose request began after the logout had been answered."""
    mine = token()
    with Load(pair, headers=bearer(mine)) as load:
        time.sleep(0.5)
        assert logout(pair[0], mine).status == 204
        done = time.monotonic()
        time.sleep(0.5)
    assert load.statuses(0, done - 0.2) == {200} and load.statuses(done, done + 9) == {401}
    settled(pair)


def test_records_end_with_the_token(pair, redis):
    redis.ask("FLUSHALL")
    assert logout(pair[0], token(ttl=100)).status == 204
    (key,) = redis.ask("KEYS", "*")
    assert key.startswith("{jwt-logout}:t:") and 158 <= redis.ask("TTL", key) <= 160   # and the clock skew
    assert logout(pair[0], token(exp=None)).status == 204
    assert sorted(redis.ask("TTL", k) > 0 for k in redis.ask("KEYS", "*")) == [False, True]


def test_without_jti(pair):
    """Known by the hash of what is signed."""
    mine, another = token(jti=None), token(jti=None, extra=1)
    assert logout(pair[0], mine).status == 204
    assert ask(pair[1], mine).status == 401 and ask(pair[1], another).status == 200


def test_nobody_logs_out_others(pair):
    """A token with the same jti, but not signed by us or not by this issuer, is refused and records nothing."""
    mine = token(jti="known")
    for forged in (token(jti="known", secret="guessed"), token(jti="known", iss="others"), mine[:-4] + "AAAA", mine.rsplit(".", 1)[0] + "."):
        assert logout(pair[0], forged).status == 401
        assert ask(pair[0], forged).status == 401
    assert ask(pair[1], mine).status == 200
    assert ask(pair[0], mine, "/logout").status == 405 and pair[0].send("/logout", method="POST").status == 401


def unsigned(header, claims):
    return b64(header) + "." + b64(claims) + "."


HOSTILE = ["", ".", "..", "a.b.c", "e30.e30.", "x" * 7000, "." * 7000, "\xff\xfe.\x80.\xc3", unsigned(b'{"alg":"none"}', b'{"iss":"tests"}'),
           sign_bytes(b'{"iss":"tests","jti":"1","jti":"2"}'), sign_bytes(b'{"iss":"tests","jti":"\xff"}'), sign_bytes(b'{"iss":"tests","iss":"tests"}'),
           sign_bytes(b"[" * 5000), sign({"iss": "tests"}) + "=", sign({"iss": "tests"}) + ".x"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda t: repr(t[:40]))
def test_hostile_tokens(pair, redis, hostile):
    """Refused where they are checked and where they would be logged out, and nothing of them is recorded."""
    before = redis.ask("DBSIZE")
    for path, method in (("/", "GET"), ("/logout", "POST")):
        assert pair[0].send(path, method=method, headers=[("Authorization", "Bearer " + hostile)]).status == 401
    assert redis.ask("DBSIZE") == before


def test_each_place_is_looked_at(pair):
    """A revoked token is not let in beside a clean one."""
    mine, another = token(), token()
    assert logout(pair[0], mine).status == 204
    assert ask(pair[1], another, "/?access_token=" + mine).status == 401
    assert ask(pair[1], mine, "/?access_token=" + another).status == 401
    assert ask(pair[1], another, "/?access_token=" + another).status == 200
    assert pair[1].send("/?access_token=" + mine).status == 401


def test_a_body_waits(pair):
    body = os.urandom(300000).hex().encode()
    response = ask(pair[0], token(), method="POST", body=body)
    assert response.status == 200 and response.seen_header("content-length") == str(len(body))
    settled(pair)


# ---- the administrator --------------------------------------------------------------------------------------------------------


def test_subjects(pair):
    old, older, others = token("bob", age=50), token("bob", age=500), token("eve", age=500)
    assert revoke(pair[0], sub="bob", iss="tests", before=int(time.time()) - 100).status == 204
    assert [ask(pair[1], t).status for t in (old, older, others)] == [200, 401, 200]
    assert revoke(pair[1], sub="bob", iss="tests").status == 204
    assert [ask(pair[0], t).status for t in (old, older, others)] == [401, 401, 200]
    assert ask(pair[0], token("bob", age=-2)).status == 200    # issued afterwards
    assert revoke(pair[1], sub="bob", iss="tests", before=5).status == 204
    assert ask(pair[0], old).status == 401                     # a cutoff does not go back
    assert revoke(pair[1], sub="eve", iss="another").status == 204
    assert ask(pair[0], others).status == 200


def test_one_token(pair):
    assert revoke(pair[0], jti="bad", iss="tests", exp=int(time.time()) + 50).status == 204
    assert ask(pair[1], token(jti="bad")).status == 401 and ask(pair[1], token(jti="good")).status == 200


def test_everybody(gateway, echo, own_redis):
    pair = two(gateway, echo, own_redis.address)
    before, after = token(age=100), token(age=-2)
    assert revoke(pair[0], all="true").status == 204
    assert [ask(pair[1], t).status for t in (before, after)] == [401, 200]
    assert 2592000 < own_redis.ask("TTL", "{jwt-logout}:all") <= 2592061


def test_not_everybody_is_the_administrator(pair, redis):
    redis.ask("FLUSHALL")
    for secret in ("", "x", ADMIN + "x", ADMIN[:-1], "\xff"):
        assert revoke(pair[0], secret, all="true").status == 403
    assert pair[0].send("/revoke?all=true", headers=[("X-Admin-Secret", ADMIN)]).status == 405
    assert revoke(pair[0], sub="bob").status == 400
    assert redis.ask("DBSIZE") == 0


# ---- behind oauth ---------------------------------------------------------------------------------------------------------------


def oauth():
    return {"name": "oauth", "url": OAUTH, "phase": "AUTHN", "priority": 350, "defaultConfig": {
        "consumers": [{"name": "consumer1", "client_id": "id", "client_secret": SECRET}]}}


def test_behind_oauth(gateway, echo, redis):
    """oauth gives out and verifies; this plugin, after it, logs out."""
    pair = two(gateway, echo, redis.address, oauth(), keys=None, verified_before=True)
    form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": SECRET}
    response = pair[0].send("/oauth2/token?" + urllib.parse.urlencode(form))
    assert response.status == 200, response.text
    given = json.loads(response.body)["access_token"]
    assert [ask(g, given).status for g in pair] == [200, 200]
    claims = given.split(".")[1]
    forged = given.split(".")[0] + "." + claims + "." + b64(hmac.new(b"guessed", given.rsplit(".", 1)[0].encode(), hashlib.sha256).digest())
    assert logout(pair[0], forged).status == 401 and ask(pair[1], given).status == 200
    assert logout(pair[0], given).status == 204
    assert [(r.status, r.text) for r in (ask(g, given) for g in pair)] == [(401, "Jwt is revoked")] * 2


# ---- the cache ---------------------------------------------------------------------------------------------------------------------


def commands(g):
    return sum(c["commands"] if "commands" in c else c["replies"] for c in g.worker_status()["redis"]["clients"])


def test_the_cache_keeps_redis_off_the_path(gateway, echo, redis):
    pair = compiled(two(gateway, echo, redis.address, workers=1, cache_ms=1500))
    mine = token()
    assert [ask(g, mine).status for g in pair] == [200, 200]
    before = commands(pair[0])
    for _ in range(20):
        assert ask(pair[0], mine).status == 200
    assert commands(pair[0]) == before
    logged_out = time.monotonic()
    assert logout(pair[1], mine).status == 204
    assert ask(pair[1], mine).status == 401                  # at once where it happened
    while ask(pair[0], mine).status == 200:                  # elsewhere within cache_ms
        assert time.monotonic() - logged_out < 1.5 + 0.5 * SLOW
        time.sleep(0.02)
    before = commands(pair[0])
    assert ask(pair[0], mine).status == 401 and commands(pair[0]) == before   # what is revoked is known for good


# ---- without Redis -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_redis_goes_and_comes_back(gateway, echo, own_redis, how, policy):
    """Under load: answers by the policy within the deadline; a second after Redis is back tokens are looked up again."""
    pair = compiled(two(gateway, echo, own_redis.address, timeout=300, workers=1, on_failure=policy))
    known, revoked = token(), token("gone")
    for g in pair:
        assert ask(g, known).status == 200
    assert logout(pair[0], revoked).status == 204 and ask(pair[1], revoked).status == 401
    with Load(pair, headers=bearer(known), clients=6) as load, Load(pair, headers=bearer(revoked), clients=2) as gone:
        away, later = outage(load, own_redis, how, 0.3)
    assert {a.status for a in away} == {503 if policy == "closed" else 200} and len(away) > 4
    assert {a.status for a in later} == {200}
    assert {a.status for a in gone.answers} == {401}          # known to be revoked, without Redis too
    settled(pair, own_redis)


def test_cache_only(gateway, echo, own_redis):
    """Without Redis: who was looked up passes, for a while; others do not; and nobody is logged out."""
    g = gateway(config(echo, own_redis.address, timeout=200, on_failure="cache-only", cache_only_ms=2000), "--workers", "1")
    compiled([g])
    known = token()
    asked = time.monotonic()
    assert ask(g, known).status == 200
    own_redis.kill()
    assert ask(g, known).status == 200 and ask(g, token()).status == 503
    assert logout(g, known).status == 503 and revoke(g, all="true").status == 503
    if time.monotonic() - asked < 1.5:
        assert ask(g, known).status == 200
    time.sleep(max(0, asked + 2.1 - time.monotonic()))
    assert ask(g, known).status == 503
    own_redis.start()
    time.sleep(1 * SLOW)
    assert ask(g, known).status == 200 and logout(g, known).status == 204 and ask(g, known).status == 401
    settled([g])


def test_redis_that_refuses(gateway, echo, own_redis):
    """A reply that is no answer counts as none: records of another type, a full Redis."""
    g = gateway(config(echo, own_redis.address), "--workers", "1")
    own_redis.ask("RPUSH", "{jwt-logout}:all", "1")            # MGET gives nil for it
    assert ask(g, token()).status == 200
    own_redis.ask("DEL", "{jwt-logout}:all")
    own_redis.ask("SET", "{jwt-logout}:all", "tomorrow")
    assert ask(g, token()).status == 503
    own_redis.ask("DEL", "{jwt-logout}:all")
    own_redis.ask("CONFIG", "SET", "maxmemory", "1")
    mine = token()
    assert logout(g, mine).status == 503 and ask(g, mine).status == 200
    settled([g])


def test_the_example(gateway, echo, redis):
    with open(os.path.join(ROOT, "examples/jwt-logout/gateway.yaml"), encoding="utf-8") as f:
        text = f.read()
    for address, here in (("127.0.0.1:10000", f"127.0.0.1:{free_port()}"), ("127.0.0.1:10080", echo.address), ("127.0.0.1:10079", redis.address)):
        assert address in text
        text = text.replace(address, here)
    g = gateway(text.replace("build/plugins/", f"{ROOT}/build/plugins/"))
    given = json.loads(g.send("/oauth2/token?grant_type=client_credentials&client_id=demo&client_secret=demo-secret").body)["access_token"]
    assert ask(g, given).status == 200 and logout(g, given).status == 204 and ask(g, given).status == 401
    assert g.send("/revoke?sub=demo&iss=Higress-Gateway", method="POST", headers=[("X-Admin-Secret", "change-this-secret")]).status == 204
    assert g.send("/revoke?sub=demo&iss=Higress-Gateway", method="POST").status == 403
