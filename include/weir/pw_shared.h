/* weir/pw_shared.h - the memory that plugins of all workers share: data, queues, metrics.
 *
 * The server makes one block that every worker maps (at any address), formats it once, and opens it in each
 * worker; the Proxy-Wasm host keeps everything else in it.  A process-shared lock guards it: a worker that is
 * killed while it holds the lock leaves the entries that were complete, the next one mends the rest.  Metrics
 * are counted without the lock. */
#ifndef WEIR_PW_SHARED_H
#define WEIR_PW_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/status.h"
#include "weir/str.h"

enum { PW_SHARED_LEAST_BYTES = 64 << 10 };
#define PW_SHARED_MOST_BYTES ((size_t)4 << 30) /* more is not used */

/* Make the zeroed block, aligned to 64 bytes, ready for use; before any other process sees it.
 * WEIR_E_LIMIT: fewer than PW_SHARED_LEAST_BYTES.  WEIR_E_UNSUPPORTED: the system has no robust locks. */
weir_status pw_shared_format(void *block, size_t bytes);

/* What this process knows about a formatted block; `worker` is its number, from 0, and stays the same when a
 * worker is replaced.  The block must outlive it. */
struct pw_shared;
struct pw_shared *pw_shared_open(void *block, uint32_t worker);
/* No VM that used it may be left. */
void pw_shared_close(struct pw_shared *sh);

/* Queues of this worker have something: call proxy_on_queue_ready.  For the server's event loop, after
 * pw_server.notify. */
void pw_shared_deliver(struct pw_shared *sh);

struct pw_shared_stats {
    uint64_t bytes, used_bytes;   /* of entries' memory */
    uint64_t data, queues, items; /* entries */
    uint64_t evicted;             /* data that made room for other data, least recently used first */
    uint64_t refused;             /* writes for which there was no room */
    uint64_t recovered;           /* times that a holder of the lock died */
};
void pw_shared_stats(struct pw_shared *sh, struct pw_shared_stats *out);

enum pw_metric_type { PW_METRIC_COUNTER = 0, PW_METRIC_GAUGE = 1, PW_METRIC_HISTOGRAM = 2 };

/* Upper bounds of a histogram's buckets; one more bucket takes what is over the last. */
enum { PW_HISTOGRAM_BOUNDS = 19 };
extern const uint64_t pw_histogram_bounds[PW_HISTOGRAM_BOUNDS];

struct pw_metric {
    enum pw_metric_type type;
    struct str name;
    uint64_t value;                                        /* counter, gauge */
    uint64_t count, sum, buckets[PW_HISTOGRAM_BOUNDS + 1]; /* histogram; a sample is in one bucket */
};
/* Every metric in the order of definition; `each` may not call back. */
void pw_shared_metrics(struct pw_shared *sh, void (*each)(void *data, const struct pw_metric *m), void *data);

#endif
