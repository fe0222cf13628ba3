/* The compile queue, with shell scripts in the place of weirc: success, failure, death, time-out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/compiler.h"
#include "unit/scratch.h"

static char dir[] = "/tmp/weir-compiler-XXXXXX";
static char script[64];
static struct store *store;

static void write_script(const char *body)
{
    FILE *f = fopen(script, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", body);
    fclose(f);
    assert_int_equal(chmod(script, 0755), 0);
}

static void compile(const char *body, const char *module, uint32_t limit_s, struct compiler_result *result)
{
    struct compiler_options opt = {.weirc = script, .key = "test", .time_limit_s = limit_s};
    struct compiler *c = compiler_new(store, &opt);
    char hex[HASH_SHA256_HEX];

    write_script(body);
    assert_int_equal(store_put_module(store, (const uint8_t *)module, strlen(module), hex, NULL), WEIR_OK);
    assert_int_equal(compiler_want(c, hex), COMPILER_PENDING);
    assert_int_equal(compiler_want(c, hex), COMPILER_PENDING);
    while (!compiler_step(c, result)) {
        usleep(1000);
    }
    assert_string_equal(result->hex, hex);
    assert_int_equal(compiler_want(c, hex),
                     result->outcome == COMPILER_MADE ? COMPILER_HAS_IMAGE : COMPILER_GAVE_UP);
    assert_false(compiler_busy(c));
    compiler_free(c);
}

static void test_made(void **state)
{
    struct compiler_result r;
    (void)state;
    compile("cat \"$1\" > \"$3\"", "good", 30, &r);
    assert_int_equal(r.outcome, COMPILER_MADE);
}

static void test_refused(void **state)
{
    struct compiler_result r;
    (void)state;
    compile("echo first >&2; echo 'weirc: no such thing' >&2; exit 1", "refused", 30, &r);
    assert_int_equal(r.outcome, COMPILER_FAILED);
    assert_string_equal(r.why, "weirc: no such thing");
}

static void test_died(void **state)
{
    struct compiler_result r;
    (void)state;
    compile("kill -SEGV $$", "died", 30, &r);
    assert_int_equal(r.outcome, COMPILER_FAILED);
    assert_non_null(strstr(r.why, "signal 11"));
}

static void test_timed_out(void **state)
{
    struct compiler_result r;
    (void)state;
    compile("while :; do :; done", "slow", 0, &r);
    assert_int_equal(r.outcome, COMPILER_FAILED);
    assert_string_equal(r.why, "timed out after 0 s");
}

/* Started by root the child is somebody else, who can neither come to the store's folders nor go on living.
 */
static void test_another_user(void **state)
{
    enum { NOBODY = 65534 };
    struct compiler_options opt = {.weirc = script,
                                   .key = "other",
                                   .time_limit_s = 30,
                                   .change_user = true,
                                   .uid = NOBODY,
                                   .gid = NOBODY};
    struct compiler_result r;
    char hex[HASH_SHA256_HEX], path[128], pid[32] = "";
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(store_make_compile_dir(store, NOBODY, NOBODY, NULL), WEIR_OK);
    struct compiler *c = compiler_new(store, &opt);
    write_script("id -u > who; id -G >> who; ls .. > listing 2>&1; setsid sleep 600 > /dev/null 2>&1 &\n"
                 "sleep 600 & echo $! > left; ls \"$1\" && cat \"$1\" > \"$3\"");
    assert_int_equal(store_put_module(store, (const uint8_t *)"other", 5, hex, NULL), WEIR_OK);
    assert_int_equal(compiler_want(c, hex), COMPILER_PENDING);
    while (!compiler_step(c, &r)) {
        usleep(1000);
    }
    assert_int_equal(r.outcome, COMPILER_MADE);
    snprintf(path, sizeof path, "%s/who", store_compile_dir(store));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(pid, sizeof pid, f));
    assert_string_equal(pid, "65534\n");
    assert_non_null(fgets(pid, sizeof pid, f));
    assert_string_equal(pid, "65534\n"); /* no other groups */
    fclose(f);
    snprintf(path, sizeof path, "%s/listing", store_compile_dir(store));
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(path, sizeof path, f));
    assert_non_null(strstr(path, "Permission denied"));
    fclose(f);
    snprintf(path, sizeof path, "%s/left", store_compile_dir(store));
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(pid, sizeof pid, f));
    fclose(f);
    snprintf(path, sizeof path, "/proc/%d/exe", atoi(pid));
    char target[64];
    for (int i = 0; i < 1000 && readlink(path, target, sizeof target) >= 0; i++) {
        usleep(1000); /* killed, and on its way out */
    }
    assert_true(readlink(path, target, sizeof target) < 0);
    compiler_free(c);
    assert_int_equal(store_make_compile_dir(store, (uid_t)-1, (gid_t)-1, NULL), WEIR_OK);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    snprintf(script, sizeof script, "%s/weirc", dir);
    return store_open(dir, (gid_t)-1, &store, NULL) != WEIR_OK ||
           store_make_compile_dir(store, (uid_t)-1, (gid_t)-1, NULL) != WEIR_OK;
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
        cmocka_unit_test(test_made),      cmocka_unit_test(test_refused),      cmocka_unit_test(test_died),
        cmocka_unit_test(test_timed_out), cmocka_unit_test(test_another_user),
    };
    return cmocka_run_group_tests_name("control/compiler", tests, set_up, tear_down);
}
