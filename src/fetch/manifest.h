/* fetch/manifest.h - which part of an image is the module.
 *
 * An image says what it consists of in a manifest (OCI image specification; Docker's schema 2 is the same in
 * other words).  A module is, in the layouts that Istio and Higress know,
 *
 *     a layer of type application/vnd.module.wasm.content.layer.v1+wasm (or application/wasm): the module
 * itself plugin.wasm in a tar layer, gzipped or not; other layers may stand before it (Higress: spec, README)
 *
 * An index names manifests of several platforms; a module is the same on all, so the one for wasm, else the
 * first, is as good as any. */
#ifndef FETCH_MANIFEST_H
#define FETCH_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "fetch/source.h"
#include "weir/status.h"

#define FETCH_WASM_LAYER "application/vnd.module.wasm.content.layer.v1+wasm"
#define FETCH_WASM_CONFIG "application/vnd.module.wasm.config.v1+json"
#define FETCH_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
/* What is asked for; a registry gives the first that it has. */
#define FETCH_MANIFEST_TYPES                                                                                 \
    FETCH_OCI_MANIFEST ", application/vnd.docker.distribution.manifest.v2+json, "                            \
                       "application/vnd.oci.image.index.v1+json, "                                           \
                       "application/vnd.docker.distribution.manifest.list.v2+json"

enum { FETCH_MAX_LAYERS = 64 };

enum fetch_layer_form { FETCH_LAYER_WASM, FETCH_LAYER_TAR };

struct fetch_blob {
    char digest[FETCH_DIGEST_LEN + 1];
    uint64_t size;
    enum fetch_layer_form form;
};

struct fetch_manifest {
    bool index; /* blobs[0] is a manifest */
    /* Where the module may be, in the order in which to look: a layer that is a module alone, or tar layers
     * from the last one on. */
    struct fetch_blob blobs[FETCH_MAX_LAYERS];
    size_t nblobs; /* at least 1 */
};

/* WEIR_E_MALFORMED: it is no manifest; WEIR_E_UNSUPPORTED: nothing in it can be a module.  `rep` says why. */
weir_status fetch_manifest_parse(struct str text, struct fetch_manifest *out, struct weir_report *rep);

/* The manifest of an artifact with one module, and its configuration, both deterministic. */
void fetch_manifest_write_config(const char *digest, struct strbuf *out);
void fetch_manifest_write(const char *config_digest, size_t config_size, const char *digest, size_t size,
                          struct strbuf *out);

#endif
