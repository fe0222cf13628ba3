/* fetch/manifest.c - JSON of a registry, read without trust. */
#include "fetch/manifest.h"

#include <jansson.h>

enum { MAX_INDEX = 256 };

static struct str text_of(const json_t *object, const char *member)
{
    const json_t *v = json_object_get(object, member);
    return json_is_string(v) ? str_make(json_string_value(v), json_string_length(v)) : STR("");
}

static weir_status malformed(struct weir_report *rep, const char *what)
{
    return weir_report_set(rep, WEIR_E_MALFORMED, WEIR_NO_OFFSET, "", "the image's manifest %s", what);
}

static bool read_blob(const json_t *descriptor, enum fetch_layer_form form, struct fetch_blob *out)
{
    struct str digest = text_of(descriptor, "digest");
    const json_t *size = json_object_get(descriptor, "size");

    if (!fetch_is_digest(digest) || !json_is_integer(size) || json_integer_value(size) < 0) {
        return false;
    }
    memcpy(out->digest, digest.at, digest.len);
    out->digest[digest.len] = '\0';
    out->size = (uint64_t)json_integer_value(size);
    out->form = form;
    return true;
}

static weir_status read_index(const json_t *list, struct fetch_manifest *out, struct weir_report *rep)
{
    size_t chosen = 0, n = json_array_size(list);

    if (n == 0 || n > MAX_INDEX) {
        return malformed(rep, n == 0 ? "is an index of nothing" : "is an index of too many platforms");
    }
    for (size_t i = n; i-- != 0;) {
        const json_t *platform = json_object_get(json_array_get(list, i), "platform");
        if (str_starts_with(text_of(platform, "architecture"), STR("wasm"))) {
            chosen = i;
        }
    }
    if (!read_blob(json_array_get(list, chosen), FETCH_LAYER_WASM, &out->blobs[0])) {
        return malformed(rep, "is an index whose entry has no sha256 digest and size");
    }
    out->index = true;
    out->nblobs = 1;
    return WEIR_OK;
}

enum kind { OTHER, WASM, TAR };

static enum kind kind_of(struct str type)
{
    static const struct {
        const char *type;
        enum kind kind;
    } types[] = {
        {FETCH_WASM_LAYER, WASM},
        {"application/vnd.wasm.content.layer.v1+wasm", WASM},
        {"application/wasm", WASM},
        {"application/vnd.oci.image.layer.v1.tar", TAR},
        {"application/vnd.oci.image.layer.v1.tar+gzip", TAR},
        {"application/vnd.docker.image.rootfs.diff.tar", TAR},
        {"application/vnd.docker.image.rootfs.diff.tar.gzip", TAR},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (str_eq(type, str_of(types[i].type))) {
            return types[i].kind;
        }
    }
    return OTHER;
}

static weir_status read_layers(const json_t *list, struct fetch_manifest *out, struct weir_report *rep)
{
    size_t n = json_array_size(list);

    if (n > FETCH_MAX_LAYERS) {
        return malformed(rep, "has too many layers");
    }
    for (int wanted = WASM; wanted <= TAR && out->nblobs == 0; wanted++) {
        for (size_t i = n; i-- != 0;) {
            const json_t *layer = json_array_get(list, i);
            if ((int)kind_of(text_of(layer, "mediaType")) != wanted) {
                continue;
            }
            if (!read_blob(layer, wanted == WASM ? FETCH_LAYER_WASM : FETCH_LAYER_TAR,
                           &out->blobs[out->nblobs])) {
                return malformed(rep, "has a layer without a sha256 digest and size");
            }
            out->nblobs++;
        }
    }
    if (out->nblobs == 0) {
        struct str type = n == 0 ? STR("none") : text_of(json_array_get(list, n - 1), "mediaType");
        return weir_report_set(rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "",
                               "the image has no layer with a module: its last layer is \"%.*s\", wanted is "
                               "\"%s\" or a tar layer with plugin.wasm",
                               (int)(type.len < 80 ? type.len : 80), type.at, FETCH_WASM_LAYER);
    }
    return WEIR_OK;
}

weir_status fetch_manifest_parse(struct str text, struct fetch_manifest *out, struct weir_report *rep)
{
    struct fetch_manifest m = {.nblobs = 0};
    json_t *json = json_loadb(text.at == NULL ? "" : text.at, text.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *version = json_object_get(json, "schemaVersion");
    const json_t *index = json_object_get(json, "manifests"), *layers = json_object_get(json, "layers");
    weir_status st;

    if (json == NULL) {
        st = malformed(rep, "is no JSON; is this a registry?");
    } else if (!json_is_integer(version) || json_integer_value(version) != 2) {
        st = malformed(rep, "is not of schemaVersion 2");
    } else if (json_is_array(index)) {
        st = read_index(index, &m, rep);
    } else if (json_is_array(layers)) {
        st = read_layers(layers, &m, rep);
    } else {
        st = malformed(rep, "lists no layers");
    }
    json_decref(json);
    if (st == WEIR_OK) {
        *out = m;
    }
    return st;
}

void fetch_manifest_write_config(const char *digest, struct strbuf *out)
{
    strbuf_printf(out,
                  "{\"architecture\":\"wasm\",\"os\":\"wasi\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":"
                  "[\"%s\"]}}",
                  digest);
}

void fetch_manifest_write(const char *config_digest, size_t config_size, const char *digest, size_t size,
                          struct strbuf *out)
{
    strbuf_printf(out,
                  "{\"schemaVersion\":2,\"mediaType\":\"" FETCH_OCI_MANIFEST "\","
                  "\"config\":{\"mediaType\":\"" FETCH_WASM_CONFIG "\",\"digest\":\"%s\",\"size\":%zu},"
                  "\"layers\":[{\"mediaType\":\"" FETCH_WASM_LAYER "\",\"digest\":\"%s\",\"size\":%zu,"
                  "\"annotations\":{\"org.opencontainers.image.title\":\"plugin.wasm\"}}]}",
                  config_digest, config_size, digest, size);
}
