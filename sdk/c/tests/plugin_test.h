/* plugin_test.h - how the native test of a plugin begins and ends.
 *
 * Such a test calls the plugin's exports as a host would, with one root and, as a rule, one stream at a time.
 * What the host saw is in `fake` (fake_host.h). */
#ifndef WEIR_SDK_PLUGIN_TEST_H
#define WEIR_SDK_PLUGIN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_host.h"

enum { ROOT = 1, STREAM = 2 };

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* A host that knows nothing yet gives the root this configuration; false: it is refused. */
static inline bool configure(const char *json)
{
    fake_reset();
    fake.config = wp_str_of(json);
    return proxy_on_configure(ROOT, (uint32_t)fake.config.len);
}

/* Each of them is refused, with a line in the log that says why. */
static inline void assert_all_refused(const char *const *configurations, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (configure(configurations[i]) || fake.log[0] == '\0') {
            fail_msg("accepted, or refused without a word: %s", configurations[i]);
        }
    }
}

/* Forget the last request and its answer: fake.request and fake.properties are to be filled. */
static inline void begin_request(void)
{
    fake.request.n = fake.properties.n = fake.response_headers.n = 0;
    fake.responded = false;
}

/* The stream is over, and its last callback returned `action`.  0: it went on; else the status of the answer.
 */
static inline uint32_t end_request(uint32_t action)
{
    proxy_on_delete(STREAM);
    assert_int_equal(action, fake.responded ? WP_PAUSE : WP_CONTINUE);
    return fake.responded ? fake.status : 0;
}

/* The headers in fake.request are the whole of the request. */
static inline uint32_t run_request(void)
{
    proxy_on_context_create(STREAM, ROOT);
    return end_request(proxy_on_request_headers(STREAM, (uint32_t)fake.request.n, true));
}

static inline int make_root(void **state)
{
    (void)state;
    proxy_on_context_create(ROOT, 0);
    return 0;
}

/* With it goes all that it holds: what is left is a leak. */
static inline int delete_root(void **state)
{
    (void)state;
    proxy_on_delete(ROOT);
    return 0;
}

/* Run an array of struct CMUnitTest. */
#define RUN_PLUGIN_TESTS(tests) cmocka_run_group_tests(tests, make_root, delete_root)

#endif
