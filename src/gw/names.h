/* gw/names.h - names to indices: an array sorted by hash, with an index of the hashes' highest bits.
 *
 * Hashes are spread evenly, so a name is where its hash says, give or take a few: sorting takes a pass or
 * two, and finding looks at one place. */
#ifndef GW_NAMES_H
#define GW_NAMES_H

#include "base/vec.h"
#include "gw/config.h"

struct gw_name {
    struct str text;
    uint64_t hash; /* of the text, so that comparing seldom looks at it */
    uint32_t id;
};

/* On the heap; the texts are somebody else's. */
struct gw_names {
    VEC(struct gw_name) list;
    uint32_t
        *starts;    /* by place (names.c): where its entries begin in the sorted list; one more at the end */
    size_t nplaces; /* as there were entries */
};

void gw_names_fini(struct gw_names *n);
void gw_names_add(struct gw_names *n, struct str text, uint32_t id);
/* After the last add, before the first find.  The same texts stand together, by id; what is there twice stays
 * twice, unless text and id are both the same. */
void gw_names_sort(struct gw_names *n);

/* Position of the first entry called `text` in list, or list.len.  Others of that name follow it. */
size_t gw_names_first(const struct gw_names *n, struct str text);
/* Its id, or GW_NONE. */
uint32_t gw_names_find(const struct gw_names *n, struct str text);

/* All that a rule or a callout may call services: the name itself; for a name of the form
 * outbound|PORT|SUBSET|FQDN also FQDN and FQDN:PORT; for any other NAME:PORT with the port of each endpoint.
 */
void gw_names_add_services(struct gw_names *n, struct arena *a, const struct gw_config *c);
/* The entries for what a rule wrote, which may have four parts itself: then its last part is meant,
 * with or without .static or .dns at its end. */
size_t gw_names_first_service(const struct gw_names *n, struct str wrote, struct str *found);

#endif
