/* What needs a new VM, and what does not. */
#include "gw_test.h"

#include "gw/same.h"

#define BASE                                                                                                 \
    "listeners: [127.0.0.1:1]\nplugins:\n- {name: p, url: 'file:a.wasm', defaultConfig: {a: 1}, "            \
    "matchRules: "                                                                                           \
    "[{domain: [x.y], config: {b: 2}}]"

static void compare(const char *other, bool same)
{
    struct gw_config *a = load_good(BASE "}"), *b = load_good(other);
    uint32_t map[8] = {9, 9};
    bool is = gw_plugin_same_vm(&a->plugins[0], &b->plugins[0], map);
    if (is != same) {
        fail_msg("%s", other);
    }
    for (uint32_t i = 0; is && i < b->plugins[0].nconfigs; i++) {
        assert_true(str_eq(a->plugins[0].configs[map[i]], b->plugins[0].configs[i]));
    }
    if (!same) {
        assert_true(gw_plugin_vm_hash(&a->plugins[0]) != gw_plugin_vm_hash(&b->plugins[0]));
    }
    gw_config_free(a);
    gw_config_free(b);
}

#define PLUGIN "listeners: [127.0.0.1:1]\nplugins:\n- {name: p, url: 'file:a.wasm', "

static void test_the_same(void **state)
{
    (void)state;
    compare(BASE "}", true);
    compare(BASE ", priority: 7, phase: AUTHN}", true);
    compare(PLUGIN "defaultConfig: {a: 1}, matchRules: [{domain: [z.y, w.y], config: {b: 2}}]}", true);
    compare(PLUGIN "defaultConfig: {b: 2}, matchRules: [{domain: [x.y], config: {a: 1}}]}",
            true); /* the set is */
}

static void test_another(void **state)
{
    (void)state;
    compare(BASE ", failStrategy: FAIL_OPEN}", false);
    compare(BASE ", vm: {runtime: interp}}", false);
    compare(BASE ", pluginName: q}", false);
    compare(BASE ", vmConfig: {env: [{name: A, value: b}]}}", false);
    compare(BASE ", limits: {memory: 1MiB}}", false);
    compare(PLUGIN "defaultConfig: {a: 2}, matchRules: [{domain: [x.y], config: {b: 2}}]}", false);
    compare(PLUGIN "defaultConfig: {a: 1}}", false);
    compare("listeners: [127.0.0.1:1]\nplugins:\n- {name: p, url: 'file:b.wasm', defaultConfig: {a: 1}, "
            "matchRules: "
            "[{domain: [x.y], config: {b: 2}}]}",
            false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_same), cmocka_unit_test(test_another)};
    return cmocka_run_group_tests_name("gw/same", tests, NULL, NULL);
}
