/* The shared block itself: many processes at once, one that dies with the lock, memory that runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "pw/shared.h"

enum { BLOCK_BYTES = 1 << 20, KEYS = 50, STEPS = 20000 };

static void *new_block(size_t bytes)
{
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(block != MAP_FAILED);
    assert_int_equal(pw_shared_format(block, bytes), WEIR_OK);
    return block;
}

static struct str key_of(char buf[16], unsigned k)
{
    snprintf(buf, 16, "key %u", k);
    return str_of(buf);
}

/* What get says of a key: its value's first byte, with every byte the same; -1: there is none. */
static int value_of(struct pw_shared *sh, struct str vm, struct str key, size_t *len)
{
    struct strbuf value = {0};
    uint32_t cas = 0;
    int byte = -1;

    if (shared_data_get(sh, vm, key, &value, &cas) == PW_OK) {
        assert_true(cas != 0);
        byte = value.len == 0 ? 0 : (unsigned char)value.at[0];
        for (size_t i = 0; i < value.len; i++) {
            assert_int_equal((unsigned char)value.at[i], byte);
        }
        *len = value.len;
    }
    strbuf_fini(&value);
    return byte;
}

static void check_room(struct pw_shared *sh, uint64_t data)
{
    struct pw_shared_stats stats;

    pw_shared_stats(sh, &stats);
    assert_true(stats.used_bytes <= stats.bytes);
    assert_int_equal(stats.data, data);
}

static void test_format(void **state)
{
    (void)state;
    void *block = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(pw_shared_format(block, 4096), WEIR_E_LIMIT);
    munmap(block, 4096);
}

static void test_namespaces_and_sizes(void **state)
{
    static char big[BLOCK_BYTES];
    void *block = new_block(BLOCK_BYTES);
    struct pw_shared *sh = pw_shared_open(block, 0);
    char buf[16];
    size_t len = 0;
    (void)state;

    /* Lengths around the ends of chunks; "ab" + "c" and "a" + "bc" are two names. */
    for (unsigned n = 0; n < 500; n++) {
        memset(big, (int)(n & 0xff), n);
        assert_int_equal(shared_data_set(sh, STR("ab"), key_of(buf, n), str_make(big, n), 0), PW_OK);
        assert_int_equal(value_of(sh, STR("ab"), key_of(buf, n), &len), n == 0 ? 0 : (int)(n & 0xff));
        assert_int_equal(len, n);
        assert_int_equal(value_of(sh, STR("a"), key_of(buf, n), &len), -1);
    }
    assert_int_equal(shared_data_set(sh, STR("a"), STR("bc"), STR("x"), 0), PW_OK);
    assert_int_equal(value_of(sh, STR("ab"), STR("c"), &len), -1);

    assert_int_equal(shared_data_set(sh, STR(""), STR("big"), str_make(big, sizeof big), 0),
                     PW_INTERNAL_FAILURE);
    assert_int_equal(shared_data_set(sh, STR(""), str_make(big, sizeof big), STR(""), 0),
                     PW_INTERNAL_FAILURE);
    check_room(sh, 501);
    pw_shared_close(sh);
    munmap(block, BLOCK_BYTES);
}

/* Full many times over: what is used stays, nothing is lost to fragments, and queues keep their room. */
static void test_eviction(void **state)
{
    static char value[20000];
    void *block = new_block(BLOCK_BYTES);
    struct pw_shared *sh = pw_shared_open(block, 0);
    struct pw_shared_stats stats;
    char buf[16];
    size_t len = 0;
    uint32_t queue = 0, worker = 9;
    (void)state;

    assert_int_equal(shared_queue_register(sh, STR(""), STR("q"), NULL, &queue), PW_OK);
    assert_int_equal(shared_data_set(sh, STR(""), STR("used"), STR("uuu"), 0), PW_OK);
    for (unsigned n = 0; n < 20000; n++) {
        memset(value, (int)(n & 0xff), sizeof value);
        size_t bytes = (n * 7919u) % sizeof value;
        assert_int_equal(shared_data_set(sh, STR(""), key_of(buf, n), str_make(value, bytes), 0), PW_OK);
        assert_int_equal(value_of(sh, STR(""), STR("used"), &len), 'u');
    }
    assert_int_equal(value_of(sh, STR(""), key_of(buf, 19999), &len), 19999 & 0xff);
    assert_int_equal(value_of(sh, STR(""), key_of(buf, 1), &len), -1);
    pw_shared_stats(sh, &stats);
    assert_true(stats.evicted > 10000 && stats.refused == 0);

    /* Half of the block is for queues, whatever data took. */
    unsigned items = 0;
    while (shared_queue_enqueue(sh, queue, str_make(value, 1000), &worker) == PW_OK) {
        items++;
    }
    assert_in_range(items, BLOCK_BYTES / 2 / 1200, BLOCK_BYTES / 2 / 1000);
    pw_shared_stats(sh, &stats);
    assert_int_equal(stats.items, items);
    assert_int_equal(stats.refused, 1);
    assert_int_equal(shared_data_set(sh, STR(""), STR("k"), str_make(value, 10000), 0), PW_OK);
    struct strbuf item = {0};
    while (shared_queue_dequeue(sh, queue, &item) == PW_OK) {
        assert_int_equal(item.len, 1000);
        items--;
    }
    strbuf_fini(&item);
    assert_int_equal(items, 0);
    pw_shared_close(sh);
    munmap(block, BLOCK_BYTES);
}

static void one_metric(void *data, const struct pw_metric *m)
{
    *(struct pw_metric *)data = *m;
}

/* A child's work: counts in "sum" by compare and swap, writes values, passes items on. */
static void hammer(void *block, uint32_t worker)
{
    struct pw_shared *sh = pw_shared_open(block, worker);
    uint32_t counter, queue, unused;
    char value[600], buf[16];

    if (shared_metric_define(sh, PW_METRIC_COUNTER, STR("steps"), &counter) != PW_OK ||
        shared_queue_register(sh, STR(""), STR("q"), NULL, &queue) != PW_OK) {
        _exit(2);
    }
    for (unsigned n = 0; n < STEPS; n++) {
        struct strbuf old = {0};
        uint32_t cas = 0;
        enum pw_status st;
        do {
            cas = 0;
            st = shared_data_get(sh, STR(""), STR("sum"), &old, &cas);
            uint32_t sum = st == PW_OK ? *(uint32_t *)old.at + 1 : 1;
            st = shared_data_set(sh, STR(""), STR("sum"), str_make(&sum, 4), cas);
        } while (st == PW_CAS_MISMATCH);
        strbuf_fini(&old);
        memset(value, (int)(n & 0xff), sizeof value);
        if (st != PW_OK ||
            shared_data_set(sh, STR(""), key_of(buf, n % KEYS), str_make(value, n % sizeof value), 0) !=
                PW_OK ||
            shared_queue_enqueue(sh, queue, str_make(value, n % 300), &unused) != PW_OK ||
            shared_queue_dequeue(sh, queue, &old) != PW_OK ||
            shared_metric_increment(sh, counter, 1) != PW_OK) {
            _exit(3);
        }
        strbuf_fini(&old);
    }
    _exit(0);
}

static void test_two_processes(void **state)
{
    void *block = new_block(BLOCK_BYTES);
    struct pw_shared *sh = pw_shared_open(block, 0);
    struct strbuf value = {0};
    struct pw_metric steps;
    pid_t child[2];
    uint32_t cas, zero = 0;
    size_t len = 0;
    char buf[16];
    (void)state;

    assert_int_equal(shared_data_set(sh, STR(""), STR("sum"), str_make(&zero, 4), 0), PW_OK);
    for (uint32_t i = 0; i < 2; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            hammer(block, i);
        }
    }
    for (int i = 0; i < 2; i++) {
        int status = 0;
        waitpid(child[i], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(shared_data_get(sh, STR(""), STR("sum"), &value, &cas), PW_OK);
    assert_int_equal(*(uint32_t *)value.at, 2 * STEPS);
    strbuf_fini(&value);
    pw_shared_metrics(sh, one_metric, &steps);
    assert_int_equal(steps.value, 2 * STEPS);
    for (unsigned k = 0; k < KEYS; k++) {
        value_of(sh, STR(""), key_of(buf, k), &len);
    }
    check_room(sh, KEYS + 1);
    pw_shared_close(sh);
    munmap(block, BLOCK_BYTES);
}

/* Children are killed at work, some of them with the lock: what is left is whole. */
static void test_killed_at_work(void **state)
{
    void *block = new_block(BLOCK_BYTES);
    struct pw_shared *sh = pw_shared_open(block, 0);
    struct pw_shared_stats stats;
    struct strbuf item = {0};
    uint32_t queue, worker;
    char buf[16];
    size_t len = 0;
    (void)state;

    assert_int_equal(shared_queue_register(sh, STR(""), STR("q"), NULL, &queue), PW_OK);
    for (int round = 0; round < 60; round++) {
        pid_t child = fork();
        if (child == 0) {
            hammer(block, 1);
        }
        usleep(500 + (unsigned)round * 37);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        for (unsigned k = 0; k < KEYS; k++) {
            value_of(sh, STR(""), key_of(buf, k), &len);
        }
        assert_int_equal(shared_data_set(sh, STR(""), STR("after"), STR("aa"), 0), PW_OK);
        assert_int_equal(value_of(sh, STR(""), STR("after"), &len), 'a');
        assert_int_equal(shared_queue_enqueue(sh, queue, STR("last"), &worker), PW_OK);
    }
    while (shared_queue_dequeue(sh, queue, &item) == PW_OK) {
    }
    strbuf_fini(&item);
    pw_shared_stats(sh, &stats);
    assert_int_equal(stats.items, 0);
    assert_in_range(stats.data, 1, KEYS + 2);
    pw_shared_close(sh);
    munmap(block, BLOCK_BYTES);
}

/* A holder dies at the worst moments: with an entry half made, and with the new value of a key beside the
 * old. */
static void test_killed_with_the_lock(void **state)
{
    void *block = new_block(BLOCK_BYTES);
    struct pw_shared *sh = pw_shared_open(block, 0);
    struct pw_shared_stats before, stats;
    struct strbuf item = {0};
    uint32_t queue, worker, metric;
    uint64_t number = 0;
    size_t len = 0;
    (void)state;

    assert_int_equal(shared_queue_register(sh, STR("v"), STR("q"), NULL, &queue), PW_OK);
    assert_int_equal(shared_queue_enqueue(sh, queue, STR("first"), &worker), PW_OK);
    assert_int_equal(shared_queue_enqueue(sh, queue, STR("second"), &worker), PW_OK);
    assert_int_equal(shared_metric_define(sh, PW_METRIC_GAUGE, STR("g"), &metric), PW_OK);
    assert_int_equal(shared_metric_record(sh, metric, 42), PW_OK);
    assert_int_equal(shared_data_set(sh, STR("v"), STR("k"), STR("aaa"), 0), PW_OK);
    assert_int_equal(shared_data_set(sh, STR("v"), STR("other"), STR("o"), 0), PW_OK);
    pw_shared_stats(sh, &before);

    pid_t child = fork();
    if (child == 0) {
        const struct shared_name name = {SHARED_DATA, 0, STR("v"), STR("k")};
        shared_lock(sh);
        uint32_t i = shared_entry_new(sh->block, SHARED_DATA, &name, 2);
        shared_value_write(sh->block, i, "bb");
        shared_at(sh->block, i)->head.number = ++sh->block->last_cas;
        shared_entry_publish(sh->block, i, SHARED_DATA);
        (void)shared_entry_new(sh->block, SHARED_DATA, &name, 5000);
        sh->block->free_list = 77; /* whatever it was about to write */
        sh->block->newest = 0;
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
    assert_int_equal(value_of(sh, STR("v"), STR("k"), &len), 'b');
    assert_int_equal(value_of(sh, STR("v"), STR("other"), &len), 'o');
    pw_shared_stats(sh, &stats);
    assert_int_equal(stats.recovered, 1);
    assert_int_equal(stats.data, before.data);
    assert_int_equal(stats.used_bytes, before.used_bytes);
    assert_int_equal(shared_metric_get(sh, metric, &number), PW_OK);
    assert_int_equal(number, 42);
    assert_int_equal(shared_queue_dequeue(sh, queue, &item), PW_OK);
    assert_true(str_eq(strbuf_str(&item), STR("first")));
    assert_int_equal(shared_queue_dequeue(sh, queue, &item), PW_OK);
    assert_true(str_eq(strbuf_str(&item), STR("second")));
    assert_int_equal(shared_queue_dequeue(sh, queue, &item), PW_EMPTY);
    strbuf_fini(&item);
    pw_shared_close(sh);
    munmap(block, BLOCK_BYTES);
}

static void test_histogram(void **state)
{
    void *block = new_block(BLOCK_BYTES);
    struct pw_shared *sh = pw_shared_open(block, 0);
    struct pw_metric m;
    uint32_t metric;
    (void)state;

    assert_int_equal(
        shared_metric_define(sh, PW_METRIC_HISTOGRAM, STR("latency.of.a.rather.long.name"), &metric), PW_OK);
    const uint64_t samples[] = {0, 1, 2, 25, 26, UINT32_MAX};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        assert_int_equal(shared_metric_record(sh, metric, samples[i]), PW_OK);
        sum += samples[i];
    }
    pw_shared_metrics(sh, one_metric, &m);
    assert_int_equal(m.type, PW_METRIC_HISTOGRAM);
    assert_int_equal(m.name.len, 29);
    assert_int_equal(m.count, 6);
    assert_int_equal(m.sum, sum);
    assert_int_equal(m.buckets[0], 2); /* up to 1 */
    assert_int_equal(m.buckets[1], 1); /* up to 5 */
    assert_int_equal(m.buckets[3], 1); /* up to 25 */
    assert_int_equal(m.buckets[4], 1);
    assert_int_equal(m.buckets[PW_HISTOGRAM_BOUNDS], 1);
    pw_shared_close(sh);
    munmap(block, BLOCK_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),         cmocka_unit_test(test_namespaces_and_sizes),
        cmocka_unit_test(test_eviction),       cmocka_unit_test(test_two_processes),
        cmocka_unit_test(test_killed_at_work), cmocka_unit_test(test_killed_with_the_lock),
        cmocka_unit_test(test_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
