/* interp/exec_control.c - handlers of calls, returns, branches and moves.
 *
 * A call pushes a return address (struct interp_ctl, growing down) and moves the frame pointer up to the
 * arguments; the callee's first instruction is an ENTER, which checks that the two have not met and zeroes
 * the locals.  Calls inside an instance never use the C stack. */
#include "interp/exec.h"

HANDLER(LAZY)
{
    struct interp_func *f = (struct interp_func *)(uintptr_t)ip[1];
    interp_func_lower(f);
    ip = __atomic_load_n(&f->code, __ATOMIC_ACQUIRE);
    DISPATCH();
}

/* ENTER: slot 0 first slot to zero, slot 1 how many; upper half: slots the frame needs, with room for one
 * more return address.  Zeroing more than asked is harmless: the operand stack is above. */
#define ENTER_CHECK() TRAP_IF((uintptr_t)(fp + U32HI) > (uintptr_t)sp, STACK_EXHAUSTED)
#define ENTER(name, n)                                                                                       \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        ENTER_CHECK();                                                                                       \
        memset(&SLOT(0), 0, (n) * sizeof(uint64_t));                                                         \
        NEXT(2);                                                                                             \
    }
ENTER(ENTER_2, 2)
ENTER(ENTER_4, 4)
ENTER(ENTER_8, 8)

HANDLER(ENTER_0)
{
    ENTER_CHECK();
    NEXT(2);
}

HANDLER(ENTER_N)
{
    uint64_t *at = &SLOT(0), *end = at + U16(1);
    ENTER_CHECK();
    for (; at < end; at += 4) {
        memset(at, 0, 4 * sizeof *at);
        __asm__ volatile("" : "+r"(at)); /* keep the loop: a call of memset would spill every register */
    }
    NEXT(2);
}

/* The whole code of a function whose frame is over INTERP_MAX_SLOTS. */
HANDLER(ENTER_HUGE)
{
    TRAP_IF(true, STACK_EXHAUSTED);
    DISPATCH();
}

/* The end of an activation: back to interp_invoke. */
HANDLER_ATTRIBUTES void interp_h_EXIT(uint64_t *fp, const uint64_t *ip, uint8_t *mem,
                                      struct rt_instance *inst, uint64_t acc, struct interp_ctl *sp,
                                      struct interp_run *run, float facc, double dacc)
{
    (void)fp, (void)ip, (void)mem, (void)inst, (void)acc, (void)sp, (void)run, (void)facc, (void)dacc;
}

HANDLER(UNREACHABLE)
{
    TRAP_IF(true, UNREACHABLE);
    DISPATCH();
}

HANDLER(BR)
{
    BRANCH(REL);
}

/* br_table: slot 0 the index, upper half the number of labels before the default; then their distances. */
#define BR_TABLE(name, index)                                                                                \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        uint32_t i = (uint32_t)(index), n = U32HI;                                                           \
        BRANCH(((const int32_t *)(ip + 2))[i < n ? i : n]);                                                  \
    }
BR_TABLE(BR_TABLE_S, SLOT(0))
BR_TABLE(BR_TABLE_A, acc)

/* ---- returns: a single result is also left in its accumulator ---- */

#define RETURN_TO()                                                                                          \
    do {                                                                                                     \
        ip = sp->ip;                                                                                         \
        fp = sp->fp;                                                                                         \
        sp++;                                                                                                \
        DISPATCH();                                                                                          \
    } while (0)
#define RETURN(name, action)                                                                                 \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        action;                                                                                              \
        RETURN_TO();                                                                                         \
    }
RETURN(RETURN, )
RETURN(RETURN_S, fp[0] = acc = SLOT(0))
RETURN(RETURN_A, fp[0] = acc)
RETURN(RETURN_I, fp[0] = acc = IMM64)
RETURN(RETURN_F32_S, facc = interp_f32(SLOT(0)); fp[0] = interp_f32_bits(facc))
RETURN(RETURN_F32_A, fp[0] = interp_f32_bits(facc))
RETURN(RETURN_F64_S, dacc = interp_f64(SLOT(0)); fp[0] = interp_f64_bits(dacc))
RETURN(RETURN_F64_A, fp[0] = interp_f64_bits(dacc))

/* ---- calls ---- */

#define PUSH_RETURN(words) (sp--, sp->ip = ip + (words), sp->fp = fp)

/* slot 0: where the arguments begin; word 2: the struct interp_func. */
HANDLER(CALL)
{
    const struct interp_func *f = (const struct interp_func *)(uintptr_t)ip[2];
    PUSH_RETURN(3);
    fp = &SLOT(0);
    ip = f->code;
    DISPATCH();
}

/* Call by cells.  `top`: slots from there on are free for activations below this one. */
#define INVOKE(f, cells, cells_end)                                                                          \
    do {                                                                                                     \
        SAVE();                                                                                              \
        run->top = (cells_end);                                                                              \
        (f)->invoke((f), (cells));                                                                           \
        mem = inst->pub.memory;                                                                              \
    } while (0)
#define LOAD_RESULT(cell) (acc = (cell), facc = interp_f32(acc), dacc = interp_f64(acc))

/* slot 0: arguments; upper half: cells of arguments or results; word 2: the function entry in the instance.
 */
HANDLER(CALL_IMPORT)
{
    struct rt_func *f = rt_instance_at(inst, ip[2]);
    INVOKE(f, &SLOT(0), &SLOT(0) + U32HI);
    LOAD_RESULT(SLOT(0));
    NEXT(3);
}

/* Find the callee of an indirect call: slot 1 the index, upper half the table's pointer in the instance,
 * lower half of word 2 the type's id. */
#define INDIRECT_CALLEE(f)                                                                                   \
    struct rt_func *f;                                                                                       \
    do {                                                                                                     \
        const struct rt_table *t = *(struct rt_table *const *)rt_instance_at(inst, U32HI);                   \
        uint32_t i = (uint32_t)SLOT(1);                                                                      \
        TRAP_IF(i >= t->length, UNDEFINED_ELEMENT);                                                          \
        (f) = rt_cell_func(t->elems[i]);                                                                     \
        TRAP_IF(!(f), UNINITIALIZED_ELEMENT);                                                                \
        TRAP_IF((f)->type_id != (uint32_t)IMM64, INDIRECT_TYPE);                                             \
    } while (0)
#define IS_LOCAL(f) ((f)->inst == inst && (f)->invoke == interp_invoke)

HANDLER(CALL_INDIRECT)
{
    INDIRECT_CALLEE(f);
    if (__builtin_expect(IS_LOCAL(f), 1)) {
        PUSH_RETURN(3);
        fp = &SLOT(0);
        ip = ((const struct interp_func *)f->exec)->code;
        DISPATCH();
    }
    INVOKE(f, &SLOT(0), &SLOT(0) + (IMM64 >> 32));
    LOAD_RESULT(SLOT(0));
    NEXT(3);
}

#define MOVE_CELLS(dst, src, n)                                                                              \
    do {                                                                                                     \
        for (uint32_t k = 0; k < (n); k++) {                                                                 \
            (dst)[k] = (src)[k];                                                                             \
            __asm__ volatile("" ::: "memory");                                                               \
        }                                                                                                    \
    } while (0)

/* slot 0: arguments; upper half: how many cells; word 2: the struct interp_func. */
HANDLER(TAIL_CALL)
{
    const struct interp_func *f = (const struct interp_func *)(uintptr_t)ip[2];
    const uint64_t *from = &SLOT(0);
    MOVE_CELLS(fp, from, U32HI);
    ip = f->code;
    DISPATCH();
}

/* slot 0: arguments; slot 1: result cells; upper half: cells of arguments or results; word 2: function entry.
 */
HANDLER(TAIL_CALL_IMPORT)
{
    struct rt_func *f = rt_instance_at(inst, ip[2]);
    const uint64_t *from = &SLOT(0);
    INVOKE(f, &SLOT(0), &SLOT(0) + U32HI);
    LOAD_RESULT(*from);
    MOVE_CELLS(fp, from, U16(1));
    RETURN_TO();
}

/* As CALL_INDIRECT; upper half of word 2: argument cells; word 3: result cells, the larger of both above it.
 */
HANDLER(TAIL_CALL_INDIRECT)
{
    INDIRECT_CALLEE(f);
    const uint64_t *from = &SLOT(0);
    if (__builtin_expect(IS_LOCAL(f), 1)) {
        MOVE_CELLS(fp, from, (uint32_t)(IMM64 >> 32));
        ip = ((const struct interp_func *)f->exec)->code;
        DISPATCH();
    }
    INVOKE(f, &SLOT(0), &SLOT(0) + (ip[3] >> 32));
    LOAD_RESULT(*from);
    MOVE_CELLS(fp, from, (uint32_t)ip[3]);
    RETURN_TO();
}

/* ---- moves: they leave the accumulators alone ---- */

#define MOVE(name, words, action)                                                                            \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        action;                                                                                              \
        NEXT(words);                                                                                         \
    }
MOVE(COPY, 2, SLOT(0) = SLOT(1))
MOVE(COPY_CELLS, 2, uint64_t *to = &SLOT(0); const uint64_t *from = &SLOT(1); MOVE_CELLS(to, from, U32HI))
MOVE(COPY2, 2, SLOT(0) = SLOT(1); SLOT(2) = SLOT(3))
MOVE(COPY128, 2, memcpy(&SLOT(0), &SLOT(1), 16))
MOVE(SET_A, 2, SLOT(0) = acc)
MOVE(SET_F32, 2, SLOT(0) = interp_f32_bits(facc))
MOVE(SET_F64, 2, SLOT(0) = interp_f64_bits(dacc))
MOVE(SET_I, 3, SLOT(0) = IMM64)
MOVE(SET_I32, 2, SLOT(0) = U32HI)
MOVE(SET_I128, 4, memcpy(&SLOT(0), ip + 2, 16))

/* ---- select: the first value if the condition is not zero; immediates in words 2 and 3 ---- */

#define SELECT_ONE(name, first, second, cond, put, words)                                                    \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        uint64_t x = (first), y = (second);                                                                  \
        acc = (uint32_t)(cond) ? x : y;                                                                      \
        put NEXT(words);                                                                                     \
    }
#define SELECT(form, first, second, words)                                                                   \
    SELECT_ONE(SELECT_##form##_S_A, first, second, SLOT(3), , words)                                         \
    SELECT_ONE(SELECT_##form##_S_S, first, second, SLOT(3), SLOT(0) = acc;, words)                           \
    SELECT_ONE(SELECT_##form##_A_A, first, second, acc, , words)                                             \
    SELECT_ONE(SELECT_##form##_A_S, first, second, acc, SLOT(0) = acc;, words)
SELECT(SS, SLOT(1), SLOT(2), 2)
SELECT(SI, SLOT(1), IMM64, 3)
SELECT(IS, IMM64, SLOT(2), 3)
SELECT(II, IMM64, ip[3], 4)
MOVE(SELECT128, 2, memmove(&SLOT(0), (uint32_t)SLOT(3) ? &SLOT(1) : &SLOT(2), 16))
