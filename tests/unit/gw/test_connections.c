/* TCP listeners: what is wrong with them, and which plugins their connections pass. */
#include "gw_test.h"

#include <stdio.h>

#define BASE                                                                                                 \
    "services:\n"                                                                                            \
    "- {name: db, endpoints: ['h:1']}\n"                                                                     \
    "- {name: outbound|80||a.dns, endpoints: ['h:3']}\n"                                                     \
    "listeners:\n"                                                                                           \
    "- {address: '127.0.0.1:1', name: one, protocol: tcp, service: db}\n"                                    \
    "- {address: '[::1]:2', protocol: tcp, service: outbound|80||a.dns}\n"                                   \
    "- 127.0.0.1:3\n"

enum { ONE, TWO, HTTP };

/* "plugin=config ..." */
static const char *steps_of(const struct gw_generation *g, uint32_t listener)
{
    static char text[512];
    const struct gw_config *c = gw_generation_config(g);
    uint32_t n;
    const struct gw_step *steps = gw_generation_connection_plugins(g, listener, &n);
    size_t len = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        const struct gw_plugin *p = &c->plugins[steps[i].plugin];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s=%.*s", i == 0 ? "" : " ",
                                STR_ARG(p->name), STR_ARG(p->configs[steps[i].config]));
    }
    return text;
}

static void test_rules(void **state)
{
    struct gw_generation *g = gw_generation_build(
        load_good(BASE "plugins:\n"
                       "- {name: http, url: x}\n"
                       "- {name: all, url: x, type: NETWORK, priority: -1, defaultConfig: {d: 0}}\n"
                       "- name: p\n"
                       "  url: x\n"
                       "  type: NETWORK\n"
                       "  matchRules:\n"
                       "  - {listener: [one], service: [a.dns], config: {r: 0}}\n" /* both must hold */
                       "  - {listener: ['[::1]:2'], config: {r: 1}}\n"
                       "  - {service: [db], config: {r: 2}}\n"
                       "- name: off\n"
                       "  url: x\n"
                       "  type: NETWORK\n"
                       "  defaultConfig: {}\n"
                       "  matchRules: [{listener: ['127.0.0.1:1'], configDisable: true}]\n"
                       "- {name: fixed, url: x, type: NETWORK, pluginConfig: {f: 1}, phase: AUTHN}\n"));
    (void)state;

    assert_string_equal(steps_of(g, ONE), "fixed={\"f\":1} p={\"r\":2} all={\"d\":0}");
    assert_string_equal(steps_of(g, TWO), "fixed={\"f\":1} off={} p={\"r\":1} all={\"d\":0}");
    assert_string_equal(steps_of(g, HTTP), "");

    struct gw_step steps[8]; /* of a request: the HTTP plugin alone */
    assert_int_equal(gw_generation_plugins(g, GW_NONE, GW_NONE, STR("h"), steps), 1);
    assert_int_equal(steps[0].plugin, 0);
    gw_generation_unref(g);
}

static void test_listeners(void **state)
{
    struct gw_generation *g = gw_generation_build(load_good(BASE));
    const struct gw_config *c = gw_generation_config(g);
    (void)state;

    assert_int_equal(gw_generation_find_listener(g, GW_TCP, STR("127.0.0.1:1")), ONE);
    assert_int_equal(gw_generation_find_listener(g, GW_TCP, STR("[::1]:2")), TWO);
    assert_int_equal(gw_generation_find_listener(g, GW_TCP, STR("127.0.0.1:3")), GW_NONE); /* HTTP */
    assert_int_equal(c->listeners[TWO].service, 1);
    assert_int_equal(c->listeners[HTTP].service, GW_NONE);

    /* A generation is read again as it was written. */
    struct strbuf first = {0}, second = {0};
    gw_config_write(c, &first);
    struct gw_config *again = load_good(first.at);
    gw_config_write(again, &second);
    assert_string_equal(first.at, second.at);
    gw_config_free(again);
    strbuf_fini(&first);
    strbuf_fini(&second);
    gw_generation_unref(g);
}

static void test_problems(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"services: [{name: s, endpoints: ['h:1']}]\n"
         "listeners: [{address: 'h:1', protocol: tcp, service: s, tls: {}}]\n",
         "t:2: listeners[0]: tls needs a certificate; add it to certificates\n"},
        {"listeners: [{address: 'h:1', protocol: tcp}]\n",
         "t:1: listeners[0]: protocol: tcp needs service, to which connections go\n"},
        {"listeners: [{address: 'h:1', service: db}]\n",
         "t:1: listeners[0]: service is only for protocol: tcp; requests of http go by routes\n"},
        {"listeners: [{address: 'h:1', protocol: tcp, service: no}]\n",
         "t:1: listeners[0].service: there is no service 'no'; add it to services or correct the name\n"},
        {"listeners: [{address: 'h:1', name: a},\n {address: 'h:2', name: a}]\n",
         "t:2: listeners[1]: the name 'a' is taken, at t:1; rename one of the two\n"},
        {"listeners: ['h:1']\nplugins: [{name: p, url: x, type: NETWORK, matchRules: [{listener: "
         "['h:1']}]}]\n",
         "t:2: plugins[0].matchRules[0].listener: there is no tcp listener 'h:1'; name it in listeners or "
         "correct the "
         "name\n"},
        {"plugins:\n- {name: p, url: x, type: NETWORK, matchRules: [{domain: [h]}]}\n",
         "t:2: plugins[0].matchRules[0]: connections of a NETWORK plugin have no route and no domain; match "
         "by "
         "listener or service\n"},
        {"plugins:\n- {name: p, url: x, matchRules: [{listener: [h]}]}\n",
         "t:2: plugins[0].matchRules[0]: listener is only for plugins with type: NETWORK; take it out\n"},
        {"plugins:\n- {name: p, url: x, matchRules: [{}]}\n",
         "t:2: plugins[0].matchRules[0]: matches nothing; add route (ingress), domain, service or "
         "listener\n"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gw_problems problems;
        struct gw_config *c = NULL;
        struct strbuf all = {0};
        gw_problems_init(&problems);
        assert_int_equal(gw_config_load_text("t", str_of(cases[i].text), &c, &problems), WEIR_E_CONFIG);
        problems_text(&problems, &all);
        assert_non_null(strstr(all.at, cases[i].problem) != NULL ? all.at
                                                                 : (print_error("%s", all.at), NULL));
        strbuf_fini(&all);
        gw_problems_fini(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
