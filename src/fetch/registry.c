/* fetch/registry.c - asking, being asked who we are, asking again. */
#include "fetch/registry.h"

#include <ctype.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fetch/challenge.h"

enum { TOKEN_BYTES_MAX = 1 << 20, TOKEN_MAX = 64 << 10 };

static bool is_insecure(struct str host)
{
    struct str list = str_of(getenv("WASM_INSECURE_REGISTRIES"));

    while (list.len != 0) {
        if (str_ieq(str_trim(str_cut(&list, ',')), host)) {
            return true;
        }
    }
    return false;
}

weir_status fetch_registry_init(struct fetch_registry *r, const struct fetch_source *source,
                                struct str secret, bool write, struct weir_report *rep)
{
    *r = (struct fetch_registry){.source = source, .write = write};
    r->may_be_plain = fetch_host_is_loopback(source->host) || is_insecure(source->host);
    weir_status st = fetch_credentials_find(secret, source->host, &r->credentials, rep);
    if (st == WEIR_OK) {
        r->http = fetch_http_new();
    }
    return st;
}

void fetch_registry_fini(struct fetch_registry *r)
{
    if (r->http != NULL) {
        fetch_http_free(r->http);
    }
    strbuf_fini(&r->authorization);
}

void fetch_registry_base(const struct fetch_registry *r, struct strbuf *out)
{
    struct str host =
        str_eq(r->source->host, STR("docker.io")) ? STR("registry-1.docker.io") : r->source->host;

    strbuf_printf(out, "%s://%.*s", r->plain ? "http" : "https", STR_ARG(host));
}

weir_status fetch_registry_refused(const struct fetch_answer *a, const char *what, struct weir_report *rep)
{
    json_t *json = json_loadb(a->body.at == NULL ? "" : a->body.at, a->body.len, 0, NULL);
    const json_t *first = json_array_get(json_object_get(json, "errors"), 0);
    const char *code = json_string_value(json_object_get(first, "code"));
    const char *why = a->status == 401   ? "; does imagePullSecret have a login for this registry?"
                      : a->status == 403 ? "; the login may not do this"
                                         : "";

    weir_report_set(rep, a->status == 404 ? WEIR_E_NOT_FOUND : WEIR_E_IO, WEIR_NO_OFFSET, "",
                    "%s answered %u%s%.60s%s", what, a->status, code == NULL ? "" : " ",
                    code == NULL ? "" : code, why);
    json_decref(json);
    return a->status == 404 ? WEIR_E_NOT_FOUND : WEIR_E_IO;
}

static void set_basic(struct fetch_registry *r)
{
    struct strbuf pair = {0};

    strbuf_printf(&pair, "%s:%s", r->credentials.user, r->credentials.password);
    char *text = mem_zalloc(pair.len / 3 * 4 + 8);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)pair.at, (int)pair.len);
    r->authorization.len = 0;
    strbuf_printf(&r->authorization, "Basic %s", text);
    mem_free(text);
    strbuf_fini(&pair);
}

static void add_escaped(struct strbuf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (isalnum(c) || strchr("-._~:/,", c) != NULL) {
            strbuf_add_char(out, (char)c);
        } else {
            strbuf_printf(out, "%%%02X", c);
        }
    }
}

/* What a token is for, as a query.  The scope is ours, not the registry's: it does not choose it. */
static void add_query(const struct fetch_registry *r, const struct fetch_challenge *c, struct strbuf *out)
{
    strbuf_printf(out, "scope=");
    struct strbuf scope = {0};
    strbuf_printf(&scope, "repository:%s%.*s:pull%s", r->source->library ? "library/" : "",
                  STR_ARG(r->source->repository), r->write ? ",push" : "");
    add_escaped(out, strbuf_str(&scope));
    strbuf_fini(&scope);
    if (c->service[0] != '\0') {
        strbuf_printf(out, "&service=");
        add_escaped(out, str_of(c->service));
    }
}

/* The request for a token: with a login that ended in an identity token, that is what is given for it, as
 * OAuth 2.0 refreshes tokens; else a GET, with the login if there is one. */
static weir_status ask_for_token(struct fetch_registry *r, const struct fetch_challenge *c,
                                 struct fetch_answer *a, struct weir_report *rep)
{
    struct strbuf url = {0}, form = {0};
    struct fetch_request request = {.method = "GET", .max_bytes = TOKEN_BYTES_MAX};

    r->authorization.len = 0;
    strbuf_printf(&url, "%s", c->realm);
    if (r->credentials.identity_token[0] != '\0') {
        strbuf_printf(&form, "grant_type=refresh_token&client_id=weir&refresh_token=");
        add_escaped(&form, str_of(r->credentials.identity_token));
        strbuf_add_char(&form, '&');
        add_query(r, c, &form);
        request.method = "POST";
        request.content_type = "application/x-www-form-urlencoded";
        request.body = strbuf_str(&form);
    } else {
        if (r->credentials.given) {
            set_basic(r);
            request.authorization = r->authorization.at;
        }
        strbuf_add_char(&url, strchr(c->realm, '?') == NULL ? '?' : '&');
        add_query(r, c, &url);
    }
    request.url = url.at;
    weir_status st = fetch_http_exchange(r->http, &request, a, rep);
    strbuf_fini(&url);
    strbuf_fini(&form);
    return st;
}

/* A token goes into a header. */
static bool is_token(const char *s)
{
    size_t n = s == NULL ? 0 : strlen(s);

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7f) {
            return false;
        }
    }
    return n != 0 && n <= TOKEN_MAX;
}

static weir_status get_token(struct fetch_registry *r, const struct fetch_challenge *c,
                             struct weir_report *rep)
{
    struct fetch_answer a;

    if (strncmp(c->realm, "https://", 8) != 0 && !(r->plain && strncmp(c->realm, "http://", 7) == 0)) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "",
                               "the registry sends us for a token to \"%.80s\", which is not https",
                               c->realm);
    }
    weir_status st = ask_for_token(r, c, &a, rep);
    if (st != WEIR_OK) {
        return st;
    }
    json_t *json = json_loadb(a.body.at == NULL ? "" : a.body.at, a.body.len, 0, NULL);
    const char *token = json_string_value(json_object_get(json, "token"));
    token = token == NULL ? json_string_value(json_object_get(json, "access_token")) : token;
    if (a.status != 200) {
        st = fetch_registry_refused(&a, "the token service", rep);
    } else if (!is_token(token)) {
        st =
            weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "the token service answered without a token");
    } else {
        r->authorization.len = 0;
        strbuf_printf(&r->authorization, "Bearer %s", token);
    }
    json_decref(json);
    fetch_answer_fini(&a);
    return st;
}

/* Do as the challenge says.  WEIR_OK: it is worth asking again. */
static weir_status authorize(struct fetch_registry *r, const struct fetch_answer *a, struct weir_report *rep)
{
    struct fetch_challenge c;

    if (!fetch_challenge_parse(str_of(a->challenge), &c)) {
        return fetch_registry_refused(a, "the registry", rep);
    }
    if (c.kind == FETCH_BEARER) {
        return get_token(r, &c, rep);
    }
    if (r->credentials.user[0] == '\0') {
        return fetch_registry_refused(a, "the registry", rep);
    }
    set_basic(r);
    return WEIR_OK;
}

weir_status fetch_registry_ask_at(struct fetch_registry *r, struct fetch_request *request, const char *url,
                                  struct fetch_answer *out, struct weir_report *rep)
{
    weir_status st = WEIR_OK;

    request->url = url;
    for (int tries = 0; tries < 2 && st == WEIR_OK; tries++) {
        request->authorization = r->authorization.len == 0 ? NULL : r->authorization.at;
        st = fetch_http_exchange(r->http, request, out, rep);
        if (st != WEIR_OK || out->status != 401 || tries == 1) {
            break;
        }
        st = authorize(r, out, rep);
        fetch_answer_fini(out);
    }
    return st;
}

weir_status fetch_registry_ask(struct fetch_registry *r, struct fetch_request *request, const char *path,
                               struct fetch_answer *out, struct weir_report *rep)
{
    struct strbuf url = {0};
    struct weir_report first;

    fetch_registry_base(r, &url);
    strbuf_printf(&url, "/v2/%s%.*s/%s", r->source->library ? "library/" : "", STR_ARG(r->source->repository),
                  path);
    weir_report_init(&first);
    weir_status st = fetch_registry_ask_at(r, request, url.at, out, &first);
    if (st == WEIR_E_IO && !r->plain && r->may_be_plain && fetch_http_failed_in_tls(r->http)) {
        r->plain = true;
        strbuf_fini(&url);
        return fetch_registry_ask(r, request, path, out, rep);
    }
    strbuf_fini(&url);
    if (st != WEIR_OK) {
        weir_report_set(rep, st, WEIR_NO_OFFSET, "", "%s", first.message);
    }
    return st;
}
