/* Context ids: from 1, found while live, never given twice at a time, also after the counter wrapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pw/context.h"

static void test_ids_count_from_one(void **state)
{
    struct pw_context_table t = {0};
    struct pw_context c[100] = {{0}};
    (void)state;

    assert_null(pw_contexts_find(&t, 1));
    for (uint32_t i = 0; i < 100; i++) {
        pw_contexts_add(&t, &c[i]);
        assert_int_equal(c[i].id, i + 1);
    }
    for (uint32_t i = 0; i < 100; i++) {
        assert_ptr_equal(pw_contexts_find(&t, i + 1), &c[i]);
    }
    assert_null(pw_contexts_find(&t, 0));
    assert_null(pw_contexts_find(&t, 101));

    pw_contexts_remove(&t, &c[41]);
    assert_int_equal(c[41].id, 0);
    assert_null(pw_contexts_find(&t, 42));
    pw_contexts_add(&t, &c[41]);
    assert_int_equal(c[41].id, 101); /* not 42 again */
    pw_contexts_fini(&t);
}

static void test_ids_after_wrapping(void **state)
{
    struct pw_context_table t = {0};
    struct pw_context root = {0}, last = {0}, next = {0};
    (void)state;

    pw_contexts_add(&t, &root);
    t.last_id = UINT32_MAX - 1;
    pw_contexts_add(&t, &last);
    assert_int_equal(last.id, UINT32_MAX);
    pw_contexts_add(&t, &next);
    assert_int_equal(next.id, 2); /* 0 means no context, 1 is the root's */
    pw_contexts_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_count_from_one),
        cmocka_unit_test(test_ids_after_wrapping),
    };
    return cmocka_run_group_tests_name("pw/context", tests, NULL, NULL);
}
