/* cli/try_redis.h - Redis in the files of `weir try`: replies from JSON, commands to JSON.
 *
 * A reply is written as what it means: "text" (a bulk string), 5, null, [..], {"status": "OK"},
 * {"error": "ERR why"}. */
#ifndef CLI_TRY_REDIS_H
#define CLI_TRY_REDIS_H

#include <jansson.h>

#include "base/str.h"
#include "cli/fake_calls.h"

/* Add the reply in RESP; false: `v` is none. */
bool try_redis_reply(const json_t *v, struct strbuf *out);

/* Add `, "redis": [{"service": .., "command": [..], ..}, ..]`; nothing if there are no commands. */
void try_redis_print(struct strbuf *b, const struct fake_command *at, size_t n);

#endif
