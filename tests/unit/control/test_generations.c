/* Whatever happens between two steps, the link names a whole file; numbers go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/generations.h"

static char dir[] = "/tmp/weir-generations-XXXXXX";

static const char text[] = "{\"listeners\":[\"127.0.0.1:1\"]}";

static bool exists(const char *name)
{
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return lstat(path, &info) == 0;
}

static void test_nothing_is_in_force_at_first(void **state)
{
    (void)state;
    struct generations g;
    generations_init(&g, dir);
    assert_string_equal(g.name, "");
    assert_null(generations_read(&g));
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    struct generations g, again;
    struct weir_report rep;
    weir_report_init(&rep);
    generations_init(&g, dir);
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(generations_publish(&g, STR(text), &rep), WEIR_OK);
        generations_init(&again, dir);
        assert_string_equal(again.name, g.name);
        assert_int_equal(again.last, i);
    }
    assert_false(exists("generation-1.json") || exists("generation-2.json"));
    assert_true(exists("generation-3.json") && exists("generation-4.json"));
    struct gw_config *c = generations_read(&again);
    assert_non_null(c);
    assert_int_equal(c->nlisteners, 1);
    gw_config_free(c);
}

/* The process died after the file was written, or the number, and before the link was. */
static void test_a_death_in_between(void **state)
{
    (void)state;
    struct generations g;
    struct weir_report rep;
    char path[128];
    weir_report_init(&rep);
    snprintf(path, sizeof path, "%s/generation", dir);
    FILE *f = fopen(path, "w");
    fputs("9\n", f);
    fclose(f);
    generations_init(&g, dir);
    assert_string_equal(g.name, "generation-4.json");
    assert_int_equal(g.last, 9);
    assert_int_equal(generations_publish(&g, STR(text), &rep), WEIR_OK);
    assert_string_equal(g.name, "generation-10.json");
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(generations_number(STR("generation-12.json")), 12);
    assert_int_equal(generations_number(STR("generation-.json")), 0);
    assert_int_equal(generations_number(STR("generation-1x.json")), 0);
    assert_int_equal(generations_number(STR("generation-99999999999.json")), 0);
    assert_int_equal(generations_number(STR("")), 0);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_in_force_at_first),
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_a_death_in_between),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests_name("control/generations", tests, make_dir, remove_dir);
}
