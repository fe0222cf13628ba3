/* mbedtls_config.h - what of Mbed TLS 2.28 the add-on library uses: hashes, and verifying RSA and ECDSA.
 *
 * ECP's own random generator only blinds secret scalars; verifying has none.  Bignums have 32-bit limbs
 * everywhere, as WebAssembly multiplies 32 by 32 bits at best, so that the native build of a plugin is the
 * same code. */
#ifndef WEIR_SDK_MBEDTLS_CONFIG_H
#define WEIR_SDK_MBEDTLS_CONFIG_H

#define MBEDTLS_HAVE_INT32

/* One step of the inner loop of all bignum arithmetic, *d += *s * b with carry c: a product and two more
 * words fit twice the width exactly, (2^32-1)^2 + 2(2^32-1) = 2^64-1.  Mbed TLS's own takes the halves apart
 * first and finds carries by comparing. */
#define MULADDC_INIT                                                                                         \
    {                                                                                                        \
        mbedtls_t_udbl r;
#define MULADDC_CORE                                                                                         \
    r = (mbedtls_t_udbl) * s++ * b + *d;                                                                     \
    r += c;                                                                                                  \
    c = (mbedtls_mpi_uint)(r >> 32);                                                                         \
    *d++ = (mbedtls_mpi_uint)r;
#define MULADDC_STOP }

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
