/* base/cpu.h - features of CPUs that compiled code may need: a bit each, the same in the compiler and in the
 * loader.
 *
 * x86-64 only; on aarch64 images need the architecture's base and no bits. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stddef.h>
#include <stdint.h>

/* X(bit name, LLVM's attribute name, level of x86-64 it belongs to: 2, 3, 4, or 5 beyond) */
/* clang-format off */
#define CPU_FEATURES(X) \
    X(CX16, "cx16", 2) \
    X(SAHF, "sahf", 2) \
    X(POPCNT, "popcnt", 2) \
    X(SSE3, "sse3", 2) \
    X(SSSE3, "ssse3", 2) \
    X(SSE41, "sse4.1", 2) \
    X(SSE42, "sse4.2", 2) \
    X(AVX, "avx", 3) \
    X(AVX2, "avx2", 3) \
    X(BMI, "bmi", 3) \
    X(BMI2, "bmi2", 3) \
    X(F16C, "f16c", 3) \
    X(FMA, "fma", 3) \
    X(LZCNT, "lzcnt", 3) \
    X(MOVBE, "movbe", 3) \
    X(AVX512F, "avx512f", 4) \
    X(AVX512BW, "avx512bw", 4) \
    X(AVX512CD, "avx512cd", 4) \
    X(AVX512DQ, "avx512dq", 4) \
    X(AVX512VL, "avx512vl", 4) \
    X(AES, "aes", 5) \
    X(PCLMUL, "pclmul", 5) \
    X(SHA, "sha", 5) \
    X(GFNI, "gfni", 5) \
    X(VAES, "vaes", 5) \
    X(VPCLMUL, "vpclmulqdq", 5) \
    X(AVX512VBMI, "avx512vbmi", 5) \
    X(AVX512VBMI2, "avx512vbmi2", 5) \
    X(AVX512VNNI, "avx512vnni", 5) \
    X(AVX512BITALG, "avx512bitalg", 5) \
    X(AVX512VPOPCNT, "avx512vpopcntdq", 5) \
    X(AVX512IFMA, "avx512ifma", 5)
/* clang-format on */

enum cpu_feature {
#define X(id, name, level) CPU_##id,
    CPU_FEATURES(X)
#undef X
    /* Not LLVM's: user code may write the GS base (the CPU and the kernel). */
    CPU_FSGSBASE,
    CPU_NFEATURES,
};

#define CPU_BIT(id) (1ull << CPU_##id)

/* LLVM's name of a feature ("fsgsbase" for the last); static. */
const char *cpu_feature_name(enum cpu_feature f);
/* The x86-64 level (2 to 4) a feature belongs to, or 5. */
int cpu_feature_level(enum cpu_feature f);
/* What this machine has. */
uint64_t cpu_host_features(void);

#endif
