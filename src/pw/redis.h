/* pw/redis.h - what the roots of a plugin said of Redis services.
 *
 * It belongs to the plugin, not to a VM: a VM made from what was saved has run no proxy_redis_init. */
#ifndef PW_REDIS_H
#define PW_REDIS_H

struct pw_redis_inits;

void pw_redis_inits_free(struct pw_redis_inits *inits); /* NULL is fine */

#endif
