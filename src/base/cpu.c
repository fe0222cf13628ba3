/* base/cpu.c - the features of this machine's processor, from cpuid. */
#include "base/cpu.h"

#include <stdbool.h>

static const struct {
    const char *name;
    int level;
} features[] = {
#define X(id, llvm, lvl) [CPU_##id] = {llvm, lvl},
    CPU_FEATURES(X)
#undef X
        [CPU_FSGSBASE] = {"fsgsbase", 5},
};

const char *cpu_feature_name(enum cpu_feature f)
{
    return features[f].name;
}

int cpu_feature_level(enum cpu_feature f)
{
    return features[f].level;
}

#ifdef __x86_64__
#include <cpuid.h>
#include <sys/auxv.h>

/* Where CPUID says so: leaf, register (0 a, 1 b, 2 c, 3 d), bit. */
static const struct place {
    uint32_t leaf;
    uint8_t reg, bit;
} places[] = {
    [CPU_CX16] = {1, 2, 13},          [CPU_SAHF] = {0x80000001, 2, 0},
    [CPU_POPCNT] = {1, 2, 23},        [CPU_SSE3] = {1, 2, 0},
    [CPU_SSSE3] = {1, 2, 9},          [CPU_SSE41] = {1, 2, 19},
    [CPU_SSE42] = {1, 2, 20},         [CPU_AVX] = {1, 2, 28},
    [CPU_AVX2] = {7, 1, 5},           [CPU_BMI] = {7, 1, 3},
    [CPU_BMI2] = {7, 1, 8},           [CPU_F16C] = {1, 2, 29},
    [CPU_FMA] = {1, 2, 12},           [CPU_LZCNT] = {0x80000001, 2, 5},
    [CPU_MOVBE] = {1, 2, 22},         [CPU_AVX512F] = {7, 1, 16},
    [CPU_AVX512BW] = {7, 1, 30},      [CPU_AVX512CD] = {7, 1, 28},
    [CPU_AVX512DQ] = {7, 1, 17},      [CPU_AVX512VL] = {7, 1, 31},
    [CPU_AES] = {1, 2, 25},           [CPU_PCLMUL] = {1, 2, 1},
    [CPU_SHA] = {7, 1, 29},           [CPU_GFNI] = {7, 2, 8},
    [CPU_VAES] = {7, 2, 9},           [CPU_VPCLMUL] = {7, 2, 10},
    [CPU_AVX512VBMI] = {7, 2, 1},     [CPU_AVX512VBMI2] = {7, 2, 6},
    [CPU_AVX512VNNI] = {7, 2, 11},    [CPU_AVX512BITALG] = {7, 2, 12},
    [CPU_AVX512VPOPCNT] = {7, 2, 14}, [CPU_AVX512IFMA] = {7, 1, 21},
    [CPU_FSGSBASE] = {7, 1, 0},
};

/* Features whose registers the system must save: bits of XCR0. */
static uint32_t xcr0_of(enum cpu_feature f)
{
    switch (f) {
    case CPU_AVX:
    case CPU_AVX2:
    case CPU_F16C:
    case CPU_FMA:
    case CPU_VAES:
    case CPU_VPCLMUL:
        return 0x6;
    case CPU_AVX512F:
    case CPU_AVX512BW:
    case CPU_AVX512CD:
    case CPU_AVX512DQ:
    case CPU_AVX512VL:
    case CPU_AVX512VBMI:
    case CPU_AVX512VBMI2:
    case CPU_AVX512VNNI:
    case CPU_AVX512BITALG:
    case CPU_AVX512VPOPCNT:
    case CPU_AVX512IFMA:
        return 0xe6;
    default:
        return 0;
    }
}

static bool has(enum cpu_feature f, uint32_t xcr0)
{
    uint32_t r[4] = {0};
    if (!__get_cpuid_count(places[f].leaf, 0, &r[0], &r[1], &r[2], &r[3])) {
        return false;
    }
    if ((r[places[f].reg] >> places[f].bit & 1) == 0 || (xcr0 & xcr0_of(f)) != xcr0_of(f)) {
        return false;
    }
    return f != CPU_FSGSBASE || (getauxval(AT_HWCAP2) & 2) != 0; /* the kernel allows it */
}

uint64_t cpu_host_features(void)
{
    uint32_t a, b, c, d, xcr0 = 0, high;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c >> 27 & 1) != 0) {
        __asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    }
    uint64_t bits = 0;
    for (int f = 0; f < CPU_NFEATURES; f++) {
        if (has((enum cpu_feature)f, xcr0)) {
            bits |= 1ull << f;
        }
    }
    return bits;
}
#else
uint64_t cpu_host_features(void)
{
    return 0;
}
#endif
