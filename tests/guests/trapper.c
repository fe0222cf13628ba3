/* trapper - traps as the header x-trap says (see trap_by); else the request goes on.
 *
 * Built with DWARF and the name section, so that tests can look for functions, files and lines in a crash
 * report.  x-trap-in says where: request (the default) or response.  A configuration "trap" traps in
 * configure.  Built with clang's checks for null pointers, which make a trap of an access through one. */
#include "weir_plugin.h"

struct root {
    struct wp_root wp;
};

struct stream {
    struct wp_stream wp;
    char where[16], how[16];
};

WP_PLUGIN(struct root, struct stream)

static volatile int seven = 7, zero;
static volatile uint32_t sink;

__attribute__((noinline)) static void trap_unreachable(void)
{
    __builtin_trap();
}

static uint32_t *volatile nowhere;

__attribute__((noinline)) static void trap_null(void)
{
    sink = *nowhere; /* address 0 is memory like any other: the check in front of it traps */
}

__attribute__((import_module("env"), import_name("abort"))) void
script_abort(const void *message, const void *file, uint32_t line, uint32_t column);

/* What AssemblyScript makes of an exception that nobody catches. */
__attribute__((noinline)) static void trap_throw(void)
{
    static const struct {
        uint32_t bytes;
        uint16_t units[4];
    } message = {8, {'o', 'o', 'p', 's'}}, file = {8, {'a', '.', 't', 's'}};
    script_abort(message.units, file.units, 12, 3);
}

__attribute__((noinline)) static void trap_oob(void)
{
    sink = *(volatile uint32_t *)0xfffffff0u;
}

__attribute__((noinline)) static void trap_div0(void)
{
    sink = (uint32_t)(seven / zero);
}

/* Nothing of it lies on the stack in memory, so it is the engine's that overflows. */
__attribute__((noinline)) static uint32_t recurse(uint32_t n)
{
    if (n == UINT32_MAX) {
        return 0;
    }
    return recurse(n + 1) * 3 + sink;
}

__attribute__((noinline)) static void trap_stack(void)
{
    sink = recurse(0);
}

__attribute__((noinline)) static uint32_t trap_by_one(uint32_t n)
{
    return n + sink;
}

__attribute__((noinline)) static void trap_call(void)
{
    void (*volatile wrong)(void) = (void (*)(void))(uintptr_t)trap_by_one;
    wrong();
}

/* The guest asks for more than its limit, and does what a language's allocator does then. */
__attribute__((noinline)) static void trap_alloc(void)
{
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {
        sink++;
    }
    __builtin_trap();
}

__attribute__((noinline)) static void trap_loop(void)
{
    for (;;) {
        sink++;
    }
}

/* Recursion that never gets deep, and never ends. */
__attribute__((noinline)) static uint32_t branch(uint32_t depth)
{
    return depth == 0 ? sink : branch(depth - 1) + branch(depth - 1) * 3;
}

__attribute__((noinline)) static void trap_fib(void)
{
    for (;;) {
        sink = branch(6); /* few enough for the line of a trap */
    }
}

__attribute__((import_module("env"), import_name("proxy_call_foreign_function"))) uint32_t
foreign(const void *name, uint32_t name_len, const void *args, uint32_t len, void **at, uint32_t *result_len);

/* Nearly all of the time is the host's: it compresses. */
__attribute__((noinline)) static void trap_work(void)
{
    static unsigned char noise[512 << 10];
    uint32_t x = 88172645;

    for (uint32_t i = 0; i < sizeof noise; i++) {
        x = x * 1664525u + 1013904223u;
        noise[i] = (unsigned char)(x >> 24);
    }
    for (;;) {
        foreign("compress", 8, noise, sizeof noise, NULL, NULL);
    }
}

/* Nearly all of the time is the host's: it copies. */
__attribute__((noinline)) static void trap_copy(void)
{
    static char bytes[256 << 10];

    for (;;) {
        wp_property_set(WP_STR("copied"), (struct wp_str){bytes, sizeof bytes});
    }
}

__attribute__((noinline)) static void trap_host(void)
{
    for (;;) {
        sink += (uint32_t)wp_now_ns();
    }
}

__attribute__((noinline)) static void trap_by(const char *how)
{
    static const struct {
        const char *name;
        void (*trap)(void);
    } traps[] = {{"unreachable", trap_unreachable},
                 {"oob", trap_oob},
                 {"div0", trap_div0},
                 {"stack", trap_stack},
                 {"call", trap_call},
                 {"alloc", trap_alloc},
                 {"null", trap_null},
                 {"throw", trap_throw},
                 {"loop", trap_loop},
                 {"fib", trap_fib},
                 {"work", trap_work},
                 {"copy", trap_copy},
                 {"host", trap_host}};
    for (size_t i = 0; i < sizeof traps / sizeof *traps; i++) {
        if (strcmp(how, traps[i].name) == 0) {
            traps[i].trap();
        }
    }
}

static bool configure(struct root *root, struct wp_str config)
{
    (void)root;
    if (wp_str_eq(config, WP_STR("trap"))) {
        trap_unreachable();
    }
    return true;
}

static void keep(char dst[16], struct wp_str s)
{
    wp_snprintf(dst, 16, "%.*s", WP_ARG(s));
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    keep(s->how, wp_request_header(WP_STR("x-trap")));
    keep(s->where, wp_request_header(WP_STR("x-trap-in")));
    if (s->where[0] == '\0' || strcmp(s->where, "request") == 0) {
        trap_by(s->how);
    }
    return WP_CONTINUE;
}

static enum wp_action response_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    if (strcmp(s->where, "response") == 0) {
        trap_by(s->how);
    }
    return WP_CONTINUE;
}

WP_ON_CONFIGURE(configure)
WP_ON_REQUEST_HEADERS(request_headers)
WP_ON_RESPONSE_HEADERS(response_headers)
