/* Which plugins a request passes, in which order, with which configuration. */
#include "gw_test.h"

#include <stdio.h>

#define BASE                                                                                                 \
    "services:\n"                                                                                            \
    "- {name: echo, endpoints: ['h:10080']}\n"                                                               \
    "- {name: pay, endpoints: ['h:2']}\n"                                                                    \
    "- {name: outbound|80||a.dns, endpoints: ['h:3']}\n"                                                     \
    "routes:\n"                                                                                              \
    "- {name: orders, service: echo}\n"                                                                      \
    "- {name: split, services: [echo, pay]}\n"                                                               \
    "- {name: old, redirect: {path: /x}}\n"                                                                  \
    "- {name: cluster, service: outbound|80||a.dns}\n"                                                       \
    "plugins:\n"

/* Routes and their backends, as places in BASE. */
enum { ORDERS, SPLIT, OLD, CLUSTER };

/* "plugin=config ..." */
static const char *steps_of(const struct gw_generation *g, uint32_t route, uint32_t backend, const char *host)
{
    static char text[512];
    struct gw_step steps[16];
    const struct gw_config *c = gw_generation_config(g);
    uint32_t n = gw_generation_plugins(g, route, backend, str_of(host), steps);
    size_t len = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        const struct gw_plugin *p = &c->plugins[steps[i].plugin];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s=%.*s", i == 0 ? "" : " ",
                                STR_ARG(p->name), STR_ARG(p->configs[steps[i].config]));
    }
    return text;
}

static void test_order(void **state)
{
    struct gw_generation *g =
        gw_generation_build(load_good(BASE "- {name: last, url: x}\n"
                                           "- {name: first, url: x, phase: AUTHN, priority: 1}\n"
                                           "- {name: stats, url: x, phase: STATS, priority: 1000}\n"
                                           "- {name: b, url: x, phase: AUTHZ}\n"
                                           "- {name: a, url: x, phase: AUTHZ}\n"
                                           "- {name: before, url: x, priority: 2147483647}\n"
                                           "- {name: zero, url: x, phase: AUTHN, priority: 10}\n"
                                           "- {name: neg, url: x, phase: AUTHN, priority: -2147483648}\n"));
    (void)state;

    assert_string_equal(steps_of(g, ORDERS, 0, "h"), "zero= first= neg= a= b= stats= before= last=");
    const uint32_t *order = gw_generation_plugin_order(g);
    assert_str(gw_generation_config(g)->plugins[order[7]].name, "last");
    gw_generation_unref(g);
}

static void test_kinds(void **state)
{
    struct gw_generation *g = gw_generation_build(load_good(
        BASE
        "- name: p\n"
        "  url: x\n"
        "  defaultConfig: {d: 0}\n"
        "  matchRules:\n"
        "  - {route: [orders], service: [pay], config: {r: 0}}\n" /* no backend of orders is pay */
        "  - {route: [split], service: [pay], config: {r: 1}}\n"
        "  - {route: [old], domain: [never.example], config: {r: 2}}\n" /* the domain counts for nothing */
        "  - {domain: [both.example], service: [echo], config: {r: 3}}\n"
        "  - {domain: ['*.d.example', exact.example, 'pre.*'], config: {r: 4}}\n"
        "  - {service: [a.dns], config: {r: 5}}\n"
        "  - {domain: [both.example], config: {r: 6}}\n"));
    (void)state;

    assert_string_equal(steps_of(g, ORDERS, 0, "h"), "p={\"d\":0}");
    assert_string_equal(steps_of(g, SPLIT, 0, "h"), "p={\"d\":0}");
    assert_string_equal(steps_of(g, SPLIT, 1, "h"), "p={\"r\":1}");
    assert_string_equal(steps_of(g, SPLIT, 1, "both.example"), "p={\"r\":1}"); /* first in the list */
    assert_string_equal(steps_of(g, OLD, GW_NONE, "h"), "p={\"r\":2}");
    assert_string_equal(steps_of(g, ORDERS, 0, "both.example"), "p={\"r\":3}");
    assert_string_equal(steps_of(g, CLUSTER, 0, "both.example"), "p={\"r\":5}");
    assert_string_equal(steps_of(g, GW_NONE, GW_NONE, "both.example"), "p={\"r\":6}");
    assert_string_equal(steps_of(g, CLUSTER, 0, "x.d.example"), "p={\"r\":4}");
    assert_string_equal(steps_of(g, GW_NONE, GW_NONE, "h"), "p={\"d\":0}");
    gw_generation_unref(g);
}

static void test_domains(void **state)
{
    static const struct {
        const char *pattern, *host;
        bool matches;
    } cases[] = {
        {"*", "anything", true},
        {"*", "", true},
        {"*.example.com", "a.example.com", true},
        {"*.example.com", "a.b.example.com", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", "a.example.com:8080", true},
        {"*example.com", "example.com", true},
        {"*example.com", "notexample.com", true},
        {"www.example.*", "www.example.org", true},
        {"www.example.*", "www.example", false},
        {"www.example.*", "awww.example.org", false},
        {"www.example.com", "www.example.com", true},
        {"www.example.com", "www.example.com:80", true},
        {"www.example.com", "WWW.EXAMPLE.com",
         true}, /* host names have no case: a rule cannot be dodged by it */
        {"WWW.example.com", "www.example.com", true},
        {"www.example.com", "www.example.com.", true},
        {"www.example.com", "xwww.example.com", false},
        {"a*b", "axb", false},
        {"a*b", "a*b", true},
        {"[::1]", "[::1]:80", true},
        {"www.example.com:80", "www.example.com:80", false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int mixed = 0; mixed < 2; mixed++) { /* alone, and beside a service */
            struct strbuf text = {0};
            strbuf_printf(&text, BASE "- {name: p, url: x, matchRules: [{domain: ['%s']%s}]}\n",
                          cases[i].pattern, mixed ? ", service: [echo]" : "");
            struct gw_generation *g = gw_generation_build(load_good(text.at));
            const char *found = steps_of(g, ORDERS, 0, cases[i].host);
            if (strcmp(found, cases[i].matches ? "p={}" : "") != 0) {
                fail_msg("%s against %s: '%s'", cases[i].host, cases[i].pattern, found);
            }
            gw_generation_unref(g);
            strbuf_fini(&text);
        }
    }
}

static void test_long_host_meets_star(void **state)
{
    struct gw_generation *g =
        gw_generation_build(load_good(BASE "- {name: p, url: x, matchRules: [{domain: ['*']}]}\n"));
    char host[1000];
    (void)state;

    memset(host, 'a', sizeof host);
    host[sizeof host - 1] = '\0';
    assert_string_equal(steps_of(g, ORDERS, 0, host), "p={}"); /* not a way past a plugin */
    gw_generation_unref(g);
}

static void test_services(void **state)
{
    static const struct {
        const char *wrote;
        uint32_t route;
    } cases[] = {
        {"echo", ORDERS},
        {"echo:10080", ORDERS},
        {"outbound|10080||echo", ORDERS},
        {"outbound|80||a.dns", CLUSTER},
        {"a.dns", CLUSTER},
        {"a.dns:80", CLUSTER},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf text = {0};
        strbuf_printf(&text, BASE "- {name: p, url: x, matchRules: [{service: ['%s']}]}\n", cases[i].wrote);
        struct gw_generation *g = gw_generation_build(load_good(text.at));
        assert_string_equal(steps_of(g, cases[i].route, 0, "h"), "p={}");
        assert_string_equal(steps_of(g, cases[i].route == ORDERS ? CLUSTER : ORDERS, 0, "h"), "");
        assert_string_equal(steps_of(g, OLD, GW_NONE, "h"), "");
        gw_generation_unref(g);
        strbuf_fini(&text);
    }
}

static void test_disabled(void **state)
{
    struct gw_generation *g = gw_generation_build(load_good(
        BASE
        "- name: p\n"
        "  url: x\n"
        "  defaultConfig: {d: 0}\n"
        "  matchRules:\n"
        "  - {domain: [open.example], configDisable: true}\n"
        "  - {route: [orders], config: {r: 1}}\n"
        "  - {service: [echo], configDisable: true}\n"
        "- {name: q, url: x, defaultConfigDisable: true, matchRules: [{route: [split]}]}\n"
        "- {name: z, url: x, pluginConfig: {z: 1}, matchRules: [{route: [orders], configDisable: true}]}\n"));
    (void)state;

    assert_string_equal(steps_of(g, ORDERS, 0, "h"), "p={\"r\":1} z={\"z\":1}");
    assert_string_equal(steps_of(g, ORDERS, 0, "open.example"), "z={\"z\":1}");
    assert_string_equal(steps_of(g, SPLIT, 0, "h"), "q={} z={\"z\":1}");
    assert_string_equal(steps_of(g, SPLIT, 1, "h"), "p={\"d\":0} q={} z={\"z\":1}");
    gw_generation_unref(g);
}

/* Names of a server that routes by itself: none of them is a route of the configuration. */
static void test_locations(void **state)
{
    static const char text[] =
        "services: [{name: echo, endpoints: ['h:1']}, {name: pay, endpoints: ['h:2']}]\n"
        "plugins:\n"
        "- {name: p, url: x, defaultConfig: {d: 1}, matchRules: [{route: [a], service: [pay], config: {r: "
        "0}},\n"
        "   {route: [a, b], config: {r: 1}}, {service: [echo], config: {r: 2}}, {domain: [x.y], service: "
        "[pay], config: {r: 3}},\n"
        "   {domain: ['*.z'], config: {r: 4}}]}\n";
    static const struct {
        const char *route, *service, *host, *config;
    } cases[] = {
        {"a", "pay", "h", "{\"r\":0}"},   {"a", "", "h", "{\"r\":1}"},
        {"b", "pay", "h", "{\"r\":1}"},   {"c", "echo", "h", "{\"r\":2}"},
        {"", "pay", "x.y", "{\"r\":3}"},  {"c", "other", "q.z", "{\"r\":4}"},
        {"c", "other", "h", "{\"d\":1}"}, {"", "echo", "q.z", "{\"r\":2}"},
    };
    struct gw_step steps[4];
    uint32_t row[4];
    struct gw_generation *g = gw_generation_build(load_good(text));

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_location where = {.rules = row};
        gw_generation_locate(g, str_of(cases[i].route), str_of(cases[i].service), &where);
        assert_int_equal(gw_generation_located_plugins(g, &where, str_of(cases[i].host), steps), 1);
        assert_str(gw_generation_config(g)->plugins[0].configs[steps[0].config], cases[i].config);
    }
    gw_generation_unref(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_locations),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_long_host_meets_star),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_disabled),
    };
    return cmocka_run_group_tests_name("gw/rules", tests, NULL, NULL);
}
