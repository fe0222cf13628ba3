/*
 * ngx_http_weir_balance.c - which peer takes the next request: gw/balance.h, with health, limits and what was tried.
 *
 * A peer counts by its weight, less while it starts slowly, not at all when it has no room. In this order:
 * usable ones that were not tried, any that were not tried, any. In a panic all are usable. An endpoint that a
 * plugin wants comes first, if the service has it and it was not tried.
 */

#include "http/cookie.h"

#include "ngx_http_weir_module.h"


/* Weights are scaled by 100, so that a share of one percent can be said. */
static uint32_t   *counts;
static ngx_uint_t  ncounts;


bool
ngx_http_weir_was_tried(const ngx_http_weir_tried_t *tried, const ngx_http_weir_peer_t *peer)
{
    ngx_uint_t  i;

    for (i = 0; i < tried->n; i++) {
        if (tried->peers[i] == peer) {
            return true;
        }
    }

    return false;
}


static bool
in_panic(ngx_http_weir_service_t *s)
{
    ngx_uint_t  i, usable;

    for (i = 0, usable = 0; i < s->npeers; i++) {
        usable += ngx_http_weir_peer_usable(s->peers[i]);
    }

    return usable == 0 || usable * 100 < s->conf->health.panic * s->npeers;
}


/* What each counts now; false: none does. */

static bool
count(ngx_http_weir_service_t *s, const ngx_http_weir_tried_t *tried, bool all)
{
    bool                   any;
    uint32_t               most = s->conf->limits.connections;
    ngx_uint_t             i;
    ngx_http_weir_peer_t  *peer;

    if (ncounts < s->npeers) {
        counts = mem_realloc(counts, s->npeers * sizeof(uint32_t));
        ncounts = s->npeers;
    }

    for (i = 0, any = false; i < s->npeers; i++) {
        peer = s->peers[i];
        counts[i] = 0;

        if ((most != 0 && peer->target.active >= most)
            || (!all && !ngx_http_weir_peer_usable(peer))
            || (tried != NULL && ngx_http_weir_was_tried(tried, peer)))
        {
            continue;
        }

        counts[i] = s->weights[i] * ngx_http_weir_peer_share(peer);
        any = true;
    }

    return any;
}


static uint32_t
choose(ngx_http_weir_service_t *s, const uint64_t *key)
{
    if (s->conf->policy == GW_CONSISTENT_HASH && key != NULL) {
        return gw_balance_hash(s->targets, counts, s->npeers, *key);
    }

    if (s->conf->policy == GW_LEAST_REQUESTS) {
        return gw_balance_least(s->targets, counts, s->npeers, (uint64_t) ngx_random());
    }

    return gw_balance_turns(s->targets, counts, s->npeers);
}


static ngx_http_weir_peer_t *
find_wanted(ngx_http_weir_service_t *s, ngx_str_t *wanted, const ngx_http_weir_tried_t *tried)
{
    ngx_uint_t  i;

    for (i = 0; wanted->len != 0 && i < s->npeers; i++) {
        if (str_eq(ngx_http_weir_str(wanted), ngx_http_weir_str(&s->peers[i]->name))) {
            return ngx_http_weir_was_tried(tried, s->peers[i]) ? NULL : s->peers[i];
        }
    }

    return NULL;
}


ngx_http_weir_peer_t *
ngx_http_weir_next_peer(ngx_http_weir_service_t *s, ngx_str_t *wanted, ngx_http_weir_tried_t *tried,
    const uint64_t *key)
{
    bool                   panic;
    uint32_t               i;
    ngx_http_weir_peer_t  *peer;

    peer = find_wanted(s, wanted, tried);

    if (peer == NULL) {
        panic = in_panic(s);

        if (!(!panic && count(s, tried, false)) && !count(s, tried, true)
            && !(!panic && count(s, NULL, false)) && !count(s, NULL, true))
        {
            return NULL;
        }

        i = choose(s, key);
        peer = s->peers[i];
    }

    if (tried->n < NGX_HTTP_WEIR_MAX_TRIES && !ngx_http_weir_was_tried(tried, peer)) {
        tried->peers[tried->n++] = peer;
    }

    ngx_http_weir_peer_acquire(peer);

    return peer;
}


ngx_http_weir_peer_t *
ngx_http_weir_choose_peer(ngx_http_weir_service_t *s)
{
    ngx_str_t              none = ngx_null_string;
    ngx_http_weir_tried_t  tried = { .n = 0 };

    return ngx_http_weir_next_peer(s, &none, &tried, NULL);
}


/* ---- keys ---- */

bool
ngx_http_weir_hash_key(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx, uint64_t *key)
{
    struct str                 value;
    const struct gw_hash_key  *hash = ctx->service->conf->hash;

    if (hash == NULL) {
        return false;
    }

    if (hash->address) {
        value = ngx_http_weir_str(&r->connection->addr_text);

    } else if (hash->header.at != NULL) {

        if (!ngx_http_weir_in_get(ctx, hash->header, &value)) {
            return false;
        }

    } else if (!ngx_http_weir_in_get(ctx, STR("cookie"), &value) || !http_cookie_find(value, hash->cookie, &value)) {
        return false;
    }

    *key = hash_bytes(value.at, value.len, 0);

    return true;
}
