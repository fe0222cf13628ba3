/* control/gather.c - requests under way, and a file for each worker asked. */
#include "control/gather.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "os/os.h"

struct part { /* of one worker */
    pid_t pid;
    int file; /* -1: it could not be asked */
    bool answered;
};

struct gather {
    uint64_t number;
    gather_done *done;
    void *ctx;
    uint64_t client;
    uint64_t deadline_ms;
    VEC(struct part) parts;
};

struct gathers {
    struct channel *channel;
    uint64_t last; /* number */
    VEC(struct gather) list;
};

struct gathers *gathers_new(struct channel *ch)
{
    struct gathers *g = mem_zalloc(sizeof *g);
    g->channel = ch;
    return g;
}

static void fini(struct gather *one)
{
    for (size_t i = 0; i < one->parts.len; i++) {
        if (one->parts.at[i].file >= 0) {
            close(one->parts.at[i].file);
        }
    }
    vec_fini(&one->parts);
}

void gathers_free(struct gathers *g)
{
    if (g == NULL) {
        return;
    }
    for (size_t i = 0; i < g->list.len; i++) {
        fini(&g->list.at[i]);
    }
    vec_fini(&g->list);
    mem_free(g);
}

static bool is_on_line(const struct channel *ch, pid_t pid)
{
    for (size_t i = 0; i < channel_nclients(ch); i++) {
        if (channel_client_at(ch, i)->pid == pid) {
            return true;
        }
    }
    return false;
}

void gathers_ask(struct gathers *g, const char *what, gather_done *done, void *ctx, uint64_t client)
{
    struct gather one = {.number = ++g->last,
                         .done = done,
                         .ctx = ctx,
                         .client = client,
                         .deadline_ms = os_monotonic_ns() / 1000000 + GATHER_PATIENCE_MS};

    for (size_t i = 0; i < channel_nclients(g->channel); i++) {
        const struct channel_client *worker = channel_client_at(g->channel, i);
        struct part p = {.pid = worker->pid};
        if (p.pid == 0) {
            continue; /* it has not said who it is */
        }
        p.file = memfd_create("weir-report", MFD_CLOEXEC);
        if (p.file >= 0) {
            channel_send_file(g->channel, worker, p.file, "report %llu %s", (unsigned long long)one.number,
                              what);
        }
        vec_push(&one.parts, p);
    }
    vec_push(&g->list, one);
}

void gathers_take(struct gathers *g, const struct channel_client *from, struct str number)
{
    uint64_t n;

    if (!str_to_u64(number, &n)) {
        return;
    }
    for (size_t i = 0; i < g->list.len; i++) {
        struct gather *one = &g->list.at[i];
        for (size_t k = 0; one->number == n && k < one->parts.len; k++) {
            if (one->parts.at[k].pid == from->pid) {
                one->parts.at[k].answered = true;
            }
        }
    }
}

/* Those that ended are waited for no longer. */
static void drop_gone(struct gathers *g, struct gather *one)
{
    for (size_t i = one->parts.len; i-- != 0;) {
        struct part *p = &one->parts.at[i];
        if (!p->answered && !is_on_line(g->channel, p->pid)) {
            if (p->file >= 0) {
                close(p->file);
            }
            *p = vec_last(&one->parts);
            (void)vec_pop(&one->parts);
        }
    }
}

static bool complete(const struct gather *one)
{
    for (size_t i = 0; i < one->parts.len; i++) {
        if (!one->parts.at[i].answered && one->parts.at[i].file >= 0) {
            return false;
        }
    }
    return true;
}

/* What the worker wrote; false: that cannot be read. */
static bool read_file(int file, struct strbuf *out)
{
    struct stat st;
    ssize_t n;

    if (fstat(file, &st) != 0 || st.st_size <= 0 || st.st_size > GATHER_BYTES_MAX) {
        return false;
    }
    vec_reserve(out, (size_t)st.st_size + 1);
    while (out->len < (size_t)st.st_size &&
           (n = pread(file, out->at + out->len, (size_t)st.st_size - out->len, (off_t)out->len)) > 0) {
        out->len += (size_t)n;
    }
    out->at[out->len] = '\0';
    return out->len == (size_t)st.st_size;
}

static void finish(const struct gather *one)
{
    struct gather_report *reports = mem_zalloc_array(one->parts.len + 1, sizeof *reports);
    struct strbuf *texts = mem_zalloc_array(one->parts.len + 1, sizeof *texts);

    for (size_t i = 0; i < one->parts.len; i++) {
        const struct part *p = &one->parts.at[i];
        reports[i].pid = p->pid;
        if (p->answered && read_file(p->file, &texts[i])) {
            reports[i].text = strbuf_str(&texts[i]);
        } else {
            log_line(LOG_WARN, "worker %d does not say how it fares", (int)p->pid);
        }
    }
    one->done(one->ctx, one->client, reports, one->parts.len);
    for (size_t i = 0; i < one->parts.len; i++) {
        strbuf_fini(&texts[i]);
    }
    mem_free(texts);
    mem_free(reports);
}

void gathers_step(struct gathers *g, uint64_t now_ms)
{
    for (size_t i = g->list.len; i-- != 0;) {
        drop_gone(g, &g->list.at[i]);
        if (!complete(&g->list.at[i]) && now_ms < g->list.at[i].deadline_ms) {
            continue;
        }
        struct gather one = g->list.at[i];
        g->list.at[i] = vec_last(&g->list);
        (void)vec_pop(&g->list);
        finish(&one);
        fini(&one);
    }
}

uint64_t gathers_when_ms(const struct gathers *g)
{
    uint64_t when = 0;

    for (size_t i = 0; i < g->list.len; i++) {
        when = when == 0 || g->list.at[i].deadline_ms < when ? g->list.at[i].deadline_ms : when;
    }
    return when;
}
