/* gw/balance.h - which of a service's endpoints takes the next request: the policies, without any server.
 *
 * The caller keeps a gw_target for each endpoint and says for every choice how much each counts now: its
 * weight, less while it comes back, 0 if it is out. So health, limits and what was tried are the
 * caller's, and a policy is a function of numbers. */
#ifndef GW_BALANCE_H
#define GW_BALANCE_H

#include <stddef.h>
#include <stdint.h>

struct gw_target {
    int64_t turn;    /* round robin; 0 at first, then the policy's */
    uint32_t active; /* requests under way; the caller counts */
    uint64_t hash;   /* of what identifies the endpoint, for consistent hashing */
};

/* Each returns an index, or GW_NONE (gw/config.h) where all weights are 0.  Weights are at most 1,000,000,
 * and mean the same for all. */

/* Smooth weighted round robin: of every sum-of-weights choices each gets its weight, spread evenly. */
uint32_t gw_balance_turns(struct gw_target *const *targets, const uint32_t *weights, size_t n);

/* The fewest requests per weight; among equals the first from `random` on. */
uint32_t gw_balance_least(struct gw_target *const *targets, const uint32_t *weights, size_t n,
                          uint64_t random);

/* Weighted rendezvous hashing (ADR 0058): every endpoint draws a number from its hash and the key, the best
 * one wins. When an endpoint goes, only its keys move; when one comes, only those that it takes. */
uint32_t gw_balance_hash(struct gw_target *const *targets, const uint32_t *weights, size_t n, uint64_t key);

#endif
