/* control/generations.h - the generation files in the state folder.
 *
 *     generation-7.json   one generation, never changed
 *     current             a link to the one in force; workers read it when they start and when told
 *     generation          the number of the last one, so that none is used twice
 *
 * The link is renamed into its place after the file is whole, so whenever a process dies there is one
 * complete generation in force: the one before, or the new one. */
#ifndef CONTROL_GENERATIONS_H
#define CONTROL_GENERATIONS_H

#include "base/str.h"
#include "gw/config.h"
#include "weir/status.h"

#define GENERATIONS_LINK "current"

enum { GENERATIONS_NAME_BYTES = 32 };

struct generations {
    const char *dir;                   /* the state folder, absolute */
    unsigned last;                     /* number of the newest file */
    char name[GENERATIONS_NAME_BYTES]; /* of the file in force, "" if there is none */
};

/* Look at what an earlier control process left. */
void generations_init(struct generations *g, const char *dir);
/* The model in force.  NULL: there is none that can be read. */
struct gw_config *generations_read(const struct generations *g);
/* Write a generation and put it in force.  WEIR_E_IO: the one before stays, `rep` says why. */
weir_status generations_publish(struct generations *g, struct str text, struct weir_report *rep);
/* The number in a file's name; 0: it is not one of ours. */
unsigned generations_number(struct str name);

#endif
