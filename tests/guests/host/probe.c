/* probe - makes the host calls that its input spells, and logs what each returned.
 *
 * Every callback logs itself with its parameters on level trace ("on_log 2") and then runs a script, if it
 * has one: request headers x-create, x-request, x-response, x-done, x-log, x-delete for the callbacks of a
 * stream (they are read with get_header_map_value), lines "create: ...", "start: ..." and "configure: ..." of
 * the configuration for those of a root, the whole VM configuration for on_vm_start.
 *
 * Built as probe_body, it has the callbacks of bodies and trailers too, with scripts in x-reqbody,
 * x-respbody, x-reqtrailers and x-resptrailers: one for each call, separated by '|', the last for all that
 * follow.
 *
 * Built as probe_tcp, it has the callbacks of connections (probe_tcp.c).
 *
 * A script is commands separated by ';', each a word and its arguments separated by blanks; '~' in an
 * argument stands for a NUL, '_' as a whole argument for the empty string, '@' for the callback's own
 * context.  `call SERVICE PATH TIMEOUT BODY NAME [trailer value]` sends a request; its answer runs the script
 * that request header x-NAME, or line "NAME: ..." of the configuration, had when it was sent, with '@' as the
 * context that sent it and the root's as its own.  Each command logs "command arguments = status value" on
 * level info. */
#include "guest.h"

IMPORT(wasi_snapshot_preview1, fd_write) u32 fd_write(u32 fd, const u32 *iovs, u32 n, u32 *written);
IMPORT(wasi_snapshot_preview1, proc_exit) void proc_exit(u32 code);
IMPORT(wasi_unstable, environ_sizes_get) u32 environ_sizes_get(u32 *count, u32 *bytes);
IMPORT(wasi_unstable, environ_get) u32 environ_get(char **list, char *text);
IMPORT(wasi_snapshot_preview1, clock_time_get) u32 clock_time_get(u32 id, u64 precision, u64 *time);

#ifdef PROBE_TCP
static void tcp_configure(u32 root);
static void tcp_create(u32 ctx, u32 root);
static int tcp_find_answer(u32 ctx, char **script, u32 *len);
static u32 tcp_newest(u32 root);
#endif

enum { MAX_ARGS = 16 };

struct arg {
    char at[256];
    u32 len;
};

struct call {
    u32 self;
    u32 result; /* of the callback */
    u32 end;    /* end_of_stream of a body callback */
    u32 stop;   /* the script ends here */
    struct arg args[MAX_ARGS];
    u32 nargs;
    struct text out;
};

/* Not recursive, and too large for the stack. */
static struct call the_call;

static u32 number(const struct call *c, u32 i)
{
    u32 v = 0;
    if (i >= c->nargs) {
        return 0;
    }
    if (c->args[i].at[0] == '@') {
        return c->self;
    }
    if (c->args[i].at[0] == '-') {
        return 0u - (u32)(c->args[i].at[1] - '0');
    }
    for (u32 k = 0; k < c->args[i].len; k++) {
        v = v * 10 + (u32)(c->args[i].at[k] - '0');
    }
    return v;
}

static int is(const struct call *c, const char *word)
{
    u32 n = text_len(word);
    if (c->args[0].len != n) {
        return 0;
    }
    for (u32 i = 0; i < n; i++) {
        if (c->args[0].at[i] != word[i]) {
            return 0;
        }
    }
    return 1;
}

#define A(i) c->args[i].at, c->args[i].len
#define N(i) number(c, i)

static void result(struct call *c, u32 status)
{
    put(&c->out, " = ");
    put_number(&c->out, status);
}

static void result_text(struct call *c, u32 status, const void *at, u32 len)
{
    result(c, status);
    if (status == 0) {
        put(&c->out, len == 0 && at == 0 ? " null" : " ");
        put_bytes(&c->out, at, len);
    }
}

static u32 word_at(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
}

/* "k=v k=v ..." */
static void result_pairs(struct call *c, u32 status, const char *at, u32 len)
{
    result(c, status);
    if (status != 0 || at == 0) {
        put(&c->out, status == 0 && len == 0 ? " null" : "");
        return;
    }
    u32 n = word_at(at);
    const char *sizes = at + 4, *text = at + 4 + 8 * n;
    put(&c->out, " n=");
    put_number(&c->out, n);
    for (u32 i = 0; i < n; i++, sizes += 8) {
        put_char(&c->out, ' ');
        put_bytes(&c->out, text, word_at(sizes));
        text += word_at(sizes) + 1;
        put_char(&c->out, '=');
        put_bytes(&c->out, text, word_at(sizes + 4));
        text += word_at(sizes + 4) + 1;
    }
    if (text != at + len) {
        put(&c->out, " WRONG SIZE");
    }
}

static void store_word(char *at, u32 v)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(v >> 8 * i);
    }
}

/* Arguments from..nargs are name, value, name, value: their serialised form. */
static u32 make_pairs(const struct call *c, u32 from, char *out)
{
    u32 n = c->nargs > from ? (c->nargs - from) / 2 : 0, at = 4 + 8 * n;
    store_word(out, n);
    for (u32 i = 0; i < 2 * n; i++) {
        const struct arg *a = &c->args[from + i];
        store_word(out + 4 + 4 * i, a->len);
        for (u32 k = 0; k < a->len; k++) {
            out[at++] = a->at[k];
        }
        out[at++] = '\0';
    }
    return at;
}

__attribute__((noinline)) static void crash(struct call *c)
{
    static volatile u32 zero;
    if (c->nargs > 1 && c->args[1].at[0] == 'm') { /* memory */
        *(volatile u32 *)0xfffffff0 = 1;
    } else if (c->nargs > 1 && c->args[1].at[0] == 'd') { /* division */
        zero = 7 / zero;
    }
    __builtin_trap();
}

static int run_headers(struct call *c)
{
    char pairs[2048];
    void *at = 0;
    u32 len = 0, v = 77, st;

    if (is(c, "get")) {
        st = proxy_get_header_map_value(N(1), A(2), &at, &len);
        result_text(c, st, at, len);
    } else if (is(c, "pairs")) {
        st = proxy_get_header_map_pairs(N(1), &at, &len);
        result_pairs(c, st, at, len);
    } else if (is(c, "size")) {
        st = proxy_get_header_map_size(N(1), &v);
        result(c, st);
        put_char(&c->out, ' ');
        put_number(&c->out, v);
    } else if (is(c, "add")) {
        result(c, proxy_add_header_map_value(N(1), A(2), A(3)));
    } else if (is(c, "replace")) {
        result(c, proxy_replace_header_map_value(N(1), A(2), A(3)));
    } else if (is(c, "remove")) {
        result(c, proxy_remove_header_map_value(N(1), A(2)));
    } else if (is(c, "setpairs")) {
        result(c, proxy_set_header_map_pairs(N(1), pairs, make_pairs(c, 2, pairs)));
    } else if (is(c, "setraw")) {
        result(c, proxy_set_header_map_pairs(N(1), A(2)));
    } else {
        return 0;
    }
    return 1;
}

static int run_values(struct call *c)
{
    void *at = 0;
    u32 len = 0, v = 77, w = 77, st;

    if (is(c, "prop")) {
        st = proxy_get_property(A(1), &at, &len);
        result_text(c, st, at, len);
    } else if (is(c, "prophex")) {
        st = proxy_get_property(A(1), &at, &len);
        result(c, st);
        put_char(&c->out, ' ');
        put_hex(&c->out, at, len);
    } else if (is(c, "propmap")) {
        st = proxy_get_property(A(1), &at, &len);
        result_pairs(c, st, at, len);
    } else if (is(c, "setprop")) {
        result(c, proxy_set_property(A(1), A(2)));
    } else if (is(c, "buf")) {
        st = proxy_get_buffer_bytes(N(1), N(2), N(3), &at, &len);
        result_text(c, st, at, len);
    } else if (is(c, "bufstatus")) {
        result(c, proxy_get_buffer_status(N(1), &v, &w));
        put_char(&c->out, ' ');
        put_number(&c->out, v);
        put_char(&c->out, ' ');
        put_number(&c->out, w);
    } else if (is(c, "setbuf")) {
        u32 given = c->nargs > 4; /* setbuf BUFFER [START LENGTH DATA] */
        result(c, proxy_set_buffer_bytes(N(1), N(2), N(3), given ? c->args[4].at : "x",
                                         given ? c->args[4].len : 1));
    } else if (is(c, "fill")) { /* fill BUFFER BYTES: that many more 'f' at the end */
        char *bytes = heap_alloc(N(2));
        for (u32 i = 0; i < N(2); i++) {
            bytes[i] = 'f';
        }
        result(c, proxy_set_buffer_bytes(N(1), 0x7fffffff, 0, bytes, N(2)));
    } else if (is(c, "conf")) {
        st = proxy_get_configuration(&at, &len);
        result_text(c, st, at, len);
    } else if (is(c, "foreign")) {
        st = proxy_call_foreign_function(A(1), A(2), &at, &len);
        result(c, st);
        put_char(&c->out, ' ');
        put_hex(&c->out, at, len);
    } else if (is(c, "foreign0")) {
        result(c, proxy_call_foreign_function(A(1), A(2), 0, 0));
    } else {
        return 0;
    }
    return 1;
}

static int run_control(struct call *c)
{
    char pairs[2048];

    if (is(c, "local")) { /* local STATUS DETAILS BODY GRPC [name value ...] */
        u32 len = make_pairs(c, 5, pairs);
        result(c, proxy_send_local_response(N(1), A(2), A(3), pairs, len == 4 ? 0 : len, N(4)));
    } else if (is(c, "localraw")) { /* with these bytes as headers */
        result(c, proxy_send_local_response(200, "d", 1, "b", 1, A(1), -1u));
    } else if (is(c, "continue")) {
        result(c, proxy_continue_stream(N(1)));
    } else if (is(c, "continue_request")) {
        result(c, proxy_continue_request());
    } else if (is(c, "continue_response")) {
        result(c, proxy_continue_response());
    } else if (is(c, "close")) {
        result(c, proxy_close_stream(N(1)));
    } else if (is(c, "done")) {
        result(c, proxy_done());
    } else if (is(c, "effective")) {
        result(c, proxy_set_effective_context(N(1)));
    } else if (is(c, "clearroute")) {
        result(c, proxy_clear_route_cache());
    } else if (is(c, "hold")) { /* hold VALUE: return it and end here, unless it is the end of the stream */
        if (c->end) {
            result(c, 0);
        } else {
            c->result = N(1);
            c->stop = 1;
            return -1;
        }
    } else if (is(c, "ret")) {
        c->result = N(1);
        return -1;
    } else if (is(c, "trap")) {
        crash(c);
    } else if (is(c, "loop")) { /* for ever; with an argument by host calls */
        for (volatile u32 n = 0;; n++) {
            if (c->nargs > 1) {
                (void)proxy_set_effective_context(0);
            }
        }
    } else if (is(c, "busy")) { /* busy MILLISECONDS */
        u64 start = 0, now = 0;
        proxy_get_current_time_nanoseconds(&start);
        do {
            proxy_get_current_time_nanoseconds(&now);
        } while (now - start < (u64)N(1) * 1000000);
        result(c, 0);
    } else if (is(c, "exit")) {
        proc_exit(N(1));
    } else {
        return 0;
    }
    return 1;
}

static int run_rest(struct call *c)
{
    void *at = 0;
    u32 len = 0, v = 77, st;
    u64 time = 0;

    if (is(c, "log")) {
        st = proxy_log(N(1), A(2));
        result(c, st);
    } else if (is(c, "level")) {
        result(c, proxy_get_log_level(&v));
        put_char(&c->out, ' ');
        put_number(&c->out, v);
    } else if (is(c, "time")) {
        result(c, proxy_get_current_time_nanoseconds(&time));
        put_char(&c->out, ' ');
        put_number(&c->out, time);
    } else if (is(c, "clock")) {
        result(c, clock_time_get(N(1), 1, &time));
        put_char(&c->out, ' ');
        put_number(&c->out, time);
    } else if (is(c, "status")) {
        st = proxy_get_status(&v, &at, &len);
        result(c, st);
        put_char(&c->out, ' ');
        put_number(&c->out, v);
        put(&c->out, len == 0 ? "" : " ");
        put_bytes(&c->out, at, len);
    } else if (is(c, "print")) {
        c->args[2].at[c->args[2].len++] = '\n';
        u32 iov[4] = {(u32)(uintptr_t)"out ", 4, (u32)(uintptr_t)c->args[2].at, c->args[2].len};
        st = fd_write(N(1), iov, 2, &v);
        result(c, st);
        put_char(&c->out, ' ');
        put_number(&c->out, v);
    } else if (is(c, "env")) {
        u32 count = 0, bytes = 0;
        environ_sizes_get(&count, &bytes);
        char **list = heap_alloc(count * 4 + 4);
        char *text = heap_alloc(bytes + 1);
        result(c, environ_get(list, text));
        for (u32 i = 0; i < count; i++) {
            put_char(&c->out, ' ');
            put(&c->out, list[i]);
        }
    } else if (is(c, "grow")) {
        result(c, (u32)__builtin_wasm_memory_grow(0, N(1)));
    } else {
        return 0;
    }
    return 1;
}

#include "probe_inject.h"
#include "probe_shared.h"
/* ---- callouts -------------------------------------------------------------------------------- */

/* What to do when the answer comes.  Not in the heap, which starts over with every stream. */
static struct sent {
    u32 token, self, len;
    char script[1024];
} sent[32];

static int find_script(const struct call *c, u32 i, char **script, u32 *len);

static u32 copy(char *out, const char *at, u32 len)
{
    for (u32 i = 0; i < len; i++) {
        out[i] = at[i];
    }
    return len;
}

static void remember(const struct call *c, u32 token, const char *script, u32 len)
{
    for (u32 i = 0; i < 32; i++) {
        if (sent[i].token == 0) {
            sent[i].token = token;
            sent[i].self = c->self;
            sent[i].len = copy(sent[i].script, script, len < 1024 ? len : 1024);
            return;
        }
    }
}

/* `call`, and `callpairs SERVICE TIMEOUT name value ...`: with these headers and nothing else. */
static int run_calls(struct call *c)
{
    char pairs[4096], trailers[1024], *script = 0;
    u32 token = 77, len = 0, st;

    if (is(c, "callpairs")) {
        st = proxy_http_call(A(1), pairs, make_pairs(c, 3, pairs), 0, 0, 0, 0, N(2), &token);
    } else if (is(c, "call")) {
        static struct call h;
        static const char *const names[] = {":method", "", ":path", "", ":authority", "callout.example"};
        h.nargs = 6;
        for (u32 i = 0; i < 6; i++) {
            h.args[i].len = copy(h.args[i].at, names[i], text_len(names[i]));
        }
        h.args[1].len = c->args[4].len == 0 ? copy(h.args[1].at, "GET", 3) : copy(h.args[1].at, "POST", 4);
        h.args[3] = c->args[2];
        u32 headers_len = make_pairs(&h, 0, pairs),
            trailers_len = c->nargs > 6 ? make_pairs(c, 6, trailers) : 0;
        find_script(c, 5, &script, &len);
        st = proxy_http_call(A(1), pairs, headers_len, A(4), trailers, trailers_len, N(3), &token);
        if (st == 0) {
            remember(c, token, script, len);
        }
    } else {
        return 0;
    }
    result(c, st);
    put_char(&c->out, ' ');
    put_number(&c->out, token);
    return 1;
}

/* `grpccall SERVICE NAME METHOD TIMEOUT MESSAGE SCRIPT [name value ...]`, `grpcstream SERVICE NAME METHOD
 * SCRIPT [name value ...]`, `grpcsend TOKEN MESSAGE END`, `grpccancel TOKEN`, `grpcclose TOKEN`.  What comes
 * runs the script, up to a '|' for a message, behind it for the end; a TOKEN of 0 is that of the callback.  A
 * SERVICE of %NAME is the serialised GrpcService { envoy_grpc { cluster_name: NAME } }. */
static u32 the_token;

static int run_grpc(struct call *c)
{
    char pairs[1024], *script = 0;
    u32 token = 77, len = 0, st, which = N(1) == 0 ? the_token : N(1);

    struct arg *service = &c->args[1];
    if (c->nargs > 1 && service->at[0] == '%') {
        struct arg name = *service;
        service->len = copy(service->at, "\n?\n?", 4);
        service->at[1] = (char)(name.len + 1);
        service->at[3] = (char)(name.len - 1);
        service->len += copy(service->at + 4, name.at + 1, name.len - 1);
    }
    if (is(c, "grpccall")) {
        st = proxy_grpc_call(A(1), A(2), A(3), pairs, make_pairs(c, 7, pairs), A(5), N(4), &token);
        find_script(c, 6, &script, &len);
    } else if (is(c, "grpcstream")) {
        st = proxy_grpc_stream(A(1), A(2), A(3), pairs, make_pairs(c, 5, pairs), &token);
        find_script(c, 4, &script, &len);
    } else if (is(c, "grpcsend")) {
        result(c, proxy_grpc_send(which, A(2), N(3)));
        return 1;
    } else if (is(c, "grpccancel")) {
        result(c, proxy_grpc_cancel(which));
        return 1;
    } else if (is(c, "grpcclose")) {
        result(c, proxy_grpc_close(which));
        return 1;
    } else {
        return 0;
    }
    if (st == 0) {
        remember(c, token, script, len);
        the_token = token;
    }
    result(c, st);
    put_char(&c->out, ' ');
    put_number(&c->out, token);
    return 1;
}

#include "probe_redis.h"
#include "probe_dns.h"

static void run_command(struct call *c)
{
    if (c->nargs == 0) {
        return;
    }
    int known = run_headers(c);
    known = known != 0 ? known : run_values(c);
    known = known != 0 ? known : run_control(c);
    known = known != 0 ? known : run_rest(c);
    known = known != 0 ? known : run_inject(c);
    known = known != 0 ? known : run_shared(c);
    known = known != 0 ? known : run_calls(c);
    known = known != 0 ? known : run_grpc(c);
    known = known != 0 ? known : run_dns(c);
    known = known != 0 ? known : run_redis(c);
    if (known == 0) {
        put(&c->out, " UNKNOWN COMMAND");
    }
    if (known >= 0) {
        say(2, &c->out);
    }
}

/* Split at blanks; what the command looked like goes to the output. */
static void parse_command(struct call *c, const char *at, u32 len)
{
    u32 i = 0;
    c->nargs = 0;
    c->out.len = 0;
    while (i < len && at[i] == ' ') {
        i++;
    }
    put_bytes(&c->out, at + i, len - i);
    while (i < len && c->nargs < MAX_ARGS) {
        struct arg *a = &c->args[c->nargs++];
        a->len = 0;
        for (; i < len && at[i] != ' '; i++) {
            a->at[a->len++] = at[i] == '~' ? '\0' : at[i];
        }
        if (a->len == 1 && a->at[0] == '_') {
            a->len = 0;
        }
        while (i < len && at[i] == ' ') {
            i++;
        }
    }
}

static u32 run_script(u32 self, const char *script, u32 len, u32 default_result)
{
    struct call *c = &the_call;

    c->self = self;
    c->result = default_result;
    c->stop = 0;
    while (len != 0 && !c->stop) {
        u32 n = 0;
        while (n < len && script[n] != ';') {
            n++;
        }
        parse_command(c, script, n);
        run_command(c);
        n += n < len;
        script += n;
        len -= n;
    }
    return c->result;
}

/* ---- callbacks ------------------------------------------------------------------------------ */

static void trace5(const char *name, const u32 *v, u32 n)
{
    struct text t;
    t.len = 0;
    put(&t, name);
    for (u32 i = 0; i < n; i++) {
        put_char(&t, ' ');
        put_number(&t, v[i]);
    }
    say(0, &t);
}

static void trace(const char *name, u32 a, u32 b, u32 c, u32 n)
{
    const u32 v[] = {a, b, c};
    trace5(name, v, n);
}

static u32 run_header(u32 self, const char *header, u32 default_result)
{
    void *at = 0;
    u32 len = 0;
    if (proxy_get_header_map_value(0, header, text_len(header), &at, &len) != 0) {
        return default_result;
    }
    return run_script(self, at, len, default_result);
}

/* The line of the configuration that begins with `key`; a text in JSON counts as one. */
static int find_line(const char *key, u32 n, char **found, u32 *found_len)
{
    void *config = 0;
    u32 len = 0;
    if (proxy_get_buffer_bytes(7, 0, 0x7fffffff, &config, &len) != 0 &&
        proxy_get_configuration(&config, &len) != 0) {
        return 0;
    }
    char *at = config, *end = at + len;
    while (at < end) {
        char *line = at;
        while (at < end && *at != '\n' && *at != '"') {
            at++;
        }
        u32 i = 0;
        while (i < n && line + i < at && line[i] == key[i]) {
            i++;
        }
        if (i == n) {
            *found = line + n;
            *found_len = (u32)(at - line) - n;
            return 1;
        }
        at++;
    }
    return 0;
}

static u32 run_line(u32 self, const char *key, u32 default_result)
{
    char *at = 0;
    u32 len = 0;
    return find_line(key, text_len(key), &at, &len) ? run_script(self, at, len, default_result)
                                                    : default_result;
}

/* For later: the configuration cannot be read then. */
static void keep_line(const char *key, char *dst, u32 *len)
{
    char *at = 0;
    if (!find_line(key, text_len(key), &at, len)) {
        *len = 0;
    }
    *len = copy(dst, at, *len > 1024 ? 1024 : *len);
}

/* By argument `i`: a request header, or a line of the configuration. */
static int find_script(const struct call *c, u32 i, char **script, u32 *len)
{
    char name[300];
    void *at = 0;
    u32 n = copy(name, "x-", 2);

    n += copy(name + n, c->args[i].at, c->args[i].len);
    if (proxy_get_header_map_value(0, name, n, &at, len) == 0) {
        *script = at;
        return 1;
    }
#ifdef PROBE_TCP
    if (tcp_find_answer(c->self, script, len)) {
        return 1;
    }
#endif
    name[n++] = ':';
    return find_line(name + 2, n - 2, script, len);
}

/* How often the body callbacks of a context were called. */
static u32 calls[1024][2];

static void forget_calls(u32 ctx)
{
    calls[ctx % 1024][0] = calls[ctx % 1024][1] = 0;
}

EXPORT(_initialize) void on_initialize(void)
{
    trace("_initialize", 0, 0, 0, 0);
}

EXPORT(main) u32 on_main(u32 argc, u32 argv)
{
    trace("main", argc, argv, 0, 2);
    return 0;
}

EXPORT(proxy_on_context_create) void on_context_create(u32 ctx, u32 parent)
{
    trace("on_context_create", ctx, parent, 0, 2);
    if (parent == 0) {
        run_line(ctx, "create:", 0);
    } else {
#ifdef PROBE_TCP
        tcp_create(ctx, parent);
#endif
        run_header(ctx, "x-create", 0);
    }
}

EXPORT(proxy_on_vm_start) u32 on_vm_start(u32 ctx, u32 size)
{
    void *config = 0;
    u32 len = 0;
    trace("on_vm_start", ctx, size, 0, 2);
    proxy_get_buffer_bytes(6, 0, 0xffffffff, &config, &len);
    return run_script(ctx, config, len, 1);
}

EXPORT(proxy_on_configure) u32 on_configure(u32 ctx, u32 size)
{
    trace("on_configure", ctx, size, 0, 2);
    keep_line("tick:", tick_script, &tick_len);
    keep_line("queue:", queue_script, &queue_len);
#ifdef PROBE_TCP
    tcp_configure(ctx);
#endif
    return run_line(ctx, "configure:", 1);
}

EXPORT(proxy_on_tick) void on_tick(u32 ctx)
{
    trace("on_tick", ctx, 0, 0, 1);
#ifdef PROBE_TCP
    ctx = tcp_newest(ctx);
#endif
    run_script(ctx, tick_script, tick_len, 0);
}

EXPORT(proxy_on_queue_ready) void on_queue_ready(u32 ctx, u32 queue)
{
    trace("on_queue_ready", ctx, queue, 0, 2);
    run_script(ctx, queue_script, queue_len, 0);
}

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    heap_reset();
    trace("on_request_headers", ctx, n, end, 3);
    return run_header(ctx, "x-request", 0);
}

EXPORT(proxy_on_response_headers) u32 on_response_headers(u32 ctx, u32 n, u32 end)
{
    trace("on_response_headers", ctx, n, end, 3);
    return run_header(ctx, "x-response", 0);
}

/* The script of the call that is answered, once. */
static void run_answer(u32 token)
{
    static char script[1024];
    for (u32 i = 0; i < 32; i++) {
        if (sent[i].token == token) {
            u32 len = copy(script, sent[i].script, sent[i].len), self = sent[i].self;
            sent[i].token = 0;
            run_script(self, script, len, 0);
            return;
        }
    }
}

EXPORT(proxy_on_http_call_response)
void on_http_call_response(u32 root, u32 token, u32 n, u32 size, u32 trailers)
{
    trace5("on_http_call_response", (const u32[]){root, token, n, size, trailers}, 5);
    run_answer(token);
}

EXPORT(proxy_on_redis_call_response)
void on_redis_call_response(u32 root, u32 token, u32 status, u32 size)
{
    trace5("on_redis_call_response", (const u32[]){root, token, status, size}, 4);
    run_answer(token);
}

EXPORT(envoy_on_resolve_dns) void on_resolve_dns(u32 root, u32 token, u32 size)
{
    trace("on_resolve_dns", root, token, size, 3);
    run_answer(token | 1u << 31);
}

static void run_grpc_part(u32 token, int last)
{
    static char script[1024];
    the_token = token;
    for (u32 i = 0; i < 32; i++) {
        if (sent[i].token == token) {
            u32 len = copy(script, sent[i].script, sent[i].len), self = sent[i].self, bar = 0;
            while (bar < len && script[bar] != '|') {
                bar++;
            }
            if (last) {
                sent[i].token = 0;
                run_script(self, script + bar + (bar < len), len - bar - (bar < len), 0);
            } else {
                run_script(self, script, bar, 0);
            }
            return;
        }
    }
}

EXPORT(proxy_on_grpc_receive_initial_metadata) void on_grpc_initial(u32 root, u32 token, u32 n)
{
    trace("on_grpc_initial", root, token, n, 3);
    run_script(root, "pairs 4", 7, 0);
}

EXPORT(proxy_on_grpc_receive_trailing_metadata) void on_grpc_trailing(u32 root, u32 token, u32 n)
{
    trace("on_grpc_trailing", root, token, n, 3);
    run_script(root, "pairs 5", 7, 0);
}

EXPORT(proxy_on_grpc_receive) void on_grpc_receive(u32 root, u32 token, u32 size)
{
    trace("on_grpc_receive", root, token, size, 3);
    run_grpc_part(token, 0);
    for (u32 i = 0; (token & 3) == 1 && i < 32; i++) {
        sent[i].token = sent[i].token == token ? 0 : sent[i].token;
    }
}

EXPORT(proxy_on_grpc_close) void on_grpc_close(u32 root, u32 token, u32 status)
{
    trace("on_grpc_close", root, token, status, 3);
    run_grpc_part(token, 1);
}

EXPORT(proxy_on_done) u32 on_done(u32 ctx)
{
    trace("on_done", ctx, 0, 0, 1);
    return run_header(ctx, "x-done", 1);
}

EXPORT(proxy_on_log) void on_log(u32 ctx)
{
    trace("on_log", ctx, 0, 0, 1);
    run_header(ctx, "x-log", 0);
}

EXPORT(proxy_on_delete) void on_delete(u32 ctx)
{
    trace("on_delete", ctx, 0, 0, 1);
    forget_calls(ctx);
    run_header(ctx, "x-delete", 0);
}

#ifdef PROBE_BODY
/* The script of the `call`th call. */
static u32 run_header_part(u32 self, const char *header, u32 call, u32 default_result)
{
    void *value = 0;
    u32 len = 0;
    if (proxy_get_header_map_value(0, header, text_len(header), &value, &len) != 0) {
        return default_result;
    }
    const char *at = value, *end = at + len;
    for (; call != 0; call--) {
        const char *next = at;
        while (next < end && *next != '|') {
            next++;
        }
        if (next == end) {
            break;
        }
        at = next + 1;
    }
    u32 n = 0;
    while (at + n < end && at[n] != '|') {
        n++;
    }
    return run_script(self, at, n, default_result);
}

EXPORT(proxy_on_request_body) u32 on_request_body(u32 ctx, u32 size, u32 end)
{
    trace("on_request_body", ctx, size, end, 3);
    the_call.end = end;
    return run_header_part(ctx, "x-reqbody", calls[ctx % 1024][0]++, 0);
}

EXPORT(proxy_on_response_body) u32 on_response_body(u32 ctx, u32 size, u32 end)
{
    trace("on_response_body", ctx, size, end, 3);
    the_call.end = end;
    return run_header_part(ctx, "x-respbody", calls[ctx % 1024][1]++, 0);
}

EXPORT(proxy_on_request_trailers) u32 on_request_trailers(u32 ctx, u32 n)
{
    trace("on_request_trailers", ctx, n, 0, 2);
    return run_header(ctx, "x-reqtrailers", 0);
}

EXPORT(proxy_on_response_trailers) u32 on_response_trailers(u32 ctx, u32 n)
{
    trace("on_response_trailers", ctx, n, 0, 2);
    return run_header(ctx, "x-resptrailers", 0);
}
#endif
