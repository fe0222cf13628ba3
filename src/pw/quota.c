/* pw/quota.c - asking, counting, telling. */
#include "pw/quota.h"

#include <inttypes.h>

#include "pw/plugin.h"
#include "pw/stream.h"

#define SECOND_NS 1000000000ull

static const struct {
    const char *name;
    uint64_t fallback;
} rows[PW_QUOTA_COUNT] = {
#define PW_QUOTA(id, name, kind, fallback, ...) [PW_QUOTA_##id] = {#name, fallback},
#include "weir/pw_quota.def"
};

const char *pw_quota_name(enum pw_quota q)
{
    return rows[q].name;
}

uint64_t pw_plugin_quota_hits(const struct pw_plugin *p, enum pw_quota q)
{
    uint64_t hits = p->quotas.of[q].hits;

    for (size_t i = 0; p->parts != NULL && i < p->opt.nconfigs; i++) {
        hits += pw_plugin_quota_hits(p->parts[i], q);
    }
    return hits;
}

void pw_quota_defaults(uint64_t quotas[PW_QUOTA_COUNT])
{
    for (int q = 0; q < PW_QUOTA_COUNT; q++) {
        quotas[q] = quotas[q] == 0 ? rows[q].fallback : quotas[q];
    }
}

void pw_quota_hit(struct pw_plugin *p, enum pw_quota q)
{
    uint64_t now = p->server->monotonic_ns(p->server_data), *told = &p->quotas.of[q].told_ns;
    uint64_t hits = ++p->quotas.of[q].hits;
    struct strbuf line = {0};

    if (*told != 0 && now - *told < SECOND_NS) {
        return;
    }
    *told = now == 0 ? 1 : now;
    strbuf_printf(&line, "wants more than limits.%s, which is %" PRIu64 "; refused %" PRIu64 " times so far",
                  rows[q].name, p->opt.quotas[q], hits);
    pw_plugin_log(p, NULL, PW_LOG_WARN, strbuf_str(&line));
    strbuf_fini(&line);
}

bool pw_quota_allows(struct pw_plugin *p, enum pw_quota q, uint64_t have, uint64_t more)
{
    uint64_t most = p->opt.quotas[q];

    if (have <= most && more <= most - have) {
        return true;
    }
    pw_quota_hit(p, q);
    return false;
}

bool pw_quota_allows_line(struct pw_plugin *p)
{
    struct pw_quotas *u = &p->quotas;

    if (u->log_lines < p->opt.quotas[PW_QUOTA_LOG_LINES] && u->log_lines != 0 && (u->log_lines & 15) != 0) {
        u->log_lines++; /* the clock is read for every sixteenth line, and for every one that is too many */
        return true;
    }
    uint64_t now = p->server->monotonic_ns(p->server_data);
    if (u->log_lines == 0 || now - u->log_window_ns >= SECOND_NS) {
        u->log_window_ns = now;
        u->log_lines = 0;
    }
    if (!pw_quota_allows(p, PW_QUOTA_LOG_LINES, u->log_lines, 1)) {
        return false;
    }
    u->log_lines++;
    return true;
}

/* ---- bodies ------------------------------------------------------------------------------------ */

static uint64_t held(const struct pw_stream_step *st)
{
    return st->side[PW_REQUEST].body.len + st->side[PW_RESPONSE].body.len +
           st->side[PW_RESPONSE].injected.len;
}

bool pw_quota_allows_body(struct pw_stream_step *st, uint64_t more)
{
    struct pw_plugin *p = st->plugin;

    st->ctx.stream->holds = true;
    return pw_quota_allows(p, PW_QUOTA_BUFFERED_BODY, p->quotas.body_bytes - st->counted_bytes + held(st),
                           more);
}

void pw_quota_count_bodies(struct pw_stream *s)
{
    bool holds = false;

    for (uint32_t i = 0; s->holds && i < s->nsteps; i++) {
        struct pw_stream_step *st = &s->steps[i];
        uint64_t now = held(st);
        st->plugin->quotas.body_bytes += now - st->counted_bytes;
        st->counted_bytes = now;
        holds |= now != 0;
    }
    s->holds = holds;
}
