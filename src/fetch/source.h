/* fetch/source.h - where a module is, from its URL.
 *
 *     http://HOST[:PORT]/PATH, https://...         the module itself
 *     oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]   an image or artifact of a registry
 *
 * As with `docker pull`, a first part without a dot or colon that is not localhost is no host: the image is
 * Docker Hub's then. */
#ifndef FETCH_SOURCE_H
#define FETCH_SOURCE_H

#include <stdbool.h>

#include "base/str.h"
#include "weir/status.h"

enum fetch_scheme { FETCH_HTTP, FETCH_HTTPS, FETCH_OCI };

enum { FETCH_DIGEST_LEN = 7 + 64 }; /* "sha256:" and 64 hexadecimal digits */

struct fetch_source {
    enum fetch_scheme scheme;
    struct str url;        /* all of it; the others are slices of it or static */
    struct str host;       /* with the port if one is written: "registry.example:5000" */
    struct str repository; /* OCI: "team/key-auth"; a repository of Docker Hub may lack its "library/" */
    bool library;          /* OCI: "library/" goes before the repository */
    struct str tag;        /* OCI: "latest" if neither tag nor digest is given, empty with a digest alone */
    struct str digest;     /* OCI: "sha256:...", empty if it is not given */
};

/* WEIR_E_CONFIG: it is none of these, `rep` says what is wrong. */
weir_status fetch_source_parse(struct str url, struct fetch_source *out, struct weir_report *rep);

/* Is it "sha256:" and 64 lower-case hexadecimal digits? */
bool fetch_is_digest(struct str s);

/* Is the host, with or without a port, this machine?  By its name alone: localhost, 127.x.y.z, [::1]. */
bool fetch_host_is_loopback(struct str host);

#endif
