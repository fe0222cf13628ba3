/* gw/problems.h - everything that is wrong with a configuration, for people.
 *
 * A loader collects all it finds rather than stop at the first.  A problem says where (file, line, field) and
 * what to do about it.  Warnings do not stop a configuration from being used. */
#ifndef GW_PROBLEMS_H
#define GW_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/vec.h"
#include "gw/config.h"

struct gw_problem {
    struct gw_place at; /* line 0: the file as a whole */
    const char *field;  /* "routes[2].match.path", or "" */
    const char *message;
    bool warning;
    uint32_t file_rank, seq; /* order in which the file came up first, and this problem was found */
};

/* Owns copies of all strings.  At most GW_PROBLEMS_KEPT problems are kept; the rest is counted. */
enum { GW_PROBLEMS_KEPT = 1000 };

struct gw_problems {
    struct arena arena;
    VEC(struct gw_problem) list;
    uint32_t nerrors; /* found, also those not kept */
    uint32_t ndropped;
    VEC(const char *)
    files; /* that a configuration with errors names, and that were read: they may be wrong */
};

void gw_problems_init(struct gw_problems *p);
void gw_problems_fini(struct gw_problems *p);

void gw_problems_add(struct gw_problems *p, bool warning, struct gw_place at, const char *field,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

void gw_problems_add_file(struct gw_problems *p, const char *path);

/* By file (in order of first appearance), then line, then as found. */
void gw_problems_sort(struct gw_problems *p);

/* One line, without newline: "FILE:LINE: field: message", a warning as "FILE:LINE: field: warning: message".
 * Line 0 and an empty field are left out with their colon.  Control characters are shown as '?'. */
void gw_problem_format(const struct gw_problem *p, struct strbuf *out);

#endif
