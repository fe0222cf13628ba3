/* control/generations.c - numbered files and a link. */
#include "control/generations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/publish.h"
#include "gw/load.h"

#define PREFIX "generation-"
#define SUFFIX ".json"

/* A worker that was told of a generation may come to read it when the next ones are there already. */
enum { KEPT_FILES = 2 };

static void path_of(const struct generations *g, const char *name, struct strbuf *out)
{
    strbuf_printf(out, "%s/%s", g->dir, name);
}

unsigned generations_number(struct str name)
{
    uint64_t n;
    size_t around = sizeof PREFIX - 1 + sizeof SUFFIX - 1;

    if (name.len <= around || !str_starts_with(name, STR(PREFIX)) || !str_ends_with(name, STR(SUFFIX)) ||
        !str_to_u64(str_slice(name, sizeof PREFIX - 1, name.len - (sizeof SUFFIX - 1)), &n)) {
        return 0;
    }
    return n <= UINT32_MAX ? (unsigned)n : 0;
}

void generations_init(struct generations *g, const char *dir)
{
    struct strbuf path = {0};
    char text[32] = "";

    *g = (struct generations){.dir = dir};
    path_of(g, GENERATIONS_LINK, &path);
    ssize_t n = readlink(path.at, g->name, sizeof g->name - 1);
    g->name[n > 0 ? n : 0] = '\0';
    if (generations_number(str_of(g->name)) == 0) {
        g->name[0] = '\0';
    }

    path.len = 0;
    path_of(g, "generation", &path);
    FILE *f = fopen(path.at, "re");
    if (f != NULL) {
        g->last = fgets(text, sizeof text, f) != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
        fclose(f);
    }
    strbuf_fini(&path);
    unsigned in_force = generations_number(str_of(g->name));
    g->last = in_force > g->last ? in_force : g->last;
}

struct gw_config *generations_read(const struct generations *g)
{
    struct gw_config *config = NULL;
    struct gw_problems problems;
    struct strbuf path = {0};

    if (g->name[0] == '\0') {
        return NULL;
    }
    gw_problems_init(&problems);
    path_of(g, g->name, &path);
    if (gw_config_load(path.at, &config, &problems) != WEIR_OK) {
        config = NULL;
    }
    strbuf_fini(&path);
    gw_problems_fini(&problems);
    return config;
}

static weir_status put_in_force(const struct generations *g, const char *name, struct weir_report *rep)
{
    struct strbuf temp = {0}, link = {0};
    weir_status st = WEIR_OK;

    path_of(g, "." GENERATIONS_LINK, &temp);
    path_of(g, GENERATIONS_LINK, &link);
    unlink(temp.at);
    if (symlink(name, temp.at) != 0 || rename(temp.at, link.at) != 0) {
        st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "cannot write \"%s\": %s", link.at,
                             strerror(errno));
    }
    strbuf_fini(&temp);
    strbuf_fini(&link);
    return st;
}

weir_status generations_publish(struct generations *g, struct str text, struct weir_report *rep)
{
    struct strbuf path = {0}, number = {0};
    char name[GENERATIONS_NAME_BYTES];
    weir_status st;

    snprintf(name, sizeof name, PREFIX "%u" SUFFIX, g->last + 1);
    path_of(g, name, &path);
    st = publish_file(path.at, text, rep);
    if (st == WEIR_OK) {
        g->last++;
        path.len = 0;
        path_of(g, "generation", &path);
        strbuf_printf(&number, "%u\n", g->last);
        st = publish_file(path.at, strbuf_str(&number), rep);
    }
    if (st == WEIR_OK) {
        st = put_in_force(g, name, rep);
    }
    if (st == WEIR_OK) {
        memcpy(g->name, name, sizeof name);
        if (g->last > KEPT_FILES) {
            path.len = 0;
            snprintf(name, sizeof name, PREFIX "%u" SUFFIX, g->last - KEPT_FILES);
            path_of(g, name, &path);
            unlink(path.at);
        }
    }
    strbuf_fini(&path);
    strbuf_fini(&number);
    return st;
}
