/* pw/crash.c - crash reports from a VM to its server. */
#include "pw/crash.h"

#include <stdio.h>

#include "base/mem.h"
#include "pw/plugin.h"
#include "pw/redact.h"
#include "pw/stream.h"

#define SECOND_NS 1000000000ull

void pw_tail_add(struct pw_tail **tail, const struct pw_stream *s, struct str line)
{
    if (*tail == NULL) {
        *tail = mem_zalloc(sizeof **tail);
    }
    struct pw_tail *t = *tail;
    t->len[t->next] = (uint8_t)pw_redact(s, line, t->text[t->next], PW_TAIL_LINE_BYTES);
    t->next = (t->next + 1) % PW_TAIL_LINES;
    t->count += t->count < PW_TAIL_LINES;
}

static size_t tail_lines(const struct pw_tail *t, struct str out[PW_TAIL_LINES])
{
    if (t == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (t->next + PW_TAIL_LINES - t->count + i) % PW_TAIL_LINES;
        out[i] = str_make(t->text[at], t->len[at]);
    }
    return t->count;
}

static bool may_tell(struct pw_plugin *p)
{
    struct pw_crash_rate *r = &p->crash_rate;
    uint64_t now = p->server->monotonic_ns(p->server_data);

    if (r->window_ns == 0 || now - r->window_ns >= SECOND_NS) {
        r->window_ns = now;
        r->sent = 0;
    }
    if (r->sent == PW_CRASHES_PER_SECOND) {
        r->dropped++;
        return false;
    }
    r->sent++;
    return true;
}

void pw_crash_tell(struct pw_vm *vm, const char *where, weir_status st, const struct weir_trap *trap)
{
    struct pw_plugin *p = vm->plugin;
    struct pw_stream *s = vm->effective->stream;
    struct str lines[PW_TAIL_LINES];
    char exited[64];
    bool trapped = st == WEIR_E_TRAP || st == WEIR_E_EXIT;

    if (p->server->trapped != NULL) {
        p->server->trapped(p->server_data, p->opt.name);
    }
    if (p->server->crashed == NULL || !may_tell(p)) {
        return;
    }
    snprintf(exited, sizeof exited, "exit with code %d", st == WEIR_E_EXIT ? trap->exit_code : 0);
    struct pw_crash crash = {
        .plugin = p->opt.name,
        .sha256 = weir_module_sha256(vm->module),
        .callback = where,
        .reason = st == WEIR_E_TRAP   ? trap->message
                  : st == WEIR_E_EXIT ? exited
                                      : weir_status_name(st),
        .trap = trapped ? trap : NULL,
        .memory_bytes = vm->inst == NULL ? 0 : weir_instance_bytes(vm->inst),
        .dropped = p->crash_rate.dropped,
        .lines = lines,
        .nlines = tail_lines(vm->tail, lines),
    };
    if (p->server->crashed(p->server_data, s == NULL ? NULL : s->server_stream, &crash)) {
        p->crash_rate.dropped = 0;
    } else {
        p->crash_rate.dropped++;
    }
}
