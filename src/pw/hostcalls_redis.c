/* pw/hostcalls_redis.c - Redis, as Higress has it (host facts 2.2).
 *
 * A root names a service once, with its login and options, and then sends commands to it.  What it said
 * counts for its own commands, then for those of the plugin's other roots; other plugins do not get at its
 * login. */
#include "base/mem.h"
#include "base/resp.h"
#include "pw/callout.h"
#include "pw/hostcalls.h"
#include "pw/redis.h"

enum {
    DEFAULT_TIMEOUT_MS = 1000,
    MAX_TIMEOUT_MS = 24 * 3600 * 1000,
    DEFAULT_FLUSH_MS = 3,
    DEFAULT_FLUSH_BYTES = 1024,
    MAX_INITS = 1024, /* of a plugin */
};

struct init {
    uint32_t root;
    struct str service; /* and what follows: one allocation */
    struct pw_redis_options options;
};

struct pw_redis_inits {
    VEC(struct init) list; /* the latest last */
};

void pw_redis_inits_free(struct pw_redis_inits *inits)
{
    if (inits == NULL) {
        return;
    }
    for (size_t i = 0; i < inits->list.len; i++) {
        mem_free((void *)inits->list.at[i].service.at);
    }
    vec_fini(&inits->list);
    mem_free(inits);
}

/* ---- proxy_redis_init ---------------------------------------------------------------------- */

static bool read_number(struct str text, uint32_t *out)
{
    uint64_t v;

    if (!str_to_u64(text, &v) || v > INT32_MAX) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

/* "db=1&buffer_flush_timeout=3"; false: one that is known has no number. */
static bool read_options(struct str text, struct pw_redis_options *o)
{
    const struct {
        struct str name;
        uint32_t *value;
    } known[] = {
        {STR("db"), &o->db},
        {STR("buffer_flush_timeout"), &o->flush_ms},
        {STR("max_buffer_size_before_flush"), &o->flush_bytes},
    };

    while (text.len != 0) {
        struct str value = str_cut(&text, '&'), name = str_cut(&value, '=');
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (str_eq(name, known[i].name) && !read_number(value, known[i].value)) {
                return false;
            }
        }
    }
    return true;
}

static struct str keep(char **to, struct str s)
{
    struct str kept = {*to, s.len};

    if (s.len != 0) {
        memcpy(*to, s.at, s.len);
    }
    *to += s.len;
    return kept;
}

/* In the place of what the root said of this service before. */
static enum pw_status store(struct pw_plugin *p, uint32_t root, struct str service,
                            const struct pw_redis_options *o)
{
    struct init entry = {root, service, *o};
    size_t i = 0;

    if (p->redis == NULL) {
        p->redis = mem_zalloc(sizeof *p->redis);
    }
    while (i < p->redis->list.len &&
           (p->redis->list.at[i].root != root || !str_eq(p->redis->list.at[i].service, service))) {
        i++;
    }
    if (i == MAX_INITS) {
        return PW_INTERNAL_FAILURE;
    }
    char *text = mem_alloc(service.len + o->user.len + o->password.len + 1);
    entry.service = keep(&text, service);
    entry.options.user = keep(&text, o->user);
    entry.options.password = keep(&text, o->password);
    if (i < p->redis->list.len) {
        mem_free((void *)p->redis->list.at[i].service.at);
        memmove(&p->redis->list.at[i], &p->redis->list.at[i + 1],
                (--p->redis->list.len - i) * sizeof *p->redis->list.at);
    }
    vec_push(&p->redis->list, entry);
    return PW_OK;
}

static void *server_stream(const struct pw_vm *vm)
{
    return vm->effective->stream == NULL ? NULL : vm->effective->stream->server_stream;
}

uint32_t pw_call_proxy_redis_init(struct weir_instance *inst, uint32_t service, uint32_t service_len,
                                  uint32_t user, uint32_t user_len, uint32_t password, uint32_t password_len,
                                  uint32_t timeout_ms)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_plugin *p = vm->plugin;
    struct pw_redis_options o = {.flush_ms = DEFAULT_FLUSH_MS, .flush_bytes = DEFAULT_FLUSH_BYTES};
    struct str text;

    if (!pw_guest_str(inst, service, service_len, &text) || !pw_guest_str(inst, user, user_len, &o.user) ||
        !pw_guest_str(inst, password, password_len, &o.password)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    struct str name = str_cut(&text, '?');
    if (p->server->redis_service == NULL || vm->effective == &vm->self) {
        return PW_INTERNAL_FAILURE;
    }
    if (!read_options(text, &o) || !p->server->redis_service(p->server_data, server_stream(vm), name)) {
        return PW_BAD_ARGUMENT;
    }
    o.timeout_ms = timeout_ms == 0               ? DEFAULT_TIMEOUT_MS
                   : timeout_ms > MAX_TIMEOUT_MS ? MAX_TIMEOUT_MS
                                                 : timeout_ms;
    return store(p, vm->effective->config, name, &o);
}

/* ---- proxy_redis_call ------------------------------------------------------------------------ */

/* What the root said of the service, else what another root of the plugin said last, else nothing. */
static struct pw_redis_options options_of(const struct pw_plugin *p, uint32_t root, struct str service)
{
    static const struct pw_redis_options none = {.user = {"", 0},
                                                 .password = {"", 0},
                                                 .timeout_ms = DEFAULT_TIMEOUT_MS,
                                                 .flush_ms = DEFAULT_FLUSH_MS,
                                                 .flush_bytes = DEFAULT_FLUSH_BYTES};
    const struct pw_redis_options *found = &none;

    for (size_t i = 0; p->redis != NULL && i < p->redis->list.len; i++) {
        const struct init *entry = &p->redis->list.at[i];
        if (str_eq(entry->service, service)) {
            found = &entry->options;
            if (entry->root == root) {
                break;
            }
        }
    }
    return *found;
}

/* The connection is shared, and replies are told apart by their order alone: no command may change whose
 * connection it is, what is sent over it unasked, or what a command means to others.  By length, as most
 * commands that are sent are told from these by their length and a character or two. */
static bool is_shareable(const struct str args[2])
{
    enum { LONGEST = 12 };
    static const char *const refused[LONGEST + 1][6] = {
        [4] = {"AUTH", "QUIT", "SYNC", "EXEC"},
        [5] = {"HELLO", "RESET", "PSYNC", "MULTI", "WATCH"},
        [6] = {"SELECT", "ASKING"},
        [7] = {"MONITOR", "DISCARD", "UNWATCH"},
        [8] = {"REPLCONF", "READONLY"},
        [9] = {"SUBSCRIBE", "READWRITE"},
        [10] = {"PSUBSCRIBE", "SSUBSCRIBE"},
        [11] = {"UNSUBSCRIBE"},
        [12] = {"PUNSUBSCRIBE", "SUNSUBSCRIBE"},
    };
    const struct str name = args[0];

    if (name.len > LONGEST) {
        return true;
    }
    for (const char *const *r = refused[name.len]; *r != NULL; r++) {
        if (((name.at[0] ^ **r) & ~0x20) == 0 && str_ieq(name, (struct str){*r, name.len})) {
            return false;
        }
    }
    return !(str_ieq(name, STR("CLIENT")) &&
             (str_ieq(args[1], STR("REPLY")) || str_ieq(args[1], STR("TRACKING"))));
}

static enum pw_status start(struct pw_vm *vm, struct pw_redis_call *call, uint32_t *token)
{
    const struct pw_plugin *p = vm->plugin;
    static const enum pw_status statuses[] = {
        [PW_CALL_STARTED] = PW_OK,
        [PW_CALL_NO_SERVICE] = PW_BAD_ARGUMENT,
        [PW_CALL_FAILED] = PW_INTERNAL_FAILURE,
    };

    call->callout = pw_callout_new(vm, PW_CALLOUT_REDIS);
    if (call->callout == NULL) {
        return PW_INTERNAL_FAILURE;
    }
    *token = call->callout->token;
    enum pw_call_start started =
        p->server->redis_call(p->server_data, server_stream(vm), call, &call->callout->handle);
    if (started != PW_CALL_STARTED) {
        pw_callout_discard(call->callout);
    }
    return statuses[started];
}

uint32_t pw_call_proxy_redis_call(struct weir_instance *inst, uint32_t service, uint32_t service_len,
                                  uint32_t query, uint32_t query_len, uint32_t token_at)
{
    struct pw_vm *vm = pw_enter(inst);
    struct pw_redis_call call = {.callout = NULL};
    struct str text, args[2];
    uint32_t token = 0;

    if (!pw_guest_str(inst, service, service_len, &text) ||
        !pw_guest_str(inst, query, query_len, &call.query) || !pw_guest_has_u32(inst, token_at)) {
        return PW_INVALID_MEMORY_ACCESS;
    }
    if (vm->plugin->server->redis_call == NULL) {
        return PW_INTERNAL_FAILURE;
    }
    call.service = str_cut(&text, '?');
    if (!resp_read_command(call.query, args, 2) || !is_shareable(args)) {
        return PW_BAD_ARGUMENT;
    }
    const struct pw_redis_options options = options_of(vm->plugin, vm->effective->config, call.service);
    call.options = &options;
    enum pw_status status = start(vm, &call, &token);
    if (status == PW_OK) {
        pw_guest_put_u32(inst, token_at, token);
    }
    return status;
}
