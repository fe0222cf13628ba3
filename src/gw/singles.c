/* gw/singles.c - single values by the table of the configuration's fields. */
#include "gw/singles.h"

#include <string.h>

/* Of the kinds that a single value may have; 0: a list. */
static size_t bytes_of(const struct gw_field *f)
{
    switch (f->kind) {
    case GW_F_LIST:
        return 0;
    case GW_F_CHOICE:
        return sizeof(int);
    case GW_F_DURATION:
        return sizeof(uint32_t);
    case GW_F_OPTIONAL:
        return sizeof(void *);
    default:
        WEIR_ASSERT(!"a kind that cannot be a single value");
        return 0;
    }
}

bool gw_single_given(const struct gw_config *c, const struct gw_field *f)
{
    const char *at = (const char *)c + f->offset;

    for (size_t i = 0; i < bytes_of(f); i++) {
        if (at[i] != 0) {
            return true;
        }
    }
    return false;
}

static void put(struct gw_config *c, const struct gw_config *from, const struct gw_field *f)
{
    memcpy((char *)c + f->offset, (const char *)from + f->offset, bytes_of(f));
}

bool gw_singles_both(const struct gw_config *a, const struct gw_config *b)
{
    for (size_t i = 0; i < gw_type_config.nfields; i++) {
        if (gw_single_given(a, &gw_type_config.fields[i]) && gw_single_given(b, &gw_type_config.fields[i])) {
            return true;
        }
    }
    return false;
}

void gw_singles_add(struct gw_config *c, const struct gw_config *part, struct gw_reader *r,
                    const struct gw_node *doc)
{
    for (size_t i = 0; i < gw_type_config.nfields; i++) {
        const struct gw_field *f = &gw_type_config.fields[i];
        if (!gw_single_given(part, f)) {
            continue;
        }
        if (gw_single_given(c, f)) {
            struct gw_path at = {NULL, f->name, 0};
            gw_problem_at(r, gw_node_find(doc, f->name), &at, "another document gives it, too; keep one");
        } else {
            put(c, part, f);
        }
    }
}

void gw_singles_overlay(struct gw_config *c, const struct gw_config *over)
{
    for (size_t i = 0; i < gw_type_config.nfields; i++) {
        if (gw_single_given(over, &gw_type_config.fields[i])) {
            put(c, over, &gw_type_config.fields[i]);
        }
    }
}
