/* calls.c - see calls.h. */
#include "calls.h"

#include <stdlib.h>

enum { KIND_WAITING = 1 };

static struct wp_calls *tables;

static void count(const struct wp_waiting *w, uint32_t by)
{
    w->root->calls += by;
    if (w->stream) {
        w->stream->calls += by;
    }
}

static void drop(struct wp_calls *calls, struct wp_idmap_entry *e)
{
    struct wp_waiting *w = e->value;
    count(w, UINT32_MAX); /* -1 */
    free(w);
    wp_idmap_erase(&calls->tokens, e);
}

/* An entry that fills the hole of another one stands at the same place: look there again. */
static void forget(struct wp_calls *calls, const struct wp_root *root, const struct wp_stream *stream)
{
    for (uint32_t i = 0; calls->tokens.at && i <= calls->tokens.mask;) {
        struct wp_idmap_entry *e = &calls->tokens.at[i];
        const struct wp_waiting *w = e->kind != 0 ? e->value : NULL;
        if (w && (stream ? w->stream == stream : w->root == root)) {
            drop(calls, e);
        } else {
            i++;
        }
    }
}

static void context_gone(const struct wp_root *root, const struct wp_stream *stream)
{
    for (struct wp_calls *c = tables; c; c = c->next) {
        forget(c, root, stream);
    }
}

void wp_calls_add(struct wp_calls *calls, uint32_t token, struct wp_waiting waiting)
{
    if (!calls->linked) {
        calls->linked = true;
        calls->next = tables;
        tables = calls;
        wp_context_gone = context_gone;
    }
    struct wp_idmap_entry *old = wp_idmap_find(&calls->tokens, token);
    if (old) { /* the host numbers two calls alike: the first can no longer be answered */
        drop(calls, old);
    }
    struct wp_waiting *w = malloc(sizeof *w);
    if (!w) {
        __builtin_trap();
    }
    *w = waiting;
    count(w, 1);
    wp_idmap_insert(&calls->tokens, token, KIND_WAITING, w);
}

bool wp_calls_take(struct wp_calls *calls, uint32_t token, struct wp_waiting *out)
{
    struct wp_idmap_entry *e = wp_idmap_find(&calls->tokens, token);
    if (!e) {
        return false;
    }
    *out = *(struct wp_waiting *)e->value;
    drop(calls, e);
    if (out->stream) {
        wp_stream_select(out->stream);
    }
    return true;
}
