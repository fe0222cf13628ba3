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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared), cmocka_unit_test(test_not_cut),
                                       cmocka_unit_test(test_problems),
                                       cmocka_unit_test(test_overlay_and_diff), cmocka_unit_test(test_view)};
    return cmocka_run_group_tests_name("gw/pieces", tests, NULL, NULL);
}
