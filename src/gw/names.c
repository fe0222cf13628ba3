/* gw/names.c - names to indices. */
#include "gw/names.h"

#include <stdlib.h>

#include "base/hash.h"

void gw_names_fini(struct gw_names *n)
{
    vec_fini(&n->list);
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

void gw_names_sort(struct gw_names *n)
{
    size_t kept = 0;

    if (n->list.len != 0) {
        qsort(n->list.at, n->list.len, sizeof *n->list.at, compare);
    }
    for (size_t i = 0; i < n->list.len; i++) {
        if (kept == 0 || compare(&n->list.at[kept - 1], &n->list.at[i]) != 0) {
            n->list.at[kept++] = n->list.at[i];
        }
    }
    n->list.len = kept;
}

size_t gw_names_first(const struct gw_names *n, struct str text)
{
    size_t low = 0, high = n->list.len;
    uint64_t hash = hash_bytes(text.at, text.len, 0);

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct gw_name *m = &n->list.at[mid];
        if (m->hash != hash ? m->hash < hash : str_cmp(m->text, text) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < n->list.len && str_eq(n->list.at[low].text, text) ? low : n->list.len;
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
