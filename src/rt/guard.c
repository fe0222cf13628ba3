/* rt/guard.c - see guard.h.
 *
 * On x86-64 a guarded call pushes the registers that functions preserve, and `frame` is the stack pointer
 * then: leaving puts it back and goes on where the call would have returned.  Elsewhere it is setjmp. */
#include "rt/guard.h"

#if RT_GUARD_CODE

#define SAVE                                                                                                 \
    "pushq %rbp\n"                                                                                           \
    ".cfi_def_cfa_offset 16\n"                                                                               \
    ".cfi_offset %rbp, -16\n"                                                                                \
    "movq %rsp, %rbp\n"                                                                                      \
    ".cfi_def_cfa_register %rbp\n"                                                                           \
    "pushq %rbx\n"                                                                                           \
    "pushq %r12\n"                                                                                           \
    "pushq %r13\n"                                                                                           \
    "pushq %r14\n"                                                                                           \
    "pushq %r15\n"                                                                                           \
    "subq $8, %rsp\n" /* calls want a multiple of 16 */                                                      \
    "movq %rsp, (%rdi)\n"

#define RETURN                                                                                               \
    "addq $8, %rsp\n"                                                                                        \
    "popq %r15\n"                                                                                            \
    "popq %r14\n"                                                                                            \
    "popq %r13\n"                                                                                            \
    "popq %r12\n"                                                                                            \
    "popq %rbx\n"                                                                                            \
    "popq %rbp\n"                                                                                            \
    ".cfi_def_cfa %rsp, 8\n"                                                                                 \
    "retq\n"

__attribute__((naked)) bool rt_guard_call(struct rt_guard *g,
                                          void (*invoke)(struct rt_func *f, uint64_t *cells),
                                          struct rt_func *f, uint64_t *cells)
{
    __asm__(SAVE "movq %rdx, %rdi\n"
                 "movq %rsi, %rax\n"
                 "movq %rcx, %rsi\n"
                 "callq *%rax\n"
                 "xorl %eax, %eax\n" RETURN);
}

_Static_assert(RT_SHAPE_PARAMS == 0xff && RT_SHAPE_RESULT == 0x100 && RT_SHAPE_WIDE == 0x200, "as below");

/* Parameters in rdi, rsi, rdx, rcx, r8; vmctx in r13; the cells stay in rbx, the shape in r12. */
__attribute__((naked)) bool rt_guard_code(struct rt_guard *g, void (*code)(void), struct rt_instance *inst,
                                          uint64_t *cells, uint32_t shape)
{
    __asm__(SAVE "movq %rsi, %rax\n"
                 "movq %rdx, %r13\n"
                 "movq %rcx, %rbx\n"
                 "movl %r8d, %r12d\n"
                 "cmpb $1, %r12b\n"
                 "jb 1f\n"
                 "movq (%rbx), %rdi\n"
                 "je 1f\n"
                 "movq 8(%rbx), %rsi\n"
                 "cmpb $3, %r12b\n"
                 "jb 1f\n"
                 "movq 16(%rbx), %rdx\n"
                 "je 1f\n"
                 "movq 24(%rbx), %rcx\n"
                 "cmpb $5, %r12b\n"
                 "jb 1f\n"
                 "movq 32(%rbx), %r8\n"
                 "1: callq *%rax\n"
                 "testl $0x100, %r12d\n"
                 "je 3f\n"
                 "testl $0x200, %r12d\n"
                 "jne 2f\n"
                 "movl %eax, %eax\n"
                 "2: movq %rax, (%rbx)\n"
                 "3: xorl %eax, %eax\n" RETURN);
}

__attribute__((naked)) _Noreturn void rt_guard_leave(struct rt_guard *g)
{
    __asm__("movq (%rdi), %rsp\n"
            "movl $1, %eax\n" RETURN);
}

#else

bool rt_guard_call(struct rt_guard *g, void (*invoke)(struct rt_func *f, uint64_t *cells), struct rt_func *f,
                   uint64_t *cells)
{
    g->frame = (uintptr_t)__builtin_frame_address(0);
    if (_setjmp(g->jump) != 0) {
        return true;
    }
    invoke(f, cells);
    return false;
}

_Noreturn void rt_guard_leave(struct rt_guard *g)
{
    _longjmp(g->jump, 1);
}

#endif
