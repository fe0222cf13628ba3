/* gw/names.c - names to indices. */
#include "gw/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { MANY = 16 }; /* entries of one place; only names made for it come so far */

void gw_names_fini(struct gw_names *n)
{
    vec_fini(&n->list);
    mem_free(n->starts);
    n->starts = NULL;
}

void gw_names_add(struct gw_names *n, struct str text, uint32_t id)
{
    vec_push(&n->list, ((struct gw_name){text, hash_bytes(text.at, text.len, 0), id}));
}

static int compare(const void *x, const void *y)
{
    const struct gw_name *a = x, *b = y;
    int c = a->hash != b->hash ? (a->hash < b->hash ? -1 : 1) : str_cmp(a->text, b->text);
    return c != 0 ? c : a->id < b->id ? -1 : a->id > b->id;
}

/* Where among `n` places a hash belongs; it grows with the hash. */
static size_t place_of(uint64_t hash, size_t n)
{
    return (size_t)((hash >> 32) * n >> 32);
}

/* How many entries come before each place, in the order of places; starts[n] is how many there are. */
static void count_places(struct gw_names *n, size_t nplaces)
{
    memset(n->starts, 0, (nplaces + 1) * sizeof *n->starts);
    for (size_t i = 0; i < n->list.len; i++) {
        n->starts[place_of(n->list.at[i].hash, nplaces) + 1]++;
    }
    for (size_t i = 0; i < nplaces; i++) {
        n->starts[i + 1] += n->starts[i];
    }
}

/* Entries of one place; usually there are one or two. */
static void sort_place(struct gw_name *at, size_t n)
{
    if (n > MANY) {
        qsort(at, n, sizeof *at, compare);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct gw_name one = at[i];
        size_t k = i;
        for (; k > 0 && compare(&at[k - 1], &one) > 0; k--) {
            at[k] = at[k - 1];
        }
        at[k] = one;
    }
}

static void drop_doubles(struct gw_names *n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n->list.len; i++) {
        if (kept == 0 || compare(&n->list.at[kept - 1], &n->list.at[i]) != 0) {
            n->list.at[kept++] = n->list.at[i];
        }
    }
    n->list.len = kept;
}

void gw_names_sort(struct gw_names *n)
{
    size_t len = n->list.len, nplaces = len;

    if (len == 0) {
        return;
    }
    WEIR_ASSERT(len < UINT32_MAX && n->starts == NULL);
    n->starts = mem_alloc((nplaces + 1) * sizeof *n->starts);
    count_places(n, nplaces);
    struct gw_name *sorted = mem_alloc(len * sizeof *sorted);
    for (size_t i = 0; i < len; i++) {
        sorted[n->starts[place_of(n->list.at[i].hash, nplaces)]++] = n->list.at[i];
    }
    for (size_t i = 0, from = 0; i < nplaces; from = n->starts[i++]) { /* a start is by now the end */
        sort_place(sorted + from, n->starts[i] - from);
    }
    mem_free(n->list.at);
    n->list.at = sorted;
    n->list.cap = len;
    drop_doubles(n);
    n->nplaces = nplaces;
    count_places(n, nplaces);
}

size_t gw_names_first(const struct gw_names *n, struct str text)
{
    if (n->starts == NULL) {
        return n->list.len;
    }
    uint64_t hash = hash_bytes(text.at, text.len, 0);
    size_t place = place_of(hash, n->nplaces);
    for (size_t i = n->starts[place]; i < n->starts[place + 1]; i++) {
        if (n->list.at[i].hash == hash && str_eq(n->list.at[i].text, text)) {
            return i;
        }
    }
    return n->list.len;
}

uint32_t gw_names_find(const struct gw_names *n, struct str text)
{
    size_t i = gw_names_first(n, text);
    return i == n->list.len ? GW_NONE : n->list.at[i].id;
}

/* outbound|PORT|SUBSET|FQDN */
static bool cut_cluster(struct str name, struct str *port, struct str *fqdn)
{
    size_t bars = 0;
    for (size_t i = 0; i < name.len; i++) {
        bars += name.at[i] == '|';
    }
    if (bars != 3) {
        return false;
    }
    str_cut(&name, '|');
    *port = str_cut(&name, '|');
    str_cut(&name, '|');
    *fqdn = name;
    return fqdn->len != 0;
}

void gw_names_add_services(struct gw_names *n, struct arena *a, const struct gw_config *c)
{
    for (uint32_t i = 0; i < c->nservices; i++) {
        const struct gw_service *s = &c->services[i];
        struct str port, fqdn;
        gw_names_add(n, s->name, i);
        if (cut_cluster(s->name, &port, &fqdn)) {
            gw_names_add(n, fqdn, i);
            gw_names_add(n, str_of(arena_printf(a, "%.*s:%.*s", STR_ARG(fqdn), STR_ARG(port))), i);
            continue;
        }
        for (uint32_t k = 0; k < s->nendpoints; k++) {
            uint16_t number = s->endpoints[k].address.port;
            if (k == 0 || number != s->endpoints[k - 1].address.port) {
                gw_names_add(n, str_of(arena_printf(a, "%.*s:%u", STR_ARG(s->name), number)), i);
            }
        }
    }
}

/* Higress calls a service by its registry, too: NAME.static is one of fixed addresses, NAME.dns one of names.
 */
static bool cut_registry(struct str *fqdn)
{
    static const struct str registries[] = {STR(".static"), STR(".dns")};
    for (size_t i = 0; i < sizeof registries / sizeof *registries; i++) {
        if (fqdn->len > registries[i].len && str_ends_with(*fqdn, registries[i])) {
            fqdn->len -= registries[i].len;
            return true;
        }
    }
    return false;
}

size_t gw_names_first_service(const struct gw_names *n, struct str wrote, struct str *found)
{
    struct str port;
    size_t i = gw_names_first(n, wrote);

    *found = wrote;
    if (i == n->list.len && cut_cluster(wrote, &port, found)) {
        i = gw_names_first(n, *found);
        if (i == n->list.len && cut_registry(found)) {
            i = gw_names_first(n, *found);
        }
    }
    return i;
}
