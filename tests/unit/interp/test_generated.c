/* Lowering against a direct evaluation: random functions are written as WebAssembly and, as a tree, evaluated
 * here.  Both must leave the same result, locals and memory.  The trees are rich in what lowering does
 * cleverly: locals that change while an older value is on the operand stack, results that go to locals,
 * comparisons before branches, values carried by branches, address sums, wraps, chains of operations. */
#include <stdlib.h>

#include "unit/wasm/build.h"
#include "weir/engine.h"

enum { I32, I64, F64, NTYPES };
static const uint8_t valtypes[NTYPES] = {0x7f, 0x7e, 0x7c};

enum {
    PER_TYPE = 5,
    NLOCALS = NTYPES * PER_TYPE,
    COUNTER = NLOCALS,
    NCOUNTERS = 3,
    MEMORY = 1024,
    MAX_DEPTH = 6
};

/* Each node is written and evaluated in one walk: the random choices are made by the same generator seeded
 * the same way, once with `out` (writing) and once without (evaluating). */
struct gen {
    uint64_t seed;
    struct build *out;
    bool run; /* evaluate: false in branches not taken */
    uint64_t local[NLOCALS];
    uint8_t memory[MEMORY + 16];
    unsigned loops;
    unsigned fuel; /* nodes left */
};

static uint32_t below(struct gen *g, uint32_t n)
{
    g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(g->seed >> 33) % n;
}

static void byte(struct gen *g, uint8_t b)
{
    if (g->out) {
        build_bytes(g->out, &b, 1);
    }
}

static void unsigned_leb(struct gen *g, uint32_t v)
{
    if (g->out) {
        build_u32(g->out, v);
    }
}

static void signed_leb(struct gen *g, int64_t v)
{
    for (;;) {
        uint8_t b = v & 0x7f;
        v >>= 7;
        if ((v == 0 && !(b & 0x40)) || (v == -1 && (b & 0x40))) {
            byte(g, b);
            return;
        }
        byte(g, b | 0x80);
    }
}

static double as_f64(uint64_t v)
{
    double d;
    memcpy(&d, &v, sizeof d);
    return d;
}

static uint64_t of_f64(double d)
{
    uint64_t v;
    memcpy(&v, &d, sizeof v);
    return v;
}

/* ---- operations: opcode and meaning --------------------------------------------------------------- */

static const uint8_t binary32[] = {0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73, 0x74,
                                   0x75, 0x76, 0x77, 0x78, 0x6a, 0x71, 0x74};

static uint32_t apply32(uint8_t op, uint32_t a, uint32_t b)
{
    uint32_t n = b & 31;
    switch (op) {
    case 0x6a:
        return a + b;
    case 0x6b:
        return a - b;
    case 0x6c:
        return a * b;
    case 0x71:
        return a & b;
    case 0x72:
        return a | b;
    case 0x73:
        return a ^ b;
    case 0x74:
        return a << n;
    case 0x75:
        return (uint32_t)((int32_t)a >> n);
    case 0x76:
        return a >> n;
    case 0x77:
        return n ? a << n | a >> (32 - n) : a;
    default:
        return n ? a >> n | a << (32 - n) : a;
    }
}

static uint64_t apply64(uint8_t op, uint64_t a, uint64_t b)
{
    uint64_t n = b & 63;
    switch (op) {
    case 0x6a:
        return a + b;
    case 0x6b:
        return a - b;
    case 0x6c:
        return a * b;
    case 0x71:
        return a & b;
    case 0x72:
        return a | b;
    case 0x73:
        return a ^ b;
    case 0x74:
        return a << n;
    case 0x75:
        return (uint64_t)((int64_t)a >> n);
    case 0x76:
        return a >> n;
    case 0x77:
        return n ? a << n | a >> (64 - n) : a;
    default:
        return n ? a >> n | a << (64 - n) : a;
    }
}

/* eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u */
static bool compare(uint32_t op, uint64_t a, uint64_t b, bool wide)
{
    int64_t x = wide ? (int64_t)a : (int32_t)a, y = wide ? (int64_t)b : (int32_t)b;
    bool results[] = {a == b, a != b, x<y, a<b, x> y, a> b, x <= y, a <= b, x >= y, a >= b};
    return results[op];
}

static bool compare_f64(uint32_t op, double a, double b)
{
    bool results[] = {a == b, a != b, a<b, a> b, a <= b, a >= b};
    return results[op];
}

/* ---- expressions ------------------------------------------------------------------------------------ */

static uint64_t expr(struct gen *g, unsigned type, unsigned depth);
static void statement(struct gen *g, unsigned depth);

static uint64_t constant(struct gen *g, unsigned type)
{
    static const int64_t special[] = {0, 1, -1, 2, 3, 31, 255, 0x7fffffff, -0x7fffffff - 1, 16, 8, 65535};
    int64_t v = below(g, 3) ? special[below(g, 12)] : (int64_t)(int32_t)below(g, UINT32_MAX);
    if (type == I64 && below(g, 3) == 0) {
        v = (int64_t)((uint64_t)v * 0x9E3779B97F4A7C15u);
    }
    byte(g, type == I32 ? 0x41 : type == I64 ? 0x42 : 0x44);
    if (type != F64) {
        signed_leb(g, v);
        return type == I32 ? (uint32_t)v : (uint64_t)v;
    }
    uint64_t bits = of_f64((double)v * 0.25);
    if (g->out) {
        build_bytes(g->out, &bits, 8);
    }
    return bits;
}

static uint64_t get_local(struct gen *g, unsigned type)
{
    uint32_t i = type * PER_TYPE + below(g, PER_TYPE);
    byte(g, 0x20);
    unsigned_leb(g, i);
    return g->local[i];
}

static uint64_t set_local(struct gen *g, unsigned type, unsigned depth, uint8_t op)
{
    uint64_t v = expr(g, type, depth);
    uint32_t i = type * PER_TYPE + below(g, PER_TYPE);
    byte(g, op);
    unsigned_leb(g, i);
    if (g->run) {
        g->local[i] = v;
    }
    return v;
}

static uint64_t binary(struct gen *g, unsigned type, unsigned depth)
{
    uint64_t a = expr(g, type, depth), b = expr(g, type, depth);
    if (type == F64) {
        uint32_t op = below(g, 3); /* add sub mul */
        byte(g, (uint8_t)(0xa0 + op));
        double x = as_f64(a), y = as_f64(b);
        return of_f64(op == 0 ? x + y : op == 1 ? x - y : x * y);
    }
    uint8_t op = binary32[below(g, sizeof binary32)];
    byte(g, type == I32 ? op : (uint8_t)(op - 0x6a + 0x7c));
    return type == I32 ? apply32(op, (uint32_t)a, (uint32_t)b) : apply64(op, a, b);
}

static uint64_t condition(struct gen *g, unsigned depth)
{
    uint64_t a, b;
    uint32_t op;
    switch (below(g, 6)) {
    case 0:
        a = expr(g, I64, depth), b = expr(g, I64, depth), op = below(g, 10);
        byte(g, (uint8_t)(0x51 + op));
        return compare(op, a, b, true);
    case 1:
        a = expr(g, F64, depth), b = expr(g, F64, depth), op = below(g, 6);
        byte(g, (uint8_t)(0x61 + op));
        return compare_f64(op, as_f64(a), as_f64(b));
    case 2:
        a = below(g, 2) ? condition(g, depth) : expr(g, I32, depth);
        byte(g, 0x45);
        return a == 0;
    case 3:
        a = expr(g, I64, depth);
        byte(g, 0x50);
        return a == 0;
    default:
        a = expr(g, I32, depth), b = expr(g, I32, depth), op = below(g, 10);
        byte(g, (uint8_t)(0x46 + op));
        return compare(op, a, b, false);
    }
}

/* An address that stays in the memory: the expression masked, or a local masked plus a small constant. */
static uint32_t address(struct gen *g, unsigned depth, uint32_t *offset)
{
    uint32_t a = (uint32_t)expr(g, I32, depth), mask = MEMORY / 4 - 1;
    byte(g, 0x41);
    signed_leb(g, mask);
    byte(g, 0x71);
    a &= mask;
    if (below(g, 2)) {
        uint32_t b = (uint32_t)expr(g, I32, depth ? depth - 1 : 0) & mask;
        byte(g, 0x41);
        signed_leb(g, mask);
        byte(g, 0x71);
        byte(g, 0x6a);
        a += b;
    } else if (below(g, 2)) {
        byte(g, 0x41);
        signed_leb(g, 7);
        byte(g, 0x6a);
        a += 7;
    }
    *offset = below(g, MEMORY / 4);
    return a;
}

static uint64_t load(struct gen *g, unsigned type, unsigned depth)
{
    static const struct {
        uint8_t op, bytes;
        bool sign;
    } kinds[NTYPES][4] = {{{0x28, 4, false}, {0x2d, 1, false}, {0x2c, 1, true}, {0x2f, 2, false}},
                          {{0x29, 8, false}, {0x31, 1, false}, {0x34, 4, true}, {0x35, 4, false}},
                          {{0x2b, 8, false}, {0x2b, 8, false}, {0x2b, 8, false}, {0x2b, 8, false}}};
    uint32_t offset, a = address(g, depth, &offset), k = below(g, 4);
    uint64_t v = 0;
    byte(g, kinds[type][k].op);
    byte(g, 0);
    unsigned_leb(g, offset);
    memcpy(&v, g->memory + a + offset, kinds[type][k].bytes);
    if (kinds[type][k].sign) {
        v = kinds[type][k].bytes == 1 ? (uint64_t)(int64_t)(int8_t)v : (uint64_t)(int64_t)(int32_t)v;
    }
    return type == I32 ? (uint32_t)v : v;
}

static uint64_t convert(struct gen *g, unsigned type, unsigned depth)
{
    uint64_t v;
    if (type == I32) {
        v = expr(g, I64, depth);
        byte(g, 0xa7);
        return (uint32_t)v;
    }
    if (type == F64) {
        v = expr(g, I32, depth);
        byte(g, 0xb7);
        return of_f64((double)(int32_t)v);
    }
    if (below(g, 3) == 0) {
        v = expr(g, F64, depth);
        byte(g, 0xbd); /* i64.reinterpret_f64 */
        return v;
    }
    uint32_t sign = below(g, 2);
    v = expr(g, I32, depth);
    byte(g, sign ? 0xac : 0xad);
    return sign ? (uint64_t)(int64_t)(int32_t)v : (uint32_t)v;
}

static uint64_t select_one(struct gen *g, unsigned type, unsigned depth)
{
    uint64_t a = expr(g, type, depth), b = expr(g, type, depth);
    uint64_t c = below(g, 2) ? condition(g, depth) : expr(g, I32, depth);
    byte(g, 0x1b);
    return c ? a : b;
}

/* if-else with a result, each arm with a statement before it. */
static uint64_t if_else(struct gen *g, unsigned type, unsigned depth)
{
    uint64_t c = below(g, 3) ? condition(g, depth) : expr(g, I32, depth), a, b;
    bool run = g->run;
    byte(g, 0x04);
    byte(g, valtypes[type]);
    g->run = run && c;
    statement(g, depth);
    a = expr(g, type, depth);
    byte(g, 0x05);
    g->run = run && !c;
    statement(g, depth);
    b = expr(g, type, depth);
    byte(g, 0x0b);
    g->run = run;
    return c ? a : b;
}

/* A block with a result that br_if may leave early, perhaps with a value below the one it carries. */
static uint64_t block_value(struct gen *g, unsigned type, unsigned depth)
{
    bool run = g->run, deep = below(g, 2);
    uint64_t a, b, c;
    byte(g, 0x02);
    byte(g, valtypes[type]);
    if (deep) {
        expr(g, I32, depth);
    }
    a = expr(g, type, depth);
    c = below(g, 2) ? condition(g, depth) : expr(g, I32, depth);
    byte(g, 0x0d);
    unsigned_leb(g, 0);
    byte(g, 0x1a);
    if (deep) {
        byte(g, 0x1a);
    }
    g->run = run && !c;
    b = expr(g, type, depth);
    if (below(g, 2)) {
        byte(g, 0x0c);
        unsigned_leb(g, 0);
    }
    byte(g, 0x0b);
    g->run = run;
    return c ? a : b;
}

static uint64_t expr(struct gen *g, unsigned type, unsigned depth)
{
    if (depth == 0 || g->fuel == 0) {
        return below(g, 3) ? get_local(g, type) : constant(g, type);
    }
    g->fuel--;
    switch (below(g, 16)) {
    case 0:
        return constant(g, type);
    case 1:
    case 2:
        return get_local(g, type);
    case 3:
    case 4:
        return set_local(g, type, depth - 1, 0x22);
    case 5:
        return load(g, type, depth - 1);
    case 6:
        return convert(g, type, depth - 1);
    case 7:
        return select_one(g, type, depth - 1);
    case 8:
        return if_else(g, type, depth - 1);
    case 9:
        return block_value(g, type, depth - 1);
    case 10:
        return type == I32 ? condition(g, depth - 1) : binary(g, type, depth - 1);
    default:
        return binary(g, type, depth - 1);
    }
}

/* ---- statements --------------------------------------------------------------------------------------- */

static void store(struct gen *g, unsigned depth)
{
    static const uint8_t ops[NTYPES][2][2] = {
        {{0x36, 4}, {0x3a, 1}}, {{0x37, 8}, {0x3e, 4}}, {{0x39, 8}, {0x39, 8}}};
    unsigned type = below(g, NTYPES), k = below(g, 2);
    uint32_t offset, a = address(g, depth, &offset);
    uint64_t v = expr(g, type, depth);
    byte(g, ops[type][k][0]);
    byte(g, 0);
    unsigned_leb(g, offset);
    if (g->run) {
        memcpy(g->memory + a + offset, &v, ops[type][k][1]);
    }
}

struct test {
    uint8_t constant, op;
};
static const struct test zero[] = {{0, 0x46}, {0, 0x4c}, {0, 0x4d}, {1, 0x48}, {1, 0x49}};
static const struct test positive[] = {{0, 0x47}, {0, 0x4a}, {0, 0x4b}, {1, 0x4e}, {1, 0x4f}};

/* Compare the counter on the stack. */
static void counter_is(struct gen *g, const struct test *tests, size_t n)
{
    const struct test *t = &tests[below(g, (uint32_t)n)];
    byte(g, 0x41);
    signed_leb(g, t->constant);
    byte(g, t->op);
}

/* A loop that runs n times, counted down in a local of its own. */
static void loop(struct gen *g, unsigned depth)
{
    uint32_t n = 1 + below(g, 3), counter = COUNTER + g->loops++, shape = below(g, 3);
    uint64_t seed;
    unsigned fuel, loops = g->loops;
    byte(g, 0x41);
    signed_leb(g, n);
    byte(g, 0x21);
    unsigned_leb(g, counter);
    if (shape == 1) { /* left by a br_if out, repeated by a br */
        byte(g, 0x02);
        byte(g, 0x40);
    }
    byte(g, 0x03);
    byte(g, 0x40);
    seed = g->seed;
    fuel = g->fuel;
    struct build *out = g->out;
    for (uint32_t i = 0; i < (out ? 1 : n); i++) { /* the body is the same tree every time */
        g->seed = seed;
        g->fuel = fuel;
        g->loops = loops;
        statement(g, depth);
        statement(g, depth);
    }
    byte(g, 0x20);
    unsigned_leb(g, counter);
    byte(g, 0x41);
    signed_leb(g, -1);
    byte(g, 0x6a);
    byte(g, 0x22);
    unsigned_leb(g, counter);
    if (shape == 1) {
        counter_is(g, zero, sizeof zero / sizeof *zero);
        byte(g, 0x0d);
        unsigned_leb(g, 1);
        byte(g, 0x0c);
        unsigned_leb(g, 0);
        byte(g, 0x0b);
    } else {
        if (shape == 2) {
            counter_is(g, positive, sizeof positive / sizeof *positive);
        }
        byte(g, 0x0d);
        unsigned_leb(g, 0);
    }
    byte(g, 0x0b);
    g->loops = loops - 1;
}

/* br_table over three blocks. */
static void table(struct gen *g, unsigned depth)
{
    bool run = g->run;
    for (int i = 0; i < 3; i++) {
        byte(g, 0x02);
        byte(g, 0x40);
    }
    uint32_t v = (uint32_t)expr(g, I32, depth);
    byte(g, 0x0e);
    unsigned_leb(g, 2);
    unsigned_leb(g, 0);
    unsigned_leb(g, 1);
    unsigned_leb(g, 2);
    byte(g, 0x0b);
    g->run = run && v == 0;
    statement(g, depth);
    byte(g, 0x0b);
    g->run = run && v <= 1;
    statement(g, depth);
    byte(g, 0x0b);
    g->run = run;
}

static void if_only(struct gen *g, unsigned depth)
{
    uint64_t c = below(g, 3) ? condition(g, depth) : expr(g, I32, depth);
    bool run = g->run;
    byte(g, 0x04);
    byte(g, 0x40);
    g->run = run && c;
    statement(g, depth);
    g->run = run;
    byte(g, 0x0b);
}

static void statement(struct gen *g, unsigned depth)
{
    if (depth == 0 || g->fuel == 0) {
        byte(g, 0x01);
        return;
    }
    g->fuel--;
    switch (below(g, 7)) {
    case 0:
        store(g, depth - 1);
        break;
    case 1:
        if (g->loops < NCOUNTERS) {
            loop(g, depth - 1);
        }
        break;
    case 2:
        table(g, depth - 1);
        break;
    case 3:
        if_only(g, depth - 1);
        break;
    case 4:
        expr(g, below(g, NTYPES), depth - 1);
        byte(g, 0x1a);
        break;
    default:
        set_local(g, below(g, NTYPES), depth - 1, 0x21);
    }
}

static void body(struct gen *g, uint64_t seed)
{
    g->seed = seed;
    g->fuel = 120;
    g->loops = 0;
    g->run = true;
    for (int i = 0; i < 4; i++) {
        statement(g, MAX_DEPTH);
    }
}

/* The locals are stored behind the part of the memory that the body uses. */
static void write_locals(struct gen *g)
{
    static const uint8_t ops[NTYPES] = {0x36, 0x37, 0x39};
    for (uint32_t i = 0; i < NLOCALS; i++) {
        byte(g, 0x41);
        signed_leb(g, 2048 + (int32_t)i * 8);
        byte(g, 0x20);
        unsigned_leb(g, i);
        byte(g, ops[i / PER_TYPE]);
        byte(g, 0);
        unsigned_leb(g, 0);
    }
}

static void write_module(struct build *b, uint64_t seed, const struct gen *start)
{
    static struct build code;
    struct gen g = *start;
    build_start(b);
    SECTION(b, 1, 0x01, 0x60, 0x00, 0x00);
    SECTION(b, 3, 0x01, 0x00);
    SECTION(b, 5, 0x01, 0x00, 0x01);
    SECTION(b, 7, 0x01, 0x03, 'r', 'u', 'n', 0x00, 0x00);
    code.len = 0;
    g.out = &code;
    static const uint8_t locals[] = {4, PER_TYPE, 0x7f, PER_TYPE, 0x7e, PER_TYPE, 0x7c, NCOUNTERS, 0x7f};
    build_bytes(&code, locals, sizeof locals);
    body(&g, seed);
    write_locals(&g);
    byte(&g, 0x0b);
    build_code(b, code.at, code.len);
}

static bool same_value(unsigned type, uint64_t a, uint64_t b)
{
    return a == b || (type == F64 && as_f64(a) != as_f64(a) && as_f64(b) != as_f64(b));
}

static void check(uint64_t seed)
{
    static struct build module;
    static struct gen g;
    memset(&g, 0, sizeof g);
    write_module(&module, seed, &g);
    g.out = NULL;
    body(&g, seed);

    struct weir_report rep;
    struct weir_trap trap;
    struct weir_module *m = NULL;
    struct weir_instance *inst = NULL;
    struct weir_instance_options opt = {.tier = WEIR_TIER_INTERP};
    struct weir_linker *l = weir_linker_new();
    uint64_t cells[1] = {0};
    weir_report_init(&rep);
    if (weir_module_new(module.at, module.len, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, rep.message);
    }
    assert_int_equal(weir_instance_new(m, l, &opt, &inst, &trap, &rep), WEIR_OK);
    assert_int_equal(weir_func_call(weir_instance_find_func(inst, "run", 3), cells, &trap), WEIR_OK);
    for (uint32_t i = 0; i < NLOCALS; i++) {
        uint64_t v = 0;
        memcpy(&v, inst->memory + 2048 + i * 8, i / PER_TYPE == I32 ? 4 : 8);
        if (!same_value(i / PER_TYPE, v, g.local[i])) {
            fail_msg("seed %llu: local %u is %#llx, not %#llx", (unsigned long long)seed, i,
                     (unsigned long long)v, (unsigned long long)g.local[i]);
        }
    }
    if (memcmp(inst->memory, g.memory, MEMORY) != 0) {
        fail_msg("seed %llu: the memory differs", (unsigned long long)seed);
    }
    weir_instance_free(inst);
    weir_linker_free(l);
    weir_module_unref(m);
}

static void test_generated(void **state)
{
    (void)state;
    const char *first = getenv("SEED"), *count = getenv("COUNT");
    uint64_t seed = first ? strtoull(first, NULL, 0) : 1, n = count ? strtoull(count, NULL, 0) : 3000;
    for (uint64_t i = 0; i < n; i++) {
        check(seed + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_generated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
