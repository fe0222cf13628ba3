/* fetch/tar.c - zlib, and a walk over headers of 512 bytes. */
#include "fetch/tar.h"

#include <zlib.h>

enum { BLOCK = 512, MAX_ENTRIES = 100000, GZIP_OR_ZLIB = 15 + 32 };

weir_status fetch_gunzip(struct strbuf *archive, size_t limit, struct weir_report *rep)
{
    unsigned char chunk[65536];
    struct strbuf out = {0};
    z_stream z = {.next_in = (unsigned char *)archive->at, .avail_in = (uInt)archive->len};
    weir_status st = WEIR_OK;
    int code = Z_OK;

    if (archive->len < 2 || (unsigned char)archive->at[0] != 0x1f || (unsigned char)archive->at[1] != 0x8b) {
        return WEIR_OK;
    }
    if (archive->len > UINT32_MAX || inflateInit2(&z, GZIP_OR_ZLIB) != Z_OK) {
        return weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "", "the layer is too large to unpack");
    }
    while (st == WEIR_OK && code != Z_STREAM_END) {
        z.next_out = chunk;
        z.avail_out = sizeof chunk;
        code = inflate(&z, Z_NO_FLUSH);
        size_t n = sizeof chunk - z.avail_out;
        if (code != Z_OK && code != Z_STREAM_END) {
            st = weir_report_set(rep, WEIR_E_MALFORMED, WEIR_NO_OFFSET, "",
                                 "the layer cannot be unpacked: its gzip data is damaged or ends early");
        } else if (n > limit - out.len) {
            st = weir_report_set(rep, WEIR_E_LIMIT, WEIR_NO_OFFSET, "",
                                 "the layer unpacks to more than %zu bytes", limit);
        } else {
            strbuf_add_bytes(&out, chunk, n);
        }
    }
    inflateEnd(&z);
    if (st != WEIR_OK) {
        strbuf_fini(&out);
        return st;
    }
    strbuf_fini(archive);
    *archive = out;
    return WEIR_OK;
}

/* Octal digits between spaces and NULs, or GNU's big-endian binary; false: neither, or too large. */
static bool read_number(const char *field, size_t len, uint64_t *out)
{
    const unsigned char *at = (const unsigned char *)field;
    uint64_t n = 0;
    size_t i = 0;

    if ((at[0] & 0x80) != 0) {
        for (n = at[0] & 0x7f, i = 1; i < len; i++) {
            if (n >> 40 != 0) {
                return false;
            }
            n = n << 8 | at[i];
        }
        *out = n;
        return true;
    }
    while (i < len && at[i] == ' ') {
        i++;
    }
    for (; i < len && at[i] >= '0' && at[i] <= '7'; i++) {
        n = n << 3 | (uint64_t)(at[i] - '0');
    }
    for (; i < len; i++) {
        if (at[i] != ' ' && at[i] != '\0') {
            return false;
        }
    }
    *out = n;
    return n >> 48 == 0;
}

static bool checksum_is_right(const char *header)
{
    uint64_t said, sum = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)header[i];
    }
    return read_number(header + 148, 8, &said) && said == sum;
}

/* The name in the header, without a "./" before it.  Longer ones, which GNU and pax write elsewhere, are none
 * that are looked for. */
static struct str name_of(const char *header)
{
    size_t n = strnlen(header, 100);
    struct str name = str_make(header, n);
    bool has_prefix = memcmp(header + 257, "ustar", 5) == 0 && header[345] != '\0';

    if (has_prefix) {
        return STR("");
    }
    while (str_starts_with(name, STR("./"))) {
        name = str_slice(name, 2, name.len);
    }
    return name;
}

static bool is_zero(const char *block)
{
    for (size_t i = 0; i < BLOCK; i++) {
        if (block[i] != '\0') {
            return false;
        }
    }
    return true;
}

weir_status fetch_tar_find(struct str archive, struct str *module, struct weir_report *rep)
{
    struct str other = STR("");
    size_t at = 0, entries = 0, nothers = 0;

    while (archive.len - at >= BLOCK && !is_zero(archive.at + at)) {
        const char *header = archive.at + at;
        uint64_t size;
        if (!checksum_is_right(header) || !read_number(header + 124, 12, &size) || ++entries > MAX_ENTRIES ||
            size > archive.len - at - BLOCK) {
            return weir_report_set(rep, WEIR_E_MALFORMED, at, "",
                                   "the layer is no tar archive, or it ends early");
        }
        char type = header[156];
        struct str name = name_of(header), content = str_make(header + BLOCK, size);
        bool file = type == '0' || type == '\0';
        if (file && str_eq(name, STR("plugin.wasm"))) {
            *module = content;
            return WEIR_OK;
        }
        if (file && str_ends_with(name, STR(".wasm"))) {
            other = content;
            nothers++;
        }
        uint64_t step = BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
        at = step > archive.len - at ? archive.len : at + (size_t)step;
    }
    if (nothers == 1) {
        *module = other;
        return WEIR_OK;
    }
    return weir_report_set(rep, WEIR_E_NOT_FOUND, WEIR_NO_OFFSET, "",
                           nothers == 0 ? "the layer has no plugin.wasm"
                                        : "the layer has several modules and no plugin.wasm");
}
