/* tests/guests/host/guest.h - what the guests of the tests share: host calls, an allocator, text.
 *
 * A guest is one C file without libc.  It says which ABI marker it exports by GUEST_MARKER (default 0.2.1).
 */
#ifndef GUESTS_HOST_GUEST_H
#define GUESTS_HOST_GUEST_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(module, name) __attribute__((import_module(#module), import_name(#name)))

#ifndef GUEST_MARKER
#define GUEST_MARKER proxy_abi_version_0_2_1
#endif
#define GUEST_STRING2(x) #x
#define GUEST_STRING(x) GUEST_STRING2(x)
#ifndef GUEST_NO_MARKER
__attribute__((export_name(GUEST_STRING(GUEST_MARKER)))) void guest_marker(void)
{
}
#endif

/* ---- host calls ---------------------------------------------------------------------- */

#define HOST(name, ...) IMPORT(env, name) u32 name(__VA_ARGS__);

HOST(proxy_log, u32 level, const void *text, u32 len)
HOST(proxy_get_log_level, u32 *level)
HOST(proxy_get_current_time_nanoseconds, u64 *time)
HOST(proxy_get_status, u32 *code, void **at, u32 *len)
HOST(proxy_set_tick_period_milliseconds, u32 period)
HOST(proxy_set_effective_context, u32 id)
HOST(proxy_done, void)
HOST(proxy_send_local_response, u32 status, const void *details, u32 details_len, const void *body,
     u32 body_len, const void *headers, u32 headers_len, u32 grpc_status)
HOST(proxy_continue_stream, u32 type)
HOST(proxy_close_stream, u32 type)
HOST(proxy_continue_request, void)
HOST(proxy_continue_response, void)
HOST(proxy_clear_route_cache, void)
HOST(proxy_get_header_map_value, u32 map, const void *name, u32 name_len, void **at, u32 *len)
HOST(proxy_add_header_map_value, u32 map, const void *name, u32 name_len, const void *value, u32 len)
HOST(proxy_replace_header_map_value, u32 map, const void *name, u32 name_len, const void *value, u32 len)
HOST(proxy_remove_header_map_value, u32 map, const void *name, u32 name_len)
HOST(proxy_get_header_map_pairs, u32 map, void **at, u32 *len)
HOST(proxy_set_header_map_pairs, u32 map, const void *at, u32 len)
HOST(proxy_get_header_map_size, u32 map, u32 *bytes)
HOST(proxy_get_buffer_bytes, u32 buffer, u32 start, u32 max, void **at, u32 *len)
HOST(proxy_get_buffer_status, u32 buffer, u32 *len, u32 *flags)
HOST(proxy_set_buffer_bytes, u32 buffer, u32 start, u32 len, const void *at, u32 at_len)
HOST(proxy_get_configuration, void **at, u32 *len)
HOST(proxy_get_property, const void *path, u32 path_len, void **at, u32 *len)
HOST(proxy_set_property, const void *path, u32 path_len, const void *at, u32 len)
HOST(proxy_http_call, const void *upstream, u32 ulen, const void *headers, u32 hlen, const void *body,
     u32 blen, const void *trailers, u32 tlen, u32 timeout, u32 *token)
HOST(proxy_grpc_call, const void *s, u32 slen, const void *n, u32 nlen, const void *m, u32 mlen,
     const void *i, u32 ilen, const void *msg, u32 msglen, u32 timeout, u32 *token)
HOST(proxy_grpc_stream, const void *s, u32 slen, const void *n, u32 nlen, const void *m, u32 mlen,
     const void *i, u32 ilen, u32 *token)
HOST(proxy_grpc_send, u32 token, const void *msg, u32 len, u32 end)
HOST(proxy_grpc_cancel, u32 token)
HOST(proxy_grpc_close, u32 token)
HOST(proxy_get_shared_data, const void *key, u32 klen, void **at, u32 *len, u32 *cas)
HOST(proxy_set_shared_data, const void *key, u32 klen, const void *at, u32 len, u32 cas)
HOST(proxy_register_shared_queue, const void *name, u32 len, u32 *id)
HOST(proxy_resolve_shared_queue, const void *vm, u32 vlen, const void *name, u32 len, u32 *id)
HOST(proxy_dequeue_shared_queue, u32 id, void **at, u32 *len)
HOST(proxy_enqueue_shared_queue, u32 id, const void *at, u32 len)
HOST(proxy_define_metric, u32 type, const void *name, u32 len, u32 *id)
HOST(proxy_increment_metric, u32 id, u64 delta)
HOST(proxy_record_metric, u32 id, u64 value)
HOST(proxy_get_metric, u32 id, u64 *value)
HOST(proxy_call_foreign_function, const void *name, u32 nlen, const void *args, u32 alen, void **at, u32 *len)
HOST(proxy_redis_init, const void *s, u32 slen, const void *u, u32 ulen, const void *p, u32 plen, u32 timeout)
HOST(proxy_redis_call, const void *s, u32 slen, const void *q, u32 qlen, u32 *token)
HOST(proxy_inject_encoded_data_to_filter_chain, const void *at, u32 len, u32 end)
HOST(proxy_get_upstream_hosts, void **at, u32 *len)
HOST(proxy_set_upstream_override_host, const void *at, u32 len)
HOST(pthread_equal, u32 a, u32 b)
HOST(envoy_resolve_dns, const void *name, u32 len, u32 *token)
IMPORT(env, emscripten_notify_memory_growth) void emscripten_notify_memory_growth(u32 memory);

/* ---- memory --------------------------------------------------------------------------- */

extern unsigned char __heap_base;

/* Memory that nobody gives back; it starts over at the beginning of every stream (heap_reset). */
static u32 heap_next;

static inline void heap_reset(void)
{
    heap_next = 0;
}

static inline void *heap_alloc(u32 bytes)
{
    if (heap_next == 0) {
        heap_next = (u32)(uintptr_t)&__heap_base;
    }
    u32 at = (heap_next + 15) & ~15u;
    u32 end = at + bytes, have = (u32)__builtin_wasm_memory_size(0) << 16;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (size_t)-1) {
        __builtin_trap();
    }
    heap_next = end;
    return (void *)(uintptr_t)at;
}

#ifndef GUEST_NO_MALLOC
/* The host never asks for nothing. */
EXPORT(malloc) void *guest_malloc(u32 bytes)
{
    if (bytes == 0) {
        __builtin_trap();
    }
    return heap_alloc(bytes);
}
#endif

/* ---- text ------------------------------------------------------------------------------- */

static inline u32 text_len(const char *s)
{
    u32 n = 0;
    while (s[n] != '\0') {
        n++;
    }
    return n;
}

struct text {
    char at[4096];
    u32 len;
};

static inline void put_char(struct text *t, char c)
{
    if (t->len < sizeof t->at) {
        t->at[t->len++] = c;
    }
}

static inline void put_bytes(struct text *t, const char *at, u32 len)
{
    for (u32 i = 0; i < len; i++) {
        put_char(t, at[i]);
    }
}

static inline void put(struct text *t, const char *s)
{
    put_bytes(t, s, text_len(s));
}

static inline void put_number(struct text *t, u64 v)
{
    char digits[20];
    u32 n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    while (n != 0) {
        put_char(t, digits[--n]);
    }
}

static inline void put_hex(struct text *t, const void *at, u32 len)
{
    const unsigned char *p = at;
    for (u32 i = 0; i < len; i++) {
        put_char(t, "0123456789abcdef"[p[i] >> 4]);
        put_char(t, "0123456789abcdef"[p[i] & 15]);
    }
}

static inline void say(u32 level, const struct text *t)
{
    proxy_log(level, t->at, t->len);
}

/* "name=status" on level info. */
static inline void say_status(const char *name, u32 status)
{
    struct text t;
    t.len = 0;
    put(&t, name);
    put_char(&t, '=');
    put_number(&t, status);
    say(2, &t);
}

#endif
