/* trapper - traps as the header x-trap says (see trap_by); else the request goes on.
 *
 * Built with DWARF and the name section, so that tests can look for functions, files and lines in a crash
 * report.  x-trap-in says where: request (the default) or response.  A configuration "trap" traps in
 * configure. */
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
                 {"loop", trap_loop},
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
