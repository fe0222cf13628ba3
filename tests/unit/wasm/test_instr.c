/* The table of opcodes agrees with itself, and the reader of instructions with the table. */
#include "build.h"

#include "wasm/instr.h"

static const struct wasm_module all_features = {.features = WASM_FEATURES_ALL};

static weir_status read_one(const struct wasm_module *m, const uint8_t *at, size_t len, struct wasm_instr *in,
                            struct weir_report *rep)
{
    struct wasm_module here = *m;
    here.bytes = at;
    here.len = len;
    struct wasm_reader r = wasm_reader_of(&here, at, at + len);
    weir_report_init(rep);
    weir_status st = wasm_instr_read(&r, in, rep);
    if (st == WEIR_OK) {
        assert_ptr_equal(r.at, r.end);
    }
    return st;
}

static void test_table_is_whole(void **state)
{
    unsigned plain = 0, fc = 0, simd = 0;
    (void)state;

    for (uint16_t op = 0; op < WASM_OP_LIMIT; op++) {
        const struct wasm_op_info *info = wasm_op_info(op);
        if (info->text == NULL) {
            continue;
        }
        *(op < 0x100 ? &plain : op < 0x200 ? &fc : &simd) += 1;
        assert_int_equal(info->access_bytes != 0, info->imm == IMM_MEMARG || info->imm == IMM_MEMARG_LANE);
        assert_int_equal(info->lanes != 0,
                         info->imm == IMM_LANE || info->imm == IMM_SHUFFLE || info->imm == IMM_MEMARG_LANE);
        assert_int_equal(info->feature == WASM_FEATURE_SIMD, op >= 0x200);
        if (info->sig != NULL) {
            const char *colon = strchr(info->sig, ':');
            assert_non_null(colon);
            assert_true(colon - info->sig <= 3 && strlen(colon) <= 2);
            assert_int_equal(strspn(info->sig, "iIfFv:"), strlen(info->sig));
        }
    }
    assert_int_equal(plain, 185);
    assert_int_equal(fc, 18);
    assert_int_equal(simd, 236);
    assert_null(wasm_op_info(WASM_OP_LIMIT)->text);
}

static size_t put_opcode(uint16_t op, uint8_t *at)
{
    if (op < 0x100) {
        at[0] = (uint8_t)op;
        return 1;
    }
    uint16_t n = op & 0xff;
    at[0] = op < 0x200 ? 0xfc : 0xfd;
    at[1] = (uint8_t)(n < 0x80 ? n : (n & 0x7f) | 0x80);
    at[2] = 1;
    return n < 0x80 ? 2 : 3;
}

/* With zeroes for immediates each opcode is read to some length; with one byte less it is refused. */
static void test_every_opcode_cut_short(void **state)
{
    (void)state;
    for (uint16_t op = 0; op < WASM_OP_LIMIT; op++) {
        const struct wasm_op_info *info = wasm_op_info(op);
        uint8_t bytes[32] = {0};
        struct wasm_instr in;
        struct weir_report rep;

        if (info->text == NULL) {
            continue;
        }
        size_t len = put_opcode(op, bytes);
        if (info->imm == IMM_REFTYPE) {
            bytes[len] = WASM_FUNCREF;
        }
        struct wasm_module m = all_features;
        m.bytes = bytes;
        struct wasm_reader r = wasm_reader_of(&m, bytes, bytes + sizeof bytes);
        weir_report_init(&rep);
        assert_int_equal(wasm_instr_read(&r, &in, &rep), WEIR_OK);
        assert_int_equal(in.op, op);
        size_t whole = (size_t)(r.at - bytes);
        assert_int_equal(whole == len, info->imm == IMM_NONE);
        for (size_t cut = 0; cut < whole; cut++) {
            /* on the heap, so that a read past the end is seen by the sanitizer */
            uint8_t *copy = mem_alloc(cut);
            memcpy(copy, bytes, cut);
            assert_int_equal(read_one(&all_features, copy, cut, &in, &rep), WEIR_E_MALFORMED);
            assert_string_equal(rep.message, "unexpected end");
            mem_free(copy);
        }
    }
}

static void test_immediates(void **state)
{
    static const uint8_t br_table[] = {0x0e, 0x02, 0x05, 0x80, 0x01, 0x07};
    static const uint8_t memarg[] = {0x28, 0x42, 0x03, 0xff, 0xff, 0xff, 0xff, 0x0f};
    static const uint8_t memarg_bad[] = {0x28, 0x80, 0x01, 0x00};
    static const uint8_t memory_size_1[] = {0x3f, 0x01};
    static const uint8_t block_i64[] = {0x02, 0x7e};
    static const uint8_t block_long[] = {0x02, 0xff, 0x7f};
    static const uint8_t i32_const[] = {0x41, 0x7f};
    struct wasm_module mvp = {.features = 0};
    struct wasm_instr in;
    struct weir_report rep;
    (void)state;

    assert_int_equal(read_one(&all_features, br_table, sizeof br_table, &in, &rep), WEIR_OK);
    assert_int_equal(in.count, 2);
    assert_int_equal(wasm_br_table_next(&in), 5);
    assert_int_equal(wasm_br_table_next(&in), 128);
    assert_int_equal(wasm_br_table_next(&in), 7);

    assert_int_equal(read_one(&all_features, memarg, sizeof memarg, &in, &rep), WEIR_OK);
    assert_int_equal(in.mem.align, 2);
    assert_int_equal(in.mem.memory, 3);
    assert_true(in.mem.offset == UINT32_MAX);
    assert_int_equal(read_one(&mvp, memarg, sizeof memarg, &in, &rep), WEIR_E_UNSUPPORTED);
    assert_int_equal(read_one(&all_features, memarg_bad, sizeof memarg_bad, &in, &rep), WEIR_E_MALFORMED);
    assert_string_equal(rep.message, "malformed memop flags");

    assert_int_equal(read_one(&all_features, memory_size_1, 2, &in, &rep), WEIR_OK);
    assert_int_equal(in.index, 1);
    assert_int_equal(read_one(&mvp, memory_size_1, 2, &in, &rep), WEIR_E_MALFORMED);
    assert_string_equal(rep.message, "zero byte expected");

    assert_int_equal(read_one(&all_features, block_i64, 2, &in, &rep), WEIR_OK);
    struct wasm_functype type;
    uint8_t one;
    assert_true(wasm_block_type(&all_features, in.block_type, &type, &one));
    assert_int_equal(type.nparams, 0);
    assert_int_equal(type.nresults, 1);
    assert_int_equal(type.results[0], WASM_I64);
    assert_false(wasm_block_type(&all_features, 0, &type, &one)); /* there are no types */
    assert_int_equal(read_one(&all_features, block_long, 3, &in, &rep), WEIR_E_MALFORMED);

    assert_int_equal(read_one(&all_features, i32_const, 2, &in, &rep), WEIR_OK);
    assert_true(in.bits == UINT32_MAX); /* zero-extended */
}

static void test_later_proposals_are_named(void **state)
{
    static const struct {
        uint8_t bytes[4];
        size_t len;
        weir_status want;
        const char *message;
    } cases[] = {
        {{0x14, 0x00}, 2, WEIR_E_UNSUPPORTED, "illegal opcode 14: typed function references"},
        {{0x1f, 0x40}, 2, WEIR_E_UNSUPPORTED, "illegal opcode 1f: exceptions"},
        {{0xfb, 0x00}, 2, WEIR_E_UNSUPPORTED, "illegal opcode fb: garbage collection"},
        {{0xfe, 0x00}, 2, WEIR_E_UNSUPPORTED, "illegal opcode fe: threads"},
        {{0xfd, 0x80, 0x02}, 3, WEIR_E_UNSUPPORTED, "illegal opcode fd: relaxed SIMD"},
        {{0xd0, 0x6e}, 2, WEIR_E_UNSUPPORTED, "garbage collection"},
        {{0xd0, 0x7f}, 2, WEIR_E_MALFORMED, "malformed reference type"},
        {{0xff}, 1, WEIR_E_MALFORMED, "illegal opcode ff"},
        {{0xfc, 0x12}, 2, WEIR_E_MALFORMED, "illegal opcode fc"},
        {{0xfd, 0x9a, 0x01}, 3, WEIR_E_MALFORMED, "illegal opcode fd"},
        {{0xfd, 0xff, 0x7f}, 3, WEIR_E_MALFORMED, "illegal opcode fd"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wasm_instr in;
        struct weir_report rep;
        assert_int_equal(read_one(&all_features, cases[i].bytes, cases[i].len, &in, &rep), cases[i].want);
        assert_memory_equal(rep.message, cases[i].message, strlen(cases[i].message));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_every_opcode_cut_short),
        cmocka_unit_test(test_immediates),
        cmocka_unit_test(test_later_proposals_are_named),
    };
    return cmocka_run_group_tests_name("wasm/instr", tests, NULL, NULL);
}
