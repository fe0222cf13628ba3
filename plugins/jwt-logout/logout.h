/* logout.h - what the files of jwt-logout share: a configuration, what is known of a token, and names of
 * records.  plugin.c says what they are for. */
#ifndef JWT_LOGOUT_LOGOUT_H
#define JWT_LOGOUT_LOGOUT_H

#include "jwks.h"
#include "redis_service.h"
#include "rule_config.h"
#include "token_place.h"
#include "verdict_cache.h"

struct signer {
    struct jwks keys;
    struct wp_str issuer; /* the only one whose tokens they sign; empty: any */
};

enum policy { POLICY_OPEN, POLICY_CLOSED, POLICY_CACHE_ONLY };

struct jwt_logout {
    struct redis_service redis;
    struct token_place *places;
    size_t nplaces;
    struct signer *signers;
    size_t nsigners;                                     /* 0: a plugin before this one verifies */
    struct wp_str logout_path, admin_path, admin_secret; /* empty: there is none */
    struct wp_str prefix;
    bool require_token;
    int64_t clock_skew_s, max_token_ttl_s;
    enum policy policy;
    uint64_t cache_ms, cache_only_ms;
    struct verdict_cache cache;
};

/* A configuration of README.md's fields in `arena`; a rule_parse_fn.  config.c */
void *jwt_logout_parse(const json_t *object, const char *where, struct wp_arena *arena, void *data);

/* Longest time to live of a record: what should stay longer has no end. */
#define MAX_TTL_S ((int64_t)10 * 366 * 86400)

int64_t jwt_logout_now_s(void);

/* ---- tokens.c ---- */

/* A hash of two texts; `kind` keeps different uses apart, and lengths keep the texts apart. */
struct wp_str record_hash(const char *kind, struct wp_str a, struct wp_str b);
struct wp_str record_of_token(const struct jwt_logout *c, struct wp_str id);
struct wp_str record_of_subject(const struct jwt_logout *c, struct wp_str issuer, struct wp_str subject);
struct wp_str record_of_everybody(const struct jwt_logout *c);
/* How long a record must stay that ends at `end_s`: never 0. */
int64_t record_ttl_s(int64_t end_s, int64_t skew_s);

enum { MAX_TOKENS = 4 };

/* What must be known of a token once the callback that read it is over. */
struct check {
    unsigned char id[VERDICT_ID_BYTES];
    bool has_iat, has_exp, has_subject, fresh;
    int64_t iat_s, exp_s;
};

/* The tokens of the request, and their subjects' records, empty for a token without; anything but JWT_OK
 * refuses it. */
enum jwt_status tokens_read(const struct jwt_logout *c, struct check checks[MAX_TOKENS], size_t *n,
                            struct wp_str subjects[MAX_TOKENS]);

#endif
