/* fetch/http.c - libcurl's easy interface. */
#include "fetch/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fetch/challenge.h"

struct fetch_http {
    CURL *curl;
    CURLcode last;
    char error[CURL_ERROR_SIZE];
};

/* The answer under way. */
struct arriving {
    struct fetch_answer *answer;
    size_t max_bytes;
    bool too_long;
};

struct fetch_http *fetch_http_new(void)
{
    struct fetch_http *h = mem_zalloc(sizeof *h);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    h->curl = curl_easy_init();
    WEIR_ASSERT(h->curl != NULL);
    return h;
}

void fetch_http_free(struct fetch_http *h)
{
    curl_easy_cleanup(h->curl);
    curl_global_cleanup();
    mem_free(h);
}

void fetch_answer_fini(struct fetch_answer *a)
{
    strbuf_fini(&a->body);
}

static size_t take_body(char *at, size_t one, size_t n, void *ctx)
{
    struct arriving *in = ctx;

    n *= one;
    if (n > in->max_bytes - in->answer->body.len) {
        in->too_long = true;
        return 0;
    }
    strbuf_add_bytes(&in->answer->body, at, n);
    return n;
}

static void keep(struct str value, char *out, size_t cap)
{
    if (value.len < cap && (value.len == 0 || memchr(value.at, '\0', value.len) == NULL)) {
        memcpy(out, value.len == 0 ? "" : value.at, value.len);
        out[value.len] = '\0';
    }
}

static size_t take_header(char *at, size_t one, size_t n, void *ctx)
{
    struct arriving *in = ctx;
    struct fetch_answer *a = in->answer;
    struct str value = str_make(at, n * one), name = str_cut(&value, ':');
    const struct {
        struct str name;
        char *at;
        size_t cap;
    } kept[] = {
        {STR("docker-content-digest"), a->digest, sizeof a->digest},
        {STR("etag"), a->etag, sizeof a->etag},
        {STR("location"), a->location, sizeof a->location},
    };
    struct fetch_challenge known;

    if (str_starts_with(name,
                        STR("HTTP/"))) { /* of one more answer: after a redirection, or an interim one */
        a->challenge[0] = a->digest[0] = a->etag[0] = a->location[0] = '\0';
        a->body.len = 0;
    }
    value = str_trim(value);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (str_ieq(name, kept[i].name)) {
            keep(value, kept[i].at, kept[i].cap);
        }
    }
    /* Of several, the first that is understood; a token is preferred to a password. */
    if (str_ieq(name, STR("www-authenticate")) && fetch_challenge_parse(value, &known) &&
        (a->challenge[0] == '\0' || known.kind == FETCH_BEARER)) {
        keep(value, a->challenge, sizeof a->challenge);
    }
    return n * one;
}

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct strbuf line = {0};

    strbuf_printf(&line, "%s: %s", name, value);
    struct curl_slist *more = curl_slist_append(*list, line.at);
    WEIR_ASSERT(more != NULL);
    *list = more;
    strbuf_fini(&line);
}

static struct curl_slist *headers_of(const struct fetch_request *r)
{
    struct curl_slist *list = NULL;
    const struct {
        const char *name, *value;
    } all[] = {{"Accept", r->accept == NULL ? "*/*" : r->accept},
               {"Authorization", r->authorization},
               {"Content-Type", r->content_type},
               {"If-None-Match", r->if_none_match}};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].value != NULL && all[i].value[0] != '\0') {
            add_header(&list, all[i].name, all[i].value);
        }
    }
    struct curl_slist *more = curl_slist_append(list, "Expect:");
    WEIR_ASSERT(more != NULL);
    return more;
}

static void set_bounds(CURL *c, const char *url)
{
    bool https = strncmp(url, "https:", 6) == 0;
    const char *authorities = getenv("SSL_CERT_FILE");

    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)FETCH_REDIRECTS);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)FETCH_CONNECT_S);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)FETCH_EXCHANGE_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1024L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)FETCH_SILENCE_S);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "weir");
    if (authorities != NULL && authorities[0] != '\0') {
        curl_easy_setopt(c, CURLOPT_CAINFO, authorities);
    }
}

/* Of certificates that are not trusted: what the one who runs this can do. */
static const char *advice(const struct fetch_http *h)
{
    long verdict = 0;
    bool self_signed = curl_easy_getinfo(h->curl, CURLINFO_SSL_VERIFYRESULT, &verdict) == CURLE_OK &&
                       verdict >= 18 &&
                       verdict <= 21; /* X509_V_ERR: self-signed, or no issuer that is known */

    if (h->last == CURLE_SSL_CACERT_BADFILE) {
        return "; SSL_CERT_FILE must name a file with certificates that can be read";
    }
    return h->last != CURLE_PEER_FAILED_VERIFICATION ? ""
           : self_signed ? "; if its authority is one of your own, the environment's SSL_CERT_FILE can name "
                           "a file with "
                           "its certificate"
                         : "; the server needs another certificate";
}

static void set_method(CURL *c, const struct fetch_request *r)
{
    if (strcmp(r->method, "HEAD") == 0) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else if (strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body.len == 0 ? "" : r->body.at);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

weir_status fetch_http_exchange(struct fetch_http *h, const struct fetch_request *r, struct fetch_answer *out,
                                struct weir_report *rep)
{
    struct fetch_answer answer = {.status = 0};
    struct arriving in = {.answer = &answer, .max_bytes = r->max_bytes};
    struct curl_slist *headers = headers_of(r);
    long status = 0;

    curl_easy_reset(h->curl);
    h->error[0] = '\0';
    set_bounds(h->curl, r->url);
    set_method(h->curl, r);
    curl_easy_setopt(h->curl, CURLOPT_URL, r->url);
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &in);
    curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, &in);
    h->last = curl_easy_perform(h->curl);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (h->last != CURLE_OK) {
        fetch_answer_fini(&answer);
        if (in.too_long) {
            return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "",
                                   "%.120s: the answer is longer than %zu bytes", r->url, r->max_bytes);
        }
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%.120s: %.200s%s", r->url,
                               h->error[0] != '\0' ? h->error : curl_easy_strerror(h->last), advice(h));
    }
    answer.status = (unsigned)status;
    *out = answer;
    return WEIR_OK;
}

bool fetch_http_failed_in_tls(const struct fetch_http *h)
{
    return h->last == CURLE_SSL_CONNECT_ERROR;
}
