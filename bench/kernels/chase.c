/* Pointer chasing through 8 MiB: bound by memory, not by instructions. */
#include "kernel.h"

enum { NODES = 1 << 20 };

struct node {
    struct node *next;
    uint32_t value;
};

static struct node nodes[NODES];

KERNEL uint32_t run(void)
{
    /* A full cycle through all nodes: the increment is odd, the modulus a power of two. */
    uint32_t at = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t to = (at * 5 + 12345) & (NODES - 1);
        nodes[at].next = &nodes[to];
        nodes[at].value = i;
        at = to;
    }
    uint32_t sum = 0;
    const struct node *n = nodes;
    for (uint32_t i = 0; i < NODES; i++) {
        sum = sum * 3 + n->value;
        n = n->next;
    }
    return sum;
}
