/* pw/guest.c - results in guest memory, and the rules for header names and values. */
#include "pw/hostcalls.h"

#include "pw/pairs.h"

uint64_t pw_host_calls;

uint64_t pw_host_call_count(void)
{
    return pw_host_calls;
}

void *pw_result_alloc(struct pw_vm *vm, struct pw_result r, uint64_t bytes, enum pw_status *status)
{
    uint32_t addr = 0;
    void *at = NULL;

    if (bytes > UINT32_MAX) {
        *status = PW_INTERNAL_FAILURE;
        return NULL;
    }
    if (bytes != 0) {
        addr = pw_vm_guest_alloc(vm, (uint32_t)bytes);
        at = addr == 0 ? NULL : weir_memory_at(vm->inst, addr, (uint32_t)bytes);
        if (at == NULL) {
            *status = PW_INVALID_MEMORY_ACCESS;
            return NULL;
        }
    }
    /* The two addresses were checked before; memory does not shrink. */
    pw_guest_put_u32(vm->inst, r.addr_at, addr);
    pw_guest_put_u32(vm->inst, r.size_at, (uint32_t)bytes);
    *status = PW_OK;
    return at;
}

enum pw_status pw_result_put(struct pw_vm *vm, struct pw_result r, struct str data)
{
    enum pw_status status;
    void *at = pw_result_alloc(vm, r, data.len, &status);

    if (at != NULL) {
        memcpy(at, data.at, data.len);
    }
    return status;
}

enum pw_status pw_result_put_map(struct pw_vm *vm, struct pw_result r, struct pw_stream *s, enum pw_map map)
{
    const struct pw_server *server = s->server;
    size_t n = server->map_count(s->server_stream, map);
    struct pw_header h;
    uint64_t text_bytes = 0;
    enum pw_status status;

    if (n == 0) {
        return pw_result_put(vm, r, (struct str){"", 0});
    }
    for (size_t i = 0; i < n; i++) {
        if (!server->map_at(s->server_stream, map, i, &h)) {
            return PW_INTERNAL_FAILURE;
        }
        text_bytes += h.name.len + h.value.len;
    }

    uint64_t bytes = pw_pairs_bytes(n, text_bytes);
    void *at = pw_result_alloc(vm, r, bytes, &status);
    if (at == NULL) {
        return status;
    }
    /* The allocator is guest code: it may have changed the map.  The writer stays inside what was allocated.
     */
    struct pw_pairs_writer w;
    bool fits = pw_pairs_begin(&w, at, bytes, (uint32_t)n);
    for (size_t i = 0; fits && i < n; i++) {
        fits = server->map_at(s->server_stream, map, i, &h) && pw_pairs_add(&w, h);
    }
    return fits && pw_pairs_complete(&w) ? PW_OK : PW_INTERNAL_FAILURE;
}

/* RFC 9110's token, by bits; upper case comes out lower. */
static bool is_token_char(unsigned char c)
{
    static const uint32_t allowed[8] = {
        0x00000000, 0x03ff6cfa, /* ! # $ % & ' * + - . and digits */
        0xc7fffffe, 0x57ffffff, /* A-Z ^ _ ` a-z | ~ */
    };
    return allowed[c >> 5] >> (c & 31) & 1;
}

bool pw_header_name(struct str name, char *buf, struct str *out)
{
    size_t first = name.len > 1 && name.at[0] == ':' ? 1 : 0;

    if (name.len == 0 || name.len > PW_NAME_MAX) {
        return false;
    }
    buf[0] = name.at[0];
    for (size_t i = first; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (!is_token_char(c)) {
            return false;
        }
        buf[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    *out = (struct str){buf, name.len};
    return true;
}

bool pw_header_value_legal(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        if (c == '\0' || c == '\r' || c == '\n') {
            return false;
        }
    }
    return true;
}
