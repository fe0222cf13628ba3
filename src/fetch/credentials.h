/* fetch/credentials.h - who we are to a registry: the text of a pull secret.
 *
 * It is the docker configuration that `docker login` writes and Kubernetes keeps as .dockerconfigjson
 * (`{"auths": {"HOST": {"auth": "..."}}}`), or one line `USER:PASSWORD` for any host. */
#ifndef FETCH_CREDENTIALS_H
#define FETCH_CREDENTIALS_H

#include <stdbool.h>

#include "base/str.h"
#include "weir/status.h"

struct fetch_credentials {
    bool given;                     /* false: the secret has none for this host */
    char user[256], password[8192]; /* "": only the token below */
    char identity_token[8192];      /* of a login that ended in one; "": none.  It buys tokens for pulls. */
};

/* WEIR_OK, also where there is nothing for `host`.  WEIR_E_CONFIG: the secret cannot be read; `rep` names no
 * part of it. */
weir_status fetch_credentials_find(struct str secret, struct str host, struct fetch_credentials *out,
                                   struct weir_report *rep);

#endif
