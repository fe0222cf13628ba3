/* redis_service.h - the `redis` object of a configuration, and the service it names.
 *
 * Fields as in Higress's plugins: service_name, service_port, username, password, timeout (ms), database.
 * What is parsed lies in the arena of the configuration; the fields after `options` change. */
#ifndef PLUGINS_REDIS_SERVICE_H
#define PLUGINS_REDIS_SERVICE_H

#include "weir_json.h"
#include "weir_redis.h"

struct redis_service {
    struct wp_redis_options options;
    bool ready; /* the host has taken the options */
    uint64_t complained_ns;
    uint32_t unsaid; /* complaints since */
};

/* Parse `redis` of `object` and tell the host.  False, having logged why.  A service the host does not know
 * yet is only warned about: it may come with the host's next configuration. */
bool redis_service_parse(const json_t *object, const char *where, struct wp_arena *arena,
                         struct redis_service *out);

/* As wp_redis_call; tells the host the options first if it has not taken them yet. */
enum wp_status redis_service_call(struct redis_service *r, struct wp_stream *s, const struct wp_str *argv,
                                  size_t argc, wp_redis_fn *fn, void *data);

/* Log what failed at warning level, at most once a second: while Redis is away that is every request. */
void redis_service_complain(struct redis_service *r, struct wp_str what, const struct wp_redis_reply *reply);

#endif
