/* engine/tiers.h - the state module with its host function, on both tiers: compiled by build/weirc where that
 * has been built, else the interpreter alone. */
#ifndef ENGINE_TIERS_H
#define ENGINE_TIERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "unit/engine/state_module.h"
#include "weir/engine.h"
#include "weir/host_thunk.h"

static uint32_t work(struct weir_instance *inst, uint32_t v); /* the test's */
WEIR_HOST_THUNK1(work, i, i)
static const struct weir_host_func tiers_host[] = {WEIR_HOST_FUNC("env", "work", "i:i", work)};

static struct weir_linker *tiers_linker;

static bool run_compiler(const char *wasm, const char *image)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("build/weirc", "weirc", wasm, "-o", image, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The module, with an image if there is a compiler; that is said once. */
static struct weir_module *tiers_module(bool *compiled)
{
    struct weir_module *m = NULL;
    char dir[] = "/tmp/weir-unit-XXXXXX", wasm[64], image[64];

    assert_int_equal(weir_module_new(state_wasm, sizeof state_wasm, WEIR_FEATURES_ALL, &m, NULL), WEIR_OK);
    tiers_linker = weir_linker_new();
    weir_linker_add_funcs(tiers_linker, tiers_host, 1);
    *compiled = access("build/weirc", X_OK) == 0;
    if (!*compiled) {
        print_message("no build/weirc: the interpreter alone\n");
        return m;
    }
    assert_non_null(mkdtemp(dir));
    snprintf(wasm, sizeof wasm, "%s/m.wasm", dir);
    snprintf(image, sizeof image, "%s/m.aot", dir);
    FILE *f = fopen(wasm, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(state_wasm, 1, sizeof state_wasm, f), sizeof state_wasm);
    fclose(f);
    assert_true(run_compiler(wasm, image));
    struct weir_report rep;
    weir_report_init(&rep);
    if (weir_module_load_image(m, image, &rep) != WEIR_OK) {
        fail_msg("%s", rep.message);
    }
    unlink(wasm);
    unlink(image);
    rmdir(dir);
    return m;
}

static weir_status call(struct weir_instance *inst, const char *name, uint32_t a, uint32_t b,
                        uint32_t *result, struct weir_trap *trap)
{
    uint64_t cells[2] = {a, b};
    struct weir_func *f = weir_instance_find_func(inst, name, strlen(name));
    assert_non_null(f);
    weir_status st = weir_func_call(f, cells, trap);
    if (st == WEIR_OK && result != NULL) {
        *result = (uint32_t)cells[0];
    }
    return st;
}

static uint32_t get(struct weir_instance *inst, const char *name, uint32_t a)
{
    uint32_t v = 0;
    assert_int_equal(call(inst, name, a, 0, &v, NULL), WEIR_OK);
    return v;
}

/* Run a test on every tier there is. */
static void on_each_tier(void (*test)(struct weir_module *m, enum weir_tier tier))
{
    bool compiled;
    struct weir_module *m = tiers_module(&compiled);
    test(m, WEIR_TIER_INTERP);
    if (compiled) {
        test(m, WEIR_TIER_AOT);
    }
    weir_module_unref(m);
    weir_linker_free(tiers_linker);
}

#endif
