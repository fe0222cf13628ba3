"""A few seconds of header_fuzz.py for every plugin, and that it finds what it looks for."""
import os
import signal

import pytest

import header_fuzz

SECONDS, SEED = 3, 20


@pytest.mark.parametrize("plugin", header_fuzz.plugins())
def test_headers_of_any_kind(gateway, echo, plugin):
    dictionary = header_fuzz.Dictionary(plugin)
    g = gateway(header_fuzz.config_of(plugin, dictionary, echo))
    first = header_fuzz.Client(g.port)
    # The fuzzer must get past the plugin, or it fuzzes its first line only.
    assert any(first.status(r) == 200 for r in dictionary.starts)
    first.close()
    statuses = header_fuzz.fuzz(g, plugin, dictionary, SECONDS, SEED)
    assert sum(statuses.values()) > 100 and statuses.get(200), statuses


def test_a_trap_is_found(gateway, echo, trapper_module):
    dictionary = header_fuzz.Dictionary("key-auth")
    dictionary.config = {}
    dictionary.starts = [header_fuzz.Request(headers=[(b"x-trap", b"oob")])]
    config = header_fuzz.config_of("trapper", dictionary, echo)
    config["plugins"][0]["url"] = trapper_module
    for strategy, why in (("FAIL_CLOSE", ": 503 for "), ("FAIL_OPEN", "trap in ")):
        config["plugins"][0]["failStrategy"] = strategy
        config.pop("listeners", None)
        with pytest.raises(AssertionError, match=why):
            header_fuzz.fuzz(gateway(config), "trapper", dictionary, 1, SEED)


def test_a_worker_that_died_is_found(gateway, echo):
    dictionary = header_fuzz.Dictionary("key-auth")
    g = gateway(header_fuzz.config_of("key-auth", dictionary, echo))
    g.allowed += ["exited on signal 9"]
    os.kill(g.workers()[0], signal.SIGKILL)
    g.wait_log("exited on signal 9")
    with pytest.raises(AssertionError, match="a worker was replaced"):
        header_fuzz.fuzz(g, "key-auth", dictionary, 0.1, SEED)


def test_the_same_seed_makes_the_same_requests():
    dictionary = header_fuzz.Dictionary("key-auth")
    one, other = (header_fuzz.Mutator(dictionary, SEED) for _ in range(2))
    assert [one.next().sendable() for _ in range(200)] == [other.next().sendable() for _ in range(200)]
