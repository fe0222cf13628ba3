/* Bodies and module-level rules, one broken rule a case. */
#include "build.h"

#include "base/str.h"

static struct build b;

/* A module around one body: types 0 ()->(), 1 (i32 i32)->i32, 2 ()->(i32 i64), 3 (i32)->i32; function 0 of
 * type 3 is the body's, function 1 of type 0 is empty and never referenced, function 2 of type 2 is exported;
 * a funcref and an externref table, a memory, an immutable and a mutable i32 global, a passive element and
 * data segment. */
static void build_around(const uint8_t *body, size_t len)
{
    static struct build code;

    build_start(&b);
    SECTION(&b, 1, 4, 0x60, 0, 0, 0x60, 2, 0x7f, 0x7f, 1, 0x7f, 0x60, 0, 2, 0x7f, 0x7e, 0x60, 1, 0x7f, 1,
            0x7f);
    SECTION(&b, 3, 3, 3, 0, 2);
    SECTION(&b, 4, 2, 0x70, 0, 1, 0x6f, 0, 1);
    SECTION(&b, 5, 1, 0, 1);
    SECTION(&b, 6, 2, 0x7f, 0, 0x41, 0, 0x0b, 0x7f, 1, 0x41, 0, 0x0b);
    SECTION(&b, 7, 1, 1, 'f', 0, 2);
    SECTION(&b, 9, 1, 1, 0, 1, 0);
    SECTION(&b, 12, 1);
    code.len = 0;
    build_u32(&code, 3);
    build_u32(&code, (uint32_t)len + 1);
    build_u32(&code, 0); /* no locals but the parameter */
    build_bytes(&code, body, len);
    build_bytes(&code, "\x02\x00\x0b", 3);
    build_bytes(&code, "\x06\x00\x41\x00\x42\x00\x0b", 7);
    build_section(&b, 10, code.at, code.len);
    SECTION(&b, 11, 1, 1, 0);
}

struct body_case {
    const char *what;
    uint8_t len;
    uint8_t body[40];
    weir_status want;
    const char *message;
};

#define BODY(...)                                                                                            \
    sizeof((const uint8_t[]){__VA_ARGS__}),                                                                  \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static const struct body_case cases[] = {
    {"result from the parameter", BODY(0x20, 0, 0x0b), WEIR_OK, ""},
    {"nothing left", BODY(0x0b), WEIR_E_INVALID, "type mismatch"},
    {"too much left", BODY(0x20, 0, 0x20, 0, 0x0b), WEIR_E_INVALID, "type mismatch"},
    {"wrong type left", BODY(0x42, 0, 0x0b), WEIR_E_INVALID,
     "type mismatch: end wants i32, the stack has i64"},
    {"wrong operand", BODY(0x20, 0, 0x42, 0, 0x6a, 0x0b), WEIR_E_INVALID, "type mismatch: i32.add wants i32"},
    {"no end", BODY(0x20, 0), WEIR_E_MALFORMED, "unexpected end"},
    {"bytes after the end", BODY(0x20, 0, 0x0b, 0x01), WEIR_E_MALFORMED, "section size mismatch"},
    {"else alone", BODY(0x20, 0, 0x05, 0x0b), WEIR_E_MALFORMED, "END opcode expected"},
    {"unreachable gives anything", BODY(0x00, 0x6a, 0x0b), WEIR_OK, ""},
    {"but not of a known wrong type", BODY(0x00, 0x42, 0, 0x6a, 0x0b), WEIR_E_INVALID, "type mismatch"},
    {"unreachable select", BODY(0x00, 0x1b, 0x0b), WEIR_OK, ""},
    {"select of i32 and unknown", BODY(0x00, 0x41, 0, 0x41, 1, 0x1b, 0x0b), WEIR_OK, ""},
    {"select of two types", BODY(0x20, 0, 0x42, 0, 0x20, 0, 0x1b, 0x0b), WEIR_E_INVALID, "type mismatch"},
    {"select of references", BODY(0xd0, 0x70, 0xd0, 0x70, 0x41, 0, 0x1b, 0x1a, 0x20, 0, 0x0b), WEIR_E_INVALID,
     "type mismatch"},
    {"select t of references", BODY(0xd0, 0x70, 0xd0, 0x70, 0x41, 0, 0x1c, 1, 0x70, 0xd1, 0x0b), WEIR_OK, ""},
    {"select t of two types", BODY(0x00, 0x1c, 2, 0x7f, 0x7f, 0x0b), WEIR_E_INVALID, "invalid result arity"},
    {"unknown local", BODY(0x20, 1, 0x0b), WEIR_E_INVALID, "unknown local 1"},
    {"unknown global", BODY(0x23, 2, 0x0b), WEIR_E_INVALID, "unknown global 2"},
    {"immutable global", BODY(0x20, 0, 0x24, 0, 0x20, 0, 0x0b), WEIR_E_INVALID, "immutable global"},
    {"mutable global", BODY(0x20, 0, 0x24, 1, 0x23, 1, 0x0b), WEIR_OK, ""},
    {"unknown label", BODY(0x20, 0, 0x0c, 1, 0x0b), WEIR_E_INVALID, "unknown label 1"},
    {"branch out", BODY(0x20, 0, 0x0c, 0, 0x0b), WEIR_OK, ""},
    {"br_if leaves its values", BODY(0x20, 0, 0x20, 0, 0x0d, 0, 0x0b), WEIR_OK, ""},
    {"br_table of unlike arity", BODY(0x02, 0x40, 0x20, 0, 0x20, 0, 0x0e, 1, 0, 1, 0x0b, 0x20, 0, 0x0b),
     WEIR_E_INVALID, "type mismatch: br_table"},
    {"br_table", BODY(0x02, 0x7f, 0x20, 0, 0x20, 0, 0x0e, 2, 0, 1, 0, 0x0b, 0x0b), WEIR_OK, ""},
    {"br_table to nowhere", BODY(0x20, 0, 0x20, 0, 0x0e, 1, 0, 7, 0x0b), WEIR_E_INVALID, "unknown label 7"},
    {"loop label takes parameters", BODY(0x20, 0, 0x03, 3, 0x0c, 0, 0x0b, 0x0b), WEIR_OK, ""},
    {"if without else that makes a value", BODY(0x20, 0, 0x04, 0x7f, 0x20, 0, 0x0b, 0x0b), WEIR_E_INVALID,
     "type mismatch"},
    {"if without else of parameters", BODY(0x20, 0, 0x20, 0, 0x04, 3, 0x0b, 0x0b), WEIR_OK, ""},
    {"if with else", BODY(0x20, 0, 0x04, 0x7f, 0x41, 0, 0x05, 0x41, 1, 0x0b, 0x0b), WEIR_OK, ""},
    {"block of several results", BODY(0x02, 2, 0x41, 0, 0x42, 0, 0x0b, 0x1a, 0x0b), WEIR_OK, ""},
    {"block of unknown type", BODY(0x02, 9, 0x0b, 0x0b), WEIR_E_INVALID, "unknown type 9"},
    {"operands of the outer block", BODY(0x20, 0, 0x02, 0x40, 0x1a, 0x0b, 0x0b), WEIR_E_INVALID,
     "type mismatch"},
    {"call", BODY(0x10, 2, 0x1a, 0x0b), WEIR_OK, ""},
    {"call of an unknown function", BODY(0x10, 3, 0x0b), WEIR_E_INVALID, "unknown function 3"},
    {"call_indirect", BODY(0x20, 0, 0x20, 0, 0x11, 3, 0, 0x0b), WEIR_OK, ""},
    {"call_indirect through externref", BODY(0x20, 0, 0x20, 0, 0x11, 3, 1, 0x0b), WEIR_E_INVALID,
     "type mismatch"},
    {"call_indirect through no table", BODY(0x20, 0, 0x20, 0, 0x11, 3, 2, 0x0b), WEIR_E_INVALID,
     "unknown table 2"},
    {"call_indirect of no type", BODY(0x20, 0, 0x20, 0, 0x11, 4, 0, 0x0b), WEIR_E_INVALID, "unknown type 4"},
    {"return_call", BODY(0x20, 0, 0x12, 0, 0x0b), WEIR_OK, ""},
    {"return_call of other results", BODY(0x12, 2, 0x0b), WEIR_E_INVALID, "type mismatch: return_call"},
    {"natural alignment", BODY(0x20, 0, 0x28, 2, 0, 0x0b), WEIR_OK, ""},
    {"over-alignment", BODY(0x20, 0, 0x28, 3, 0, 0x0b), WEIR_E_INVALID,
     "alignment must not be larger than natural"},
    {"alignment of 2^33", BODY(0x20, 0, 0x28, 33, 0, 0x0b), WEIR_E_INVALID,
     "alignment must not be larger than natural"},
    {"offset of 2^32", BODY(0x20, 0, 0x28, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0x0b), WEIR_E_INVALID,
     "offset out of range"},
    {"memory 1", BODY(0x20, 0, 0x28, 0x42, 1, 0, 0x0b), WEIR_E_INVALID, "unknown memory 1"},
    {"lane", BODY(0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfd, 27, 3, 0x0b), WEIR_OK, ""},
    {"lane too large", BODY(0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfd, 27, 4, 0x0b),
     WEIR_E_INVALID, "invalid lane index"},
    {"shuffle lane too large", BODY(0x00, 0xfd, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0x0b),
     WEIR_E_INVALID, "invalid lane index 32"},
    {"ref.func of an exported function", BODY(0xd2, 2, 0xd1, 0x0b), WEIR_OK, ""},
    {"ref.func of an undeclared function", BODY(0xd2, 1, 0xd1, 0x0b), WEIR_E_INVALID,
     "undeclared function reference"},
    {"ref.is_null of a number", BODY(0x20, 0, 0xd1, 0x0b), WEIR_E_INVALID, "type mismatch"},
    {"table.set of the wrong reference", BODY(0x20, 0, 0xd0, 0x70, 0x26, 1, 0x20, 0, 0x0b), WEIR_E_INVALID,
     "type mismatch"},
    {"table.copy between types", BODY(0x00, 0xfc, 14, 0, 1, 0x0b), WEIR_E_INVALID, "type mismatch"},
    {"table.init of the wrong type", BODY(0x00, 0xfc, 12, 0, 1, 0x0b), WEIR_E_INVALID, "type mismatch"},
    {"unknown elem segment", BODY(0x00, 0xfc, 12, 1, 0, 0x0b), WEIR_E_INVALID, "unknown elem segment 1"},
    {"data.drop", BODY(0xfc, 9, 0, 0x20, 0, 0x0b), WEIR_OK, ""},
    {"unknown data segment", BODY(0xfc, 9, 1, 0x20, 0, 0x0b), WEIR_E_INVALID, "unknown data segment 1"},
    {"opcode of a later version", BODY(0xfb, 0, 0, 0x0b), WEIR_E_UNSUPPORTED, "illegal opcode fb"},
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_report rep;
        const struct body_case *c = &cases[i];

        build_around(c->body, c->len);
        weir_status st = build_check(&b, WASM_FEATURES_ALL, NULL, &rep);
        if (st != c->want || strncmp(rep.message, c->message, strlen(c->message)) != 0) {
            fail_msg("%s: want %s \"%s\", got %s \"%s\"", c->what, weir_status_name(c->want), c->message,
                     weir_status_name(st), rep.message);
        }
        assert_string_equal(rep.function, st == WEIR_OK ? "" : "0");
    }
}

static void test_report_says_where(void **state)
{
    struct weir_report rep;
    (void)state;

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    SECTION(&b, 3, 1, 0);
    SECTION(&b, 7, 1, 2, 'g', 'o', 0, 0);
    size_t before = b.len;
    CODE(&b, 0, 0x01, 0x1a, 0x0b);
    assert_int_equal(build_check(&b, WASM_FEATURES_ALL, NULL, &rep), WEIR_E_INVALID);
    assert_string_equal(rep.section, "code");
    assert_string_equal(rep.function, "go[0]");
    assert_int_equal(rep.offset, before + 6); /* the drop */
}

/* A module of this global section and nothing else. */
static void expect_global(const uint8_t *section, size_t len, uint32_t features, weir_status want,
                          const char *message)
{
    build_start(&b);
    build_section(&b, 6, section, len);
    build_expect(&b, features, want, message);
}

#define GLOBAL(features, want, message, ...)                                                                 \
    expect_global((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), (features),        \
                  (want), (message))

static void test_constant_expressions(void **state)
{
    const uint32_t all = WASM_FEATURES_ALL;
    (void)state;

    GLOBAL(all, WEIR_OK, "", 1, 0x7f, 0, 0x41, 1, 0x41, 2, 0x6a, 0x0b);
    GLOBAL(all & ~(uint32_t)WASM_FEATURE_EXTENDED_CONST, WEIR_E_INVALID, "constant expression required", 1,
           0x7f, 0, 0x41, 1, 0x41, 2, 0x6a, 0x0b);
    GLOBAL(all, WEIR_E_INVALID, "type mismatch", 1, 0x7f, 0, 0x42, 1, 0x0b);
    GLOBAL(all, WEIR_E_INVALID, "type mismatch", 1, 0x7f, 0, 0x0b);
    GLOBAL(all, WEIR_E_INVALID, "type mismatch", 1, 0x7f, 0, 0x41, 1, 0x41, 1, 0x0b);
    GLOBAL(all, WEIR_E_INVALID, "constant expression required", 1, 0x7f, 0, 0x41, 1, 0x45, 0x0b);
    GLOBAL(all, WEIR_E_INVALID, "constant expression required", 1, 0x7f, 0, 0x02, 0x7f, 0x41, 1, 0x0b, 0x0b);
    GLOBAL(all, WEIR_OK, "", 2, 0x7f, 0, 0x41, 1, 0x0b, 0x7f, 0, 0x23, 0, 0x0b);
    GLOBAL(all, WEIR_E_INVALID, "unknown global 0", 1, 0x7f, 0, 0x23, 0, 0x0b);
    GLOBAL(all, WEIR_E_INVALID, "constant expression required", 2, 0x7f, 1, 0x41, 1, 0x0b, 0x7f, 0, 0x23, 0,
           0x0b);
    GLOBAL(all, WEIR_E_INVALID, "unknown function 0", 1, 0x70, 0, 0xd2, 0, 0x0b);
    GLOBAL(all, WEIR_OK, "", 1, 0x6f, 0, 0xd0, 0x6f, 0x0b);
    GLOBAL(all, WEIR_E_MALFORMED, "unexpected end", 1, 0x7f, 0, 0x41, 1);
}

static void test_exports_and_start(void **state)
{
    (void)state;

    build_start(&b);
    SECTION(&b, 5, 1, 0, 1);
    SECTION(&b, 7, 3, 1, 'a', 2, 0, 1, 'b', 2, 0, 1, 'a', 2, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "duplicate export name \"a\"");
    build_start(&b);
    SECTION(&b, 5, 1, 0, 1);
    SECTION(&b, 7, 2, 0, 2, 0, 1, 0, 2, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_OK, "");
    build_start(&b);
    SECTION(&b, 7, 1, 1, 'a', 3, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "unknown global 0");
    build_start(&b);
    SECTION(&b, 8, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "unknown function 0");
    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 1, 0x7f, 0);
    SECTION(&b, 2, 1, 1, 'm', 1, 'f', 0, 0);
    SECTION(&b, 8, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "start function");
    build_start(&b);
    SECTION(&b, 2, 1, 1, 'm', 1, 'f', 0, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "unknown type 0");
    build_start(&b);
    SECTION(&b, 11, 1, 0, 0x41, 0, 0x0b, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "unknown memory 0");
    build_start(&b);
    SECTION(&b, 9, 1, 0, 0x41, 0, 0x0b, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_INVALID, "unknown table 0");
}

static void test_data_count_is_required(void **state)
{
    (void)state;

    build_start(&b);
    SECTION(&b, 1, 1, 0x60, 0, 0);
    SECTION(&b, 3, 1, 0);
    CODE(&b, 0, 0xfc, 9, 0, 0x0b);
    SECTION(&b, 11, 1, 1, 0);
    build_expect(&b, WASM_FEATURES_ALL, WEIR_E_MALFORMED, "data count section required");
}

/* A body of `head`, `n` times `unit`, and `tail`, in a function without parameters or results beside a type
 * of 1000 i32 results (type 1, function 1). */
static weir_status check_long(const char *unit, size_t unit_len, size_t n, const char *tail, size_t tail_len)
{
    static uint8_t type[1010] = {2, 0x60, 0, 0, 0x60, 0, 0xe8, 0x07};
    memset(type + 8, WASM_I32, 1000);
    size_t body_len = 1 + n * unit_len + tail_len;
    size_t cap = body_len + 2000;
    uint8_t *bytes = mem_zalloc(cap);
    static struct build part;

    build_start(&part);
    build_section(&part, 1, type, 1008);
    SECTION(&part, 2, 1, 1, 'm', 1, 'f', 0, 1); /* function 0 is the import */
    SECTION(&part, 3, 1, 0);
    build_bytes(&part, "\x0a", 1);
    static struct build size;
    size.len = 0;
    build_u32(&size, (uint32_t)body_len);
    build_u32(&part, (uint32_t)(1 + size.len + body_len));
    build_bytes(&part, "\x01", 1);
    build_bytes(&part, size.at, size.len);
    build_bytes(&part, "\x00", 1);
    memcpy(bytes, part.at, part.len);
    size_t len = part.len;
    for (size_t i = 0; i < n; i++, len += unit_len) {
        memcpy(bytes + len, unit, unit_len);
    }
    memcpy(bytes + len, tail, tail_len);
    len += tail_len;

    struct wasm_module *m = NULL;
    struct weir_report rep;
    weir_report_init(&rep);
    weir_status st = wasm_module_decode(bytes, len, WASM_FEATURES_ALL, &m, &rep);
    if (st == WEIR_OK) {
        st = wasm_module_validate(m, &rep);
    }
    wasm_module_free(m);
    mem_free(bytes);
    return st;
}

/* Small bodies that would take much memory or time. */
static void test_bombs(void **state)
{
    (void)state;
    assert_int_equal(check_long("\x10\x00", 2, 1000, "\x00\x0b", 2), WEIR_OK);
    assert_int_equal(check_long("\x10\x00", 2, 1200, "\x00\x0b", 2), WEIR_E_LIMIT); /* a million values */
    assert_int_equal(check_long("\x10\x00\x00", 3, 2000000, "\x0b", 1), WEIR_OK);
    assert_int_equal(check_long("\x02\x40", 2, 70000, "\x0b", 1), WEIR_E_LIMIT);
    assert_int_equal(check_long("\x00\x02\x01\x00", 4, 60000, "\x0b", 1), WEIR_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_report_says_where),
        cmocka_unit_test(test_constant_expressions),
        cmocka_unit_test(test_exports_and_start),
        cmocka_unit_test(test_data_count_is_required),
        cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests_name("wasm/validate", tests, NULL, NULL);
}
