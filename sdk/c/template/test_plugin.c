/* @NAME@'s verdicts, built natively, against the SDK's fake host. */
#include "plugin_test.h"

/* A request with this User-Agent, or none: the status of the refusal, 0 if it passed. */
static uint32_t ask(const char *user_agent)
{
    begin_request();
    fake_set(&fake.request, WP_STR(":path"), "/");
    if (user_agent) {
        fake_set(&fake.request, WP_STR("user-agent"), user_agent);
    }
    return run_request();
}

static void test_defaults(void **state)
{
    (void)state;
    assert_true(configure(""));
    assert_int_equal(ask("curl"), 0);
    assert_string_equal(fake_get(&fake.request, "x-greeting"), "hello");
    assert_int_equal(ask(NULL), 400);
    assert_string_equal(fake.response_body, "who are you?\n");
}

static void test_configured(void **state)
{
    (void)state;
    assert_true(configure("{\"greeting\":\"good day\",\"status\":403}"));
    assert_int_equal(ask("curl"), 0);
    assert_string_equal(fake_get(&fake.request, "x-greeting"), "good day");
    assert_int_equal(ask(""), 403);
}

static void test_refused_configurations(void **state)
{
    (void)state;
    assert_true(configure("{\"greeting\":\"kept\"}"));
    static const char *const bad[] = {"{\"greeting\":", "[]", "{\"greeting\":[]}", "{\"status\":200}"};
    assert_all_refused(bad, COUNT(bad));
    assert_string_equal(fake.log, "configuration: status: must be from 400 to 599\n");
    assert_int_equal(ask("curl"), 0);
    assert_string_equal(fake_get(&fake.request, "x-greeting"), "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_configured),
        cmocka_unit_test(test_refused_configurations),
    };
    return RUN_PLUGIN_TESTS(tests);
}
