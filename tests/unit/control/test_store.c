/* The store keeps what it is given under its hash, and refuses a folder others can write. */
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

#include "base/mem.h"
#include "control/store.h"
#include "unit/scratch.h"

static char dir[] = "/tmp/weir-store-XXXXXX";

static void test_modules_are_named_by_hash(void **state)
{
    struct store *s;
    char hex[HASH_SHA256_HEX];
    uint8_t *back;
    size_t len;
    (void)state;

    assert_int_equal(store_open(dir, (gid_t)-1, &s, NULL), WEIR_OK);
    assert_int_equal(store_put_module(s, (const uint8_t *)"abc", 3, hex, NULL), WEIR_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(store_put_module(s, (const uint8_t *)"abc", 3, hex, NULL), WEIR_OK);
    char *path = store_module_path(s, hex);
    assert_int_equal(store_read_file(path, 100, &back, &len, NULL), WEIR_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(back, "abc", 3);
    mem_free(back);
    assert_int_equal(store_read_file(path, 2, &back, &len, NULL), WEIR_E_LIMIT);
    mem_free(path);
    store_close(s);
}

static void test_images_move_into_place(void **state)
{
    struct store *s;
    char work[128];
    struct stat info;
    (void)state;

    assert_int_equal(store_open(dir, (gid_t)-1, &s, NULL), WEIR_OK);
    assert_int_equal(store_make_compile_dir(s, geteuid() == 0 ? 65534 : geteuid(), (gid_t)-1, NULL), WEIR_OK);
    assert_false(store_has_image(s, "00", "key"));
    snprintf(work, sizeof work, "%s/made", store_compile_dir(s));
    close(open(work, O_CREAT | O_WRONLY, 0666));
    if (geteuid() == 0) {
        assert_int_equal(chown(work, 65534, 65534), 0);
    }
    assert_int_equal(store_put_image(s, "00", "key", "made", NULL), WEIR_OK);
    assert_true(store_has_image(s, "00", "key"));
    assert_false(store_has_image(s, "00", "other"));
    char *path = store_image_path(s, "00", "key");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0550);
    assert_int_equal(info.st_uid, geteuid()); /* whoever made it */
    mem_free(path);
    store_drop_image(s, "00", "key");
    assert_false(store_has_image(s, "00", "key"));
    store_close(s);
}

/* The compiler is not trusted: what it leaves in the work folder may be a way to another file. */
static void test_only_plain_files_become_images(void **state)
{
    struct store *s;
    char work[128], other[128];
    struct stat info;
    (void)state;

    assert_int_equal(store_open(dir, (gid_t)-1, &s, NULL), WEIR_OK);
    assert_int_equal(store_make_compile_dir(s, (uid_t)-1, (gid_t)-1, NULL), WEIR_OK);
    snprintf(work, sizeof work, "%s/made", store_compile_dir(s));
    snprintf(other, sizeof other, "%s/other", dir);
    close(open(other, O_CREAT | O_WRONLY, 0644));
    for (int hard = 0; hard <= 1; hard++) {
        assert_int_equal(hard ? link(other, work) : symlink(other, work), 0);
        assert_int_not_equal(store_put_image(s, "00", "key", "made", NULL), WEIR_OK);
        assert_false(store_has_image(s, "00", "key"));
        assert_int_equal(stat(other, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0644);
        unlink(work);
    }
    assert_int_equal(mkfifo(work, 0644), 0);
    assert_int_not_equal(store_put_image(s, "00", "key", "made", NULL), WEIR_OK);
    unlink(work);
    unlink(other);
    store_close(s);
}

/* Workers of root read by their group, also what was there before. */
static void test_readers(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
    } wanted[] = {{"", 02750}, {"/modules", 02750}, {"/images", 02750}, {"/work", 02700}};
    const gid_t readers = 65534;
    struct store *s;
    struct stat info;
    char hex[HASH_SHA256_HEX], path[128];
    (void)state;

    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(store_open(dir, (gid_t)-1, &s, NULL), WEIR_OK);
    assert_int_equal(store_put_module(s, (const uint8_t *)"old", 3, hex, NULL), WEIR_OK);
    char *module = store_module_path(s, hex);
    store_close(s);
    assert_int_equal(chown(module, 0, 0), 0);
    assert_int_equal(chmod(module, 0600), 0);
    assert_int_equal(store_open(dir, readers, &s, NULL), WEIR_OK);
    for (size_t i = 0; i <= sizeof wanted / sizeof *wanted; i++) {
        bool file = i == sizeof wanted / sizeof *wanted;
        snprintf(path, sizeof path, "%s%s", dir, file ? "" : wanted[i].name);
        assert_int_equal(stat(file ? module : path, &info), 0);
        assert_int_equal(info.st_gid, readers);
        assert_int_equal(info.st_mode & 07777, file ? 0640 : wanted[i].mode);
    }
    mem_free(module);
    store_close(s);
}

static void test_failures_are_remembered(void **state)
{
    struct store *s;
    (void)state;
    assert_int_equal(store_open(dir, (gid_t)-1, &s, NULL), WEIR_OK);
    assert_null(store_failure(s, "00", "key"));
    store_put_failure(s, "00", "key", "timed out");
    char *why = store_failure(s, "00", "key");
    assert_string_equal(why, "timed out");
    mem_free(why);
    store_close(s);
}

static void test_a_store_of_others_is_refused(void **state)
{
    struct store *s = NULL;
    struct weir_report rep;
    (void)state;
    weir_report_init(&rep);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_int_equal(store_open(dir, (gid_t)-1, &s, &rep), WEIR_E_CONFIG);
    assert_null(s);
    assert_non_null(strstr(rep.message, "chmod 700"));
    assert_int_equal(chmod(dir, 0700), 0);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    return scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modules_are_named_by_hash),
        cmocka_unit_test(test_images_move_into_place),
        cmocka_unit_test(test_only_plain_files_become_images),
        cmocka_unit_test(test_readers),
        cmocka_unit_test(test_failures_are_remembered),
        cmocka_unit_test(test_a_store_of_others_is_refused),
    };
    return cmocka_run_group_tests_name("control/store", tests, make_dir, remove_dir);
}
