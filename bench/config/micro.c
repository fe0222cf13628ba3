/* What the model costs, without processes around it: reading, reading again after a change, building a
 * generation, and finding a request's route and rules.
 *
 *     micro FILE CHANGED-FILE LOOKUPS
 *
 * Prints one JSON object; times in microseconds, the median of several. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "gw/generation.h"
#include "gw/load.h"

enum { TIMES = 15 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, compare);
    return v[n / 2];
}

static struct gw_config *load(struct gw_sources *s, struct gw_pieces *pieces)
{
    struct gw_problems problems;
    struct gw_config *c = NULL;

    gw_problems_init(&problems);
    if (gw_config_load_sources(s, "", STR(""), pieces, &c, &problems) != WEIR_OK) {
        for (size_t i = 0; i < problems.list.len; i++) {
            fprintf(stderr, "%s:%u %s\n", problems.list.at[i].field, problems.list.at[i].at.line,
                    problems.list.at[i].message);
        }
        exit(1);
    }
    gw_problems_fini(&problems);
    return c;
}

static void read_source(const char *path, struct gw_sources *s)
{
    struct gw_problems problems;
    gw_problems_init(&problems);
    if (gw_sources_read(path, s, &problems) != WEIR_OK) {
        exit(1);
    }
    gw_problems_fini(&problems);
}

/* The canonical text, as the control process writes it for workers. */
static void as_generation(struct gw_sources *s)
{
    struct strbuf text = {0};
    struct gw_config *c = load(s, NULL);
    gw_config_write(c, &text);
    gw_config_free(c);
    gw_sources_fini(s);
    vec_push(&s->list, ((struct gw_source){mem_strndup("g", 1), strbuf_str(&text)}));
}

static double lookups(struct gw_generation *g, unsigned n)
{
    const struct gw_config *c = gw_generation_config(g);
    struct gw_step *steps = mem_zalloc_array((size_t)c->nplugins + 1, sizeof *steps);
    char(*hosts)[64] = mem_zalloc_array(1024, sizeof *hosts), path[64] = "";
    uint64_t random = 88172645463325252u, found = 0;

    unsigned nhosts = c->nroutes / 10 == 0 ? 1 : c->nroutes / 10;
    for (unsigned i = 0; i < 1024; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        snprintf(hosts[i], sizeof *hosts, "host-%u.example", (unsigned)(random % nhosts));
    }
    snprintf(path, sizeof path, "/part-5/v1/things/17");
    double from = now_us();
    for (unsigned i = 0; i < n; i++) {
        struct gw_request r = {str_of(hosts[i & 1023]), str_of(path), STR("GET"), NULL, NULL};
        uint32_t route = gw_generation_route(g, &r);
        found += route != GW_NONE;
        found += gw_generation_plugins(g, route, 0, r.host, steps);
    }
    double took = (now_us() - from) / n;
    if (found == 0) {
        fprintf(stderr, "nothing was found\n");
        exit(1);
    }
    mem_free(hosts);
    mem_free(steps);
    return took;
}

int main(int argc, char **argv)
{
    struct gw_sources written[2] = {0}, published[2] = {0};
    struct gw_pieces of_files = {0}, of_generations = {0};
    double again[TIMES], worker[TIMES], build[TIMES], write[TIMES], drop[TIMES], look[TIMES];

    if (argc != 4) {
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        read_source(argv[1 + i], &written[i]);
        read_source(argv[1 + i], &published[i]);
        as_generation(&published[i]);
    }
    double from = now_us();
    struct gw_config *c = load(&written[0], &of_files);
    double first = now_us() - from;
    gw_config_free(c);
    from = now_us();
    gw_config_free(load(&published[0], &of_generations));
    double worker_first = now_us() - from;
    for (int i = 0; i < TIMES; i++) {
        struct strbuf text = {0};
        from = now_us();
        c = load(&written[(i + 1) % 2], &of_files);
        again[i] = now_us() - from;
        from = now_us();
        gw_config_write(c, &text);
        write[i] = now_us() - from;
        gw_config_free(c);
        strbuf_fini(&text);
        from = now_us();
        c = load(&published[(i + 1) % 2], &of_generations);
        worker[i] = now_us() - from;
        from = now_us();
        struct gw_generation *g = gw_generation_build(c);
        build[i] = now_us() - from;
        look[i] = lookups(g, (unsigned)atoi(argv[3]));
        from = now_us();
        gw_generation_unref(g);
        drop[i] = now_us() - from;
    }
    printf("{\"first_read\":%.0f,\"read_again\":%.0f,\"write\":%.0f,\"worker_first_read\":%.0f,\"worker_read_"
           "again\":%.0f,"
           "\"build\":%.0f,\"free\":%.0f,\"lookup\":%.4f}\n",
           first, median(again, TIMES), median(write, TIMES), worker_first, median(worker, TIMES),
           median(build, TIMES), median(drop, TIMES), median(look, TIMES));
    return 0;
}
