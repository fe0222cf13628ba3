/* Parts that were read before, and single parts of a configuration. */
#include "unit/gw/gw_test.h"

#include <string.h>

#include "gw/parts.h"

#define TWO                                                                                                  \
    "services:\n  - name: a\n    endpoints: [10.0.0.1:80]\n  - name: b\n    endpoints: [10.0.0.2:80]\n"      \
    "routes:\n  - name: r\n    service: b\n"

#define ANCHORS                                                                                              \
    "services:\n  - &x\n    name: a\n    endpoints: [10.0.0.1:80]\nroutes:\n  - name: r\n    service: a\n"   \
    "    match: &m {hosts: [h]}\n  - {name: s, service: a, match: *m}\n"

static struct gw_config *load_cached(struct gw_pieces *cache, const char *text)
{
    struct gw_problems problems;
    struct gw_config *c = NULL;

    gw_problems_init(&problems);
    assert_int_equal(gw_config_load_cached("t", str_of(text), cache, &c, &problems), WEIR_OK);
    gw_problems_fini(&problems);
    return c;
}

/* What did not change is the same memory; what is filled in per configuration is not. */
static void test_shared(void **state)
{
    (void)state;
    struct gw_pieces cache = {0};
    struct gw_config *one = load_cached(&cache, TWO);
    assert_int_equal(cache.n, 3);
    struct gw_config *two = load_cached(
        &cache,
        "services:\n  - name: b\n    endpoints: [10.0.0.2:80]\nroutes:\n  - name: r\n    service: b\n");
    assert_ptr_equal(one->services[1].endpoints, two->services[0].endpoints);
    assert_ptr_not_equal(one->routes[0].backends, two->routes[0].backends);
    assert_int_equal(one->routes[0].backends[0].service, 1);
    assert_int_equal(two->routes[0].backends[0].service, 0);
    assert_int_equal(two->services[0].at.line, 2);
    gw_config_free(one);
    gw_pieces_fini(&cache);
    assert_str(two->services[0].name, "b"); /* it has its own reference */
    gw_config_free(two);
}

static void load_and_compare(struct gw_pieces *cache, const char *text)
{
    struct gw_config *whole = load_good(text), *c = load_cached(cache, text);
    struct strbuf one = {0}, two = {0};

    gw_config_write(whole, &one);
    gw_config_write(c, &two);
    assert_string_equal(one.at, two.at);
    for (uint32_t i = 0; i < c->nroutes; i++) {
        assert_int_equal(c->routes[i].at.line, whole->routes[i].at.line);
        assert_int_equal(c->routes[i].backends[0].service, whole->routes[i].backends[0].service);
    }
    strbuf_fini(&one);
    strbuf_fini(&two);
    gw_config_free(whole);
    gw_config_free(c);
}

#define SERVICE "services:\n  - name: a\n    endpoints: [10.0.0.1:80]\n"

/* What followed the last time is what is compared first; it may be gone, changed, moved, longer or new. */
static void test_orders(void **state)
{
    (void)state;
    static const char *const routes[] = {
        "  - {name: r1, service: a}\n  - {name: r2, service: a}\n  - {name: r3, service: a}\n",
        "  - {name: r1, service: a}\n  - {name: r2, service: a}\n  - {name: r3, service: a}\n",
        "  - {name: r1, service: a}\n  - {name: r3, service: a}\n",
        "  - {name: r3, service: a}\n  - {name: new, service: a}\n  - {name: r1, service: a}",
        "  - {name: r3, service: a}\n  - {name: new, service: a}\n  - {name: r1, service: a}\n",
        "  - {name: r3, service: a}\n\n\n  - {name: new, service: a}\n    # with a remark\n"
        "  - {name: r1, service: a}\n",
        "  - {name: r3, service: a}\n  - {name: new, service: a}\n    # with a remark\n\n"
        "  - {name: r1, service: a,\n     timeout: 5s}\n",
        "- {name: r3, service: a}\n- {name: new, service: a}\n- {name: r1, service: a,\n   timeout: 5s}\n",
    };
    struct gw_pieces cache = {0};
    for (size_t i = 0; i < 2 * sizeof routes / sizeof *routes; i++) {
        struct strbuf text = {0};
        strbuf_printf(&text, "%s%sroutes:\n%s", i % 3 == 1 ? "logLevel: debug\n" : "", SERVICE,
                      routes[i % (sizeof routes / sizeof *routes)]);
        load_and_compare(&cache, text.at);
        assert_true(cache.n > 1); /* by parts, each of them */
        strbuf_fini(&text);
    }
    gw_pieces_fini(&cache);
}

/* Single values are parts, too: in front, between lists, and at the end of the generation file. */
static void test_singles(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "logLevel: debug\n" TWO,
        TWO "logLevel: warn # a remark\n",
        TWO "clientAddress:\n  # them\n  trusted: [10.0.0.0/8]\n\nlogLevel: warn\n",
        "clientAddress: {trusted: [10.0.0.0/8]}\n" TWO,
    };
    struct gw_pieces cache = {0}, of_generations = {0};
    for (size_t i = 0; i < 2 * sizeof texts / sizeof *texts; i++) {
        struct gw_config *c = load_cached(&cache, texts[i / 2]), *back;
        struct strbuf text = {0}, again = {0};
        assert_int_equal(cache.n, i / 2 == 2 ? 5 : 4);
        gw_config_write(c, &text);
        back = load_cached(&of_generations, text.at);
        assert_int_equal(of_generations.n, 4); /* the single values are one piece there */
        gw_config_free(c);
        gw_config_write(back, &again);
        assert_string_equal(text.at, again.at);
        assert_true((back->client_address != NULL) == (i / 2 >= 2));
        gw_config_free(back);
        strbuf_fini(&text);
        strbuf_fini(&again);
    }
    gw_pieces_fini(&cache);
    gw_pieces_fini(&of_generations);
}

/* Whatever cannot be cut for certain is read as a whole, and is right all the same. */
static void test_not_cut(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"services\": [{\"name\": \"a\", \"endpoints\": [\"10.0.0.1:80\"]}]}",
        ANCHORS,
        "---\nservices:\n  - name: a\n    endpoints: [10.0.0.1:80]\n",
        "services: [{name: a, endpoints: [10.0.0.1:80]}]\n",
        "services:\r\n  - name: a\r\n    endpoints: [10.0.0.1:80]\r\n",
        "services:\n  - {name: a, # \xc2\x85\n     endpoints: [10.0.0.1:80]}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct gw_pieces cache = {0};
        struct gw_config *c = load_cached(&cache, texts[i]);
        assert_int_equal(cache.n, 0);
        assert_str(c->services[0].name, "a");
        gw_config_free(c);
        gw_pieces_fini(&cache);
    }
}

/* Two documents may not give the same single value, however they are read. */
static void test_singles_twice(void **state)
{
    (void)state;
    struct gw_source both[] = {{(char *)(uintptr_t)"a", STR("logLevel: info\n" TWO)},
                               {(char *)(uintptr_t)"b", STR("logLevel: warn\n")}};
    struct gw_sources sources = {{both, 2, 2}};
    struct gw_pieces cache = {0};
    struct gw_problems problems;
    struct gw_config *c = NULL;

    gw_problems_init(&problems);
    assert_int_equal(gw_config_load_sources(&sources, "", STR(""), &cache, &c, &problems), WEIR_E_CONFIG);
    assert_int_equal(problems.list.len, 1);
    gw_problems_fini(&problems);
    gw_problems_init(&problems);
    assert_int_equal(
        gw_config_load_cached("t", STR(TWO "logLevel: info\nlogLevel: warn\n"), &cache, &c, &problems),
        WEIR_E_CONFIG);
    gw_problems_fini(&problems);
    gw_pieces_fini(&cache);
}

/* Messages are those of the whole. */
static void test_problems(void **state)
{
    (void)state;
    struct gw_pieces cache = {0};
    struct gw_problems problems;
    struct gw_config *c = load_cached(&cache, TWO);
    struct strbuf text = {0};

    gw_config_free(c);
    gw_problems_init(&problems);
    assert_int_equal(
        gw_config_load_cached("t", STR(TWO "  - name: s\n    service: nowhere\n"), &cache, &c, &problems),
        WEIR_E_CONFIG);
    problems_text(&problems, &text);
    assert_non_null(strstr(text.at, "t:10: routes[1].service: there is no service 'nowhere'"));
    gw_problems_fini(&problems);
    strbuf_fini(&text);
    gw_pieces_fini(&cache);
}

static void on_change(void *ctx, enum gw_change change, unsigned kind, struct str name, uint32_t before,
                      uint32_t now)
{
    (void)before;
    (void)now;
    strbuf_printf(ctx, "%c%s/%.*s ", "+-~"[change], gw_part_kind_name(kind), STR_ARG(name));
}

static void test_overlay_and_diff(void **state)
{
    (void)state;
    struct gw_source source = {(char *)(uintptr_t)"t", STR(TWO)};
    struct gw_sources sources = {{&source, 1, 1}};
    struct gw_problems problems;
    struct gw_config *before = load_good(TWO), *now = NULL;
    struct strbuf text = {0};

    gw_problems_init(&problems);
    assert_int_equal(gw_config_load_sources(&sources, "over",
                                            STR("{\"routes\":[{\"name\":\"r\",\"service\":\"a\"},"
                                                "{\"name\":\"s\",\"service\":\"b\"}]}"),
                                            NULL, &now, &problems),
                     WEIR_OK);
    assert_int_equal(now->nroutes, 2);
    assert_string_equal(now->routes[0].at.file, "over");
    gw_parts_diff(before, now, on_change, &text);
    assert_string_equal(text.at, "~routes/r +routes/s ");
    text.len = 0;
    gw_parts_diff(now, before, on_change, &text);
    assert_string_equal(text.at, "~routes/r -routes/s ");
    assert_int_equal(gw_part_kind(STR("routes")) >= 0, 1);
    assert_int_equal(gw_part_kind(STR("nothing")), GW_PART_NONE);
    gw_config_free(before);
    gw_config_free(now);
    gw_problems_fini(&problems);
    strbuf_fini(&text);
}

/* A view outlives what it is a view of. */
static void test_view(void **state)
{
    (void)state;
    struct gw_config *c = load_good(TWO), *v = gw_config_view(c);
    gw_config_free(c);
    assert_str(v->routes[0].name, "r");
    gw_config_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),           cmocka_unit_test(test_not_cut),
        cmocka_unit_test(test_orders),           cmocka_unit_test(test_singles),
        cmocka_unit_test(test_singles_twice),    cmocka_unit_test(test_problems),
        cmocka_unit_test(test_overlay_and_diff), cmocka_unit_test(test_view)};
    return cmocka_run_group_tests_name("gw/pieces", tests, NULL, NULL);
}
