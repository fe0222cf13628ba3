/* pw/shared_queue.c - shared queues (host facts 1.18).
 *
 * A queue knows the worker that registered it last and how many entries that one was not told of.  The
 * worker knows which of its roots it was.  Telling goes: enqueue counts, the server wakes the worker
 * (pw_server.notify), the worker delivers what was counted. */
#include "base/mem.h"
#include "pw/plugin.h"
#include "pw/shared.h"

static uint32_t find_queue(const struct shared_block *b, uint32_t id)
{
    return id == 0 || id > b->nqueues ? 0 : b->queues[id - 1];
}

static void listen_for(struct pw_shared *sh, uint32_t queue, struct pw_context *root)
{
    for (size_t i = 0; i < sh->listeners.len; i++) {
        if (sh->listeners.at[i].queue == queue) {
            sh->listeners.at[i].root = root;
            return;
        }
    }
    vec_push(&sh->listeners, ((struct shared_listener){queue, root}));
}

static struct pw_context *listener_of(const struct pw_shared *sh, uint32_t queue)
{
    for (size_t i = 0; i < sh->listeners.len; i++) {
        if (sh->listeners.at[i].queue == queue) {
            return sh->listeners.at[i].root;
        }
    }
    return NULL;
}

void shared_queue_forget(struct pw_shared *sh, const struct pw_vm *vm)
{
    size_t kept = 0;

    for (size_t i = 0; i < sh->listeners.len; i++) {
        if (sh->listeners.at[i].root->vm != vm) {
            sh->listeners.at[kept++] = sh->listeners.at[i];
        }
    }
    sh->listeners.len = kept;
}

enum pw_status shared_queue_register(struct pw_shared *sh, struct str vm, struct str name,
                                     struct pw_context *root, uint32_t *id)
{
    const struct shared_name n = {SHARED_QUEUE, 0, vm, name};
    struct shared_block *b = sh->block;
    bool waiting = false;

    shared_lock(sh);
    uint32_t i = shared_find(b, &n);
    if (i == 0 && b->nqueues < SHARED_MAX_QUEUES) {
        const struct shared_queue fresh = {0};
        i = shared_entry_new(b, SHARED_QUEUE, &n, sizeof fresh);
        if (i != 0) {
            shared_value_write(b, i, &fresh);
            shared_at(b, i)->head.number = b->nqueues + 1;
            shared_entry_publish(b, i, SHARED_QUEUE);
        }
    }
    if (i != 0) {
        struct shared_queue *q = shared_queue_of(b, i);
        *id = shared_at(b, i)->head.number;
        q->worker = sh->worker;
        waiting = q->ready != 0;
    }
    shared_unlock(sh);
    if (i == 0) {
        return PW_INTERNAL_FAILURE;
    }
    if (root != NULL) {
        listen_for(sh, *id, root);
        struct pw_plugin *p = root->vm->plugin;
        if (waiting && p->server->notify != NULL) { /* entries that no receiver was left for */
            p->server->notify(p->server_data, sh->worker);
        }
    }
    return PW_OK;
}

enum pw_status shared_queue_resolve(struct pw_shared *sh, struct str vm, struct str name, uint32_t *id)
{
    const struct shared_name n = {SHARED_QUEUE, 0, vm, name};

    shared_lock(sh);
    uint32_t i = shared_find(sh->block, &n);
    if (i != 0) {
        *id = shared_at(sh->block, i)->head.number;
    }
    shared_unlock(sh);
    return i == 0 ? PW_NOT_FOUND : PW_OK;
}

enum pw_status shared_queue_enqueue(struct pw_shared *sh, uint32_t id, struct str item, uint32_t *worker)
{
    struct shared_block *b = sh->block;
    enum pw_status status = PW_NOT_FOUND;

    shared_lock(sh);
    uint32_t queue = find_queue(b, id);
    if (queue != 0) {
        sh->caller.over = sh->caller.owner != 0 && shared_queue_of(b, queue)->count >= sh->caller.most_items;
        uint32_t i = sh->caller.over ? 0 : shared_entry_new(b, SHARED_ITEM, NULL, item.len);
        status = PW_INTERNAL_FAILURE;
        if (i != 0) {
            struct shared_queue *q = shared_queue_of(b, queue);
            shared_value_write(b, i, item.at);
            shared_at(b, i)->head.number = id;
            shared_entry_publish(b, i, SHARED_ITEM);
            q->ready += q->ready != UINT32_MAX;
            *worker = q->worker;
            status = PW_OK;
        }
    }
    shared_unlock(sh);
    return status;
}

enum pw_status shared_queue_dequeue(struct pw_shared *sh, uint32_t id, struct strbuf *item)
{
    struct shared_block *b = sh->block;
    size_t room = 0;

    for (;;) { /* memory comes before the lock */
        shared_lock(sh);
        uint32_t queue = find_queue(b, id);
        uint32_t i = queue == 0 ? 0 : shared_queue_of(b, queue)->first;
        if (i == 0) {
            shared_unlock(sh);
            return queue == 0 ? PW_NOT_FOUND : PW_EMPTY;
        }
        size_t len = shared_at(b, i)->head.value_len;
        if (len <= room) {
            shared_value_read(b, i, item->at);
            item->len = len;
            shared_entry_free(b, i);
            shared_unlock(sh);
            return PW_OK;
        }
        shared_unlock(sh);
        room = len;
        strbuf_fini(item);
        *item = (struct strbuf){.at = mem_alloc(len + 1), .cap = len + 1};
    }
}

/* How often its receiver, a root of this worker, is to be called. */
static uint32_t take_ready(struct pw_shared *sh, uint32_t id)
{
    struct shared_block *b = sh->block;
    uint32_t ready = 0;

    shared_lock(sh);
    uint32_t i = find_queue(b, id);
    if (i != 0) {
        struct shared_queue *q = shared_queue_of(b, i);
        if (q->worker == sh->worker) {
            ready = q->ready;
            q->ready = 0;
        }
    }
    shared_unlock(sh);
    return ready;
}

void pw_shared_deliver(struct pw_shared *sh)
{
    size_t n = sh->listeners.len;
    uint32_t *ids = mem_zalloc_array(n + 1, sizeof *ids);

    for (size_t i = 0; i < n; i++) {
        ids[i] = sh->listeners.at[i].queue;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t ready = take_ready(sh, ids[i]);
        /* The guest may register others, or die, in between. */
        for (struct pw_context *root; ready != 0 && (root = listener_of(sh, ids[i])) != NULL; ready--) {
            struct pw_vm *vm = root->vm;
            const uint32_t args[PW_EXPORT_MAX_PARAMS] = {root->id, ids[i]};
            pw_vm_ref(vm);
            (void)pw_vm_call(vm, root, PW_EXPORT_QUEUE_READY, args, NULL);
            pw_vm_unref(vm);
        }
    }
    mem_free(ids);
}
