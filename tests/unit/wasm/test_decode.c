/* Hand-made modules, most of them broken: what decoding makes of them and what it says. */
#include "build.h"

#include "base/str.h"

static struct build b;

static void test_empty_and_header(void **state)
{
    struct weir_report rep;
    struct wasm_module *m = NULL;
    (void)state;

    build_start(&b);
    assert_int_equal(build_check(&b, WASM_FEATURES_ALL, &m, &rep), WEIR_OK);
    assert_int_equal(m->nfuncs + m->ntypes + m->nexports + m->ncustoms, 0);
    wasm_module_free(m);

    for (size_t len = 0; len < 8; len++) {
        b.len = len;
        build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "unexpected end");
    }
    build_start(&b);
    b.at[3] = 'n';
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "magic header not detected");
    build_start(&b);
    b.at[4] = 2;
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "unknown binary version");
    b.at[4] = 0x0d;
    b.at[6] = 1;
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "unknown binary version: a component");
    assert_int_equal(wasm_module_decode(NULL, 0, 0, &m, NULL), WEIR_E_MALFORMED);
}

static void test_section_order_and_size(void **state)
{
    (void)state;

    build_start(&b);
    SECTION(&b, 3, 0);
    SECTION(&b, 1, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "unexpected content after last section");

    build_start(&b);
    SECTION(&b, 1, 0);
    SECTION(&b, 1, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "unexpected content after last section");

    build_start(&b);
    SECTION(&b, 1, 0, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "section size mismatch");

    build_start(&b);
    SECTION(&b, 14, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed section id");

    build_start(&b);
    SECTION(&b, 13, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_UNSUPPORTED, "exceptions");

    build_start(&b);
    build_bytes(&b, "\x01\x05\x00", 3);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "length out of bounds");

    build_start(&b);
    SECTION(&b, 12, 1);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED,
                 "data count and data section have inconsistent lengths");

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    SECTION(&b, 3, 1, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED,
                 "function and code section have inconsistent lengths");
}

/* A count is worth no more memory than there are bytes. */
static void test_hostile_counts(void **state)
{
    static const uint8_t ids[] = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11};
    (void)state;

    for (size_t i = 0; i < sizeof ids; i++) {
        build_start(&b);
        SECTION(&b, ids[i], 0xff, 0xff, 0xff, 0xff, 0x0f, 0x60, 0, 0);
        build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "length out of bounds");
    }
    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0xe9, 0x07, 0x7f);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "length out of bounds");

    static uint8_t params[1006] = {1, 0x60, 0xe9, 0x07}; /* 1001 of them */
    memset(params + 4, WASM_I32, 1001);
    build_start(&b);
    build_section(&b, 1, params, sizeof params);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_LIMIT, "1001 parameters");
}

static void test_types(void **state)
{
    struct wasm_module *m = NULL;
    struct weir_report rep;
    (void)state;

    build_start(&b);
    SECTION(&b, 1, 2, 0x60, 0, 0, 0x60, 3, 0x7f, 0x7b, 0x6f, 2, 0x7c, 0x7b);
    assert_int_equal(build_check(&b, WASM_FEATURES_ALL, &m, &rep), WEIR_OK);
    assert_int_equal(m->ntypes, 2);
    assert_int_equal(m->types[1].nparams, 3);
    assert_int_equal(m->types[1].param_cells, 4);
    assert_int_equal(m->types[1].results[1], WASM_V128);
    assert_int_equal(m->types[1].result_cells, 3);
    assert_false(wasm_functype_eq(&m->types[0], &m->types[1]));
    assert_true(wasm_functype_eq(&m->types[1], &m->types[1]));
    wasm_module_free(m);
    build_expect(&b, WASM_FEATURES_ALL & ~WASM_FEATURE_SIMD, WEIR_E_UNSUPPORTED, "SIMD");

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 1, 0x12, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed value type");
    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 1, 0x64, 0x70, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_UNSUPPORTED, "typed function references");
    build_start(&b);
    SECTION(&b, 1, 1, 0x5f, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_UNSUPPORTED, "garbage collection");
}

static void test_imports_and_limits(void **state)
{
    struct wasm_module *m = NULL;
    struct weir_report rep;
    (void)state;

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    SECTION(&b, 2, 5, 1, 'm', 1, 'f', 0, 0, 1, 'm', 1, 't', 1, 0x6f, 1, 1, 2, 1, 'm', 1, 'm', 2, 0, 3, 1, 'm',
            1, 'g', 3, 0x7e, 1, 1, 'm', 1, 'h', 0, 0);
    SECTION(&b, 5, 1, 1, 1, 2);
    assert_int_equal(build_check(&b, WASM_FEATURES_ALL, &m, &rep), WEIR_OK);
    assert_int_equal(m->nimports, 5);
    assert_int_equal(m->nfuncs, 2);
    assert_int_equal(m->imports[4].index, 1);
    assert_true(m->funcs[1].imported);
    assert_true(str_eq(m->imports[4].name, STR("h")));
    assert_int_equal(m->tables[0].type.elem, WASM_EXTERNREF);
    assert_true(m->tables[0].type.limits.has_max);
    assert_int_equal(m->memories[0].limits.min, 3);
    assert_false(m->memories[0].limits.has_max);
    assert_int_equal(m->memories[0].limits.max, UINT32_MAX);
    assert_int_equal(m->nmemories, 2);
    assert_false(m->memories[1].imported);
    assert_int_equal(m->globals[0].type.type, WASM_I64);
    assert_true(m->globals[0].type.mutable);
    wasm_module_free(m);
    build_expect(&b, WASM_FEATURES_ALL & ~WASM_FEATURE_MULTI_MEMORY, WEIR_E_UNSUPPORTED, "multiple memories");

    build_start(&b);
    SECTION(&b, 5, 1, 4, 1);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_UNSUPPORTED, "memory64");
    build_start(&b);
    SECTION(&b, 5, 1, 2, 1);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed limits flags");
    build_start(&b);
    SECTION(&b, 5, 1, 1, 2, 1);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "size minimum must not be greater than maximum");
    build_start(&b);
    SECTION(&b, 5, 1, 0, 0x81, 0x80, 0x04);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "memory size must be at most 65536 pages (4GiB)");
    build_start(&b);
    SECTION(&b, 4, 1, 0x70, 0, 0x80, 0x80, 0x80, 0x80, 0x10);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "table size must be at most 2^32-1");
    build_start(&b);
    SECTION(&b, 2, 1, 1, 0xff, 1, 'f', 0, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed UTF-8 encoding");
    build_start(&b);
    SECTION(&b, 2, 1, 1, 'm', 1, 'f', 5, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed import kind");
    build_start(&b);
    SECTION(&b, 6, 1, 0x7f, 2, 0x41, 0, 0x0b);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed mutability");
}

static void test_custom_sections_are_kept(void **state)
{
    struct wasm_module *m = NULL;
    struct weir_report rep;
    (void)state;

    build_start(&b);
    SECTION(&b, 0, 1, 'a', 1, 2, 3);
    SECTION(&b, 1, 0);
    SECTION(&b, 0, 1, 'b');
    SECTION(&b, 0, 1, 'a', 9);
    assert_int_equal(build_check(&b, WASM_FEATURES_ALL, &m, &rep), WEIR_OK);
    assert_int_equal(m->ncustoms, 3);
    const struct wasm_custom *custom = wasm_module_find_custom(m, STR("a"));
    assert_int_equal(custom->len, 3);
    assert_memory_equal(custom->at, "\1\2\3", 3);
    assert_int_equal(wasm_module_find_custom(m, STR("b"))->len, 0);
    assert_null(wasm_module_find_custom(m, STR("c")));
    wasm_module_free(m);

    build_start(&b);
    SECTION(&b, 0, 1, 0x80);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed UTF-8 encoding");
    build_start(&b);
    SECTION(&b, 0, 5, 'a');
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "length out of bounds");
}

static void test_locals(void **state)
{
    struct wasm_module *m = NULL;
    struct weir_report rep;
    (void)state;

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 1, 0x7d, 0);
    SECTION(&b, 3, 1, 0);
    CODE(&b, 3, 2, 0x7f, 0, 0x7e, 1, 0x7b, 0x0b);
    assert_int_equal(build_check(&b, WASM_FEATURES_ALL, &m, &rep), WEIR_OK);
    assert_int_equal(m->funcs[0].nlocals, 4);
    assert_memory_equal(m->funcs[0].locals, "\x7d\x7f\x7f\x7b", 4);
    assert_int_equal(m->funcs[0].body_end - m->funcs[0].body, 1);
    wasm_module_free(m);

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    SECTION(&b, 3, 1, 0);
    CODE(&b, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 1, 0x7f, 0x0b);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "too many locals");

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    SECTION(&b, 3, 1, 0);
    CODE(&b, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_LIMIT, "too many locals");
}

/* Many small functions with many locals each: refused before it is gigabytes. */
static void test_locals_in_all(void **state)
{
    static struct build code;
    enum { FUNCS = 400, EACH = 49999 };
    struct build *functions = mem_zalloc(sizeof *functions);
    (void)state;

    code.len = 0;
    build_u32(&code, FUNCS);
    build_u32(functions, FUNCS);
    for (int i = 0; i < FUNCS; i++) {
        build_u32(functions, 0);
        build_u32(&code, 6);
        build_u32(&code, 1);
        build_u32(&code, EACH);
        build_bytes(&code, "\x7f\x0b", 2);
    }
    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    build_section(&b, 3, functions->at, functions->len);
    build_section(&b, 10, code.at, code.len);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_LIMIT, "too many locals");
    mem_free(functions);
}

static void test_element_forms(void **state)
{
    struct wasm_module *m = NULL;
    struct weir_report rep;
    (void)state;

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    SECTION(&b, 3, 1, 0);
    SECTION(&b, 4, 2, 0x70, 0, 9, 0x6f, 0, 9);
    SECTION(&b, 9, 8,                                       /* all forms, by flags */
            0, 0x41, 0, 0x0b, 2, 0, 0,                      /* table 0, functions */
            1, 0, 1, 0,                                     /* passive */
            2, 0, 0x41, 1, 0x0b, 0, 1, 0,                   /* table by index */
            3, 0, 1, 0,                                     /* declared */
            4, 0x41, 2, 0x0b, 1, 0xd2, 0, 0x0b,             /* table 0, expressions */
            5, 0x6f, 1, 0xd0, 0x6f, 0x0b,                   /* passive, of a type */
            6, 1, 0x41, 3, 0x0b, 0x6f, 1, 0xd0, 0x6f, 0x0b, /* table by index, of a type */
            7, 0x70, 0);                                    /* declared, of a type */
    CODE(&b, 0, 0x0b);
    assert_int_equal(build_check(&b, WASM_FEATURES_ALL, &m, &rep), WEIR_OK);
    static const struct {
        enum wasm_segment_mode mode;
        uint8_t type;
        uint32_t tableidx, n;
    } want[8] = {
        {WASM_SEGMENT_ACTIVE, WASM_FUNCREF, 0, 2},   {WASM_SEGMENT_PASSIVE, WASM_FUNCREF, 0, 1},
        {WASM_SEGMENT_ACTIVE, WASM_FUNCREF, 0, 1},   {WASM_SEGMENT_DECLARED, WASM_FUNCREF, 0, 1},
        {WASM_SEGMENT_ACTIVE, WASM_FUNCREF, 0, 1},   {WASM_SEGMENT_PASSIVE, WASM_EXTERNREF, 0, 1},
        {WASM_SEGMENT_ACTIVE, WASM_EXTERNREF, 1, 1}, {WASM_SEGMENT_DECLARED, WASM_FUNCREF, 0, 0},
    };
    assert_int_equal(m->nelems, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(m->elems[i].mode, want[i].mode);
        assert_int_equal(m->elems[i].type, want[i].type);
        assert_int_equal(m->elems[i].tableidx, want[i].tableidx);
        assert_int_equal(m->elems[i].n, want[i].n);
        assert_int_equal(m->elems[i].exprs != NULL, i >= 4);
    }
    assert_int_equal(m->elems[2].offset.end - m->elems[2].offset.at, 3);
    assert_true(m->funcs[0].referenced);
    wasm_module_free(m);

    build_start(&b);
    SECTION(&b, 9, 1, 8);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed elements segment kind");
    build_start(&b);
    SECTION(&b, 9, 1, 5, 0x7f, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed reference type");
    build_start(&b);
    SECTION(&b, 11, 1, 3);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "malformed data segment kind");
}

/* Cut anywhere inside a section, a module is malformed; the bytes are on the heap, exactly as long. */
static void test_every_prefix(void **state)
{
    size_t boundaries[8], n = 0;
    (void)state;

    build_start(&b);
    boundaries[n++] = b.len;
    SECTION(&b, 1, 1, 0x60, 0, 1, 0x7f);
    boundaries[n++] = b.len;
    SECTION(&b, 5, 1, 0, 1);
    boundaries[n++] = b.len;
    SECTION(&b, 6, 1, 0x7f, 0, 0x41, 7, 0x0b);
    boundaries[n++] = b.len;
    SECTION(&b, 7, 1, 3, 'm', 'e', 'm', 2, 0);
    boundaries[n++] = b.len;
    SECTION(&b, 11, 1, 0, 0x41, 0, 0x0b, 2, 'h', 'i');
    boundaries[n++] = b.len;
    for (size_t len = 0, next = 0; len <= b.len; len++) {
        uint8_t *copy = mem_alloc(len);
        struct wasm_module *m = NULL;
        bool whole = next < n && boundaries[next] == len;

        memcpy(copy, b.at, len);
        assert_int_equal(wasm_module_decode(copy, len, WASM_FEATURES_ALL, &m, NULL),
                         whole ? WEIR_OK : WEIR_E_MALFORMED);
        assert_int_equal(m != NULL, whole);
        next += whole;
        wasm_module_free(m);
        mem_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_and_header),
        cmocka_unit_test(test_section_order_and_size),
        cmocka_unit_test(test_hostile_counts),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_imports_and_limits),
        cmocka_unit_test(test_custom_sections_are_kept),
        cmocka_unit_test(test_locals),
        cmocka_unit_test(test_locals_in_all),
        cmocka_unit_test(test_element_forms),
        cmocka_unit_test(test_every_prefix),
    };
    return cmocka_run_group_tests_name("wasm/decode", tests, NULL, NULL);
}
