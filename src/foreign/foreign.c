/* foreign/foreign.c - the table. */
#include "foreign/foreign.h"

#include "base/str.h"

const struct pw_foreign foreign_functions[] = {
    {STR("compress"), foreign_compress, "A zlib stream of the argument."},
    {STR("uncompress"), foreign_uncompress, "What a zlib stream holds, at most 64 MiB."},
    {STR("sign"), foreign_sign, "Sign with a private key (Envoy's SignArguments, SignResult)."},
    {STR("verify_signature"), foreign_verify_signature,
     "Verify with a public key (Envoy's VerifySignatureArguments, VerifySignatureResult)."},
    {{NULL, 0}, NULL, NULL},
};
