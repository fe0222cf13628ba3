/* A tree of expressions evaluated through function pointers: the cost of an indirect call. */
#include "kernel.h"

struct node;
typedef uint32_t eval_fn(const struct node *n, uint32_t x);

struct node {
    eval_fn *eval;
    const struct node *left, *right;
    uint32_t value;
};

static uint32_t eval_const(const struct node *n, uint32_t x)
{
    (void)x;
    return n->value;
}
static uint32_t eval_var(const struct node *n, uint32_t x)
{
    return x + n->value;
}
static uint32_t eval_add(const struct node *n, uint32_t x)
{
    return n->left->eval(n->left, x) + n->right->eval(n->right, x);
}
static uint32_t eval_mul(const struct node *n, uint32_t x)
{
    return n->left->eval(n->left, x) * n->right->eval(n->right, x);
}
static uint32_t eval_xor(const struct node *n, uint32_t x)
{
    return n->left->eval(n->left, x) ^ n->right->eval(n->right, x + 1);
}

enum { DEPTH = 10, NODES = 1 << (DEPTH + 1) };
static struct node nodes[NODES];

KERNEL uint32_t run(void)
{
    static eval_fn *const inner[] = {eval_add, eval_mul, eval_xor};
    static eval_fn *const leaves[] = {eval_const, eval_var};
    for (uint32_t i = 1; i < NODES; i++) {
        uint32_t inside = i < NODES / 2;
        nodes[i].eval = inside ? inner[i * 2654435761u % 3] : leaves[i * 2654435761u % 2];
        nodes[i].left = inside ? &nodes[2 * i] : 0;
        nodes[i].right = inside ? &nodes[2 * i + 1] : 0;
        nodes[i].value = i * 7;
    }
    uint32_t sum = 0;
    for (uint32_t x = 0; x < 20000; x++) {
        sum += nodes[1].eval(&nodes[1], x);
    }
    return sum;
}
