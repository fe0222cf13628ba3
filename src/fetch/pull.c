/* fetch/pull.c - from a URL to a checked module. */
#include <stdio.h>

#include "base/hash.h"
#include "fetch/fetch.h"
#include "fetch/manifest.h"
#include "fetch/registry.h"
#include "fetch/tar.h"

enum { MANIFEST_BYTES_MAX = 4 << 20 };

static void digest_of(struct str bytes, char out[FETCH_DIGEST_LEN + 1])
{
    uint8_t raw[HASH_SHA256_BYTES];
    char hex[HASH_SHA256_HEX];

    hash_sha256_of(bytes.len == 0 ? "" : bytes.at, bytes.len, raw);
    hash_hex(raw, hex);
    snprintf(out, FETCH_DIGEST_LEN + 1, "sha256:%s", hex);
}

static weir_status lying(const char *what, const char *wanted, const char *got, struct weir_report *rep)
{
    return weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "",
                           "%s has the digest %.23s..., not %.23s...", what, got, wanted);
}

/* A manifest by tag or digest, whose own digest goes to `digest`. */
static weir_status get_manifest(struct fetch_registry *r, struct str reference, struct fetch_answer *a,
                                char digest[FETCH_DIGEST_LEN + 1], struct weir_report *rep)
{
    struct fetch_request request = {
        .method = "GET", .accept = FETCH_MANIFEST_TYPES, .max_bytes = MANIFEST_BYTES_MAX};
    struct strbuf path = {0};

    strbuf_printf(&path, "manifests/%.*s", STR_ARG(reference));
    weir_status st = fetch_registry_ask(r, &request, path.at, a, rep);
    strbuf_fini(&path);
    if (st != WEIR_OK) {
        return st;
    }
    digest_of(strbuf_str(&a->body), digest);
    if (a->status != 200) {
        st = fetch_registry_refused(a, "asked for the manifest, the registry", rep);
    } else if (fetch_is_digest(reference) && !str_eq(reference, str_of(digest))) {
        char wanted[FETCH_DIGEST_LEN + 1];
        snprintf(wanted, sizeof wanted, "%.*s", STR_ARG(reference));
        st = lying("the manifest", wanted, digest, rep);
    } else if (fetch_is_digest(str_of(a->digest)) && !str_eq(str_of(a->digest), str_of(digest))) {
        st = lying("the manifest", a->digest, digest, rep);
    }
    if (st != WEIR_OK) {
        fetch_answer_fini(a);
    }
    return st;
}

static weir_status get_blob(struct fetch_registry *r, const struct fetch_blob *blob, struct strbuf *out,
                            struct weir_report *rep)
{
    struct fetch_request request = {.method = "GET", .max_bytes = (size_t)blob->size};
    struct fetch_answer a;
    char path[FETCH_DIGEST_LEN + 8], digest[FETCH_DIGEST_LEN + 1];

    if (blob->size > FETCH_MODULE_BYTES_MAX) {
        return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "",
                               "the layer has %llu bytes, a module at most %d",
                               (unsigned long long)blob->size, FETCH_MODULE_BYTES_MAX);
    }
    snprintf(path, sizeof path, "blobs/%s", blob->digest);
    weir_status st = fetch_registry_ask(r, &request, path, &a, rep);
    if (st != WEIR_OK) {
        return st;
    }
    digest_of(strbuf_str(&a.body), digest);
    if (a.status != 200) {
        st = fetch_registry_refused(&a, "asked for the layer, the registry", rep);
    } else if (a.body.len != blob->size) {
        st = weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "",
                             "the layer has %zu bytes, not the %llu of the manifest", a.body.len,
                             (unsigned long long)blob->size);
    } else if (!str_eq(str_of(digest), str_of(blob->digest))) {
        st = lying("the layer", blob->digest, digest, rep);
    }
    if (st == WEIR_OK) {
        *out = a.body;
    } else {
        fetch_answer_fini(&a);
    }
    return st;
}

/* The module in a layer, alone in `module`. */
static weir_status get_layer(struct fetch_registry *r, const struct fetch_blob *blob, struct strbuf *module,
                             struct weir_report *rep)
{
    struct strbuf bytes = {0};
    struct str found;
    weir_status st = get_blob(r, blob, &bytes, rep);

    if (st != WEIR_OK || blob->form == FETCH_LAYER_WASM) {
        *module = bytes;
        return st;
    }
    st = fetch_gunzip(&bytes, FETCH_MODULE_BYTES_MAX, rep);
    if (st == WEIR_OK) {
        st = fetch_tar_find(strbuf_str(&bytes), &found, rep);
    }
    if (st == WEIR_OK) {
        strbuf_add(module, found);
    }
    strbuf_fini(&bytes);
    return st;
}

static weir_status get_module(struct fetch_registry *r, const struct fetch_manifest *m, struct strbuf *module,
                              struct weir_report *rep)
{
    struct weir_report last;
    weir_status st = WEIR_E_NOT_FOUND;

    for (size_t i = 0; i < m->nblobs && st == WEIR_E_NOT_FOUND; i++) {
        weir_report_init(&last);
        st = get_layer(r, &m->blobs[i], module, &last);
    }
    return st == WEIR_OK ? st : weir_report_set(rep, st, WEIR_NO_OFFSET, "", "%s", last.message);
}

static weir_status pull_image(const struct fetch_source *s, const struct fetch_options *opt,
                              struct fetch_result *out, struct weir_report *rep)
{
    struct fetch_registry r;
    struct fetch_answer a;
    struct fetch_manifest m;
    char digest[FETCH_DIGEST_LEN + 1];

    weir_status st = fetch_registry_init(&r, s, opt->secret, false, rep);
    if (st == WEIR_OK) {
        st = get_manifest(&r, s->digest.len != 0 ? s->digest : s->tag, &a, out->version, rep);
    }
    if (st == WEIR_OK && str_eq(opt->known, str_of(out->version))) {
        out->unchanged = true;
        fetch_answer_fini(&a);
        goto done;
    }
    if (st == WEIR_OK) {
        st = fetch_manifest_parse(strbuf_str(&a.body), &m, rep);
        fetch_answer_fini(&a);
    }
    if (st == WEIR_OK && m.index) {
        st = get_manifest(&r, str_of(m.blobs[0].digest), &a, digest, rep);
        if (st == WEIR_OK) {
            st = fetch_manifest_parse(strbuf_str(&a.body), &m, rep);
            fetch_answer_fini(&a);
        }
        if (st == WEIR_OK && m.index) {
            st = weir_report_set(rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "",
                                 "the image is an index of indexes");
        }
    }
    if (st == WEIR_OK) {
        st = get_module(&r, &m, &out->module, rep);
    }
done:
    fetch_registry_fini(&r);
    return st;
}

/* A URL of a server gets the secret's password for its host, if there is one, by https or from this machine.
 */
static weir_status get_url(const struct fetch_source *s, const struct fetch_options *opt,
                           struct fetch_result *out, struct weir_report *rep)
{
    struct fetch_registry r;
    struct fetch_answer a;
    struct strbuf url = {0}, known = {0};

    weir_status st = fetch_registry_init(&r, s, opt->secret, false, rep);
    if (s->scheme == FETCH_HTTP && !r.may_be_plain) {
        r.credentials.given = false;
    }
    strbuf_printf(&url, "%.*s", STR_ARG(s->url));
    strbuf_printf(&known, "%.*s", STR_ARG(opt->known));
    struct fetch_request request = {
        .method = "GET", .if_none_match = known.at, .max_bytes = FETCH_MODULE_BYTES_MAX};
    if (st == WEIR_OK) {
        st = fetch_registry_ask_at(&r, &request, url.at, &a, rep);
    }
    if (st == WEIR_OK) {
        if (a.status == 304 && known.len != 0) {
            out->unchanged = true;
            snprintf(out->version, sizeof out->version, "%s", known.at);
        } else if (a.status != 200) {
            st = fetch_registry_refused(&a, "the server", rep);
        } else {
            snprintf(out->version, sizeof out->version, "%s", a.etag);
            out->module = a.body;
            a.body = (struct strbuf){0};
        }
        fetch_answer_fini(&a);
    }
    fetch_registry_fini(&r);
    strbuf_fini(&url);
    strbuf_fini(&known);
    return st;
}

static weir_status check_module(const struct fetch_source *s, const struct fetch_options *opt,
                                const struct fetch_result *got, struct weir_report *rep)
{
    struct str module = strbuf_str(&got->module);
    char digest[FETCH_DIGEST_LEN + 1];

    digest_of(module, digest);
    bool pinned = opt->sha256.len != 0;
    bool is_image = s->scheme == FETCH_OCI && str_eq(opt->sha256, str_of(got->version + 7));
    if (pinned && !is_image && !str_eq(opt->sha256, str_of(digest + 7))) {
        return weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "",
                               "the module hashes to %s, not to its sha256", digest + 7);
    }
    if (!str_starts_with(module, str_make("\0asm", 4))) {
        return weir_report_set(rep, WEIR_E_MALFORMED, WEIR_NO_OFFSET, "",
                               "what came is no WebAssembly module (%zu bytes)", module.len);
    }
    return WEIR_OK;
}

weir_status fetch_module(struct str url, const struct fetch_options *opt, struct fetch_result *out,
                         struct weir_report *rep)
{
    struct fetch_source s;
    struct fetch_result got = {.unchanged = false};
    weir_status st = fetch_source_parse(url, &s, rep);

    if (st == WEIR_OK) {
        st = s.scheme == FETCH_OCI ? pull_image(&s, opt, &got, rep) : get_url(&s, opt, &got, rep);
    }
    if (st == WEIR_OK && !got.unchanged) {
        st = check_module(&s, opt, &got, rep);
    }
    if (st == WEIR_OK) {
        *out = got;
    } else {
        strbuf_fini(&got.module);
    }
    return st;
}
