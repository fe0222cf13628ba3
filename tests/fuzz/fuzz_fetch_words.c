/* Headers of registries, secrets and URLs of any bytes: understood or refused; strings stay within their
 * room. */
#include <stdlib.h>

#include "base/mem.h"
#include "fetch/challenge.h"
#include "fetch/credentials.h"
#include "fetch/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make(data, size);
    struct fetch_challenge c;
    struct fetch_credentials k;
    struct fetch_source s;

    if (fetch_challenge_parse(text, &c)) {
        WEIR_ASSERT(c.kind != FETCH_NO_CHALLENGE && strlen(c.realm) < sizeof c.realm);
        WEIR_ASSERT(strlen(c.service) < sizeof c.service && strlen(c.scope) < sizeof c.scope);
    }
    if (fetch_credentials_find(text, STR("r"), &k, NULL) == WEIR_OK && k.given) {
        WEIR_ASSERT((k.user[0] != '\0' || k.identity_token[0] != '\0') && strlen(k.user) < sizeof k.user);
        WEIR_ASSERT(strlen(k.identity_token) < sizeof k.identity_token);
    }
    if (fetch_source_parse(text, &s, NULL) == WEIR_OK) {
        WEIR_ASSERT(s.host.len != 0 && memchr(text.at, '\n', text.len) == NULL);
        WEIR_ASSERT(s.scheme != FETCH_OCI || (s.repository.len != 0 && s.tag.len + s.digest.len != 0));
        fetch_host_is_loopback(s.host);
    }
    return 0;
}
