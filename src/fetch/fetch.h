/* fetch/fetch.h - a module from where its URL says, and into a registry.
 *
 * Runs in `weir pull` and `weir push`: the control process has the first as a confined child, since answers
 * of registries are anybody's.  What is handed out was checked: digests of manifest and layer, sizes, and
 * that it begins like a module.
 *
 * A registry is spoken to by https; by http if it is this machine (localhost, 127.x.y.z) and has no TLS, or
 * if $WASM_INSECURE_REGISTRIES, a list with commas, names its host and port. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include <stdbool.h>

#include "base/str.h"
#include "fetch/source.h"
#include "weir/status.h"

enum { FETCH_MODULE_BYTES_MAX = 256 << 20, FETCH_VERSION_BYTES = 300 };

struct fetch_options {
    struct str secret; /* fetch/credentials.h; empty: none */
    struct str
        sha256;       /* 64 digits: what the module, or the image's manifest, must hash to; empty: anything */
    struct str known; /* a version that is there already; empty: none */
};

struct fetch_result {
    bool unchanged;                    /* it is the known version; there is no module */
    struct strbuf module;              /* the caller frees it */
    char version[FETCH_VERSION_BYTES]; /* the manifest's digest, or the ETag; "" if there is none */
};

/* WEIR_OK.  WEIR_E_CONFIG: the URL or the secret is wrong.  WEIR_E_MISMATCH: it has another hash than it
 * should. WEIR_E_IO, WEIR_E_NOT_FOUND, WEIR_E_MALFORMED, WEIR_E_UNSUPPORTED, WEIR_E_LIMIT: `rep` says who
 * answered what.  Blocks for minutes at most. */
weir_status fetch_module(struct str url, const struct fetch_options *opt, struct fetch_result *out,
                         struct weir_report *rep);

/* Put a module into a registry as an artifact that Istio and Higress read, under the URL's tag; `digest`
 * receives the manifest's. */
weir_status fetch_push(struct str url, struct str module, struct str secret,
                       char digest[FETCH_DIGEST_LEN + 1], struct weir_report *rep);

#endif
