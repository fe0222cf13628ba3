/* weir/host_thunk.h - the interpreter's entry of a host function, made from its C type.
 *
 *     static uint32_t add(struct weir_instance *inst, uint32_t a, uint64_t b) { ... }
 *     WEIR_HOST_THUNK2(add, i, I, i)
 *     static const struct weir_host_func table[] = { WEIR_HOST_FUNC("env", "add", "iI:i", add) };
 *
 * WEIR_HOST_THUNKn takes the function, its n parameter letters and its result: i = uint32_t (or int32_t),
 * I = uint64_t (or int64_t), f = float, F = double, r and e = uint64_t (a reference's cell), n = no result.
 * It defines NAME_thunk.  v128 has no C type that both tiers agree on: write such a thunk by hand. */
#ifndef WEIR_HOST_THUNK_H
#define WEIR_HOST_THUNK_H

#include <string.h>

#include "weir/engine.h"

static inline float weir_cell_to_f32(uint64_t cell)
{
    uint32_t bits = (uint32_t)cell;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline double weir_cell_to_f64(uint64_t cell)
{
    double v;
    memcpy(&v, &cell, sizeof v);
    return v;
}

static inline uint64_t weir_f32_to_cell(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline uint64_t weir_f64_to_cell(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

#define WEIR_HOST_GET_i(cell) (uint32_t)(cell)
#define WEIR_HOST_GET_I(cell) (cell)
#define WEIR_HOST_GET_f(cell) weir_cell_to_f32(cell)
#define WEIR_HOST_GET_F(cell) weir_cell_to_f64(cell)
#define WEIR_HOST_GET_r(cell) (cell)
#define WEIR_HOST_GET_e(cell) (cell)

#define WEIR_HOST_PUT_i(cells, call) ((cells)[0] = (uint32_t)(call))
#define WEIR_HOST_PUT_I(cells, call) ((cells)[0] = (uint64_t)(call))
#define WEIR_HOST_PUT_f(cells, call) ((cells)[0] = weir_f32_to_cell(call))
#define WEIR_HOST_PUT_F(cells, call) ((cells)[0] = weir_f64_to_cell(call))
#define WEIR_HOST_PUT_r(cells, call) ((cells)[0] = (call))
#define WEIR_HOST_PUT_e(cells, call) ((cells)[0] = (call))
#define WEIR_HOST_PUT_n(cells, call) ((void)(cells), (call))

#define WEIR_HOST_FUNC(module_name, func_name, func_type, fn)                                                \
    {module_name, func_name, func_type, (void (*)(void))(fn), fn##_thunk}

#define WEIR_HOST_THUNK0(fn, result)                                                                         \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst));                                                             \
    }

#define WEIR_HOST_THUNK1(fn, a, result)                                                                      \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0])));                                \
    }

#define WEIR_HOST_THUNK2(fn, a, b, result)                                                                   \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1])));   \
    }

#define WEIR_HOST_THUNK3(fn, a, b, c, result)                                                                \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2])));                                      \
    }

#define WEIR_HOST_THUNK4(fn, a, b, c, d, result)                                                             \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3])));         \
    }

#define WEIR_HOST_THUNK5(fn, a, b, c, d, e, result)                                                          \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3]),           \
                                         WEIR_HOST_GET_##e(cells[4])));                                      \
    }

#define WEIR_HOST_THUNK6(fn, a, b, c, d, e, f, result)                                                       \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3]),           \
                                         WEIR_HOST_GET_##e(cells[4]), WEIR_HOST_GET_##f(cells[5])));         \
    }

#define WEIR_HOST_THUNK7(fn, a, b, c, d, e, f, g, result)                                                    \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3]),           \
                                         WEIR_HOST_GET_##e(cells[4]), WEIR_HOST_GET_##f(cells[5]),           \
                                         WEIR_HOST_GET_##g(cells[6])));                                      \
    }

#define WEIR_HOST_THUNK8(fn, a, b, c, d, e, f, g, h, result)                                                 \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3]),           \
                                         WEIR_HOST_GET_##e(cells[4]), WEIR_HOST_GET_##f(cells[5]),           \
                                         WEIR_HOST_GET_##g(cells[6]), WEIR_HOST_GET_##h(cells[7])));         \
    }

#define WEIR_HOST_THUNK9(fn, a, b, c, d, e, f, g, h, i, result)                                              \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3]),           \
                                         WEIR_HOST_GET_##e(cells[4]), WEIR_HOST_GET_##f(cells[5]),           \
                                         WEIR_HOST_GET_##g(cells[6]), WEIR_HOST_GET_##h(cells[7]),           \
                                         WEIR_HOST_GET_##i(cells[8])));                                      \
    }

#define WEIR_HOST_THUNK10(fn, a, b, c, d, e, f, g, h, i, j, result)                                          \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3]),           \
                                         WEIR_HOST_GET_##e(cells[4]), WEIR_HOST_GET_##f(cells[5]),           \
                                         WEIR_HOST_GET_##g(cells[6]), WEIR_HOST_GET_##h(cells[7]),           \
                                         WEIR_HOST_GET_##i(cells[8]), WEIR_HOST_GET_##j(cells[9])));         \
    }

#define WEIR_HOST_THUNK11(fn, a, b, c, d, e, f, g, h, i, j, k, result)                                       \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3]),           \
                                         WEIR_HOST_GET_##e(cells[4]), WEIR_HOST_GET_##f(cells[5]),           \
                                         WEIR_HOST_GET_##g(cells[6]), WEIR_HOST_GET_##h(cells[7]),           \
                                         WEIR_HOST_GET_##i(cells[8]), WEIR_HOST_GET_##j(cells[9]),           \
                                         WEIR_HOST_GET_##k(cells[10])));                                     \
    }

#define WEIR_HOST_THUNK12(fn, a, b, c, d, e, f, g, h, i, j, k, l, result)                                    \
    static void fn##_thunk(struct weir_instance *inst, uint64_t *cells)                                      \
    {                                                                                                        \
        WEIR_HOST_PUT_##result(cells, fn(inst, WEIR_HOST_GET_##a(cells[0]), WEIR_HOST_GET_##b(cells[1]),     \
                                         WEIR_HOST_GET_##c(cells[2]), WEIR_HOST_GET_##d(cells[3]),           \
                                         WEIR_HOST_GET_##e(cells[4]), WEIR_HOST_GET_##f(cells[5]),           \
                                         WEIR_HOST_GET_##g(cells[6]), WEIR_HOST_GET_##h(cells[7]),           \
                                         WEIR_HOST_GET_##i(cells[8]), WEIR_HOST_GET_##j(cells[9]),           \
                                         WEIR_HOST_GET_##k(cells[10]), WEIR_HOST_GET_##l(cells[11])));       \
    }

#endif
