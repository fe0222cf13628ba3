/* What is needed stays, what was not needed for a while goes, whatever else is there is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/sweep.h"
#include "unit/scratch.h"

enum { NOW = 100000000, DAY = 86400 };

static char dir[] = "/tmp/weir-sweep-XXXXXX";
static struct store *store;
static char told[4096];

static const char *hex(char c)
{
    static char text[4][HASH_SHA256_HEX];
    static int next;
    char *out = text[next++ % 4];

    memset(out, c, HASH_SHA256_HEX - 1);
    out[HASH_SHA256_HEX - 1] = '\0';
    return out;
}

static const char *path_of(const char *folder, const char *begin, const char *end)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s/%s%s", dir, folder, begin, end);
    return path;
}

/* A file that was needed last so long ago. */
static void make(const char *folder, const char *begin, const char *end, int64_t age_s, const char *text)
{
    const char *path = path_of(folder, begin, end);
    const struct timespec times[2] = {{.tv_sec = NOW - age_s}, {.tv_sec = NOW - age_s}};
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool there(const char *folder, const char *begin, const char *end)
{
    struct stat info;
    return lstat(path_of(folder, begin, end), &info) == 0;
}

static void on_gone(void *ctx, const char *name)
{
    (void)ctx;
    told[strlen(told) + 1] = '\0';
    told[strlen(told)] = name[0];
}

static size_t run(uint64_t keep_s, uint64_t most_bytes, const char *needed)
{
    struct sweep_refs refs = {0};
    const struct sweep_options o = {.keep_s = keep_s, .most_bytes = most_bytes, .key = "key"};
    struct strbuf text = {0};

    for (const char *c = needed; *c != '\0'; c++) {
        strbuf_printf(&text, "{\"url\":\"file:store/modules/%s.wasm\"},\n", hex(*c));
    }
    sweep_refs_add_text(&refs, strbuf_str(&text));
    told[0] = '\0';
    size_t n = sweep_run(store, &refs, &o, NOW, on_gone, NULL);
    sweep_refs_fini(&refs);
    strbuf_fini(&text);
    return n;
}

static void test_by_age(void **state)
{
    struct stat info;
    (void)state;

    make("modules", hex('a'), ".wasm", 40 * DAY, "needed");
    make("images", hex('a'), "-key.aot", 40 * DAY, "needed");
    make("images", hex('a'), "-older.aot", 40 * DAY, "of another compiler");
    make("images", hex('a'), "-older.failed", 2 * DAY, "of another compiler, not long ago");
    make("modules", hex('b'), ".wasm", 40 * DAY, "not needed");
    make("images", hex('b'), "-key.aot", 40 * DAY, "not needed");
    make("modules", hex('c'), ".wasm", 2 * DAY, "not needed, but not long ago");
    assert_int_equal(run(0, 0, "a"), 0); /* for ever, if told so */
    make("modules", hex('a'), ".wasm", 40 * DAY, "needed");
    assert_int_equal(run(30 * DAY, 0, "a"), 3);
    assert_true(there("modules", hex('a'), ".wasm") && there("images", hex('a'), "-key.aot"));
    assert_false(there("images", hex('a'), "-older.aot"));
    assert_true(there("images", hex('a'), "-older.failed") && there("modules", hex('c'), ".wasm"));
    assert_false(there("modules", hex('b'), ".wasm") || there("images", hex('b'), "-key.aot"));
    assert_int_equal(strlen(told), 3);
    assert_int_equal(stat(path_of("modules", hex('a'), ".wasm"), &info), 0);
    assert_int_equal(info.st_mtim.tv_sec, NOW); /* another gateway sees that it is needed */
    assert_int_equal(run(30 * DAY, 0, ""), 0);  /* and it is kept for as long again */
}

static void test_by_size(void **state)
{
    (void)state;

    make("modules", hex('a'), ".wasm", 40 * DAY, "0123456789"); /* needed */
    make("modules", hex('c'), ".wasm", 3 * DAY, "0123456789");
    make("modules", hex('d'), ".wasm", 2 * DAY, "0123456789");
    make("modules", hex('e'), ".wasm", SWEEP_GRACE_S / 2, "0123456789");
    make("images", hex('a'), "-key.aot", 0, "");
    make("images", hex('a'), "-older.failed", 0, "");
    assert_int_equal(run(30 * DAY, 40, "a"), 0);
    assert_int_equal(run(30 * DAY, 35, "a"), 1);
    assert_string_equal(told, "c"); /* the oldest */
    assert_int_equal(run(30 * DAY, 1, "a"), 1);
    assert_string_equal(told, "d"); /* and no more: one is needed, one was a moment ago */
    assert_true(there("modules", hex('a'), ".wasm") && there("modules", hex('e'), ".wasm"));
}

/* What a URL gave last is kept for as long as the URL is remembered, unless there is no room. */
static void test_sources(void **state)
{
    char text[256];
    (void)state;

    snprintf(text, sizeof text, "%s\n\nhttp://x/m.wasm\n", hex('f'));
    make("sources", hex('1'), "", 2 * DAY, text);
    make("modules", hex('f'), ".wasm", 40 * DAY, "0123456789");
    assert_int_equal(run(30 * DAY, 0, ""), 0);
    make("sources", hex('1'), "", 40 * DAY, text);
    assert_int_equal(run(30 * DAY, 0, ""), 1); /* it is forgotten, and then its module */
    assert_false(there("sources", hex('1'), ""));
    assert_string_equal(told, "");
    assert_int_equal(run(30 * DAY, 0, ""), 1);
    assert_string_equal(told, "f");
    make("sources", hex('1'), "", 2 * DAY, text);
    make("modules", hex('f'), ".wasm", 3 * DAY, "0123456789");
    assert_int_equal(run(30 * DAY, 1, "a"), 1);
    assert_string_equal(told, "f");
}

static void test_other_files(void **state)
{
    (void)state;

    make("modules", "README", "", 400 * DAY, "x");
    make("modules", hex('b'), ".wasm.orig", 400 * DAY, "x");
    make("modules", "../outside", "", 400 * DAY, "x");
    assert_int_equal(symlink("../outside", path_of("modules", hex('b'), ".wasm")), 0);
    assert_int_equal(mkdir(path_of("images", hex('b'), "-key.aot"), 0700), 0);
    assert_int_equal(run(30 * DAY, 1, ""), 0);
    assert_true(there("modules", "README", "") && there("modules", hex('b'), ".wasm.orig"));
    assert_true(there("modules", hex('b'), ".wasm") && there("images", hex('b'), "-key.aot"));
}

/* What was needed a moment ago is not taken from whoever finds it there. */
static void test_what_is_put_again(void **state)
{
    char name[HASH_SHA256_HEX];
    struct stat before, after;
    (void)state;

    assert_int_equal(store_put_module(store, (const uint8_t *)"abc", 3, name, NULL), WEIR_OK);
    make("modules", name, ".wasm", 40 * DAY, "abc");
    assert_int_equal(stat(path_of("modules", name, ".wasm"), &before), 0);
    assert_int_equal(store_put_module(store, (const uint8_t *)"abc", 3, name, NULL), WEIR_OK);
    assert_int_equal(stat(path_of("modules", name, ".wasm"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec);
    assert_true(store_need_module(store, name));
    assert_false(store_need_module(store, hex('9')));
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL && store_open(dir, (gid_t)-1, &store, NULL) == WEIR_OK ? 0 : -1;
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
        cmocka_unit_test(test_by_age),
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_what_is_put_again),
    };
    return cmocka_run_group_tests_name("sweep", tests, set_up, tear_down);
}
