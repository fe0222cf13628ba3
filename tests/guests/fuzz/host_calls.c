/* host_calls - makes the host calls that tests/fuzz/fuzz_host_calls.c asks for, in every callback.
 *
 * weir_fuzz_next fills `args` and says which call comes next, numbered as in src/pw/abi.def, or 0: return.
 * The allocator asks, too: it makes host calls of its own, returns what the fuzzer likes, or traps. */
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))

#define P0 void
#define P1 u32
#define P2 P1, u32
#define P3 P2, u32
#define P4 P3, u32
#define P5 P4, u32
#define P6 P5, u32
#define P7 P6, u32
#define P8 P7, u32
#define P9 P8, u32
#define P10 P9, u32
#define P12 P10, u32, u32
#define DECLARE_i0(n) IMPORT(n) u32 n(P0);
#define DECLARE_i1(n) IMPORT(n) u32 n(P1);
#define DECLARE_i2(n) IMPORT(n) u32 n(P2);
#define DECLARE_i3(n) IMPORT(n) u32 n(P3);
#define DECLARE_i4(n) IMPORT(n) u32 n(P4);
#define DECLARE_i5(n) IMPORT(n) u32 n(P5);
#define DECLARE_i6(n) IMPORT(n) u32 n(P6);
#define DECLARE_i7(n) IMPORT(n) u32 n(P7);
#define DECLARE_i8(n) IMPORT(n) u32 n(P8);
#define DECLARE_i9(n) IMPORT(n) u32 n(P9);
#define DECLARE_i10(n) IMPORT(n) u32 n(P10);
#define DECLARE_i12(n) IMPORT(n) u32 n(P12);
#define DECLARE_iI(n) IMPORT(n) u32 n(u32, u64);
#define DECLARE_v1(n) IMPORT(n) void n(P1);
#define DECLARE_v4(n) IMPORT(n) void n(P4);

#define A1 args[0]
#define A2 A1, args[1]
#define A3 A2, args[2]
#define A4 A3, args[3]
#define A5 A4, args[4]
#define A6 A5, args[5]
#define A7 A6, args[6]
#define A8 A7, args[7]
#define A9 A8, args[8]
#define A10 A9, args[9]
#define A12 A10, args[10], args[11]
#define MAKE_i0(n) n()
#define MAKE_i1(n) n(A1)
#define MAKE_i2(n) n(A2)
#define MAKE_i3(n) n(A3)
#define MAKE_i4(n) n(A4)
#define MAKE_i5(n) n(A5)
#define MAKE_i6(n) n(A6)
#define MAKE_i7(n) n(A7)
#define MAKE_i8(n) n(A8)
#define MAKE_i9(n) n(A9)
#define MAKE_i10(n) n(A10)
#define MAKE_i12(n) n(A12)
#define MAKE_iI(n) n(args[0], (u64)args[1] << 32 | args[2])
#define MAKE_v1(n) (n(A1), 0)
#define MAKE_v4(n) (n(A4), 0)

#define PW_CALL(name, sig, ...) DECLARE_##sig(name)
#include "../../../src/pw/abi.def"

IMPORT(weir_fuzz_next) u32 weir_fuzz_next(u32 *args, char *data);

static u32 args[16];
static char data[8192]; /* what strings may be made of; the fuzzer writes it and knows where it is */

static u32 make(u32 call)
{
    enum {
        NONE,
#define PW_CALL(name, ...) CALL_##name,
#include "../../../src/pw/abi.def"
    };
    switch (call) {
#define PW_CALL(name, sig, ...)                                                                              \
    case CALL_##name:                                                                                        \
        return MAKE_##sig(name);
#include "../../../src/pw/abi.def"
    default:
        return 0;
    }
}

static u32 run(void)
{
    u32 call, last = 0;
    while ((call = weir_fuzz_next(args, data)) != 0) {
        last = make(call);
    }
    return last;
}

EXPORT(proxy_abi_version_0_2_100) void marker(void)
{
}

EXPORT(malloc) u32 allocate(u32 size)
{
    static u32 nested;
    u32 v = 0;
    if (nested < 3) {
        nested++;
        run();
        nested--;
    }
    weir_fuzz_next(args, 0);
    switch (args[0] & 7) {
    case 0:
        return 0;
    case 1:
        return args[1];
    case 2:
        if (args[1] % 16 == 0) {
            __builtin_trap();
        }
        return 0xffffffff - size;
    case 3:
        if (args[1] % 16 == 1) {
            __builtin_wasm_memory_grow(0, 1);
        }
        v = (u32)data;
        return v;
    default:
        return (u32)data + (args[1] & 0xfff);
    }
}

#define CALLBACK(name, ...)                                                                                  \
    EXPORT(name) u32 on_##name(__VA_ARGS__)                                                                  \
    {                                                                                                        \
        return run();                                                                                        \
    }
#define VOID_CALLBACK(name, ...)                                                                             \
    EXPORT(name) void on_##name(__VA_ARGS__)                                                                 \
    {                                                                                                        \
        run();                                                                                               \
    }
VOID_CALLBACK(proxy_on_context_create, u32 a, u32 b)
CALLBACK(proxy_on_request_headers, u32 a, u32 b, u32 c)
CALLBACK(proxy_on_request_body, u32 a, u32 b, u32 c)
CALLBACK(proxy_on_request_trailers, u32 a, u32 b)
CALLBACK(proxy_on_response_headers, u32 a, u32 b, u32 c)
CALLBACK(proxy_on_response_body, u32 a, u32 b, u32 c)
CALLBACK(proxy_on_response_trailers, u32 a, u32 b)
VOID_CALLBACK(proxy_on_http_call_response, u32 a, u32 b, u32 c, u32 d, u32 e)
VOID_CALLBACK(proxy_on_grpc_receive, u32 a, u32 b, u32 c)
VOID_CALLBACK(proxy_on_grpc_close, u32 a, u32 b, u32 c)
VOID_CALLBACK(proxy_on_redis_call_response, u32 a, u32 b, u32 c, u32 d)
VOID_CALLBACK(envoy_on_resolve_dns, u32 a, u32 b, u32 c)
VOID_CALLBACK(proxy_on_tick, u32 a)
VOID_CALLBACK(proxy_on_queue_ready, u32 a, u32 b)
CALLBACK(proxy_on_new_connection, u32 a)
CALLBACK(proxy_on_downstream_data, u32 a, u32 b, u32 c)
CALLBACK(proxy_on_upstream_data, u32 a, u32 b, u32 c)
VOID_CALLBACK(proxy_on_downstream_connection_close, u32 a, u32 b)
VOID_CALLBACK(proxy_on_log, u32 a)
CALLBACK(proxy_on_done, u32 a)
VOID_CALLBACK(proxy_on_delete, u32 a)
