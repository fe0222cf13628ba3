/* Which route a request takes; splits, rewrites, redirects, endpoints. */
#include "gw_test.h"

#include <stdio.h>
#include <time.h>

#define ROUTES "services: [{name: s, endpoints: ['h:1']}, {name: q, endpoints: ['h:2']}]\nroutes:\n"

struct header {
    const char *name, *value;
};

static bool find_header(void *ctx, struct str name, struct str *value)
{
    for (const struct header *h = ctx; h->name != NULL; h++) {
        if (str_eq(name, str_of(h->name))) {
            *value = str_of(h->value);
            return true;
        }
    }
    return false;
}

/* The name of the route, or "-". */
static const char *route_of(const struct gw_generation *g, const char *host, const char *path,
                            const char *method, const struct header *headers)
{
    static char name[64];
    struct gw_request r = {str_of(host), str_of(path), str_of(method), headers == NULL ? NULL : find_header,
                           (void *)headers};
    uint32_t i = gw_generation_route(g, &r);
    if (i == GW_NONE) {
        return "-";
    }
    struct str s = gw_generation_config(g)->routes[i].name;
    snprintf(name, sizeof name, "%.*s", STR_ARG(s));
    return name;
}

struct want {
    const char *host, *path, *route;
};

static void check(const struct gw_generation *g, const struct want *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *found = route_of(g, cases[i].host, cases[i].path, "GET", NULL);
        if (strcmp(found, cases[i].route) != 0) {
            fail_msg("%s %s takes %s, not %s", cases[i].host, cases[i].path, found, cases[i].route);
        }
    }
}
#define CHECK(g, cases) check(g, cases, sizeof(cases) / sizeof(cases)[0])

static void test_hosts(void **state)
{
    struct gw_generation *g = gw_generation_build(load_good(
        ROUTES "- {name: any, service: s, match: {path: {prefix: /any}}}\n"
               "- {name: wide, service: s, match: {hosts: ['*.example']}}\n"
               "- {name: shop, service: s, match: {hosts: ['*.shop.example', other.test]}}\n"
               "- {name: www, service: s, match: {hosts: [www.shop.example], path: {prefix: /www}}}\n"
               "- {name: v6, service: s, match: {hosts: ['[::1]']}}\n"));
    static const struct want cases[] = {
        {"www.shop.example", "/www", "www"},
        {"WWW.Shop.Example", "/www/x", "www"},
        {"www.shop.example:8080", "/www", "www"},
        {"www.shop.example.", "/www", "www"},
        {"www.shop.example.:80", "/www", "www"},
        {"www.shop.example", "/other", "shop"}, /* falls to the wider host */
        {"a.b.shop.example", "/", "shop"},      /* a suffix stands for several labels too */
        {"shop.example", "/", "wide"},          /* but not for none */
        {"xshop.example", "/", "wide"},
        {"example", "/", "-"},
        {".example", "/", "-"},
        {"other.test", "/", "shop"},
        {"nobody.test", "/any", "any"},
        {"nobody.test", "/", "-"},
        {"", "/any", "any"},
        {"[::1]:80", "/", "v6"},
        {"[::1]", "/", "v6"},
        {"www.shop.example", "/any", "shop"}, /* the host counts before the path */
    };
    (void)state;

    CHECK(g, cases);
    char longest[400];
    memset(longest, 'a', sizeof longest);
    longest[255] = '\0';
    assert_string_equal(route_of(g, longest, "/any", "GET", NULL), "any");
    longest[255] = 'a';
    longest[256] = '\0';
    assert_string_equal(route_of(g, longest, "/any", "GET", NULL), "-");
    gw_generation_unref(g);
}

static void test_paths(void **state)
{
    struct gw_generation *g = gw_generation_build(
        load_good(ROUTES "- {name: root, service: s}\n"
                         "- {name: re1, service: s, match: {path: {regex: '/orders/[0-9]+/x'}}}\n"
                         "- {name: re2, service: s, match: {path: {regex: '/i(tem)?/.*'}}}\n"
                         "- {name: re3, service: s, match: {path: {regex: '/item/5'}}}\n"
                         "- {name: orders, service: s, match: {path: {prefix: /orders}}}\n"
                         "- {name: deep, service: s, match: {path: {prefix: /orders/1/deep}}}\n"
                         "- {name: exact, service: s, match: {path: {exact: /orders/1}}}\n"
                         "- {name: slash, service: s, match: {path: {exact: /orders/}}}\n"));
    static const struct want cases[] = {
        {"h", "/", "root"},
        {"h", "", "root"},
        {"h", "*", "root"},
        {"h", "/orders", "orders"},
        {"h", "/orders/", "slash"},
        {"h", "/orders/2", "orders"},
        {"h", "/ordersx", "root"},
        {"h", "/Orders", "root"},
        {"h", "/orders/1", "exact"},
        {"h", "/orders/1/", "orders"},
        {"h", "/orders/1/deep", "deep"},
        {"h", "/orders/1/deep/er/and/deeper", "deep"},
        {"h", "/orders/1/deeper", "orders"},
        {"h", "/orders/1/x", "orders"}, /* a prefix beats a regex */
        {"h", "/item/5", "re2"},        /* regexes in the order written */
        {"h", "/i/9", "re2"},
        {"h", "/item", "root"},
        {"h", "/a/item/5", "root"}, /* the whole path must match */
        {"h", "/item/5\n", "re2"},
    };
    (void)state;

    CHECK(g, cases);
    gw_generation_unref(g);
}

static void test_methods_and_headers(void **state)
{
    struct gw_generation *g = gw_generation_build(load_good(
        ROUTES
        "- {name: plain, service: s, match: {path: {prefix: /a}}}\n"
        "- {name: one, service: s, match: {path: {prefix: /a}, headers: [{name: X, exact: '1'}]}}\n"
        "- {name: two, service: s, match: {path: {prefix: /a}, headers: [{name: x, present: true}, {name: Y, "
        "prefix: v}]}}\n"
        "- {name: post, service: s, match: {path: {prefix: /a}, methods: [POST, PUT]}}\n"
        "- {name: again, service: s, match: {path: {prefix: /a}}}\n"
        "- {name: long, service: s, match: {path: {prefix: /a/b}, methods: [DELETE]}}\n"
        "- {name: re, service: s, match: {path: {prefix: /r}, headers: [{name: n, regex: '[0-9]+'}]}}\n"));
    static const struct header x1[] = {{"x", "1"}, {NULL, NULL}}, x2[] = {{"x", "2"}, {NULL, NULL}},
                               xy[] = {{"x", "1"}, {"y", "v2"}, {NULL, NULL}},
                               n[] = {{"n", "12"}, {NULL, NULL}}, bad[] = {{"n", "12a"}, {NULL, NULL}};
    (void)state;

    assert_string_equal(route_of(g, "h", "/a", "GET", NULL), "plain");
    assert_string_equal(route_of(g, "h", "/a", "GET", x1), "one");
    assert_string_equal(route_of(g, "h", "/a", "GET", x2), "plain");
    assert_string_equal(route_of(g, "h", "/a", "GET", xy), "two");
    assert_string_equal(route_of(g, "h", "/a", "POST", xy), "post"); /* methods count before headers */
    assert_string_equal(route_of(g, "h", "/a", "PUT", NULL), "post");
    assert_string_equal(route_of(g, "h", "/a/b", "DELETE", NULL), "long");
    assert_string_equal(route_of(g, "h", "/a/b", "GET", NULL),
                        "plain"); /* the longer prefix does not take it */
    assert_string_equal(route_of(g, "h", "/r", "GET", n), "re");
    assert_string_equal(route_of(g, "h", "/r", "GET", bad), "-");
    assert_string_equal(route_of(g, "h", "/r", "GET", NULL), "-");
    gw_generation_unref(g);
}

static void test_hostile_subject(void **state)
{
    struct gw_generation *g = gw_generation_build(
        load_good(ROUTES "- {name: r, service: s, match: {path: {regex: '/(a+)+[bc]'}}}\n"));
    struct strbuf path = {0};
    struct timespec from, to;
    (void)state;

    assert_string_equal(route_of(g, "h", "/aaaab", "GET", NULL), "r");
    strbuf_add_char(&path, '/');
    for (int i = 0; i < 4000; i++) {
        strbuf_add_char(&path, 'a');
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    assert_string_equal(route_of(g, "h", path.at, "GET", NULL), "-");
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 < 500);
    strbuf_fini(&path);
    gw_generation_unref(g);
}

/* Where nobody can say whether a route holds, those behind it are not for the client to reach. */
static void test_undecided_is_no_way_around(void **state)
{
    static const struct {
        const char *pattern, *route;
    } cases[] = {{"/(a+)+[bc]", "-"}, {"/[a-z]*b", "open"}, {"/(([a-z]|[0-9])+/?)*", "closed"}};
    struct strbuf path = {0};
    (void)state;

    strbuf_add_char(&path, '/');
    for (int i = 0; i < 30000; i++) {
        strbuf_add_char(&path, 'a');
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 ROUTES "- {name: closed, service: s, match: {path: {regex: '%s'}}}\n"
                        "- {name: open, service: s, match: {}}\n"
                        "- {name: other, service: s, match: {path: {regex: '%s'}, methods: [PUT]}}\n",
                 cases[i].pattern, cases[i].pattern);
        struct gw_generation *g = gw_generation_build(load_good(text));
        assert_string_equal(route_of(g, "h", "/-", "GET", NULL), "open");
        assert_string_equal(route_of(g, "h", path.at, "GET", NULL), cases[i].route);
        gw_generation_unref(g);
    }
    strbuf_fini(&path);
}

static void test_split(void **state)
{
    struct gw_config *c = load_good(
        ROUTES "- {name: a, services: [{name: s, weight: 90}, {name: q, weight: 10}]}\n"
               "- {name: b, services: [{name: s, weight: 0}, {name: q}], match: {path: {prefix: /b}}}\n"
               "- {name: c, redirect: {path: /}, match: {path: {prefix: /c}}}\n");
    uint32_t counts[2] = {0};
    (void)state;

    for (uint64_t i = 0; i < 1000; i++) {
        counts[gw_route_pick_backend(&c->routes[0], i)]++;
        assert_int_equal(gw_route_pick_backend(&c->routes[1], i), 1);
        assert_int_equal(gw_route_pick_backend(&c->routes[2], i), GW_NONE);
    }
    assert_int_equal(counts[0], 900);
    assert_int_equal(counts[1], 100);
    gw_config_free(c);
}

static void test_rewrite(void **state)
{
    static const struct {
        const char *prefix, *rewrite, *path, *result;
    } cases[] = {
        {"/orders", "/o", "/orders/1", "/o/1"},
        {"/orders", "/o", "/orders", "/o"},
        {"/orders", "/", "/orders/1", "/1"},
        {"/orders", "/", "/orders", "/"},
        {"/orders", "/", "/orders/", "/"},
        {"/orders/", "/v2/", "/orders/1", "/v2/1"},
        {"/", "/api", "/x", "/api/x"},
        {"/", "/api", "/", "/api/"},
        {"/", "/", "/x", "/x"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf text = {0}, out = {0};
        strbuf_printf(&text,
                      ROUTES "- {name: r, service: s, match: {path: {prefix: %s}}, rewrite: {prefix: %s}}\n",
                      cases[i].prefix, cases[i].rewrite);
        struct gw_generation *g = gw_generation_build(load_good(text.at));
        assert_true(gw_generation_rewrite_path(g, 0, str_of(cases[i].path), &out));
        assert_string_equal(out.at, cases[i].result);
        strbuf_fini(&text);
        strbuf_fini(&out);
        gw_generation_unref(g);
    }
}

static void test_rewrite_whole_and_by_regex(void **state)
{
    static const struct {
        const char *rewrite, *path, *result; /* NULL: it stays */
    } cases[] = {
        {"path: /new", "/a/b", "/new"},
        {"regex: '/v1/(.*)', replacement: '/v2/$1'", "/v1/a/b", "/v2/a/b"},
        {"regex: '/v1/(.*)', replacement: '/v2/$1'", "/v3/a", NULL},
        {"regex: '/(x)?(.*)', replacement: '/$1-$2-$3$$0'", "/abc", "/-abc-$0"},
        {"regex: '/.*', replacement: '/in$0'", "/a%20b", "/in/a%20b"},
        {"regex: '/(a+)+b', replacement: '/$1'", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", NULL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf text = {0}, out = {0};
        strbuf_printf(&text, ROUTES "- {name: r, service: s, rewrite: {%s}}\n", cases[i].rewrite);
        struct gw_generation *g = gw_generation_build(load_good(text.at));
        assert_int_equal(gw_generation_rewrite_path(g, 0, str_of(cases[i].path), &out),
                         cases[i].result != NULL);
        if (cases[i].result != NULL) {
            assert_string_equal(out.at, cases[i].result);
        }
        strbuf_fini(&text);
        strbuf_fini(&out);
        gw_generation_unref(g);
    }
}

static void test_redirect(void **state)
{
    static const struct {
        const char *redirect, *location; /* of http://shop.example:81/orders/1?q=2 */
    } cases[] = {
        {"{scheme: https}", "https://shop.example/orders/1?q=2"},
        {"{scheme: https, port: 8443}", "https://shop.example:8443/orders/1?q=2"},
        {"{host: New.example}", "http://new.example/orders/1?q=2"},
        {"{path: /x}", "http://shop.example:81/x?q=2"},
        {"{prefix: /o}", "http://shop.example:81/o/1?q=2"},
        {"{port: 82}", "http://shop.example:82/orders/1?q=2"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf text = {0}, out = {0};
        strbuf_printf(&text, ROUTES "- {name: r, match: {path: {prefix: /orders}}, redirect: %s}\n",
                      cases[i].redirect);
        struct gw_config *c = load_good(text.at);
        gw_route_redirect_location(&c->routes[0], STR("http"), STR("shop.example:81"), STR("/orders/1"),
                                   STR("q=2"), &out);
        assert_string_equal(out.at, cases[i].location);
        strbuf_fini(&text);
        strbuf_fini(&out);
        gw_config_free(c);
    }
}

static void test_references(void **state)
{
    struct gw_generation *g = gw_generation_build(load_good(ROUTES "- {name: r, service: s}\n"));
    (void)state;

    gw_generation_ref(g);
    gw_generation_unref(g);
    assert_int_equal(gw_generation_find_route(g, STR("r")), 0);
    assert_int_equal(gw_generation_find_route(g, STR("x")), GW_NONE);
    assert_int_equal(gw_generation_find_service(g, STR("q")), 1);
    assert_int_equal(gw_generation_find_service(g, STR("q:2")), 1);
    assert_int_equal(gw_generation_find_service(g, STR("outbound|80||q")), 1);
    assert_int_equal(gw_generation_find_service(g, STR("x")), GW_NONE);
    assert_true(gw_generation_bytes(g) > 0);
    gw_generation_unref(g);
    gw_generation_unref(NULL);
    g = gw_generation_build(load_good(""));
    assert_string_equal(route_of(g, "h", "/", "GET", NULL), "-");
    gw_generation_unref(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_methods_and_headers),
        cmocka_unit_test(test_hostile_subject),
        cmocka_unit_test(test_undecided_is_no_way_around),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_rewrite_whole_and_by_regex),
        cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests_name("gw/route", tests, NULL, NULL);
}
