/* Sorting: integers with quicksort and insertion sort, then records through a comparison function. */
#include "kernel.h"

enum { N = 100000, RECORDS = 30000 };

struct record {
    uint32_t key, weight;
};

static uint32_t numbers[N];
static struct record records[RECORDS];

static void sort(uint32_t *a, int low, int high)
{
    while (high - low > 16) {
        uint32_t pivot = a[low + (high - low) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot) {
                i++;
            }
            while (a[j] > pivot) {
                j--;
            }
            if (i <= j) {
                uint32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - low < high - i) {
            sort(a, low, j);
            low = i;
        } else {
            sort(a, i, high);
            high = j;
        }
    }
    for (int i = low + 1; i <= high; i++) {
        uint32_t v = a[i];
        int j = i;
        for (; j > low && a[j - 1] > v; j--) {
            a[j] = a[j - 1];
        }
        a[j] = v;
    }
}

static int by_weight(const struct record *a, const struct record *b)
{
    return a->weight != b->weight ? (a->weight < b->weight ? -1 : 1) : a->key < b->key ? -1 : a->key > b->key;
}

static int by_key(const struct record *a, const struct record *b)
{
    return a->key < b->key ? -1 : a->key > b->key;
}

typedef int compare(const struct record *, const struct record *);
static compare *volatile orders[] = {by_weight, by_key};

static void sift(struct record *a, uint32_t root, uint32_t n, compare *order)
{
    struct record v = a[root];
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && order(&a[child], &a[child + 1]) < 0) {
            child++;
        }
        if (order(&v, &a[child]) >= 0) {
            break;
        }
        a[root] = a[child];
    }
    a[root] = v;
}

static void heapsort(struct record *a, uint32_t n, compare *order)
{
    for (uint32_t i = n / 2; i-- > 0;) {
        sift(a, i, n, order);
    }
    while (n-- > 1) {
        struct record t = a[0];
        a[0] = a[n];
        a[n] = t;
        sift(a, 0, n, order);
    }
}

KERNEL uint32_t run(void)
{
    uint32_t x = 4711, sum = 0;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < N; i++) {
            x = x * 1664525u + 1013904223u;
            numbers[i] = x >> 4;
        }
        sort(numbers, 0, N - 1);
        for (int i = 0; i < N; i += 100) {
            sum = sum * 31 + numbers[i];
        }
    }
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < RECORDS; i++) {
            x = x * 1664525u + 1013904223u;
            records[i] = (struct record){x >> 3, x >> 20};
        }
        heapsort(records, RECORDS, orders[round & 1]);
        for (int i = 0; i < RECORDS; i += 100) {
            sum = sum * 31 + records[i].key;
        }
    }
    return sum;
}
