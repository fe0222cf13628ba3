/* pw/callout.c - the list of callouts in flight, and the way of an answer to its root (host facts 1.20). */
#include "pw/callout.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "pw/abi.h"
#include "pw/live.h"

enum { PW_GRPC_INTERNAL = 13 };

static void link_in(struct pw_plugin *p, struct pw_callout *c)
{
    c->next = p->callouts;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    p->callouts = c;
    p->ncallouts++;
    pw_live.callouts++;
}

static void unlink_from(struct pw_plugin *p, struct pw_callout *c)
{
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        p->callouts = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    p->ncallouts--;
    pw_live.callouts--;
}

/* ---- memory ------------------------------------------------------------------------------- */

/* That of callouts which ended serves the next ones. */
enum { SPARE_MOST = 64 };

static struct pw_callout *take(struct pw_plugin *p)
{
    struct pw_callout *c = p->spare_callouts;

    if (c == NULL) {
        return mem_zalloc(sizeof *c);
    }
    p->spare_callouts = c->next;
    p->nspare_callouts--;
    *c = (struct pw_callout){0};
    return c;
}

/* One that is in no list. */
static void give(struct pw_plugin *p, struct pw_callout *c)
{
    if (p->nspare_callouts == SPARE_MOST) {
        mem_free(c);
        return;
    }
    c->next = p->spare_callouts;
    p->spare_callouts = c;
    p->nspare_callouts++;
}

void pw_callouts_free_spares(struct pw_plugin *p)
{
    struct pw_callout *next;

    for (struct pw_callout *c = p->spare_callouts; c != NULL; c = next) {
        next = c->next;
        mem_free(c);
    }
    p->spare_callouts = NULL;
    p->nspare_callouts = 0;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

struct pw_callout *pw_callout_new(struct pw_vm *vm, enum pw_callout_kind kind)
{
    /* A VM without references is in its roots' last callbacks: nobody could hear the answer. */
    if (vm->effective == &vm->self || vm->refs == 0 ||
        !pw_quota_allows(vm->plugin, PW_QUOTA_CALLOUTS, vm->plugin->ncallouts, 1)) {
        return NULL;
    }
    struct pw_callout *c = take(vm->plugin);
    if (kind != PW_CALLOUT_DNS) {
        vm->last_callout = vm->last_callout == UINT32_MAX >> 2 ? 1 : vm->last_callout + 1;
    }
    c->vm = vm;
    c->root = vm->effective->config;
    c->dns = kind == PW_CALLOUT_DNS;
    c->token = c->dns ? ++vm->last_dns : vm->last_callout << 2 | kind;
    vm->holds_host_state = true;
    pw_vm_ref(vm);
    link_in(vm->plugin, c);
    return c;
}

void pw_callout_discard(struct pw_callout *c)
{
    struct pw_vm *vm = c->vm;

    unlink_from(vm->plugin, c);
    strbuf_fini(&c->message);
    give(vm->plugin, c);
    pw_vm_unref(vm);
}

void pw_callout_cancel(struct pw_callout *c)
{
    const struct pw_plugin *p = c->vm->plugin;
    void (*const cancel[])(void *, void *) = {
        [PW_CALLOUT_HTTP] = p->server->cancel_call,        [PW_CALLOUT_GRPC_CALL] = p->server->grpc_cancel,
        [PW_CALLOUT_GRPC_STREAM] = p->server->grpc_cancel, [PW_CALLOUT_REDIS] = p->server->redis_cancel,
        [PW_CALLOUT_DNS] = p->server->cancel_resolve,
    };

    cancel[pw_callout_kind(c)](p->server_data, c->handle);
    pw_callout_discard(c);
}

void pw_callouts_cancel(struct pw_plugin *p, const struct pw_vm *vm)
{
    struct pw_callout *next;

    for (struct pw_callout *c = p->callouts; c != NULL; c = next) {
        next = c->next;
        if (vm == NULL || c->vm == vm) {
            pw_callout_cancel(c);
        }
    }
}

size_t pw_plugin_callouts(const struct pw_plugin *p)
{
    size_t n = p->ncallouts;

    for (size_t i = 0; p->parts != NULL && i < p->opt.nconfigs; i++) {
        n += pw_plugin_callouts(p->parts[i]);
    }
    return n;
}

/* Run the root's callback with what it may look at. */
static void deliver(struct pw_vm *vm, uint32_t root, enum pw_export_id id, struct pw_delivery *d,
                    const uint32_t args[PW_EXPORT_MAX_PARAMS])
{
    WEIR_ASSERT(vm->depth == 0 && !vm->dead);
    vm->delivery = d;
    pw_vm_call(vm, &vm->roots[root], id, args, NULL);
    vm->delivery = NULL;
}

void pw_callout_done(struct pw_callout *c, const struct pw_call_response *r)
{
    struct pw_vm *vm = c->vm;
    struct pw_delivery d = {.buffer = PW_BUFFER_CALL_BODY, .bytes = {"", 0}, .message = {"", 0}};
    uint32_t args[PW_EXPORT_MAX_PARAMS] = {vm->roots[c->root].id, c->token};

    if (r == NULL) {
        d.status = PW_BROKEN_CONNECTION;
        d.message = STR("reset");
    } else {
        d.maps[PW_MAP_CALL_HEADERS - PW_MAP_GRPC_INITIAL].at = r->headers;
        d.maps[PW_MAP_CALL_HEADERS - PW_MAP_GRPC_INITIAL].n = r->nheaders;
        d.maps[PW_MAP_CALL_TRAILERS - PW_MAP_GRPC_INITIAL].at = r->trailers;
        d.maps[PW_MAP_CALL_TRAILERS - PW_MAP_GRPC_INITIAL].n = r->ntrailers;
        d.bytes = r->body;
        args[2] = (uint32_t)r->nheaders;
        args[3] = (uint32_t)r->body.len;
        args[4] = (uint32_t)r->ntrailers;
    }
    uint32_t root = c->root;
    unlink_from(vm->plugin, c);
    give(vm->plugin, c);
    deliver(vm, root, PW_EXPORT_HTTP_CALL_RESPONSE, &d, args);
    pw_vm_unref(vm);
}

/* ---- names --------------------------------------------------------------------------------- */

/* As Envoy serialises them: the number of addresses, for each the seconds it holds, then each with a NUL
 * behind it; an address is written with port 0.  A failure is told by a size of 0. */
void pw_dns_done(struct pw_callout *c, const struct pw_dns_address *at, size_t n)
{
    struct pw_vm *vm = c->vm;
    struct strbuf b = {0};
    uint8_t word[4];

    for (size_t i = 0; at != NULL && i <= n; i++) {
        bytes_put_u32(word, i == 0 ? (uint32_t)n : at[i - 1].ttl_s);
        strbuf_add_bytes(&b, word, sizeof word);
    }
    for (size_t i = 0; at != NULL && i < n; i++) {
        bool v6 = str_find_char(at[i].address, ':') != at[i].address.len;
        strbuf_printf(&b, v6 ? "[%.*s]:0" : "%.*s:0", STR_ARG(at[i].address));
        strbuf_add_char(&b, '\0');
    }
    struct pw_delivery d = {
        .buffer = PW_BUFFER_CALL_DATA, .bytes = b.len == 0 ? STR("") : strbuf_str(&b), .message = {"", 0}};
    uint32_t root = c->root;
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {vm->roots[root].id, c->token, (uint32_t)b.len};

    unlink_from(vm->plugin, c);
    give(vm->plugin, c);
    deliver(vm, root, PW_EXPORT_RESOLVE_DNS, &d, args);
    strbuf_fini(&b);
    pw_vm_unref(vm);
}

/* ---- Redis ----------------------------------------------------------------------------- */

/* Higress says "reset" for every failure; its SDKs look at the callback's status alone. */
static struct str redis_message(enum pw_redis_end end)
{
    static const struct str messages[] = {
        [PW_REDIS_REPLY] = STR(""),
        [PW_REDIS_REFUSED] = STR("refused"),
        [PW_REDIS_TIMED_OUT] = STR("timeout"),
        [PW_REDIS_DISCONNECTED] = STR("reset"),
    };
    return messages[end];
}

void pw_redis_done(struct pw_callout *c, enum pw_redis_end end, struct str reply)
{
    struct pw_vm *vm = c->vm;
    bool answered = end == PW_REDIS_REPLY;
    struct pw_delivery d = {
        .buffer = answered ? (uint32_t)PW_BUFFER_REDIS_REPLY : PW_NO_BUFFER,
        .bytes = answered ? reply : STR(""),
        .status = answered ? PW_OK : PW_BROKEN_CONNECTION,
        .message = redis_message(end),
    };
    uint32_t root = c->root;
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {vm->roots[root].id, c->token, answered ? 0 : 1,
                                                 (uint32_t)d.bytes.len};

    unlink_from(vm->plugin, c);
    give(vm->plugin, c);
    deliver(vm, root, PW_EXPORT_REDIS_CALL_RESPONSE, &d, args);
    pw_vm_unref(vm);
}

/* ---- gRPC ------------------------------------------------------------------------------ */

/* The callout may be gone afterwards. */
static void deliver_grpc(struct pw_callout *c, enum pw_export_id id, struct pw_delivery *d, uint32_t arg)
{
    struct pw_vm *vm = c->vm;
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {vm->roots[c->root].id, c->token, arg};

    pw_vm_ref(vm);
    deliver(vm, c->root, id, d, args);
    pw_vm_unref(vm);
}

/* A unary call is told of its one message or of its failure, and of nothing else (host facts 1.21). */
static void deliver_metadata(struct pw_callout *c, enum pw_export_id id, enum pw_map map,
                             const struct pw_header *at, size_t n)
{
    struct pw_delivery d = {.buffer = PW_BUFFER_GRPC_MESSAGE, .bytes = {"", 0}, .message = {"", 0}};

    if (pw_callout_kind(c) == PW_CALLOUT_GRPC_STREAM) {
        d.maps[map - PW_MAP_GRPC_INITIAL].at = at;
        d.maps[map - PW_MAP_GRPC_INITIAL].n = n;
        deliver_grpc(c, id, &d, (uint32_t)n);
    }
}

void pw_grpc_initial(struct pw_callout *c, const struct pw_header *at, size_t n)
{
    deliver_metadata(c, PW_EXPORT_GRPC_INITIAL, PW_MAP_GRPC_INITIAL, at, n);
}

void pw_grpc_trailing(struct pw_callout *c, const struct pw_header *at, size_t n)
{
    deliver_metadata(c, PW_EXPORT_GRPC_TRAILING, PW_MAP_GRPC_TRAILING, at, n);
}

void pw_grpc_message(struct pw_callout *c, struct str message)
{
    struct pw_delivery d = {.buffer = PW_BUFFER_GRPC_MESSAGE, .bytes = message, .message = {"", 0}};

    if (pw_callout_kind(c) == PW_CALLOUT_GRPC_STREAM) {
        deliver_grpc(c, PW_EXPORT_GRPC_MESSAGE, &d, (uint32_t)message.len);
    } else if (!c->has_message) {
        strbuf_add(&c->message, message);
        c->has_message = true;
    }
}

void pw_grpc_done(struct pw_callout *c, uint32_t status, struct str text)
{
    struct pw_vm *vm = c->vm;
    struct pw_callout last = *c;
    struct pw_delivery d = {
        .buffer = PW_BUFFER_GRPC_MESSAGE, .bytes = {"", 0}, .status = status, .message = text};

    unlink_from(vm->plugin, c); /* its reference to the VM stays, with its message */
    give(vm->plugin, c);
    if (pw_callout_kind(&last) == PW_CALLOUT_GRPC_CALL && status == 0 && last.has_message) {
        d.bytes = last.message.len == 0 ? STR("") : strbuf_str(&last.message);
        deliver_grpc(&last, PW_EXPORT_GRPC_MESSAGE, &d, (uint32_t)d.bytes.len);
    } else {
        bool silent = pw_callout_kind(&last) == PW_CALLOUT_GRPC_CALL && status == 0;
        d.status = silent ? PW_GRPC_INTERNAL : status; /* a unary call without an answer */
        deliver_grpc(&last, PW_EXPORT_GRPC_CLOSE, &d, d.status);
    }
    strbuf_fini(&last.message);
    pw_vm_unref(vm);
}

const struct pw_header *pw_delivery_map(const struct pw_vm *vm, uint32_t map, size_t *n)
{
    if (vm->delivery == NULL || map < PW_MAP_GRPC_INITIAL || map > PW_MAP_CALL_TRAILERS) {
        *n = 0;
        return NULL;
    }
    *n = vm->delivery->maps[map - PW_MAP_GRPC_INITIAL].n;
    return vm->delivery->maps[map - PW_MAP_GRPC_INITIAL].at;
}
