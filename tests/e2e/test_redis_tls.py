"""Redis over TLS: a real redis-server with a TLS port; certificates are made here by openssl."""
import signal

import pytest

from certificates import Authority
from conftest import free_port, wait_for
from redis_server import RedisServer
from test_redis import GO, SLOW, ask, config, get, settled, state


@pytest.fixture(name="authority", scope="module")
def fixture_authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="redis", scope="module")
def fixture_redis(tmp_path_factory, authority):
    cert, key = authority.make("redis", "DNS:redis.example")
    port = free_port()
    r = RedisServer(tmp_path_factory.mktemp("redis"), "--tls-port", str(port), "--tls-cert-file", cert, "--tls-key-file", key,
                    "--tls-ca-cert-file", authority.ca, "--tls-auth-clients", "no", "--requirepass", "secret")
    r.tls_address = f"127.0.0.1:{port}"
    yield r
    r.kill()


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module, redis, authority, tmp_path_factory):
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "stranger")
    c = config(echo, probe_module, {"redis": redis.tls_address, "other": redis.tls_address, "name": redis.tls_address, "clear": redis.address},
               init="configure: rinit redis?db=3 default secret 1000")
    tls = {"ca": authority.ca, "serverName": "redis.example"}
    for i, settings in enumerate((tls, {**tls, "ca": stranger.ca}, {**tls, "serverName": "other.example"}, tls)):
        c["services"][1 + i]["tls"] = settings
    return gateways(c, "--workers", "1", "--plugin-log-level", "trace")


def test_calls(gw, redis):
    assert get(gw, "redis", "SET", "a", "1")[:2] == (0, "+OK")
    assert redis.ask("INFO", "keyspace", login=("secret",)).count("db3:keys=1") == 1
    redis.ask("EVAL", "redis.call('SELECT', 3) return redis.call('SET', 'large', string.rep('v', 3000000))", 0, login=("secret",))
    _, said, callbacks = ask(gw, "redis redis then GET large; ret 1", "buf 9 3000005 99; " + GO)
    assert said["buf 9 3000005 99"] == "0 vvvvv" and callbacks[0].split()[2:] == ["0", "3000012"]
    settled(gw, connections=1)


def test_much_at_once(gw, redis):
    """More than the socket takes: what is left over is written later, from a buffer that moved meanwhile."""
    many = "redismany redis _ 6500 RPUSH list" + 6 * (" " + "w" * 180)
    ask(gw, "rinit redis?db=3 default secret 20000")
    redis.signal(signal.SIGSTOP)
    try:
        for _ in range(2):
            assert ask(gw, many)[1][many] == "0 6500"
        wait_for("a full socket", lambda: state(gw, "redis")["connections"][0]["unsent_bytes"] > 0)
    finally:
        redis.signal(signal.SIGCONT)
    settled(gw, connections=1)
    assert get(gw, "redis", "LLEN", "list")[:2] == (0, ":78000")
    assert get(gw, "redis", "LREM", "list", "0", "w" * 180)[:2] == (0, ":78000")   # every one is whole
    ask(gw, "rinit redis?db=3 default secret 1000")


@pytest.mark.parametrize("service", ["other", "name", "clear"])
def test_refused(gw, service):
    """Another authority, another name, no TLS there: nothing is sent, not even the password."""
    for _ in range(2):
        status, why, took = get(gw, service, "PING")
        assert (status, why) == (1, "11 refused") and took < 1.2 * SLOW
    assert state(gw, service)["connects"] == 0 and state(gw, service)["bytes_sent"] == 0
    settled(gw)


def test_losses(gw, redis):
    assert get(gw, "redis", "PING")[0] == 0
    redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", login=("secret",))
    wait_for("the loss", lambda: not state(gw, "redis")["connections"])
    assert get(gw, "redis", "PING")[:2] == (0, "+PONG")
    redis.kill()
    assert get(gw, "redis", "PING")[0] == 1
    redis.start()
    wait_for("recovery", lambda: get(gw, "redis", "PING")[:2] == (0, "+PONG"), 1 * SLOW)
    redis.signal(signal.SIGSTOP)
    assert get(gw, "redis", "PING")[:2] == (1, "11 timeout")
    redis.signal(signal.SIGCONT)
    wait_for("recovery", lambda: get(gw, "redis", "PING")[:2] == (0, "+PONG"), 1 * SLOW)
    settled(gw, connections=1)
