/* pw/context.h - contexts: what a guest knows by number.
 *
 * Ids come from one counter of the VM, starting at 1, and are never reused while live.  Root contexts belong
 * to the VM, stream contexts are parts of their stream; a VM's table finds both by id.  Id 0 is the VM
 * itself (start functions run in it) and, in a stream, a context that was not created yet. */
#ifndef PW_CONTEXT_H
#define PW_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

struct pw_stream;
struct pw_vm;

struct pw_context {
    uint32_t id;
    uint32_t config; /* index of its configuration */
    struct pw_vm *vm;
    struct pw_stream *stream; /* NULL in the VM's context and in roots */
    struct pw_context *next;  /* in the table's bucket */
    uint32_t step;            /* of the stream */
    bool done_pending;        /* root: proxy_on_done returned false, proxy_done has not come */
    bool keep_route;          /* property clear_route_cache = off */
};

/* The live contexts of a VM by id. */
struct pw_context_table {
    struct pw_context **buckets; /* mask + 1 of them, NULL before the first context */
    uint32_t mask, count, last_id;
};

void pw_contexts_fini(struct pw_context_table *t);
/* Give `c` a fresh id and enter it. */
void pw_contexts_add(struct pw_context_table *t, struct pw_context *c);
void pw_contexts_remove(struct pw_context_table *t, struct pw_context *c);
struct pw_context *pw_contexts_find(const struct pw_context_table *t, uint32_t id);

#endif
