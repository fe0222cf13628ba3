/* fetch/http.h - one HTTP exchange by libcurl, within bounds.
 *
 * Only http and https; certificates are verified against the system's authorities, or the file that
 * $SSL_CERT_FILE names; proxies are those of the usual variables.  An answer is held in memory up to a limit.
 * Redirections are followed a few times, never from https to http, and credentials do not follow them to
 * another host.  Who does not speak for a while is given up.  Blocks. */
#ifndef FETCH_HTTP_H
#define FETCH_HTTP_H

#include <stdbool.h>

#include "base/str.h"
#include "weir/status.h"

enum {
    FETCH_CONNECT_S = 10,
    FETCH_SILENCE_S = 15, /* at less than 1 KiB a second */
    FETCH_EXCHANGE_S = 300,
    FETCH_REDIRECTS = 5,
};

struct fetch_request {
    const char *method; /* GET, HEAD, POST or PUT */
    const char *url;
    const char *accept;        /* NULL: anything */
    const char *authorization; /* value of the header; NULL: none */
    const char *content_type;
    const char *if_none_match;
    struct str body;  /* of POST and PUT */
    size_t max_bytes; /* of the answer's body */
};

struct fetch_answer {
    unsigned status;
    struct strbuf body;
    /* Values of headers, "" if they were not there or too long. */
    char challenge[2048], digest[128], etag[256], location[2048];
};

struct fetch_http; /* keeps connections between exchanges */

struct fetch_http *fetch_http_new(void);
void fetch_http_free(struct fetch_http *h);
/* WEIR_OK: there is an answer, of whatever status; the caller clears it with fetch_answer_fini.
 * WEIR_E_IO: there is none, `rep` says why.  WEIR_E_LIMIT: it is too long. */
weir_status fetch_http_exchange(struct fetch_http *h, const struct fetch_request *r, struct fetch_answer *out,
                                struct weir_report *rep);
void fetch_answer_fini(struct fetch_answer *a);
/* Did the last exchange fail before TLS was established, as with a server that speaks plain HTTP? */
bool fetch_http_failed_in_tls(const struct fetch_http *h);

#endif
