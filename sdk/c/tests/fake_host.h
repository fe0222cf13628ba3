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
    char details[256], response_body[256], www_authenticate[256];
    uint32_t tick_ms, continued;
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

#endif
