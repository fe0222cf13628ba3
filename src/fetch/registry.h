/* fetch/registry.h - a conversation with one repository of a registry (OCI distribution specification, the
 * registry API version 2). */
#ifndef FETCH_REGISTRY_H
#define FETCH_REGISTRY_H

#include "fetch/credentials.h"
#include "fetch/http.h"
#include "fetch/source.h"

struct fetch_registry {
    struct fetch_http *http;
    const struct fetch_source *source;
    struct fetch_credentials credentials;
    bool write;                  /* ask for the right to push, too */
    bool plain;                  /* http, not https */
    bool may_be_plain;           /* it is known that http would do */
    struct strbuf authorization; /* empty until the registry asked for it */
};

weir_status fetch_registry_init(struct fetch_registry *r, const struct fetch_source *source,
                                struct str secret, bool write, struct weir_report *rep);
void fetch_registry_fini(struct fetch_registry *r);

/* Ask below /v2/NAME/, `path` for example "manifests/latest"; with the credentials the registry wants.
 * request->url and ->authorization are set here.  As fetch_http_exchange. */
weir_status fetch_registry_ask(struct fetch_registry *r, struct fetch_request *request, const char *path,
                               struct fetch_answer *out, struct weir_report *rep);
/* The same for a URL that the registry gave. */
weir_status fetch_registry_ask_at(struct fetch_registry *r, struct fetch_request *request, const char *url,
                                  struct fetch_answer *out, struct weir_report *rep);
/* What the host is called in URLs, with its scheme: "https://registry.example". */
void fetch_registry_base(const struct fetch_registry *r, struct strbuf *out);
/* An answer that was not hoped for: a report with the status, and what the registry said. */
weir_status fetch_registry_refused(const struct fetch_answer *a, const char *what, struct weir_report *rep);

#endif
