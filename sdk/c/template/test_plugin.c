/* @NAME@'s verdicts, built natively, against the SDK's fake host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_host.h"

enum { ROOT = 1, STREAM = 2 };

static bool configure(const char *json)
{
    fake_reset();
    fake.config = wp_str_of(json);
    return proxy_on_configure(ROOT, (uint32_t)fake.config.len);
}

/* A request with this User-Agent, or none: the status of the refusal, 0 if it passed. */
static uint32_t ask(const char *user_agent)
{
    fake.request.n = 0;
    fake.responded = false;
    fake_set(&fake.request, WP_STR(":path"), "/");
    if (user_agent) {
        fake_set(&fake.request, WP_STR("user-agent"), user_agent);
    }
    proxy_on_context_create(STREAM, ROOT);
    uint32_t action = proxy_on_request_headers(STREAM, (uint32_t)fake.request.n, 1);
    proxy_on_delete(STREAM);
    assert_int_equal(action, fake.responded ? WP_PAUSE : WP_CONTINUE);
    return fake.responded ? fake.status : 0;
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
    assert_false(configure("{\"greeting\":"));
    assert_false(configure("[]"));
    assert_false(configure("{\"greeting\":[]}"));
    assert_false(configure("{\"status\":200}"));
    assert_string_equal(fake.log, "configuration: status: must be from 400 to 599\n");
    assert_int_equal(ask("curl"), 0);
    assert_string_equal(fake_get(&fake.request, "x-greeting"), "kept");
}

int main(void)
{
    proxy_on_context_create(ROOT, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_configured),
        cmocka_unit_test(test_refused_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
