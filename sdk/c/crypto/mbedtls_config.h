/* mbedtls_config.h - what of Mbed TLS 2.28 the add-on library uses: hashes, and verifying RSA and ECDSA.
 *
 * ECP's own random generator only blinds secret scalars; verifying has none.
 *
 * Bignums have limbs of 64 bits.  WebAssembly multiplies 64 by 64 bits to 64 at most, so in a guest the wide
 * product is put together from four narrow ones, in a form that weirc makes one machine instruction of again.
 * Where nobody does, it costs what four steps of 32-bit limbs cost. */
#ifndef WEIR_SDK_MBEDTLS_CONFIG_H
#define WEIR_SDK_MBEDTLS_CONFIG_H

#define MBEDTLS_HAVE_INT64

/* One step of the inner loop of all bignum arithmetic, *d += *s * b with carry c.  A product and two more
 * words fit twice the width exactly, (2^64-1)^2 + 2(2^64-1) = 2^128-1. */
#ifdef __wasm__
/* clang forgets where the pointers come from.  Else it counts one index up instead of both pointers, and
 * computes each address of the unrolled loop by two additions, where a load or store with a constant offset
 * needs none. */
#define MULADDC_INIT                                                                                         \
    {                                                                                                        \
        __asm__("" : "+r"(s), "+r"(d));
#define MULADDC_CORE                                                                                         \
    {                                                                                                        \
        mbedtls_mpi_uint x = *s++, low = x * b, x0 = (uint32_t)x, x1 = x >> 32;                              \
        mbedtls_mpi_uint b0 = (uint32_t)b, b1 = b >> 32, p = x0 * b0;                                        \
        mbedtls_mpi_uint t = x1 * b0 + (p >> 32), u = x0 * b1 + (uint32_t)t;                                 \
        mbedtls_mpi_uint high = x1 * b1 + (t >> 32) + (u >> 32);                                             \
        low += *d;                                                                                           \
        high += low < *d;                                                                                    \
        low += c;                                                                                            \
        high += low < c;                                                                                     \
        *d++ = low;                                                                                          \
        c = high;                                                                                            \
    }
#define MULADDC_STOP }
#elif defined(__SIZEOF_INT128__)
#define MULADDC_INIT {
#define MULADDC_CORE                                                                                         \
    {                                                                                                        \
        unsigned __int128 r = (unsigned __int128)*s++ * b + *d + c;                                          \
        c = (mbedtls_mpi_uint)(r >> 64);                                                                     \
        *d++ = (mbedtls_mpi_uint)r;                                                                          \
    }
#define MULADDC_STOP }
#endif

#define MBEDTLS_MD_C
#define MBEDTLS_MD5_C
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA512_C

#define MBEDTLS_BIGNUM_C
#define MBEDTLS_OID_C
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21

#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECP_NO_INTERNAL_RNG
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_SECP521R1_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_WINDOW_SIZE 6
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 1

/* Wiping what a function leaves on the stack costs 12 ns of the 226 of a block of SHA-256 in a guest, as it
 * keeps the hash's variables in memory; a guest's memory is its own, and what is hashed there the client sent
 * or the guest keeps anyway. digest.c wipes blocks made of a secret by itself. */
#define MBEDTLS_PLATFORM_ZEROIZE_ALT
#include <stddef.h>
static inline void wp_mbedtls_zeroize(void *at, size_t len)
{
    (void)at;
    (void)len;
}
#define mbedtls_platform_zeroize wp_mbedtls_zeroize

#include "mbedtls/check_config.h"

#endif
