"""What modules need from a host, and what hosts need of them: nothing but Proxy-Wasm 0.2.1, apart from the extensions that are named here.

other_host.mjs is a host that knows no more: plugins without extensions load into it and give the verdicts of their cases."""
import json
import os
import shutil
import subprocess

import pytest

from modules import PLUGINS, ROOT, Module, host_calls, path_of
from test_plugins import check, config_text, load_cases

STANDARD = {"ANY", "V020", "V021"}
REDIS = {"proxy_redis_init", "proxy_redis_call"}
# Plugins with extensions: what they import of Higress, and whether they are of its ABI.
IMPORTS = {"cluster-key-rate-limit": REDIS, "jwt-logout": REDIS}
HIGRESS = {"hmac-auth", "oauth"}
# Every Proxy-Wasm host has WASI's random_get.
WASI = {"oauth": {"random_get"}}
PORTABLE = [p for p in PLUGINS if p not in IMPORTS and p not in HIGRESS]
CALLBACKS = {"proxy_on_configure": "ii:i", "proxy_on_context_create": "ii:", "proxy_on_delete": "i:", "proxy_on_memory_allocate": "i:i", "malloc": "i:i",
             "proxy_on_request_headers": "iii:i", "proxy_on_request_body": "iii:i", "proxy_on_request_trailers": "ii:i",
             "proxy_on_response_headers": "iii:i", "proxy_on_redis_call_response": "iiii:", "_initialize": ":", "memory": None}
# What a case may say for the other host to be able to run it: headers of a request and the time, and what is seen of its end.
RUNS, SEEN = {"headers", "now_ns"}, {"action", "status", "body", "headers", "request_headers"}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_imports(plugin):
    calls, module = host_calls(), Module(path_of(plugin))
    env = {name: type_ for (space, name), type_ in module.imports.items() if space == "env"}
    assert {name for name in env if calls[name][1] not in STANDARD} == IMPORTS.get(plugin, set())
    assert {name: calls[name][0] for name in env} == env
    others = {name for space, name in module.imports if space != "env"}
    assert {space for space, _ in module.imports} <= {"env", "wasi_snapshot_preview1"} and others == WASI.get(plugin, set())


@pytest.mark.parametrize("plugin", PLUGINS)
def test_exports(plugin):
    """One ABI, and callbacks of the right types; nothing of the C library."""
    exports = Module(path_of(plugin)).exports
    abi = "proxy_abi_version_0_2_100" if plugin in HIGRESS else "proxy_abi_version_0_2_1"
    assert exports.pop(abi) == ":"
    assert {name: CALLBACKS.get(name, "unknown") for name in exports} == exports
    assert ("proxy_on_redis_call_response" in exports) == (plugin in IMPORTS)


def test_the_table_of_host_calls_is_read():
    calls = host_calls()
    assert calls["proxy_log"] == ("iii:i", "ANY") and calls["proxy_redis_init"][1] == "HIGRESS" and len(calls) > 40


@pytest.mark.parametrize("plugin", PORTABLE)
def test_another_host(plugin, tmp_path):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    cases = [p.values[1] for p in load_cases() if p.values[0] == plugin]
    runs = [{"config": config_text(c), "steps": [s for s in c.get("requests", []) if set(s["request"]) <= RUNS and set(s["expect"]) <= SEEN | {"details"}]}
            for c in cases]
    (tmp_path / "runs").write_text(json.dumps(runs))
    out = subprocess.run(["node", os.path.join(ROOT, "tests/plugins/other_host.mjs"), path_of(plugin), tmp_path / "runs"],
                         capture_output=True, text=True, check=True, timeout=60).stdout
    answers = json.loads(out)
    assert [a["configured"] for a in answers] == [c.get("configure", True) for c in cases]
    steps = 0
    for run, answer in zip(runs, answers):
        for step, got in zip(run["steps"], answer["requests"]):
            check(got, {k: v for k, v in step["expect"].items() if k in SEEN})
            steps += 1
    assert steps >= 5 and len({got["action"] for a in answers for got in a["requests"]}) == 2, steps


def test_a_module_with_extensions_does_not_load_there(tmp_path):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    (tmp_path / "runs").write_text(json.dumps([{"config": "", "steps": []}]))
    done = subprocess.run(["node", os.path.join(ROOT, "tests/plugins/other_host.mjs"), path_of("jwt-logout"), tmp_path / "runs"],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and "proxy_redis_" in done.stderr


SOURCE = """
#include "weir_plugin.h"
#ifndef WP_NO_EXTENSIONS
#include "weir_redis.h"
#endif
struct root { struct wp_root wp; };
struct stream { struct wp_stream wp; };
#ifdef WP_PLUGIN_HIGRESS
WP_PLUGIN_HIGRESS(struct root, struct stream)
#else
WP_PLUGIN(struct root, struct stream)
#endif
static enum wp_action request_headers(struct stream *s, uint32_t count, bool end)
{
    (void)s;
    (void)count;
    (void)end;
#ifdef WP_HAS_REDIS
    struct wp_str ping = WP_STR("PING");
    if (wp_redis_available())
        wp_redis_call(&s->wp, WP_STR("redis"), &ping, 1, NULL, NULL);
#endif
    wp_header_replace(WP_REQUEST_HEADERS, WP_STR("x-seen"), WP_STR("1"));
    return WP_CONTINUE;
}
WP_ON_REQUEST_HEADERS(request_headers)
"""


def build(folder, name, *flags, source=SOURCE):
    (folder / "plugin.c").write_text(source)
    return subprocess.run(["clang-19", "--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-mbulk-memory", "-Wall", "-Wextra", "-Werror", *flags,
                           f"-I{ROOT}/build/sdk/include", "plugin.c", f"-L{ROOT}/build/sdk", "-lweir_plugin", "-Wl,--stack-first", "-o", name],
                          cwd=folder, capture_output=True, text=True, check=False)


def test_the_sdk_says_what_is_an_extension(tmp_path):
    """The same source with what is there, and without: the second module needs nothing of Higress or weir."""
    for name, flags, abi, redis in (("full.wasm", [], "proxy_abi_version_0_2_100", True), ("plain.wasm", ["-DWP_NO_EXTENSIONS"], "proxy_abi_version_0_2_1", False)):
        done = build(tmp_path, name, *flags)
        assert done.returncode == 0, done.stderr
        module = Module(tmp_path / name)
        assert abi in module.exports and (("env", "proxy_redis_call") in module.imports) == redis
    calls = host_calls()
    assert all(calls[name][1] in STANDARD for _, name in module.imports)
    done = build(tmp_path, "none.wasm", "-DWP_NO_EXTENSIONS", source='#include "weir_redis.h"\n')
    assert done.returncode != 0 and "is an extension of Higress and Weir" in done.stderr
