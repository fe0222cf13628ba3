/* headers.c - header maps, serialised pairs, local responses.
 *
 * Serialised pairs: count, then per entry the lengths of name and value (all u32, little-endian, as
 * WebAssembly itself is), then per entry the name, a NUL, the value, a NUL. */
#include "internal.h"

bool wp_header_get(enum wp_map map, struct wp_str name, struct wp_str *value)
{
    char *at = NULL;
    size_t len = 0;
    bool found = proxy_get_header_map_value(map, name.at, name.len, &at, &len) == WP_OK;
    *value = found ? wp_host_str(at, len) : WP_STR("");
    return found;
}

struct wp_str wp_request_header(struct wp_str name)
{
    struct wp_str value;
    wp_header_get(WP_REQUEST_HEADERS, name, &value);
    return value;
}

struct wp_str wp_response_header(struct wp_str name)
{
    struct wp_str value;
    wp_header_get(WP_RESPONSE_HEADERS, name, &value);
    return value;
}

enum wp_status wp_header_add(enum wp_map map, struct wp_str name, struct wp_str value)
{
    return (enum wp_status)proxy_add_header_map_value(map, name.at, name.len, value.at, value.len);
}

enum wp_status wp_header_replace(enum wp_map map, struct wp_str name, struct wp_str value)
{
    return (enum wp_status)proxy_replace_header_map_value(map, name.at, name.len, value.at, value.len);
}

enum wp_status wp_header_remove(enum wp_map map, struct wp_str name)
{
    return (enum wp_status)proxy_remove_header_map_value(map, name.at, name.len);
}

static uint32_t read_u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

bool wp_pairs_parse(struct wp_str data, struct wp_pairs *out)
{
    *out = (struct wp_pairs){.data = WP_STR("")};
    if (data.len == 0) {
        return true;
    }
    if (data.len < 4) {
        return false;
    }
    uint32_t count = read_u32(data.at);
    if (count > (data.len - 4) / 8) {
        return false;
    }
    uint64_t at = 4 + (uint64_t)count * 8;
    for (uint32_t i = 0; i < 2 * count; i++) {
        uint64_t len = read_u32(data.at + 4 + (size_t)i * 4);
        if (at + len + 1 > data.len || data.at[at + len] != '\0') {
            return false;
        }
        at += len + 1;
    }
    if (at != data.len) {
        return false;
    }
    *out = (struct wp_pairs){.data = data, .count = count, .at = 4 + (size_t)count * 8};
    return true;
}

bool wp_pairs_next(struct wp_pairs *pairs, struct wp_header *out)
{
    if (pairs->next >= pairs->count) {
        return false;
    }
    const char *lengths = pairs->data.at + 4 + (size_t)pairs->next * 8;
    out->name = (struct wp_str){pairs->data.at + pairs->at, read_u32(lengths)};
    out->value = (struct wp_str){out->name.at + out->name.len + 1, read_u32(lengths + 4)};
    pairs->at += out->name.len + out->value.len + 2;
    pairs->next++;
    return true;
}

struct wp_pairs wp_headers(enum wp_map map)
{
    struct wp_pairs pairs = {.data = WP_STR("")};
    char *at = NULL;
    size_t len = 0;
    if (proxy_get_header_map_pairs(map, &at, &len) == WP_OK) {
        wp_pairs_parse(wp_host_str(at, len), &pairs);
    }
    return pairs;
}

static char *write_str(char *p, struct wp_str s)
{
    if (s.len != 0) {
        memcpy(p, s.at, s.len);
    }
    p[s.len] = '\0';
    return p + s.len + 1;
}

struct wp_str wp_pairs_write(const struct wp_header *entries, size_t n)
{
    size_t size = 4;
    for (size_t i = 0; i < n; i++) {
        size += 8 + entries[i].name.len + entries[i].value.len + 2;
    }
    char *data = wp_arena_alloc(wp_callback_arena(), size);
    uint32_t count = (uint32_t)n;
    memcpy(data, &count, 4);
    char *lengths = data + 4, *p = data + 4 + n * 8;
    for (size_t i = 0; i < n; i++, lengths += 8) {
        uint32_t len[2] = {(uint32_t)entries[i].name.len, (uint32_t)entries[i].value.len};
        memcpy(lengths, len, 8);
        p = write_str(p, entries[i].name);
        p = write_str(p, entries[i].value);
    }
    return (struct wp_str){data, size};
}

enum wp_status wp_headers_set(enum wp_map map, const struct wp_header *entries, size_t n)
{
    struct wp_str data = wp_pairs_write(entries, n);
    return (enum wp_status)proxy_set_header_map_pairs(map, data.at, data.len);
}

enum wp_status wp_respond(const struct wp_response *r)
{
    struct wp_str headers = {NULL, 0};
    if (r->nheaders != 0) {
        headers = wp_pairs_write(r->headers, r->nheaders);
    }
    return (enum wp_status)proxy_send_local_response(r->status, r->details.at, r->details.len, r->body.at,
                                                     r->body.len, headers.at, headers.len, -1);
}
