"""cluster-key-rate-limit: two gateways and one redis-server; the limit holds exactly, and what happens without Redis."""
import os
import threading
import time

import pytest

from conftest import ROOT, free_port
from redis_load import SLOW, Load, ask_all, outage, settled
from redis_server import fixture_own_redis, fixture_redis  # pylint: disable=unused-import

MODULE = "file:" + os.path.join(ROOT, "build/plugins/cluster-key-rate-limit.wasm")
KEY_AUTH = "file:" + os.path.join(ROOT, "build/plugins/key-auth.wasm")


def config(echo, redis, *before, timeout=1000, **fields):
    return {"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "redis", "endpoints": [redis], "connectTimeout": "200ms"}],
            "routes": [{"name": "all", "match": {}, "service": "echo"}],
            "plugins": [*before, {"name": "limit", "url": MODULE, "priority": 20,
                                  "defaultConfig": {"rule_name": "r", "redis": {"service_name": "redis.static", "timeout": timeout}, **fields}}]}


def two(gateway, *args, workers=2, **fields):
    return [gateway(config(*args, **fields), "--workers", str(workers)) for _ in range(2)]


def statuses(answers):
    found = {}
    for a in answers:
        found[a.status] = found.get(a.status, 0) + 1
    return found


def test_exactly(gateway, echo, redis):
    """8 clients at two gateways of two workers each: as many as the limit says pass, and what remains counts down without gaps."""
    gateways = two(gateway, echo, redis.address, global_threshold={"query_per_hour": 100}, show_limit_quota_header=True)
    answers = ask_all(gateways, 40)
    assert statuses(answers) == {200: 100, 429: 220}
    remaining = sorted(int(a.response.header("x-ratelimit-remaining")) for a in answers if a.status == 200)
    assert remaining == list(range(100))
    for a in answers:
        assert a.response.header("x-ratelimit-limit") == "100" and 3590 <= int(a.response.header("x-ratelimit-reset")) <= 3600
        assert a.status == 200 or (a.text == "Too many requests" and a.response.header("x-ratelimit-remaining") == "0")
    assert redis.ask("GET", "higress-cluster-key-rate-limit:r:global_threshold:3600:100") == "-220"
    assert 3590 <= redis.ask("TTL", "higress-cluster-key-rate-limit:r:global_threshold:3600:100") <= 3600
    settled(gateways)


def test_windows(gateway, echo, redis):
    """Under load for some seconds, each window of a second takes as many as the limit says."""
    gateways = two(gateway, echo, redis.address, rule_name="windows", global_threshold={"query_per_second": 10})
    with Load(gateways) as load:
        began = time.monotonic()
        time.sleep(3.5)
        took = time.monotonic() - began
    passed = sum(a.status == 200 for a in load.answers)
    assert {a.status for a in load.answers} == {200, 429}
    # A window begins with its first request: there are at most as many as begin in the time, and no gap between them is long.
    assert 10 * (int(took) - 1) <= passed <= 10 * (int(took) + 2), (passed, took)
    settled(gateways)


def test_each_value_has_a_counter(gateway, echo, redis):
    item = {"limit_by_per_header": "x-key", "limit_keys": [{"key": "regexp:^a", "query_per_hour": 5}, {"key": "*", "query_per_hour": 7}]}
    gateways = two(gateway, echo, redis.address, rule_name="values", rule_items=[item])
    found = {}

    def run(value):
        found[value] = statuses(ask_all(gateways, 10, headers=[("x-key", value)], clients=2))
    threads = [threading.Thread(target=run, args=(v,)) for v in ("a1", "a2", "b")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {"a1": {200: 5, 429: 15}, "a2": {200: 5, 429: 15}, "b": {200: 7, 429: 13}}
    assert statuses(ask_all(gateways, 10, clients=2)) == {200: 20}


def test_consumers_and_addresses(gateway, echo, redis):
    """The name that key-auth found, and the peer's address."""
    auth = {"name": "key-auth", "url": KEY_AUTH, "priority": 310, "defaultConfig": {
        "keys": ["x-api-key"], "consumers": [{"name": "ann", "credential": "1"}, {"name": "bob", "credential": "2"}]}}
    items = [{"limit_by_consumer": "", "limit_keys": [{"key": "ann", "query_per_hour": 3}]},
             {"limit_by_per_ip": "from-remote-addr", "limit_keys": [{"key": "127.0.0.0/8", "query_per_hour": 9}]}]
    gateways = two(gateway, echo, redis.address, auth, rule_name="consumers", rule_items=items)
    assert statuses(ask_all(gateways, 5, headers=[("x-api-key", "1"), ("x-mse-consumer", "bob")], clients=2)) == {200: 3, 429: 7}
    assert statuses(ask_all(gateways, 10, headers=[("x-api-key", "2"), ("x-mse-consumer", "ann")], clients=2)) == {200: 9, 429: 11}
    assert redis.ask("GET", "higress-cluster-key-rate-limit:consumers:limit_by_per_ip:3600:9:from-remote-addr:127.0.0.1") == "-11"


def test_a_key_without_end_starts_over(gateway, echo, redis):
    key = "higress-cluster-key-rate-limit:persist:global_threshold:3600:5"
    redis.ask("SET", key, "-3")
    g = gateway(config(echo, redis.address, rule_name="persist", global_threshold={"query_per_hour": 5}))
    assert g.send().status == 200
    assert redis.ask("GET", key) == "4" and redis.ask("TTL", key) > 3500


def test_counting_with_higress(gateway, echo, redis):
    """A counter that Higress began: what is left of it, and its end."""
    key = "higress-cluster-key-rate-limit:shared:global_threshold:60:10"
    redis.ask("SET", key, "1", "EX", "60")
    g = gateway(config(echo, redis.address, rule_name="shared", global_threshold={"query_per_minute": 10}))
    assert [g.send().status for _ in range(3)] == [200, 429, 429]


@pytest.mark.parametrize("policy,status", [("open", 200), ("closed", 503)])
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_redis_goes_and_comes_back(gateway, echo, own_redis, how, policy, status):
    """Under load: answers by the policy within the deadline, and the limit holds again a second after Redis is back."""
    gateways = two(gateway, echo, own_redis.address, timeout=300, global_threshold={"query_per_day": 1}, on_failure=policy)
    with Load(gateways) as load:
        away, later = outage(load, own_redis, how, 0.3)
    assert {a.status for a in away} == {status} and len(away) > 8
    assert {a.status for a in later} <= {429} and later, statuses(later)
    if status == 503:
        assert {a.text for a in away} == {"Rate limit is not available"}
    settled(gateways, own_redis)


def test_complaints_are_few(gateway, echo):
    """Redis that never was: one line a second and worker, not one a request."""
    g = gateway(config(echo, f"127.0.0.1:{free_port()}", timeout=200, global_threshold={"query_per_day": 1}), "--workers", "1")
    with Load([g], clients=4) as load:
        time.sleep(1.5)
    assert len(load.answers) > 10 and {a.status for a in load.answers} == {200}
    assert 1 <= g.error_log.count("not counted: ") <= 3 + SLOW


def test_the_example(gateway, echo, redis):
    with open(os.path.join(ROOT, "examples/rate-limit/gateway.yaml"), encoding="utf-8") as f:
        text = f.read()
    for address, here in (("127.0.0.1:10000", f"127.0.0.1:{free_port()}"), ("127.0.0.1:10080", echo.address), ("127.0.0.1:10079", redis.address)):
        assert address in text
        text = text.replace(address, here)
    g = gateway(text.replace("build/plugins/", f"{ROOT}/build/plugins/"))
    answers = [g.send(headers=[("x-api-key", "a")]) for _ in range(4)]
    assert [a.status for a in answers] == [200, 200, 200, 429] and answers[2].header("x-ratelimit-remaining") == "0"
    assert g.send(headers=[("x-api-key", "b")]).status == 200 and g.send().header("x-ratelimit-limit") == "5"
