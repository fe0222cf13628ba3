/* Names of functions from the name section, whole or broken, and what stands in where it is silent. */
#include "build.h"

#include "base/str.h"
#include "wasm/names.h"

static struct build b;

/* Four functions: 0 imported as "imp", 1 exported as "exp", 2 and 3 with nothing. */
static struct wasm_module *module_with_names(const uint8_t *section, size_t len)
{
    static struct build custom;
    struct wasm_module *m = NULL;
    struct weir_report rep;

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    SECTION(&b, 2, 1, 1, 'm', 3, 'i', 'm', 'p', 0, 0);
    SECTION(&b, 3, 3, 0, 0, 0);
    SECTION(&b, 7, 1, 3, 'e', 'x', 'p', 0, 1);
    SECTION(&b, 10, 3, 2, 0, 0x0b, 2, 0, 0x0b, 2, 0, 0x0b);
    if (section != NULL) {
        custom.len = 0;
        build_bytes(&custom, "\4name", 5);
        build_bytes(&custom, section, len);
        build_section(&b, 0, custom.at, custom.len);
    }
    assert_int_equal(build_check(&b, WASM_FEATURES_ALL, &m, &rep), WEIR_OK);
    return m;
}

/* Both ways of asking must give these four names. */
static void expect_names(const uint8_t *section, size_t len, const char *module, const char *const want[4])
{
    struct wasm_module *m = module_with_names(section, len);
    struct wasm_names names;

    wasm_names_init(&names, m);
    assert_true(str_eq(names.module, str_of(module)));
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(str_eq(wasm_names_func(&names, i), str_of(want[i])));
        assert_true(str_eq(wasm_func_name(m, i), str_of(want[i])));
    }
    assert_int_equal(wasm_names_func(&names, 4).len, 0);
    wasm_names_fini(&names);
    wasm_module_free(m);
}

#define EXPECT(module, w0, w1, w2, w3, ...)                                                                  \
    expect_names((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), (module),           \
                 (const char *const[4]){(w0), (w1), (w2), (w3)})

static void test_names(void **state)
{
    (void)state;
    expect_names(NULL, 0, "", (const char *const[4]){"imp", "exp", "", ""});
    EXPECT("M", "imp", "a", "", "bc", 0, 2, 1, 'M', 1, 8, 2, 1, 1, 'a', 3, 2, 'b', 'c', 2, 1, 0);
    EXPECT("", "imp", "exp", "z", "", 7, 3, 9, 9, 9, 1, 4, 1, 2, 1,
           'z'); /* an unknown subsection is stepped over */
}

static void test_broken_names(void **state)
{
    (void)state;
    /* what came before the fault is kept */
    EXPECT("", "imp", "a", "", "", 1, 6, 2, 1, 1, 'a', 3, 9);
    EXPECT("", "imp", "a", "", "", 1, 9, 3, 1, 1, 'a', 2, 1, 0xff, 3, 0);
    EXPECT("", "imp", "exp", "", "", 1, 9, 1, 1, 1, 'a');                 /* longer than the section */
    EXPECT("", "imp", "exp", "", "", 1, 0x80);                            /* no size */
    EXPECT("", "imp", "exp", "", "", 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f); /* four thousand million names */
    EXPECT("", "imp", "exp", "", "", 1, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1,
           'a'); /* of a function far out */
    EXPECT("", "imp", "exp", "", "", 0, 1, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_broken_names),
    };
    return cmocka_run_group_tests_name("wasm/names", tests, NULL, NULL);
}
