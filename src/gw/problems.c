/* gw/problems.c - collecting what is wrong. */
#include "gw/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gw_problems_init(struct gw_problems *p)
{
    *p = (struct gw_problems){0};
    arena_init(&p->arena);
}

void gw_problems_fini(struct gw_problems *p)
{
    vec_fini(&p->list);
    vec_fini(&p->files);
    arena_fini(&p->arena);
    *p = (struct gw_problems){0};
}

/* The list's own copy of the file name and the file's rank: those of a problem in the same file, or new ones.
 */
static void set_file(struct gw_problems *p, struct gw_problem *problem, const char *file)
{
    for (size_t i = p->list.len; i-- > 0;) {
        if (strcmp(p->list.at[i].at.file, file) == 0) {
            problem->at.file = p->list.at[i].at.file;
            problem->file_rank = p->list.at[i].file_rank;
            return;
        }
    }
    problem->at.file = arena_strndup(&p->arena, file, strlen(file));
    problem->file_rank = (uint32_t)p->list.len;
}

void gw_problems_add(struct gw_problems *p, bool warning, struct gw_place at, const char *field,
                     const char *fmt, ...)
{
    char message[1024];
    va_list ap;

    p->nerrors += !warning;
    if (p->list.len >= GW_PROBLEMS_KEPT) {
        p->ndropped++;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    struct gw_problem problem = {
        .at = at,
        .field = arena_strndup(&p->arena, field, strlen(field)),
        .message = arena_strndup(&p->arena, message, strlen(message)),
        .warning = warning,
        .seq = (uint32_t)p->list.len,
    };
    set_file(p, &problem, at.file == NULL ? "" : at.file);
    vec_push(&p->list, problem);
}

void gw_problems_add_file(struct gw_problems *p, const char *path)
{
    vec_push(&p->files, arena_strndup(&p->arena, path, strlen(path)));
}

static int compare(const void *x, const void *y)
{
    const struct gw_problem *a = x, *b = y;
    if (a->file_rank != b->file_rank) {
        return a->file_rank < b->file_rank ? -1 : 1;
    }
    if (a->at.line != b->at.line) {
        return a->at.line < b->at.line ? -1 : 1;
    }
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void gw_problems_sort(struct gw_problems *p)
{
    if (p->list.len != 0) {
        qsort(p->list.at, p->list.len, sizeof *p->list.at, compare);
    }
}

static void add_visible(struct strbuf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        strbuf_add_char(out, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
    }
}

void gw_problem_format(const struct gw_problem *p, struct strbuf *out)
{
    add_visible(out, p->at.file);
    strbuf_add(out, STR(":"));
    if (p->at.line != 0) {
        strbuf_printf(out, "%u:", p->at.line);
    }
    strbuf_add(out, STR(" "));
    if (*p->field != '\0') {
        add_visible(out, p->field);
        strbuf_add(out, STR(": "));
    }
    if (p->warning) {
        strbuf_add(out, STR("warning: "));
    }
    add_visible(out, p->message);
}
