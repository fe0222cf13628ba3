/* redis/cluster.h - what a client of Redis Cluster reads: which slot a command's key has, and who serves it.
 *
 * Commands are checked ones (base/resp.h); replies are not trusted. */
#ifndef REDIS_CLUSTER_H
#define REDIS_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { REDIS_SLOTS = 16384 };

/* CRC16 of the key, or of what stands in its first braces. */
uint32_t redis_slot(struct str key);
/* The first key of a command; false: it has none that is known of, any node may be asked. */
bool redis_command_key(struct str command, struct str *key);

/* "-MOVED 3999 127.0.0.1:6381" and "-ASK ...": another node has the slot, from now on or for this command. */
struct redis_redirect {
    bool ask;
    uint32_t slot;
    struct str host; /* empty: the node that said so */
    uint32_t port;
};

/* False: the reply is something else. */
bool redis_redirect_read(struct str reply, struct redis_redirect *out);

/* One range of slots and the master that serves it; an empty host is the node that was asked. */
struct redis_range {
    uint32_t first, last;
    struct str host;
    uint32_t port;
};

/* Call `each` for every range of a reply to CLUSTER SLOTS.  False: it is none, and nothing was called. */
bool redis_slots_read(struct str reply, void (*each)(void *data, const struct redis_range *range),
                      void *data);

#endif
