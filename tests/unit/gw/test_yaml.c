/* YAML trees: the core schema, JSON of them, limits. */
#include <stdlib.h>

#include "gw_test.h"

#include "gw/yaml.h"

/* The JSON of the first document; NULL: there was a problem, whose text is in `problems`. */
static char *to_json(struct arena *a, const char *text, struct strbuf *problems)
{
    struct gw_problems p;
    gw_node_vec docs = {0};
    struct strbuf out = {0};
    char *json = NULL;

    gw_problems_init(&p);
    if (gw_yaml_parse(a, "t", str_of(text), &docs, &p) && docs.len != 0 &&
        gw_node_to_json(docs.at[0], &out) == NULL) {
        json = arena_strndup(a, out.at, out.len);
    }
    problems_text(&p, problems);
    strbuf_fini(&out);
    vec_fini(&docs);
    gw_problems_fini(&p);
    return json;
}

static void test_json(void **state)
{
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"{a: 1, b: [x, 'y', \"z\"]}", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\"]}"},
        {"b: 1\na: 2", "{\"b\":1,\"a\":2}"}, /* order kept */
        {"[~, null, Null, NULL, '~', , ]", NULL},
        {"[~, null, Null, NULL, '~', '']", "[null,null,null,null,\"~\",\"\"]"},
        {"[true, True, TRUE, false, yes, no, on, off]",
         "[true,true,true,false,\"yes\",\"no\",\"on\",\"off\"]"},
        {"[0, 7, -7, +7, 007, 0x1F, 0o17, 0b1, 1_000, 1:30]",
         "[0,7,-7,7,7,31,15,\"0b1\",\"1_000\",\"1:30\"]"},
        {"[18446744073709551615, 123456789012345678901234567890, 0xffffffffffffffff]",
         "[18446744073709551615,123456789012345678901234567890,18446744073709551615]"},
        {"[.5, 5., -.5, +1.5e3, 1E-2, 00.5, 1e, ., -, e1, 1.2.3]",
         "[0.5,5.0,-0.5,1.5e3,1E-2,0.5,\"1e\",\".\",\"-\",\"e1\",\"1.2.3\"]"},
        {"[2001-12-14, 12:30:45, 3153600000, -0, 9515b564-0b1d]",
         "[\"2001-12-14\",\"12:30:45\",3153600000,-0,\"9515b564-0b1d\"]"},
        {"[!!str 12, !!str true, !!int '5', ! 12, !!float 1]", "[\"12\",\"true\",5,\"12\",1]"},
        {"a: &x {k: [1]}\nb: *x\nc: *x", "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":{\"k\":[1]}}"},
        {"1: a\ntrue: b\n? c\n: d", "{\"1\":\"a\",\"true\":\"b\",\"c\":\"d\"}"},
        {"a: |\n  x\n  y\nb: >\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\"}"},
        {"[\"\\0\\a\\t\\r\\e\\\"\\\\\\x7f\\u0085\\u2028\\u2029\\ufeff\\uffff\\U0001F600\xc3\xa9\"]",
         "[\"\\u0000\\u0007\\t\\r\\u001b\\\"\\\\\\u007f\\u0085\\u2028\\u2029\\ufeff\\uffff\xf0\x9f\x98\x80"
         "\xc3\xa9\"]"},
        {"[\"  lead and trail  \", 'a\n\n b']", "[\"  lead and trail  \",\"a\\nb\"]"},
        {"{}", "{}"},
        {"[]", "[]"},
        {"[{}, [], {a: {}}]", "[{},[],{\"a\":{}}]"},
        {"[.inf]", NULL},
        {"[-.INF]", NULL},
        {"[.NaN]", NULL},
        {"[0x10000000000000000]", NULL},
    };
    struct arena a;
    (void)state;

    arena_init(&a);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf problems = {0}, again = {0};
        char *json = to_json(&a, cases[i].yaml, &problems);
        if (cases[i].json == NULL) {
            assert_null(json);
        } else {
            assert_non_null(json);
            assert_string_equal(json, cases[i].json);
            assert_string_equal(to_json(&a, json, &again), json); /* JSON is YAML, and stays the same */
        }
        strbuf_fini(&problems);
        strbuf_fini(&again);
    }
    arena_fini(&a);
}

static void test_every_character_survives(void **state)
{
    struct arena a;
    (void)state;

    arena_init(&a);
    for (uint32_t c = 1; c < 0x11000; c++) {
        struct strbuf text = {0}, json = {0}, problems = {0};
        if (c >= 0xd800 && c < 0xe000) {
            continue;
        }
        strbuf_add_char(&text, 'x');
        if (c < 0x80) {
            strbuf_add_char(&text, (char)c);
        } else if (c < 0x800) {
            strbuf_printf(&text, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            strbuf_printf(&text, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
        } else {
            strbuf_printf(&text, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 0x3f), 0x80 | (c >> 6 & 0x3f),
                          0x80 | (c & 0x3f));
        }
        strbuf_add_char(&text, ' ');
        gw_json_string(&json, strbuf_str(&text));

        struct gw_problems p;
        gw_node_vec docs = {0};
        gw_problems_init(&p);
        if (!gw_yaml_parse(&a, "t", strbuf_str(&json), &docs, &p) || docs.len != 1 ||
            !str_eq(docs.at[0]->text, strbuf_str(&text))) {
            fail_msg("U+%04x does not survive as %s", c, json.at);
        }
        vec_fini(&docs);
        gw_problems_fini(&p);
        strbuf_fini(&text);
        strbuf_fini(&json);
        strbuf_fini(&problems);
    }
    arena_fini(&a);
}

static void repeat(struct strbuf *b, const char *what, int times)
{
    for (int i = 0; i < times; i++) {
        strbuf_add(b, str_of(what));
    }
}

static void test_problems(void **state)
{
    static const struct {
        const char *yaml, *problem;
    } cases[] = {
        {"a: 1\nb: 2\na: 3", "t:3: a: given twice, first in line 1; keep one\n"},
        {"a: 1\n'a': 3\na: 4", "t:2: a: given twice, first in line 1; keep one\n"
                               "t:3: a: given twice, first in line 2; keep one\n"},
        {"a: {<<: 1}", "t:1: <<: merge keys are not supported; write the fields out\n"},
        {"a: *b", "t:1: an alias (*name) of an anchor (&name) that was not given before it\n"},
        {"a: &a [1, *a]", "t:1: an alias inside of what it stands for\n"},
        {"[a]: 1", "t:1: a key must be a plain value, not a list or mapping\n"},
        {"a: !foo 1", "t:1: this tag is not known; remove it (only YAML's own like !!str are)\n"},
        {"a: !!int x", "t:1: the tag does not fit the value; remove the tag\n"},
        {"a: !!str [1]", "t:1: the tag does not fit the value; remove the tag\n"},
        {"a: 1\n b: 2", "t:2: not YAML: mapping values are not allowed in this context (column 3)\n"},
        {"a: [1",
         "t:2: not YAML: while parsing a flow sequence: did not find expected ',' or ']' (column 1)\n"},
        {"\x01", "t:1: not YAML: control characters are not allowed (column 1)\n"},
        {"--- &a x\n--- *a\n", "t:2: an alias (*name) of an anchor (&name) that was not given before it\n"},
    };
    struct arena a;
    (void)state;

    arena_init(&a);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf problems = {0};
        assert_null(to_json(&a, cases[i].yaml, &problems));
        assert_string_equal(problems.at, cases[i].problem);
        strbuf_fini(&problems);
    }
    arena_fini(&a);
}

static void test_limits(void **state)
{
    struct arena a;
    struct strbuf text = {0}, problems = {0};
    (void)state;

    arena_init(&a);
    repeat(&text, "[", 64);
    repeat(&text, "]", 64);
    assert_non_null(to_json(&a, text.at, &problems));
    text.len = 0;
    repeat(&text, "[", 65);
    repeat(&text, "]", 65);
    assert_null(to_json(&a, text.at, &problems));
    assert_string_equal(problems.at, "t:1: nested more than 64 levels deep\n");

    /* A billion of laughs: 10 lists, each of ten times the one before. */
    text.len = problems.len = 0;
    strbuf_add(&text, STR("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"));
    for (int i = 1; i < 10; i++) {
        strbuf_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) {
            strbuf_printf(&text, "*a%d,", i - 1);
        }
        strbuf_add(&text, STR("]\n"));
    }
    assert_null(to_json(&a, text.at, &problems));
    assert_string_equal(problems.at,
                        "t:7: too large with its aliases (*name) written out; use fewer of them\n");

    /* Depth counts through aliases too. */
    text.len = problems.len = 0;
    strbuf_add(&text, STR("a0: &a0 [x]\n"));
    for (int i = 1; i < 100; i++) {
        strbuf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    }
    assert_null(to_json(&a, text.at, &problems));
    assert_string_equal(problems.at, "t:63: nested more than 64 levels deep\n");

    text.len = problems.len = 0;
    repeat(&text, "k", 999);
    strbuf_add(&text, STR(": 1"));
    assert_null(to_json(&a, text.at, &problems));
    assert_string_equal(problems.at, "t:1: a key of more than 1000 bytes; shorten it\n");
    strbuf_fini(&text);
    strbuf_fini(&problems);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_every_character_survives),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("gw/yaml", tests, NULL, NULL);
}
