/* cli/deploy_tries.c - one child for each version of a plugin that would get a new VM. */
#include "cli/deploy_tries.h"

#include <string.h>

#include "base/mem.h"
#include "cli/start_check.h"
#include "os/os.h"

enum { START_TIMEOUT_S = 5 };

static uint64_t now_ms(void)
{
    return os_monotonic_ns() / 1000000;
}

struct deploy_try *deploy_try_find(struct deploy *d, struct str name, uint64_t hash)
{
    for (size_t i = 0; i < d->tries.len; i++) {
        struct deploy_try *t = &d->tries.at[i];
        if (t->hash == hash && str_eq(str_of(t->name), name)) {
            return t;
        }
    }
    return NULL;
}

static struct start_try *begin(struct deploy *d, const struct gw_plugin *p, struct strbuf *why)
{
    struct str file;
    struct strbuf path = {0};

    gw_plugin_file(p, &file);
    char *image = d->images == NULL ? NULL : images_path(d->images, p);
    strbuf_printf(&path, "%s/%.*s", d->state_dir, STR_ARG(file));
    struct start_try *child =
        start_try_new(p, strbuf_str(&path), image, 0, p->nconfigs, START_TIMEOUT_S, why);
    strbuf_fini(&path);
    mem_free(image);
    return child;
}

struct deploy_try *deploy_try_of(struct deploy *d, const struct gw_plugin *p, uint64_t hash)
{
    struct deploy_try *known = deploy_try_find(d, p->name, hash);
    struct str file;

    if (known != NULL || d->tries.len == DEPLOY_MAX_TRIES) {
        return known;
    }
    struct deploy_try t = {.name = mem_strndup(p->name.at, p->name.len), .hash = hash, .since_ms = now_ms()};
    if (p->nconfigs == 0 || !gw_plugin_file(p, &file)) {
        t.good = true; /* nothing runs */
    } else {
        t.child = begin(d, p, &t.why);
    }
    vec_push(&d->tries, t);
    return &vec_last(&d->tries);
}

bool deploy_tries_step(struct deploy *d)
{
    bool any = false;

    for (size_t i = 0; i < d->tries.len; i++) {
        struct deploy_try *t = &d->tries.at[i];
        enum start_outcome outcome;
        if (t->child != NULL && start_try_step(t->child, &outcome, &t->why)) {
            start_try_free(t->child);
            t->child = NULL;
            t->good = outcome == START_OK;
            t->harmful = outcome == START_HUNG || outcome == START_CRASHED;
            any = true;
        }
    }
    return any;
}

static void drop(struct deploy *d, size_t i)
{
    start_try_free(d->tries.at[i].child);
    mem_free(d->tries.at[i].name);
    strbuf_fini(&d->tries.at[i].why);
    d->tries.at[i] = vec_last(&d->tries);
    (void)vec_pop(&d->tries);
}

void deploy_tries_sweep(struct deploy *d, bool (*wanted)(void *ctx, const struct deploy_try *t), void *ctx)
{
    for (size_t i = d->tries.len; i-- != 0;) {
        if (d->tries.at[i].child == NULL || !wanted(ctx, &d->tries.at[i])) {
            drop(d, i);
        }
    }
}

void deploy_tries_fini(struct deploy *d)
{
    while (d->tries.len != 0) {
        drop(d, d->tries.len - 1);
    }
    vec_fini(&d->tries);
}

bool deploy_trying(const struct deploy *d)
{
    for (size_t i = 0; i < d->tries.len; i++) {
        if (d->tries.at[i].child != NULL) {
            return true;
        }
    }
    return false;
}

size_t deploy_poll_fds(const struct deploy *d, struct pollfd *fds)
{
    size_t n = 0;

    for (size_t i = 0; i < d->tries.len; i++) {
        if (d->tries.at[i].child != NULL) {
            fds[n++] = (struct pollfd){.fd = start_try_fd(d->tries.at[i].child), .events = POLLIN};
        }
    }
    return n;
}

uint64_t deploy_when_ms(const struct deploy *d)
{
    uint64_t next = 0, now = now_ms();

    for (size_t i = 0; i < d->tries.len; i++) {
        const struct deploy_try *t = &d->tries.at[i];
        if (t->child != NULL) {
            uint64_t patience = t->since_ms + DEPLOY_PATIENCE_MS, end = start_try_deadline_ms(t->child);
            uint64_t at = d->unsettled && patience > now ? patience : end;
            next = next == 0 || at < next ? at : next;
        }
    }
    return next;
}
