/* fake_host.h - a Proxy-Wasm host inside a unit test: the imports of abi.h on plain arrays.
 *
 * A test includes this header, links a plugin (or its own callbacks), and calls the plugin's exports as a
 * host would.  One plugin, one stream at a time; everything is static and starts over with fake_reset. */
#ifndef WEIR_SDK_FAKE_HOST_H
#define WEIR_SDK_FAKE_HOST_H

#include "weir_plugin.h"

enum { FAKE_MAX = 64, FAKE_TEXT = 4096 };

struct fake_entry {
    char name[256], value[1024];
    size_t name_len, value_len;
};

struct fake_map {
    struct fake_entry at[FAKE_MAX];
    size_t n;
};

/* A call to another service, as the plugin made it; the test answers it. */
struct fake_call {
    struct wp_str service, payload; /* the serialised headers, or the command; copies */
    struct wp_str body;
    uint32_t timeout_ms;
};

enum { FAKE_CALLS = 64, FAKE_METRICS = 16 };

struct fake_host {
    struct fake_map request, response, properties; /* property names as they are, NULs included */
    struct wp_str config, body;
    uint64_t now_ns;
    enum wp_log_level level;
    uint32_t log_level_calls, log_calls, calls;
    char log[FAKE_TEXT]; /* the lines, each ended by a newline; cut when full */
    /* The local response, if one was sent. */
    bool responded;
    uint32_t status;
    char details[256], response_body[2048], www_authenticate[512];
    struct fake_map response_headers;
    uint32_t tick_ms, continued;
    uint32_t effective; /* the last context that was selected, 0 if none */
    /* Calls to other services: their tokens are 4, 8, ... and 7, 11, ... .  What is not WP_OK is answered. */
    struct fake_call http[FAKE_CALLS], redis[FAKE_CALLS];
    uint32_t nhttp, nredis, call_status;
    char redis_init[256]; /* "service user password timeout" */
    struct fake_map call_headers;
    struct wp_str call_body, redis_reply, status_message;
    /* Shared data and one queue; fake_cas_races writes come between a get and a set. */
    struct fake_map shared;
    uint32_t shared_version, cas_races;
    struct wp_str queue[FAKE_MAX];
    size_t queue_at, queue_len;
    struct fake_map metric_names;
    uint64_t metrics[FAKE_METRICS];
};

extern struct fake_host fake;

void fake_reset(void);
void fake_set(struct fake_map *map, struct wp_str name, const char *value); /* one more entry */
/* The first value of a name, or NULL. */
const char *fake_get(const struct fake_map *map, const char *name);
size_t fake_count(const struct fake_map *map, const char *name);

/* The exports every plugin has. */
void proxy_on_context_create(uint32_t id, uint32_t parent_id);
void proxy_on_delete(uint32_t id);
void *wp_host_malloc(size_t size);
/* Those a plugin may have: a test declares what it calls. */
uint32_t proxy_on_configure(uint32_t id, uint32_t size);
uint32_t proxy_on_request_headers(uint32_t id, uint32_t count, uint32_t end_of_stream);
uint32_t proxy_on_request_body(uint32_t id, uint32_t size, uint32_t end_of_stream);
uint32_t proxy_on_request_trailers(uint32_t id, uint32_t count);
void proxy_on_http_call_response(uint32_t root_id, uint32_t token, uint32_t nheaders, uint32_t body_bytes,
                                 uint32_t ntrailers);
void proxy_on_redis_call_response(uint32_t root_id, uint32_t token, uint32_t status, uint32_t bytes);
void proxy_on_queue_ready(uint32_t id, uint32_t queue);

#endif
