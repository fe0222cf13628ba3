/* Every way in which people and tools change a file is seen; what is beside it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/watch.h"

static char dir[] = "/tmp/weir-watch-XXXXXX";
static char path[128];

static void sh(const char *commands)
{
    char line[512];
    snprintf(line, sizeof line, "cd %s && %s", dir, commands);
    assert_int_equal(system(line), 0);
}

/* A change, looked for long after it was made: the clock is ours. */
static bool seen(struct watch *w)
{
    static uint64_t now = 1000;
    now += 1000;
    watch_read(w, now);
    return watch_due(w, now + WATCH_QUIET_MS);
}

static struct watch *watch(const char *name)
{
    struct watch *w;
    struct weir_report rep;
    weir_report_init(&rep);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(watch_new(path, &w, &rep), WEIR_OK);
    return w;
}

/* Modules are known when a configuration was read; what is written meanwhile must not get lost. */
static void test_a_change_before_other_files_are_watched(void **state)
{
    char module[160];
    const char *const also[] = {module};

    (void)state;
    sh("mkdir -p modules; echo a > early.yaml; echo a > modules/m.wasm");
    snprintf(module, sizeof module, "%s/modules/m.wasm", dir);
    struct watch *w = watch("early.yaml");
    sh("echo b > early.yaml");
    watch_also(w, also, 1);
    assert_true(seen(w));
    sh("echo b > modules/m.wasm");
    watch_also(w, also, 1);
    assert_true(seen(w));
    sh("echo c > early.yaml");
    watch_also(w, NULL, 0);
    assert_true(seen(w));
    sh("echo c > modules/m.wasm");
    assert_false(seen(w));
    watch_free(w);
}

/* A rename, or a link that is swapped, needs no moment of quiet; a file that is written to, or one of a
 * folder, does. */
static void test_what_is_whole_is_seen_at_once(void **state)
{
    (void)state;
    sh("echo a > whole.yaml; mkdir -p many/..1 many/..2; echo a > many/..1/a.yaml; ln -s ..1 many/..data;"
       "ln -s ..data/a.yaml many/a.yaml");
    struct watch *w = watch("whole.yaml");
    watch_read(w, 5000);
    sh("echo b > .new; mv .new whole.yaml");
    watch_read(w, 6000);
    assert_true(watch_due(w, 6000));
    sh("echo c > whole.yaml");
    watch_read(w, 7000);
    assert_false(watch_due(w, 7000));
    assert_true(watch_due(w, 7000 + WATCH_QUIET_MS));
    watch_free(w);
    w = watch("many");
    sh("ln -s ..2 many/..tmp; mv -T many/..tmp many/..data");
    watch_read(w, 8000);
    assert_true(watch_due(w, 8000));
    sh("echo b > .new; mv .new many/b.yaml");
    watch_read(w, 9000);
    assert_false(watch_due(w, 9000));
    watch_free(w);
}

static void test_a_file(void **state)
{
    (void)state;
    sh("echo a > f.yaml");
    struct watch *w = watch("f.yaml");
    assert_false(seen(w));
    sh("echo b > f.yaml");
    assert_true(seen(w));
    assert_false(seen(w));
    sh("echo c > .f.swp; mv .f.swp f.yaml");
    assert_true(seen(w));
    sh("echo d > f.yaml"); /* the new file is another one than was watched */
    assert_true(seen(w));
    sh("rm f.yaml");
    assert_true(seen(w));
    sh("echo e > f.yaml");
    assert_true(seen(w));
    sh("echo x > other.yaml; mkdir -p logs; echo y > logs/f.yaml; cat f.yaml >/dev/null");
    assert_false(seen(w));
    watch_free(w);
}

static void test_links_that_are_swapped(void **state)
{
    (void)state;
    sh("mkdir -p m/..1 m/..2; echo a > m/..1/g.yaml; echo b > m/..2/g.yaml; ln -s ..1 m/..data; ln -s "
       "..data/g.yaml m/g.yaml");
    struct watch *w = watch("m/g.yaml");
    assert_false(seen(w));
    for (int i = 0; i < 3; i++) {
        sh(i % 2 == 0 ? "ln -s ..2 m/..t; mv -T m/..t m/..data" : "ln -s ..1 m/..t; mv -T m/..t m/..data");
        assert_true(seen(w));
    }
    sh("echo c > m/..2/g.yaml"); /* where the links lead now */
    assert_true(seen(w));
    watch_free(w);
}

static void test_a_folder_on_the_way(void **state)
{
    (void)state;
    sh("mkdir -p r1 r2; echo a > r1/f.yaml; echo b > r2/f.yaml; ln -s r1 current");
    struct watch *w = watch("current/f.yaml");
    sh("ln -s r2 t; mv -T t current");
    assert_true(seen(w));
    watch_free(w);
}

static void test_a_folder_of_files(void **state)
{
    (void)state;
    sh("mkdir d; echo a > d/a.yaml");
    struct watch *w = watch("d");
    sh("echo b > d/b.yml");
    assert_true(seen(w));
    sh("rm d/a.yaml");
    assert_true(seen(w));
    sh("echo c > d/notes.txt; echo d > d/.hidden.yaml");
    assert_false(seen(w));
    watch_free(w);
}

static void test_links_in_a_circle(void **state)
{
    (void)state;
    sh("ln -s two one; ln -s one two");
    struct watch *w = watch("one");
    assert_false(seen(w));
    sh("rm one; echo a > one");
    assert_true(seen(w));
    watch_free(w);
}

/* Several changes are one, unless they do not end. */
static void test_when_it_is_reported(void **state)
{
    (void)state;
    sh("echo a > q.yaml");
    struct watch *w = watch("q.yaml");
    assert_int_equal(watch_when_ms(w), 0);
    sh("echo b > q.yaml");
    watch_read(w, 5000);
    assert_int_equal(watch_when_ms(w), 5000 + WATCH_QUIET_MS);
    assert_false(watch_due(w, 5000));
    for (uint64_t now = 5001; now < 5000 + WATCH_PATIENCE_MS; now++) {
        sh("echo c > q.yaml");
        watch_read(w, now);
        assert_false(watch_due(w, now));
    }
    assert_true(watch_due(w, 5000 + WATCH_PATIENCE_MS));
    watch_free(w);
}

static FILE *open_file(const char *name, const char *how)
{
    char at[160];
    snprintf(at, sizeof at, "%s/%s", dir, name);
    FILE *f = fopen(at, how);
    assert_non_null(f);
    return f;
}

/* Somebody has emptied the file and writes it; something else changes meanwhile. */
static void test_a_file_that_is_half_written(void **state)
{
    char module[160];
    const char *const also[] = {module};

    (void)state;
    sh("mkdir -p modules; echo a > half.yaml; echo a > modules/h.wasm");
    snprintf(module, sizeof module, "%s/modules/h.wasm", dir);
    struct watch *w = watch("half.yaml");
    watch_also(w, also, 1);
    FILE *f = open_file("half.yaml", "w");
    sh("echo b > modules/h.wasm");
    watch_read(w, 5000);
    assert_true(watch_writing(w, 5000));
    assert_false(watch_due(w, 5000 + WATCH_QUIET_MS));
    watch_also(w, also, 1);
    assert_false(watch_due(w, 5000 + WATCH_PATIENCE_MS));
    fputs("b", f);
    fclose(f);
    watch_read(w, 5100);
    assert_false(watch_writing(w, 5100));
    assert_true(watch_due(w, 5100 + WATCH_QUIET_MS));

    f = open_file("half.yaml", "w"); /* another file takes its name */
    watch_read(w, 6000);
    assert_true(watch_writing(w, 6000));
    sh("echo c > t; mv t half.yaml");
    watch_read(w, 6001);
    assert_false(watch_writing(w, 6001));
    assert_true(watch_due(w, 6001 + WATCH_QUIET_MS));
    fclose(f);

    f = open_file("half.yaml", "w"); /* a writer that never ends */
    sh("echo d > modules/h.wasm");
    watch_read(w, 7000);
    assert_int_equal(watch_when_ms(w), 7000 + WATCH_WRITING_MS);
    assert_true(watch_due(w, 7000 + WATCH_WRITING_MS));
    fclose(f);

    f = open_file("modules/h.wasm", "w"); /* a module holds nothing up */
    sh("echo e > half.yaml");
    watch_read(w, 50000);
    assert_false(watch_writing(w, 50000));
    assert_true(watch_due(w, 50000 + WATCH_QUIET_MS));
    fclose(f);
    watch_again(w, 60000);
    assert_true(watch_due(w, 60000 + WATCH_QUIET_MS));
    watch_free(w);
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
        cmocka_unit_test(test_a_change_before_other_files_are_watched),
        cmocka_unit_test(test_a_file),
        cmocka_unit_test(test_what_is_whole_is_seen_at_once),
        cmocka_unit_test(test_links_that_are_swapped),
        cmocka_unit_test(test_a_folder_on_the_way),
        cmocka_unit_test(test_a_folder_of_files),
        cmocka_unit_test(test_links_in_a_circle),
        cmocka_unit_test(test_when_it_is_reported),
        cmocka_unit_test(test_a_file_that_is_half_written),
    };
    return cmocka_run_group_tests_name("control/watch", tests, make_dir, remove_dir);
}
