/* The policies by numbers: spread, weights, and how few keys move when endpoints come and go. */
#include "gw_test.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "gw/balance.h"

enum { N = 100, KEYS = 20000 };

struct pool {
    struct gw_target targets[N], *at[N];
    uint32_t weights[N];
};

static void pool_init(struct pool *p, size_t n)
{
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < n; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "10.0.0.%zu:80", i);
        p->targets[i].hash = hash_bytes(name, (size_t)len, 0);
        p->at[i] = &p->targets[i];
        p->weights[i] = 1;
    }
}

static void test_turns(void **state)
{
    struct pool p;
    char order[8] = {0};
    (void)state;

    pool_init(&p, 3);
    p.weights[0] = 5;
    for (int i = 0; i < 7; i++) {
        order[i] = (char)('a' + gw_balance_turns(p.at, p.weights, 3));
    }
    assert_string_equal(order, "aabacaa"); /* spread, not in runs */
    p.weights[0] = p.weights[2] = 0;
    assert_int_equal(gw_balance_turns(p.at, p.weights, 3), 1);
    p.weights[1] = 0;
    assert_int_equal(gw_balance_turns(p.at, p.weights, 3), GW_NONE);
    assert_int_equal(gw_balance_turns(p.at, p.weights, 0), GW_NONE);
}

static void test_turns_beyond_64(void **state)
{
    struct pool p;
    uint32_t seen[N] = {0};
    (void)state;

    pool_init(&p, N);
    for (int i = 0; i < 3 * N; i++) {
        seen[gw_balance_turns(p.at, p.weights, N)]++;
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(seen[i], 3);
    }
}

static void test_least(void **state)
{
    struct pool p;
    uint32_t first[4] = {0};
    (void)state;

    pool_init(&p, 4);
    p.targets[0].active = 3;
    p.targets[1].active = 1;
    p.targets[2].active = 2;
    p.targets[3].active = 1;
    for (uint64_t r = 0; r < 400; r++) {
        first[gw_balance_least(p.at, p.weights, 4, r)]++;
    }
    assert_int_equal(first[0] + first[2], 0);
    assert_true(first[1] > 0 && first[3] > 0);
    p.weights[0] = 10; /* (3 + 1) / 10 is the least now */
    assert_int_equal(gw_balance_least(p.at, p.weights, 4, 2), 0);
    memset(p.weights, 0, sizeof p.weights);
    assert_int_equal(gw_balance_least(p.at, p.weights, 4, 2), GW_NONE);
    assert_int_equal(gw_balance_least(p.at, p.weights, 0, 2), GW_NONE);
}

static uint64_t key_of(uint32_t i)
{
    return hash_bytes(&i, sizeof i, 0);
}

/* Where every key goes. */
static void place(struct pool *p, size_t n, uint32_t *where)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        where[i] = gw_balance_hash(p->at, p->weights, n, key_of(i));
    }
}

static void test_hash_is_even(void **state)
{
    static uint32_t where[KEYS];
    struct pool p;
    uint32_t counts[10] = {0};
    (void)state;

    pool_init(&p, 10);
    p.weights[9] = 3;
    place(&p, 10, where);
    for (int i = 0; i < KEYS; i++) {
        counts[where[i]]++;
    }
    for (int i = 0; i < 10; i++) { /* of 12 shares; a standard deviation is about 2% */
        uint32_t want = KEYS / 12 * p.weights[i];
        assert_in_range(counts[i], want * 85 / 100, want * 115 / 100);
    }
}

static void test_hash_moves_no_other_key(void **state)
{
    static uint32_t before[KEYS], after[KEYS];
    struct pool p;
    uint32_t moved = 0;
    (void)state;

    pool_init(&p, 11);
    place(&p, 10, before);
    place(&p, 11, after); /* one comes */
    for (int i = 0; i < KEYS; i++) {
        assert_true(after[i] == before[i] || after[i] == 10);
        moved += after[i] != before[i];
    }
    assert_in_range(moved, KEYS / 11 * 85 / 100, KEYS / 11 * 115 / 100);

    p.weights[3] = 0; /* one goes */
    place(&p, 10, after);
    for (int i = 0; i < KEYS; i++) {
        assert_true(before[i] == 3 ? after[i] != 3 : after[i] == before[i]);
    }

    p.weights[3] = 2; /* one counts more: keys only come to it */
    place(&p, 10, after);
    for (int i = 0; i < KEYS; i++) {
        assert_true(after[i] == before[i] || after[i] == 3);
    }
    memset(p.weights, 0, sizeof p.weights);
    assert_int_equal(gw_balance_hash(p.at, p.weights, 10, 1), GW_NONE);
}

static void test_retries_are_read(void **state)
{
    struct gw_config *c =
        load_good("services: [{name: s, endpoints: ['h:1'], retries: {on: [reset, '5xx', '429']}},"
                  " {name: q, endpoints: ['h:1'], retries: {attempts: 1}}]");
    const struct gw_retries *r = c->services[0].retries;
    (void)state;

    assert_int_equal(r->conditions, GW_RETRY_RESET);
    assert_true(gw_retries_status(r, 429) && gw_retries_status(r, 500) && gw_retries_status(r, 599));
    assert_false(gw_retries_status(r, 428) || gw_retries_status(r, 200) || gw_retries_status(r, 600));
    assert_int_equal(c->services[1].retries->conditions,
                     GW_RETRY_CONNECT | GW_RETRY_RESET | GW_RETRY_TIMEOUT);
    assert_false(gw_retries_status(c->services[1].retries, 503));
    gw_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_turns_beyond_64),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_hash_is_even),
        cmocka_unit_test(test_hash_moves_no_other_key),
        cmocka_unit_test(test_retries_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
