/* bot-detect's verdicts, by its exports, against the fake host; and its built-in list, row by row. */
#include "plugin_test.h"
#include "weir_regex.h"

static const struct row {
    const char *group, *pattern, *example;
} rows[] = {
#define BOT(group, pattern, example) {#group, pattern, example},
#include "../bots.def"
#undef BOT
};
enum { NROWS = sizeof rows / sizeof *rows };

/* Browsers, and apps with one inside, that must pass. */
static const char *const browsers[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36 Edg/126.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "GSA/320.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
    "Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0.3987.99 "
    "Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 11; CUBOT) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.4844.58 "
    "Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 "
    "YaBrowser/24.6.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-A536E) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 "
    "Mobile Safari/537.36 YaApp_Android/24.51 YandexSearch/24.51",
    "Mozilla/5.0 (Linux; Android 12; M2102J20SG; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/97.0 Mobile Safari/537.36 T7/13.3 baiduboxapp/13.3",
    "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0.3987.87 "
    "Safari/537.36 SE 2.X MetaSr 1.0",
    "Mozilla/5.0 (Linux; Android 13; 22041211AC) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0 Mobile "
    "Safari/537.36 MicroMessenger/8.0.47 WeChat/arm64",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/21E219 [FBAN/FBIOS;FBAV/456.0;FBDV/iPhone15,2]",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/21E219 [Pinterest/iOS]",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/21E219 [LinkedInApp]/9.29",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 Instagram 334.0",
    "Mozilla/5.0 (Linux; Android 13; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0 "
    "Mobile Safari/537.36 DaumApps/9.5",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 "
    "Safari/537.36 OPR/106.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; .NET CLR 2.0.50727)",
    "Mozilla/5.0 (PlayStation; PlayStation 5/6.50) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.4 "
    "Safari/605.1.15",
    "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.5) AppleWebKit/537.36 (KHTML, like Gecko) 85.0.4183.93/6.5 TV "
    "Safari/537.36",
    "Mozilla/5.0 (Linux; Android 9; KFMAWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/120.4.1 like "
    "Chrome/120.0.6099.230 Safari/537.36",
    "Mozilla/5.0 (Mobile; Nokia 8110 4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709; U; en) Presto/2.8.119 Version/11.10",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/120.0 "
    "Chrome/114.0 Safari/537.36",
    "Dart/3.4 (dart:io)",
    "MyShop/7 CFNetwork/1496.0.7 Darwin/23.5.0",
    "",
};
enum { NBROWSERS = sizeof browsers / sizeof *browsers };

/* 0: passed; else the status of the refusal. */
static uint32_t ask_on(const char *agent, const char *route)
{
    begin_request();
    fake_set(&fake.request, WP_STR(":authority"), "Example.com:80");
    fake_set(&fake.properties, WP_STR("route_name"), route);
    if (agent) {
        fake_set(&fake.request, WP_STR("user-agent"), agent);
    }
    return run_request();
}

static uint32_t ask(const char *agent)
{
    return ask_on(agent, "");
}

/* "SEARCH" to "search". */
static const char *lower(const char *name)
{
    static char text[32];
    size_t i = 0;
    for (; name[i] != '\0'; i++) {
        text[i] = (char)(name[i] | 0x20);
    }
    text[i] = '\0';
    return text;
}

static void test_each_row_finds_its_example_and_no_browser(void **state)
{
    (void)state;
    for (size_t i = 0; i < NROWS; i++) {
        struct wp_str error;
        struct wp_regex_set *set = wp_regex_set_new(WP_REGEX_SEARCH);
        assert_true(wp_regex_set_add(set, wp_format("(?i)%s", rows[i].pattern), &error));
        assert_true(wp_regex_set_compile(set, &error));
        if (!wp_regex_set_matches(set, wp_str_of(rows[i].example))) {
            fail_msg("%s does not find %s", rows[i].pattern, rows[i].example);
        }
        for (size_t k = 0; k < NBROWSERS; k++) {
            if (wp_regex_set_matches(set, wp_str_of(browsers[k]))) {
                fail_msg("%s finds %s", rows[i].pattern, browsers[k]);
            }
        }
        wp_regex_set_free(set);
    }
}

static void test_defaults(void **state)
{
    (void)state;
    static const char *const configs[] = {"", "{}", "{\"blocked_code\":\"403\"}"};
    for (size_t c = 0; c < sizeof configs / sizeof *configs; c++) {
        assert_true(configure(configs[c]));
        for (size_t i = 0; i < NROWS; i++) {
            char details[128];
            snprintf(details, sizeof details, "Request denied by Bot Detect check. built-in %s",
                     lower(rows[i].group));
            if (ask(rows[i].example) != 403) {
                fail_msg("%s passes", rows[i].example);
            }
            assert_string_equal(fake.details, details);
            assert_string_equal(fake.response_body, "");
            assert_int_equal(fake.response_headers.n, 0);
        }
        for (size_t k = 0; k < NBROWSERS; k++) {
            assert_int_equal(ask(browsers[k]), 0);
        }
        assert_int_equal(ask(NULL), 0);
    }
}

static void test_groups(void **state)
{
    (void)state;
    for (size_t i = 0; i < NROWS; i++) {
        if (i == 0 || strcmp(rows[i].group, rows[i - 1].group) != 0) {
            assert_true(configure(wp_format("{\"builtin\":[\"%s\"]}", lower(rows[i].group)).at));
        }
        assert_int_equal(ask(rows[i].example), 403);
        assert_non_null(strstr(fake.details, lower(rows[i].group)));
    }
    assert_true(configure("{\"builtin\":[\"ai\",\"scanner\"]}"));
    assert_int_equal(ask("GPTBot/1.0"), 403);
    assert_int_equal(ask("sqlmap/1"), 403);
    assert_string_equal(fake.details, "Request denied by Bot Detect check. built-in scanner");
    assert_int_equal(ask("Googlebot/2.1"), 0);
    assert_true(configure("{\"builtin\":[]}"));
    assert_int_equal(ask("Googlebot/2.1"), 0);
}

static void test_upper_and_lower_case_and_odd_bytes(void **state)
{
    (void)state;
    assert_true(configure(""));
    assert_int_equal(ask("GOOGLEBOT"), 403);
    assert_int_equal(ask("\xff\xfe googlebot \xc3"), 403);
    assert_int_equal(ask("\xe4\xb8\xad\xe6\x96\x87"), 0);
}

static void test_allow_then_deny_then_builtin(void **state)
{
    (void)state;
    assert_true(configure(
        "{\"allow\":[\".*Go-http-client.*\",\"good.*\"],\"deny\":[\"spd-tools.*\",\"good-?bad\",\"\"],"
        "\"blocked_code\":429,\"blocked_message\":\"no\"}"));
    assert_int_equal(ask("Go-http-client/1.1"), 0);
    assert_int_equal(ask("goodbad"), 0);
    assert_int_equal(ask("spd-tools/1.1"), 429);
    assert_string_equal(fake.response_body, "no");
    assert_string_equal(fake.details, "Request denied by Bot Detect check. deny[0]");
    /* Patterns are of the whole: */
    assert_int_equal(ask("my spd-tools/1.1"), 0);
    assert_int_equal(ask("not good Googlebot"), 429);
    /* no User-Agent is an empty one. */
    assert_int_equal(ask(NULL), 429);
    assert_string_equal(fake.details, "Request denied by Bot Detect check. deny[2]");
    assert_int_equal(ask("curl/8"), 429);
    assert_int_equal(ask(browsers[0]), 0);
}

static void test_search(void **state)
{
    (void)state;
    assert_true(configure(
        "{\"match\":\"search\",\"allow\":[\"^friend/\"],\"deny\":[\"evil\",\"(?i)bad\"],\"builtin\":[]}"));
    assert_int_equal(ask("an evil one"), 403);
    assert_int_equal(ask("so BAD"), 403);
    assert_string_equal(fake.details, "Request denied by Bot Detect check. deny[1]");
    assert_int_equal(ask("friend/evil"), 0);
    assert_int_equal(ask("a friend/evil"), 403);
    assert_int_equal(ask("curl/8"), 0);
}

static void test_rules(void **state)
{
    (void)state;
    assert_true(
        configure("{\"deny\":[\"global\"],\"_rules_\":["
                  "{\"_match_route_\":[\"off\"],\"_disable_\":true},"
                  "{\"_match_route_\":[\"own\"],\"deny\":[\"mine\"],\"builtin\":[],\"blocked_code\":404},"
                  "{\"_match_route_prefix_\":[\"de\"]},"
                  "{\"_match_domain_\":[\"example.com\"],\"deny\":[\"never\"]}]}"));
    assert_int_equal(ask_on("curl/8", "off"), 0);
    assert_int_equal(ask_on("curl/8", "own"), 0);
    assert_int_equal(ask_on("mine", "own"), 404);
    /* A rule's configuration takes the global one's place. */
    assert_int_equal(ask_on("global", "own"), 0);
    assert_int_equal(ask_on("curl/8", "default"), 403);
    assert_int_equal(ask_on("global", "default"), 0);
    assert_int_equal(ask_on("global", "other"), 403);
    /* Only rules: what matches none passes. */
    assert_true(configure("{\"_rules_\":[{\"_match_domain_\":[\"Example.com\"],\"deny\":[\"d\"]}]}"));
    assert_int_equal(ask("d"), 403);
    assert_int_equal(ask("curl/8"), 403);
    assert_true(configure("{\"_rules_\":[{\"_match_domain_\":[\"other\"],\"deny\":[\"d\"]}]}"));
    assert_int_equal(ask("curl/8"), 0);
    /* A global part that is refused leaves the rules. */
    assert_true(configure("{\"deny\":[\"(\"],\"_rules_\":[{\"_match_route_\":[\"r\"]}]}"));
    assert_int_equal(ask_on("curl/8", "r"), 403);
    assert_int_equal(ask_on("curl/8", "s"), 0);
}

static void test_refused_configurations(void **state)
{
    (void)state;
    static const struct {
        const char *json, *log;
    } cases[] = {
        {"[]", "configuration: must be a JSON object\n"},
        {"{\"allow\":[\"ok\",\"(\"]}", "configuration: allow[1]: missing ): (\n"},
        {"{\"deny\":[\"(a)\\\\1\"]}", "configuration: deny[0]: invalid escape sequence: \\1\n"},
        {"{\"deny\":\"a\"}", "configuration: deny: must be an array of strings\n"},
        {"{\"blocked_code\":99}", "configuration: blocked_code: must be from 200 to 599\n"},
        {"{\"blocked_code\":\"x\"}", NULL},
        {"{\"blocked_message\":[]}", NULL},
        {"{\"match\":\"glob\"}", "configuration: match: must be whole or search\n"},
        {"{\"builtin\":[\"robots\"]}", NULL},
        {"{\"_rules_\":[{\"deny\":[\"a\"]}]}", NULL},
        {"{\"_rules_\":[{\"_match_route_\":[\"r\"],\"deny\":[\"*\"]}]}",
         "configuration: _rules_[0].deny[0]: no argument for repetition operator: *\n"},
        {"{\"_rules_\":{}}", "configuration: _rules_: must be an array of rules\n"},
        {"{\"_rules_\":[1]}", "configuration: _rules_[0]: must be an object\n"},
    };
    assert_true(configure("{\"deny\":[\"kept\"],\"builtin\":[]}"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(configure(cases[i].json));
        if (cases[i].log) {
            assert_string_equal(fake.log, cases[i].log);
        }
        assert_true(fake.log[0] != '\0');
        assert_int_equal(ask("kept"), 403);
        assert_int_equal(ask("curl/8"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_finds_its_example_and_no_browser),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_upper_and_lower_case_and_odd_bytes),
        cmocka_unit_test(test_allow_then_deny_then_builtin),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_refused_configurations),
    };
    return RUN_PLUGIN_TESTS(tests);
}
