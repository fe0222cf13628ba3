/* gw/balance.c - round robin, least requests, rendezvous hashing. */
#include "gw/balance.h"

#include <math.h>

#include "gw/config.h"

uint32_t gw_balance_turns(struct gw_target *const *targets, const uint32_t *weights, size_t n)
{
    uint32_t best = GW_NONE;
    int64_t total = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (weights[i] == 0) {
            continue;
        }
        targets[i]->turn += weights[i];
        total += weights[i];
        if (best == GW_NONE || targets[i]->turn > targets[best]->turn) {
            best = i;
        }
    }
    if (best != GW_NONE) {
        targets[best]->turn -= total;
    }
    return best;
}

uint32_t gw_balance_least(struct gw_target *const *targets, const uint32_t *weights, size_t n,
                          uint64_t random)
{
    uint32_t best = GW_NONE;

    for (size_t k = 0; k < n; k++) {
        uint32_t i = (uint32_t)((random % n + k) % n);
        if (weights[i] == 0) {
            continue;
        }
        /* (active + 1) / weight, without the division */
        if (best == GW_NONE || ((uint64_t)targets[i]->active + 1) * weights[best] <
                                   ((uint64_t)targets[best]->active + 1) * weights[i]) {
            best = i;
        }
    }
    return best;
}

/* The finalizer of SplitMix64: every bit of the input changes half of the output. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint32_t gw_balance_hash(struct gw_target *const *targets, const uint32_t *weights, size_t n, uint64_t key)
{
    uint32_t best = GW_NONE;
    double best_score = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (weights[i] == 0) {
            continue;
        }
        /* u is in (0, 1); -log(u) / weight is exponentially distributed, and the smallest of several such
         * numbers belongs to each with the probability of its share. */
        double u = ((double)(mix(key ^ targets[i]->hash) >> 11) + 0.5) * 0x1p-53;
        double score = -log(u) / weights[i];
        if (best == GW_NONE || score < best_score) {
            best = i;
            best_score = score;
        }
    }
    return best;
}
