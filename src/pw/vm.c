/* pw/vm.c - a VM from instantiation to its end (host facts 1.5, 1.7, 1.8, 1.9). */
#include "pw/vm.h"

#include <stdio.h>

#include "base/mem.h"
#include "pw/callout.h"
#include "pw/crash.h"
#include "pw/plugin.h"
#include "pw/shared.h"
#include "pw/stream.h"
#include "pw/timer.h"

enum {
    MAX_DEPTH = 64,          /* guest calls within guest calls (an allocator that makes host calls) */
    MAX_OUTPUT_LINE = 65536, /* a longer line of fd 1 or 2 is cut into several */
};

static const struct {
    const char *name;
    uint8_t least, most;
} export_rules[PW_EXPORT_COUNT] = {
#define PW_EXPORT(id, name, least, most) [PW_EXPORT_##id] = {name, least, most},
#include "pw/exports.def"
};

enum { METRIC_TYPES = sizeof((struct pw_vm *)0)->metrics / sizeof((struct pw_vm *)0)->metrics[0] };

struct pw_saved {
    struct weir_snapshot *memory;
    uint64_t memory_bytes;
    VEC(uint32_t) metrics[METRIC_TYPES];
    uint32_t *tick_ms; /* by root */
};

/* ---- the guest's log ------------------------------------------------------------------ */

static void *effective_stream(const struct pw_vm *vm)
{
    return vm->effective->stream == NULL ? NULL : vm->effective->stream->server_stream;
}

static void log_at_level(struct pw_vm *vm, enum pw_log_level level, struct str line)
{
    struct pw_plugin *p = vm->plugin;

    if (level >= p->server->log_level(p->server_data) && pw_quota_allows_line(p)) {
        pw_tail_add(&vm->tail, vm->effective->stream, line);
        pw_plugin_log(p, effective_stream(vm), level, line);
    }
}

static void flush_output(struct pw_vm *vm, int fd)
{
    struct strbuf *b = &vm->output[fd - 1];

    if (b->len != 0) {
        log_at_level(vm, fd == 1 ? PW_LOG_INFO : PW_LOG_ERROR, strbuf_str(b));
        b->len = 0;
    }
}

static void flush_outputs(struct pw_vm *vm)
{
    flush_output(vm, 1);
    flush_output(vm, 2);
}

/* Text of fd 1 and 2 becomes one log line per line of text; a line without its newline waits for more
 * until the call ends. */
static void on_wasi_write(void *data, struct weir_instance *inst, int fd, struct str text)
{
    struct pw_vm *vm = data;
    (void)inst;

    if (fd != 1 && fd != 2) {
        return;
    }
    while (text.len != 0) {
        struct str room = str_slice(text, 0, MAX_OUTPUT_LINE - vm->output[fd - 1].len);
        size_t len = str_find_char(room, '\n');
        bool ended = len < room.len;
        strbuf_add(&vm->output[fd - 1], str_slice(room, 0, len));
        if (ended || vm->output[fd - 1].len == MAX_OUTPUT_LINE) {
            flush_output(vm, fd);
        }
        text = str_slice(text, len + ended, text.len);
    }
}

void pw_vm_log(struct pw_vm *vm, enum pw_log_level level, struct str line)
{
    flush_outputs(vm);
    log_at_level(vm, level, line);
}

static uint64_t on_wasi_now(void *data)
{
    struct pw_vm *vm = data;
    return vm->plugin->server->now_ns(vm->plugin->server_data, effective_stream(vm));
}

static uint64_t on_wasi_monotonic(void *data)
{
    struct pw_vm *vm = data;
    return vm->plugin->server->monotonic_ns(vm->plugin->server_data);
}

/* ---- calls into the guest ---------------------------------------------------------------- */

static void give_memory_back(struct pw_vm *vm)
{
    if (vm->inst != NULL) {
        weir_instance_free(vm->inst);
        vm->inst = NULL;
    }
}

/* The instance of a VM that trapped serves the next one, made what it was after the start: the few pages that
 * were written are written again, which costs less than giving them all back and having them faulted in.
 * One that grew gives its memory back, and so does one whose successor is not made at once. */
static bool keep_instance(struct pw_vm *vm)
{
    struct pw_plugin *p = vm->plugin;

    if (vm->inst == NULL || p->spare_inst != NULL || p->saved == NULL || pw_plugin_backs_off(p) ||
        vm->inst->memory_bytes != p->saved->memory_bytes ||
        weir_instance_reset(vm->inst, p->saved->memory) != WEIR_OK) {
        return false;
    }
    p->spare_inst = vm->inst;
    vm->inst = NULL;
    return true;
}

static void apply_deferred(struct pw_vm *vm)
{
    while (vm->deferred != NULL) {
        struct pw_stream *s = vm->deferred;
        vm->deferred = s->next_deferred;
        s->queued = false;
        pw_stream_apply(s);
    }
}

/* Streams that wait for this VM to resume them would wait for ever.  Server functions do not call back, so
 * the table stays as it is. */
static void fail_waiting_streams(struct pw_vm *vm)
{
    for (uint32_t i = 0; vm->contexts.count != 0 && i <= vm->contexts.mask; i++) {
        for (struct pw_context *c = vm->contexts.buckets[i]; c != NULL; c = c->next) {
            if (c->stream != NULL) {
                pw_stream_vm_died(c->stream, c->step);
            }
        }
    }
}

/* What ended a call, for people: "unreachable in check (0x1f), main (0x2a)". */
static void describe_trap(const struct weir_trap *trap, weir_status st, struct strbuf *b)
{
    if (st == WEIR_E_EXIT) {
        strbuf_printf(b, "the guest exited with code %d", trap->exit_code);
        return;
    }
    if (st != WEIR_E_TRAP) {
        strbuf_printf(b, "%s", weir_status_name(st));
        return;
    }
    char text[4096];
    weir_trap_format(trap, text, sizeof text);
    strbuf_printf(b, "%s", text);
}

/* No ticks and no queues any more. */
static void stop_listening(struct pw_vm *vm)
{
    const struct pw_plugin *p = vm->plugin;
    struct pw_shared *sh = p->server->shared == NULL ? NULL : p->server->shared(p->server_data);

    pw_ticks_clear(vm);
    if (sh != NULL) {
        shared_queue_forget(sh, vm);
    }
}

static __attribute__((cold, noinline)) void died(struct pw_vm *vm, const char *where, weir_status st,
                                                 const struct weir_trap *trap)
{
    flush_outputs(vm);
    if (vm->dead) {
        return; /* the outer call of one that was reported */
    }
    vm->dead = true;
    vm->died_in = vm->effective->id;
    vm->died_late = st == WEIR_E_TRAP && trap->kind == WEIR_TRAP_DEADLINE;
    stop_listening(vm);
    pw_crash_tell(vm, where, st, trap);
    struct strbuf b = {0};
    strbuf_printf(&b, "trap in %s: ", where);
    describe_trap(trap, st, &b);
    while (b.len != 0 && b.at[b.len - 1] == '\n') {
        b.len--;
    }
    pw_plugin_log(vm->plugin, effective_stream(vm), PW_LOG_CRITICAL, strbuf_str(&b));
    strbuf_fini(&b);
}

static inline weir_status enter_guest(struct pw_vm *vm, struct pw_context *ctx, struct weir_func *f,
                                      uint64_t *cells, struct weir_trap *trap)
{
    struct pw_context *outer = vm->effective;

    uint32_t depth = vm->depth;

    vm->effective = ctx;
    vm->depth = depth + 1;
    weir_status st = weir_func_call(f, cells, trap);
    vm->depth = depth; /* a trap may have come out of the allocator */
    vm->effective = ctx;
    if (vm->depth == 0 && (vm->output[0].len | vm->output[1].len) != 0) {
        flush_outputs(vm);
    }
    if (st == WEIR_OK) {
        vm->effective = outer;
    }
    return st;
}

/* No call of a dead VM is on the stack any more. */
static __attribute__((cold, noinline)) void bury(struct pw_vm *vm)
{
    if (vm->depth == 0) {
        if (!vm->own) { /* else it harms nobody, and the next one costs little */
            pw_plugin_vm_failed(vm->plugin);
        }
        if (!keep_instance(vm)) {
            give_memory_back(vm);
        }
        pw_callouts_cancel(vm->plugin, vm);
        fail_waiting_streams(vm);
    }
}

bool pw_vm_call_cells(struct pw_vm *vm, struct pw_context *ctx, enum pw_export_id id,
                      uint64_t cells[PW_EXPORT_MAX_PARAMS], uint32_t *result)
{
    const struct pw_export_func *e = &vm->exports[id];
    struct weir_trap trap;

    WEIR_ASSERT(!vm->dead);
    if (e->func == NULL) {
        return true;
    }
    struct pw_context *outer = vm->effective;
    weir_status st = enter_guest(vm, ctx, e->func, cells, &trap);
    if (st != WEIR_OK) {
        died(vm, export_rules[id].name, st, &trap);
        vm->effective = outer;
    } else if (e->has_result && result != NULL) {
        *result = (uint32_t)cells[0];
    }
    if (vm->depth == 0 && vm->deferred != NULL) {
        apply_deferred(vm);
    }
    if (vm->dead) {
        bury(vm);
        return false;
    }
    return true;
}

uint32_t pw_vm_guest_alloc(struct pw_vm *vm, uint32_t bytes)
{
    struct pw_context *outer = vm->effective;
    uint64_t cell = bytes; /* the only parameter, and the result */

    if (vm->depth >= MAX_DEPTH) {
        weir_trap_raise(vm->inst, WEIR_TRAP_STACK_EXHAUSTED, "host calls nest too deep in the allocator");
    }
    if (vm->allocator == NULL) { /* the wasm start function runs: the exports are not known yet */
        return 0;
    }
    vm->depth++;
    weir_func_call_within(vm->allocator, &cell);
    vm->depth--;
    vm->effective = outer;
    return (uint32_t)cell;
}

/* ---- start --------------------------------------------------------------------------------- */

static bool all_i32(const uint8_t *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (types[i] != WEIR_I32) {
            return false;
        }
    }
    return true;
}

static weir_status resolve_exports(struct pw_vm *vm, struct weir_report *rep)
{
    for (int id = 0; id < PW_EXPORT_COUNT; id++) {
        const char *name = export_rules[id].name;
        struct weir_func *f = weir_instance_find_func(vm->inst, name, strlen(name));
        if (f == NULL) {
            continue;
        }
        const struct weir_functype *t = weir_func_type(f);
        bool fits = t->nparams >= export_rules[id].least && t->nparams <= export_rules[id].most &&
                    t->nresults <= 1 && all_i32(t->params, t->nparams) && all_i32(t->results, t->nresults);
        bool allocator = id == PW_EXPORT_MALLOC || id == PW_EXPORT_MEMORY_ALLOCATE;
        if (allocator && (!fits || t->nresults == 0)) {
            continue; /* some other function of that name */
        }
        if (!fits) {
            return weir_report_set(rep, WEIR_E_LINK, WEIR_NO_OFFSET, "export",
                                   "%s has a type that no ABI has", name);
        }
        vm->exports[id] = (struct pw_export_func){f, (uint8_t)t->nparams, t->nresults == 1};
    }
    /* malloc comes first, as in real hosts (host facts 1.7). */
    vm->allocator =
        vm->exports[pw_vm_exports(vm, PW_EXPORT_MALLOC) ? PW_EXPORT_MALLOC : PW_EXPORT_MEMORY_ALLOCATE].func;
    if (vm->allocator == NULL) {
        return weir_report_set(rep, WEIR_E_LINK, WEIR_NO_OFFSET, "export",
                               "neither malloc nor proxy_on_memory_allocate is exported");
    }
    static const enum pw_export_id of_streams[] = {
        PW_EXPORT_CONTEXT_CREATE,
        PW_EXPORT_REQUEST_HEADERS,
        PW_EXPORT_RESPONSE_HEADERS,
        PW_EXPORT_REQUEST_BODY,
        PW_EXPORT_RESPONSE_BODY,
        PW_EXPORT_REQUEST_TRAILERS,
        PW_EXPORT_RESPONSE_TRAILERS,
        PW_EXPORT_NEW_CONNECTION,
        PW_EXPORT_DOWNSTREAM_DATA,
        PW_EXPORT_UPSTREAM_DATA,
        PW_EXPORT_DOWNSTREAM_CLOSE,
        PW_EXPORT_UPSTREAM_CLOSE,
        PW_EXPORT_DONE,
        PW_EXPORT_LOG,
        PW_EXPORT_DELETE,
    };
    for (size_t i = 0; i < sizeof of_streams / sizeof *of_streams; i++) {
        vm->has_stream_callbacks |= pw_vm_exports(vm, of_streams[i]);
    }
    return WEIR_OK;
}

static weir_status trap_report(struct pw_vm *vm, const char *where, weir_status st,
                               const struct weir_trap *trap, struct weir_report *rep)
{
    struct strbuf b = {0};
    describe_trap(trap, st, &b);
    for (size_t i = 0; i < b.len; i++) {
        if (b.at[i] == '\n') {
            b.at[i] = ' ';
        }
    }
    weir_report_set(rep, WEIR_E_TRAP, WEIR_NO_OFFSET, "start", "%s failed: %.*s", where,
                    STR_ARG(strbuf_str(&b)));
    strbuf_fini(&b);
    died(vm, where, st, trap);
    return WEIR_E_TRAP;
}

/* Call a start function, if it is exported with this type.  proc_exit(0) is a way to return. */
static weir_status call_start(struct pw_vm *vm, const char *name, uint32_t nparams, uint32_t nresults,
                              bool *found, struct weir_report *rep)
{
    struct weir_func *f = weir_instance_find_func(vm->inst, name, strlen(name));
    const struct weir_functype *t = f == NULL ? NULL : weir_func_type(f);
    uint64_t cells[2] = {0, 0};
    struct weir_trap trap;

    *found = t != NULL && t->nparams == nparams && t->nresults == nresults && all_i32(t->params, nparams) &&
             all_i32(t->results, nresults);
    if (!*found) {
        return WEIR_OK;
    }
    weir_status st = enter_guest(vm, &vm->self, f, cells, &trap);
    vm->effective = &vm->self;
    if (st == WEIR_OK || (st == WEIR_E_EXIT && trap.exit_code == 0)) {
        return WEIR_OK;
    }
    return trap_report(vm, name, st, &trap, rep);
}

/* _initialize, then main if there is one; without _initialize, _start (host facts 1.8). */
static weir_status run_start_functions(struct pw_vm *vm, struct weir_report *rep)
{
    bool found;
    weir_status st = call_start(vm, "_initialize", 0, 0, &found, rep);

    if (st != WEIR_OK) {
        return st;
    }
    if (!found) {
        return call_start(vm, "_start", 0, 0, &found, rep);
    }
    st = call_start(vm, "main", 2, 1, &found, rep);
    if (st == WEIR_OK && !found) {
        st = call_start(vm, "__main_void", 0, 1, &found, rep);
    }
    return st;
}

/* One call of a root; false results and traps become reports. */
static weir_status call_root(struct pw_vm *vm, struct pw_context *root, enum pw_moment moment,
                             enum pw_export_id id, uint32_t arg, struct weir_report *rep)
{
    const uint32_t args[PW_EXPORT_MAX_PARAMS] = {root->id, arg};
    const struct pw_export_func *e = &vm->exports[id];
    const char *name = export_rules[id].name;
    uint64_t cells[PW_EXPORT_MAX_PARAMS] = {args[0], args[1]};
    struct weir_trap trap;

    if (e->func == NULL) {
        return WEIR_OK;
    }
    vm->moment = moment;
    weir_status st = enter_guest(vm, root, e->func, cells, &trap);
    vm->moment = PW_MOMENT_NONE;
    vm->effective = &vm->self;
    if (st != WEIR_OK) {
        return trap_report(vm, name, st, &trap, rep);
    }
    if (moment != PW_MOMENT_ROOT_CREATE && e->has_result && (uint32_t)cells[0] == 0) {
        return weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "configuration",
                               "%s of plugin %.*s refused %s %u", name, STR_ARG(vm->plugin->opt.name),
                               moment == PW_MOMENT_CONFIGURE ? "configuration" : "to start for configuration",
                               root->config);
    }
    return WEIR_OK;
}

static void make_roots(struct pw_vm *vm)
{
    vm->roots = mem_zalloc_array(vm->plugin->opt.nconfigs, sizeof *vm->roots);
    pw_ticks_init(vm);
}

static void add_root(struct pw_vm *vm, uint32_t i)
{
    vm->roots[i].vm = vm;
    vm->roots[i].config = i;
    pw_contexts_add(&vm->contexts, &vm->roots[i]);
}

static weir_status start_roots(struct pw_vm *vm, struct weir_report *rep)
{
    const struct pw_plugin_options *opt = &vm->plugin->opt;

    make_roots(vm);
    for (uint32_t i = 0; i < opt->nconfigs; i++) {
        struct pw_context *root = &vm->roots[i];
        add_root(vm, i);
        weir_status st = call_root(vm, root, PW_MOMENT_ROOT_CREATE, PW_EXPORT_CONTEXT_CREATE, 0, rep);
        if (st == WEIR_OK) {
            st = call_root(vm, root, PW_MOMENT_VM_START, PW_EXPORT_VM_START, (uint32_t)opt->vm_config.len,
                           rep);
        }
        if (st == WEIR_OK) {
            st = call_root(vm, root, PW_MOMENT_CONFIGURE, PW_EXPORT_CONFIGURE, (uint32_t)opt->configs[i].len,
                           rep);
        }
        if (st != WEIR_OK) {
            return st;
        }
    }
    return WEIR_OK;
}

static void vm_free(struct pw_vm *vm)
{
    vm->plugin->draining -= vm->draining;
    stop_listening(vm);
    give_memory_back(vm);
    pw_ticks_fini(vm);
    for (size_t i = 0; i < sizeof vm->metrics / sizeof *vm->metrics; i++) {
        vec_fini(&vm->metrics[i]);
    }
    strbuf_fini(&vm->result);
    pw_contexts_fini(&vm->contexts);
    mem_free(vm->roots);
    mem_free(vm->tail);
    strbuf_fini(&vm->output[0]);
    strbuf_fini(&vm->output[1]);
    weir_module_unref(vm->module);
    mem_free(vm);
}

static struct pw_vm *vm_alloc(struct pw_plugin *p, struct weir_module *m)
{
    struct pw_vm *vm = mem_zalloc(sizeof *vm);

    vm->wasi_table = (struct weir_wasi){
        .env = p->wasi_env,
        .nenv = p->opt.nenv,
        .data = vm,
        .write = on_wasi_write,
        .now_ns = on_wasi_now,
        .monotonic_ns = on_wasi_monotonic,
    };
    vm->wasi = &vm->wasi_table;
    vm->plugin = p;
    vm->module = m;
    weir_module_ref(m);
    vm->abi = pw_abi_of(m);
    vm->refs = 1;
    vm->self.vm = vm;
    vm->effective = &vm->self;
    return vm;
}

static struct weir_instance_options instance_options(struct pw_vm *vm)
{
    return (struct weir_instance_options){
        .tier = vm->plugin->opt.tier,
        .memory_limit_bytes = vm->plugin->opt.memory_limit_bytes,
        .budget_ns = (uint64_t)vm->plugin->opt.start_cpu_budget_ms * 1000000,
        .host = vm,
    };
}

/* The start is over. */
static void set_budget(struct pw_vm *vm)
{
    weir_instance_set_budget(vm->inst, (uint64_t)vm->plugin->opt.cpu_budget_ms * 1000000);
}

weir_status pw_vm_new(struct pw_plugin *p, struct weir_module *m, struct pw_vm **out, struct weir_report *rep)
{
    struct pw_vm *vm = vm_alloc(p, m);
    struct weir_instance_options opt = instance_options(vm);
    struct weir_trap trap;

    vm->depth = 1; /* the wasm start function may make host calls: nothing is applied meanwhile */
    weir_status st = weir_instance_new(m, p->linker, &opt, &vm->inst, &trap, rep);
    vm->depth = 0;
    if (st != WEIR_OK) {
        vm->inst = NULL; /* a host call may have seen one that is gone now */
    }
    if (st == WEIR_E_TRAP) {
        st = trap_report(vm, "instantiation", st, &trap, rep);
    }
    if (st == WEIR_OK) {
        st = resolve_exports(vm, rep);
    }
    if (st == WEIR_OK) {
        st = run_start_functions(vm, rep);
    }
    if (st == WEIR_OK) {
        st = start_roots(vm, rep);
    }
    flush_outputs(vm);
    if (st != WEIR_OK) {
        pw_callouts_cancel(p, vm);
        vm_free(vm);
        return st;
    }
    set_budget(vm);
    *out = vm;
    return WEIR_OK;
}

/* ---- replacements --------------------------------------------------------------------------- */

struct pw_saved *pw_vm_save(struct pw_vm *vm)
{
    struct weir_snapshot *memory;

    if (vm->holds_host_state || vm->deferred != NULL ||
        weir_instance_snapshot(vm->inst, &memory, NULL) != WEIR_OK) {
        return NULL;
    }
    struct pw_saved *s = mem_zalloc(sizeof *s);
    s->memory = memory;
    s->memory_bytes = vm->inst->memory_bytes;
    for (int t = 0; t < METRIC_TYPES; t++) {
        for (size_t i = 0; i < vm->metrics[t].len; i++) {
            vec_push(&s->metrics[t], vm->metrics[t].at[i]);
        }
    }
    s->tick_ms = mem_zalloc_array(vm->plugin->opt.nconfigs, sizeof *s->tick_ms);
    for (uint32_t i = 0; i < vm->plugin->opt.nconfigs; i++) {
        s->tick_ms[i] = vm->ticks[i].period_ms;
    }
    return s;
}

void pw_saved_free(struct pw_saved *s)
{
    if (s == NULL) {
        return;
    }
    for (int t = 0; t < METRIC_TYPES; t++) {
        vec_fini(&s->metrics[t]);
    }
    weir_snapshot_unref(s->memory);
    mem_free(s->tick_ms);
    mem_free(s);
}

weir_status pw_vm_new_from(struct pw_plugin *p, struct weir_module *m, const struct pw_saved *s, bool own,
                           struct pw_vm **out, struct weir_report *rep)
{
    struct pw_vm *vm = vm_alloc(p, m);
    struct weir_instance_options opt = instance_options(vm);
    weir_status st = WEIR_OK;

    if (s == p->saved && p->spare_inst != NULL) {
        vm->inst = p->spare_inst;
        vm->inst->host = vm;
        p->spare_inst = NULL;
    } else {
        st = weir_instance_new_from(s->memory, &opt, &vm->inst, rep);
    }
    if (st == WEIR_OK) {
        st = resolve_exports(vm, rep);
    }
    if (st != WEIR_OK) {
        vm_free(vm);
        return st;
    }
    make_roots(vm);
    for (uint32_t i = 0; i < p->opt.nconfigs; i++) {
        add_root(vm, i); /* the same ids: the guest knows them by these */
        if (s->tick_ms[i] != 0 && !own) {
            pw_ticks_set(vm, i, s->tick_ms[i]);
        }
    }
    for (int t = 0; t < METRIC_TYPES; t++) {
        for (size_t i = 0; i < s->metrics[t].len; i++) {
            vec_push(&vm->metrics[t], s->metrics[t].at[i]);
        }
    }
    vm->own = own;
    vm->from = own ? s : NULL;
    set_budget(vm);
    *out = vm;
    return WEIR_OK;
}

/* ---- end ------------------------------------------------------------------------------------- */

void pw_vm_ref(struct pw_vm *vm)
{
    vm->refs++;
}

/* on_done and on_delete of every root.  Nothing of a stopped VM can come back later, so a root that answers
 * "not yet" is deleted all the same. */
static void end_roots(struct pw_vm *vm)
{
    for (uint32_t i = 0; i < vm->plugin->opt.nconfigs && !vm->dead; i++) {
        struct pw_context *root = &vm->roots[i];
        const uint32_t args[PW_EXPORT_MAX_PARAMS] = {root->id};
        uint32_t done = 1;
        root->done_pending = true;
        if (pw_vm_call(vm, root, PW_EXPORT_DONE, args, &done) &&
            pw_vm_call(vm, root, PW_EXPORT_DELETE, args, NULL)) {
            pw_contexts_remove(&vm->contexts, root);
        }
    }
}

static bool ticks(const struct pw_vm *vm)
{
    bool any = false;

    for (uint32_t i = 0; i < vm->plugin->opt.nconfigs; i++) {
        any |= vm->ticks[i].period_ms != 0;
    }
    return any;
}

/* Make a stream's own VM what it was and keep it for the next stream.  False: it cannot be. */
static bool keep_own(struct pw_vm *vm)
{
    struct pw_plugin *p = vm->plugin;
    const struct pw_saved *s = vm->from;

    if (vm->dead || s == NULL || s != p->saved || p->spare_vm != NULL ||
        weir_instance_reset(vm->inst, s->memory) != WEIR_OK) {
        return false;
    }
    if (vm->holds_host_state || ticks(vm)) {
        stop_listening(vm);
    }
    for (int t = 0; t < METRIC_TYPES; t++) {
        vm->metrics[t].len = s->metrics[t].len;
    }
    for (uint32_t i = 0; i < p->opt.nconfigs; i++) {
        vm->roots[i].done_pending = false;
    }
    strbuf_fini(&vm->result);
    vm->output[0].len = vm->output[1].len = 0;
    mem_free(vm->tail);
    vm->tail = NULL;
    vm->contexts.last_id = p->opt.nconfigs;
    vm->last_callout = vm->last_dns = 0;
    vm->wants_rebuild = vm->holds_host_state = false;
    vm->refs = 1;
    p->spare_vm = vm;
    return true;
}

void pw_vm_unref(struct pw_vm *vm)
{
    if (vm == NULL || --vm->refs != 0) {
        return;
    }
    WEIR_ASSERT(vm->depth == 0);
    if (vm->own && keep_own(vm)) {
        return;
    }
    if (!vm->dead && !vm->own) {
        end_roots(vm);
    }
    vm_free(vm);
}
