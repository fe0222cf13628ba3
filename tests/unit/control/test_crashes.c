/* Reports are grouped, counted, kept over restarts and within a bound; damaged files harm nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "control/crashes.h"
#include "unit/scratch.h"

#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char dir[] = "/tmp/weir-crashes-XXXXXX";
static char store_dir[64], reports[64];
static struct store *store;
static struct crashes *crashes;
static char logged[4096];

static void keep_log(enum log_level level, const char *line, void *ctx)
{
    (void)level, (void)ctx;
    snprintf(logged, sizeof logged, "%s", line);
}

static void open_crashes(void)
{
    struct crashes_options opt = {.dir = reports, .store = store};
    assert_int_equal(crashes_open(&opt, &crashes, NULL), WEIR_OK);
}

static void take(unsigned frame, unsigned long long time_ms)
{
    char text[512];
    int n =
        snprintf(text, sizeof text,
                 "weir-crash 1\nplugin p\nsha256 " SHA "\ntrap unreachable\ntime %llu\ndropped 2\nframe %u\n"
                 "log a line\n",
                 time_ms, frame);
    crashes_take(crashes, 1, str_make(text, (size_t)n));
}

static size_t list(struct crashes_entry **all, size_t *damaged)
{
    size_t n;
    assert_int_equal(crashes_list(reports, all, &n, damaged, NULL), WEIR_OK);
    return n;
}

static void test_groups_and_counts(void **state)
{
    struct crashes_entry *all;
    size_t damaged;
    (void)state;

    open_crashes();
    take(1, 10);
    take(2, 20);
    crashes_close(crashes);
    open_crashes(); /* what is kept outlives the control process */
    take(1, 30);
    assert_int_equal(list(&all, &damaged), 2);
    assert_int_equal(damaged, 0);
    assert_int_equal(all[0].crash.count, 2);
    assert_int_equal(all[0].crash.dropped, 4);
    assert_int_equal(all[0].crash.first_ms, 10);
    assert_int_equal(all[0].crash.time_ms, 30);
    assert_int_equal(all[1].crash.offsets[0], 2);
    assert_non_null(strstr(logged, "\"count\":2,\"plugin\":\"p\",\"trap\":\"unreachable\""));
    crashes_list_free(all, 2);
}

static void test_damaged_files_are_passed_by(void **state)
{
    struct crashes_entry *all;
    size_t damaged, n = list(&all, &damaged);
    char path[160];
    (void)state;

    snprintf(path, sizeof path, "%s/%s.crash", reports, all[0].id);
    assert_int_equal(truncate(path, 40), 0);
    crashes_list_free(all, n);
    crashes_close(crashes);
    open_crashes();
    assert_non_null(strstr(logged, "1 damaged crash report is passed by"));
    assert_int_equal(list(&all, &damaged), n - 1);
    assert_int_equal(damaged, 1);
    crashes_list_free(all, n - 1);
    take(1, 40); /* it begins anew */
    assert_int_equal(list(&all, &damaged), n);
    assert_int_equal(damaged, 0);
    assert_int_equal(all[0].crash.count, 1);
    crashes_list_free(all, n);
}

static void test_what_is_no_report(void **state)
{
    struct crashes_entry *all;
    size_t damaged, n = list(&all, &damaged), after;
    (void)state;

    crashes_list_free(all, n);
    crashes_take(crashes, 7, STR("nonsense"));
    assert_string_equal(logged, "worker 7 sent a crash report that is none");
    crashes_take(crashes, 7, STR("weir-crash 1\nplugin p\nsha256 " SHA "\ntrap t\nframe 1\nname 0 liar\n"));
    assert_string_equal(logged, "worker 7 sent a crash report that is none");
    after = list(&all, &damaged);
    assert_int_equal(after, n);
    crashes_list_free(all, n);
}

static void test_they_are_bounded(void **state)
{
    struct crashes_entry *all;
    size_t damaged;
    (void)state;

    for (unsigned i = 0; i < CRASHES_MOST + 20; i++) {
        take(1000 + i, 1000 + i);
    }
    size_t n = list(&all, &damaged);
    assert_int_equal(n, CRASHES_MOST);
    assert_int_equal(all[0].crash.time_ms, 1000 + CRASHES_MOST + 19);
    assert_int_equal(all[n - 1].crash.time_ms, 1020);
    crashes_list_free(all, n);
    crashes_close(crashes);
}

static int set_up(void **state)
{
    (void)state;
    log_set_sink(keep_log, NULL);
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    snprintf(store_dir, sizeof store_dir, "%s/store", dir);
    snprintf(reports, sizeof reports, "%s/crashes", dir);
    return store_open(store_dir, (gid_t)-1, &store, NULL) == WEIR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(store);
    return scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_and_counts),
        cmocka_unit_test(test_damaged_files_are_passed_by),
        cmocka_unit_test(test_what_is_no_report),
        cmocka_unit_test(test_they_are_bounded),
    };
    return cmocka_run_group_tests_name("crashes", tests, set_up, tear_down);
}
