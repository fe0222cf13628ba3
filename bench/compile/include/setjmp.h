/* setjmp.h - WebAssembly has none.  Nothing of these modules runs, so a jump may end the program. */
#ifndef BENCH_SETJMP_H
#define BENCH_SETJMP_H

typedef int jmp_buf[1];

static inline int setjmp(jmp_buf env)
{
    (void)env;
    return 0;
}

static inline void longjmp(jmp_buf env, int value)
{
    (void)env;
    (void)value;
    __builtin_trap();
}

#endif
