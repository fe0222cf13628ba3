/* fetch/push.c - two blobs and a manifest that names them. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "fetch/fetch.h"
#include "fetch/manifest.h"
#include "fetch/registry.h"

enum { ANSWER_BYTES_MAX = 1 << 20 };

static void digest_of(struct str bytes, char out[FETCH_DIGEST_LEN + 1])
{
    uint8_t raw[HASH_SHA256_BYTES];
    char hex[HASH_SHA256_HEX];

    hash_sha256_of(bytes.at, bytes.len, raw);
    hash_hex(raw, hex);
    snprintf(out, FETCH_DIGEST_LEN + 1, "sha256:%s", hex);
}

/* Where to upload to: the registry names it, often below itself. */
static weir_status upload_url(const struct fetch_registry *r, const struct fetch_answer *a,
                              const char *digest, struct strbuf *out, struct weir_report *rep)
{
    if (a->status != 202 || a->location[0] == '\0') {
        return fetch_registry_refused(a, "asked for an upload, the registry", rep);
    }
    if (a->location[0] == '/') {
        fetch_registry_base(r, out);
    } else if (strncmp(a->location, "https://", 8) != 0 &&
               !(r->plain && strncmp(a->location, "http://", 7) == 0)) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "",
                               "the registry wants the upload at \"%.100s\"", a->location);
    }
    strbuf_printf(out, "%s%cdigest=%s", a->location, strchr(a->location, '?') == NULL ? '?' : '&', digest);
    return WEIR_OK;
}

static weir_status push_blob(struct fetch_registry *r, struct str bytes, const char *digest,
                             struct weir_report *rep)
{
    struct fetch_request head = {.method = "HEAD", .max_bytes = ANSWER_BYTES_MAX};
    struct fetch_request post = {.method = "POST", .max_bytes = ANSWER_BYTES_MAX};
    struct fetch_request put = {.method = "PUT",
                                .content_type = "application/octet-stream",
                                .body = bytes,
                                .max_bytes = ANSWER_BYTES_MAX};
    struct fetch_answer a;
    struct strbuf url = {0};
    char path[FETCH_DIGEST_LEN + 8];

    snprintf(path, sizeof path, "blobs/%s", digest);
    weir_status st = fetch_registry_ask(r, &head, path, &a, rep);
    if (st != WEIR_OK) {
        return st;
    }
    bool there = a.status == 200;
    fetch_answer_fini(&a);
    if (there) {
        return WEIR_OK;
    }
    st = fetch_registry_ask(r, &post, "blobs/uploads/", &a, rep);
    if (st == WEIR_OK) {
        st = upload_url(r, &a, digest, &url, rep);
        fetch_answer_fini(&a);
    }
    if (st == WEIR_OK) {
        st = fetch_registry_ask_at(r, &put, url.at, &a, rep);
    }
    if (st == WEIR_OK) {
        if (a.status != 201) {
            st = fetch_registry_refused(&a, "given a blob, the registry", rep);
        }
        fetch_answer_fini(&a);
    }
    strbuf_fini(&url);
    return st;
}

static weir_status push_manifest(struct fetch_registry *r, struct str manifest, struct str reference,
                                 struct weir_report *rep)
{
    struct fetch_request put = {
        .method = "PUT", .content_type = FETCH_OCI_MANIFEST, .body = manifest, .max_bytes = ANSWER_BYTES_MAX};
    struct fetch_answer a;
    struct strbuf path = {0};

    strbuf_printf(&path, "manifests/%.*s", STR_ARG(reference));
    weir_status st = fetch_registry_ask(r, &put, path.at, &a, rep);
    if (st == WEIR_OK) {
        if (a.status != 201) {
            st = fetch_registry_refused(&a, "given the manifest, the registry", rep);
        }
        fetch_answer_fini(&a);
    }
    strbuf_fini(&path);
    return st;
}

weir_status fetch_push(struct str url, struct str module, struct str secret,
                       char digest[FETCH_DIGEST_LEN + 1], struct weir_report *rep)
{
    struct fetch_source s;
    struct fetch_registry r = {.http = NULL};
    struct strbuf config = {0}, manifest = {0};
    char of_module[FETCH_DIGEST_LEN + 1], of_config[FETCH_DIGEST_LEN + 1];

    weir_status st = fetch_source_parse(url, &s, rep);
    if (st == WEIR_OK && (s.scheme != FETCH_OCI || s.digest.len != 0)) {
        st = weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "",
                             "push to oci://HOST/REPOSITORY:TAG; the digest follows from the module");
    }
    if (st != WEIR_OK) {
        return st;
    }
    digest_of(module, of_module);
    fetch_manifest_write_config(of_module, &config);
    digest_of(strbuf_str(&config), of_config);
    fetch_manifest_write(of_config, config.len, of_module, module.len, &manifest);
    st = fetch_registry_init(&r, &s, secret, true, rep);
    if (st == WEIR_OK) {
        st = push_blob(&r, module, of_module, rep);
    }
    if (st == WEIR_OK) {
        st = push_blob(&r, strbuf_str(&config), of_config, rep);
    }
    if (st == WEIR_OK) {
        st = push_manifest(&r, strbuf_str(&manifest), s.tag, rep);
    }
    if (st == WEIR_OK) {
        digest_of(strbuf_str(&manifest), digest);
    }
    fetch_registry_fini(&r);
    strbuf_fini(&config);
    strbuf_fini(&manifest);
    return st;
}
