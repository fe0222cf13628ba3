/* pw/callout.h - requests that plugins sent and that are not answered yet.
 *
 * A callout belongs to a root context and holds a reference to its VM; the plugin lists those of all its VMs.
 * It ends in one of two ways: the server answers it (pw_callout_done), and the root hears of it once; or the
 * host gives it up (the VM died, the plugin goes, the guest cancelled it), tells the server so, and nobody
 * hears of it again. */
#ifndef PW_CALLOUT_H
#define PW_CALLOUT_H

#include "pw/abi.h"
#include "base/str.h"
#include "pw/plugin.h"

enum { PW_NO_BUFFER = UINT8_MAX };

/* The low bits of a token, the rest counts from 1; but names that are resolved have tokens 1, 2, 3, ... of
 * their own. */
enum pw_callout_kind {
    PW_CALLOUT_HTTP,
    PW_CALLOUT_GRPC_CALL,
    PW_CALLOUT_GRPC_STREAM,
    PW_CALLOUT_REDIS,
    PW_CALLOUT_DNS
};

struct pw_callout {
    struct pw_vm *vm; /* a reference */
    uint32_t root;    /* index into vm->roots */
    uint32_t token;
    void *handle;          /* the server's */
    struct strbuf message; /* of a unary gRPC call, until it is over */
    bool has_message;
    bool dns;
    bool ended; /* a gRPC stream: nothing more is sent */
    struct pw_callout *prev, *next;
};

/* What the callback of an answer may look at, while it runs. */
struct pw_delivery {
    struct {
        const struct pw_header *at;
        size_t n;
    } maps[4];        /* PW_MAP_GRPC_INITIAL to PW_MAP_CALL_TRAILERS */
    uint32_t buffer;  /* an enum pw_buffer, or PW_NO_BUFFER */
    struct str bytes; /* of that buffer */
    uint32_t status;  /* for proxy_get_status */
    struct str message;
};

/* A callout of the root that the VM's effective context belongs to, not handed to a server yet.  NULL: there
 * are too many, or no root to answer to. */
struct pw_callout *pw_callout_new(struct pw_vm *vm, enum pw_callout_kind kind);
/* One the server did not take. */
void pw_callout_discard(struct pw_callout *c);
static inline enum pw_callout_kind pw_callout_kind(const struct pw_callout *c)
{
    return c->dns ? PW_CALLOUT_DNS : (enum pw_callout_kind)(c->token & 3);
}

/* Give one up, and tell the server. */
void pw_callout_cancel(struct pw_callout *c);
/* Give up those of one VM, or of all of the plugin's (NULL).  May free VMs that nothing else refers to. */
void pw_callouts_cancel(struct pw_plugin *p, const struct pw_vm *vm);
/* The memory that is kept for more of them. */
void pw_callouts_free_spares(struct pw_plugin *p);

/* The entries of a map of the delivery at hand; NULL: there is none. */
const struct pw_header *pw_delivery_map(const struct pw_vm *vm, uint32_t map, size_t *n);

#endif
