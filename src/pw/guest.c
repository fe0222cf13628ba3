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

enum pw_status pw_result_put_own(struct pw_vm *vm, struct pw_result r)
{
    enum pw_status status;
    size_t len = vm->result.len;
    void *dst = pw_result_alloc(vm, r, len, &status);

    if (dst != NULL && vm->result.at == NULL) {
        status = PW_INTERNAL_FAILURE;
    } else if (dst != NULL) {
        memcpy(dst, vm->result.at, len);
    }
    strbuf_fini(&vm->result);
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

/* RFC 9110's token characters, upper case lower; 0 for all others. */
#define UPPER(c) [c] = (c) + 0x20
static const char lower_token[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*', ['+'] = '+',
    ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|',   ['~'] = '~', ['0'] = '0',
    ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',   ['7'] = '7', ['8'] = '8',
    ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e',   ['f'] = 'f', ['g'] = 'g',
    ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm',   ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',   ['v'] = 'v', ['w'] = 'w',
    ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', UPPER('A'),  UPPER('B'),  UPPER('C'),    UPPER('D'),  UPPER('E'),
    UPPER('F'),  UPPER('G'),  UPPER('H'),  UPPER('I'),  UPPER('J'),  UPPER('K'),    UPPER('L'),  UPPER('M'),
    UPPER('N'),  UPPER('O'),  UPPER('P'),  UPPER('Q'),  UPPER('R'),  UPPER('S'),    UPPER('T'),  UPPER('U'),
    UPPER('V'),  UPPER('W'),  UPPER('X'),  UPPER('Y'),  UPPER('Z'),
};
#undef UPPER

bool pw_header_name(struct str name, char *buf, struct str *out)
{
    size_t first = name.len > 1 && name.at[0] == ':' ? 1 : 0;

    if (name.len == 0 || name.len > PW_NAME_MAX) {
        return false;
    }
    buf[0] = name.at[0];
    unsigned legal = 1;
    for (size_t i = first; i < name.len; i++) { /* to the end at any rate: short names, no branches */
        buf[i] = lower_token[(unsigned char)name.at[i]];
        legal &= buf[i] != '\0';
    }
    *out = (struct str){buf, name.len};
    return legal;
}

bool pw_header_value_legal(struct str value)
{
    unsigned char illegal = 0;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        illegal |= (c == '\0') | (c == '\r') | (c == '\n');
    }
    return !illegal;
}
