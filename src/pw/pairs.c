/* pw/pairs.c - serialised pairs (host facts 1.13). */
#include "pw/pairs.h"

#include "base/bytes.h"

int pw_pairs_decode(const void *blob, size_t bytes, struct pw_header *out)
{
    const uint8_t *sizes = blob;

    if (bytes == 0) {
        return 0;
    }
    if (bytes < 4 || bytes > PW_PAIRS_MAX_BYTES) {
        return -1;
    }
    uint32_t n = bytes_get_u32(sizes);
    if (n > PW_PAIRS_MAX || (bytes - 4) / 8 < n) {
        return -1;
    }

    const uint8_t *end = sizes + bytes;
    const uint8_t *at = sizes + 4 + (size_t)n * 8;
    sizes += 4;
    for (uint32_t i = 0; i < n; i++, sizes += 8) {
        struct str *part[2] = {&out[i].name, &out[i].value};
        for (int k = 0; k < 2; k++) {
            uint32_t len = bytes_get_u32(sizes + 4 * k);
            if ((size_t)(end - at) <= len || at[len] != '\0') {
                return -1;
            }
            *part[k] = (struct str){(const char *)at, len};
            at += (size_t)len + 1;
        }
    }
    return at == end ? (int)n : -1;
}

bool pw_pairs_begin(struct pw_pairs_writer *w, void *buffer, size_t bytes, uint32_t n)
{
    uint8_t *start = buffer;

    if (bytes < pw_pairs_bytes(n, 0)) {
        return false;
    }
    bytes_put_u32(start, n);
    w->sizes = start + 4;
    w->text = start + 4 + (size_t)n * 8;
    w->end = start + bytes;
    w->left = n;
    return true;
}

static uint8_t *put_text(uint8_t *at, struct str s)
{
    if (s.len != 0) {
        memcpy(at, s.at, s.len);
    }
    at[s.len] = '\0';
    return at + s.len + 1;
}

bool pw_pairs_add(struct pw_pairs_writer *w, struct pw_header h)
{
    size_t room = (size_t)(w->end - w->text);

    if (w->left == 0 || room < 2 || h.name.len > room - 2 || h.value.len > room - 2 - h.name.len) {
        return false;
    }
    w->left--;
    bytes_put_u32(w->sizes, (uint32_t)h.name.len);
    bytes_put_u32(w->sizes + 4, (uint32_t)h.value.len);
    w->sizes += 8;
    w->text = put_text(w->text, h.name);
    w->text = put_text(w->text, h.value);
    return true;
}

bool pw_pairs_complete(const struct pw_pairs_writer *w)
{
    return w->left == 0 && w->text == w->end;
}
