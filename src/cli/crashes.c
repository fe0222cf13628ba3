/* cli/crashes.c - `weir crashes`: the traps of plugins that the control process has kept. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "control/crashes.h"

static const char *state = ".weir";
static bool json;

static const struct cli_option options[] = {
    {.name = "state",
     .kind = CLI_TEXT,
     .value = &state,
     .arg = "DIR",
     .help = "the state folder of `weir run` (default .weir)"},
    {.name = "json", .kind = CLI_FLAG, .value = &json, .help = "one JSON object a line"},
};

static const struct cli_exit_code exits[] = {
    {0, "listed, or there are none"},
    {1, "the folder cannot be read, or no report has this ID"},
};

static const struct cli_usage usage = {
    .synopsis = "crashes [ID] [--state DIR] [--json]",
    .about =
        "List the traps of plugins, grouped by stack, last seen first; with an ID (its first digits do)\n"
        "show one: the last report with its backtrace, source lines where the module carries DWARF, and\n"
        "the last lines of the VM's log.  Where it carries none, `weir symbolize` names lines from the\n"
        "file that has it.  Works while `weir run` runs, and without.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .max_operands = 1,
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static void format_time(uint64_t ms, char text[32])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    if (gmtime_r(&s, &tm) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        snprintf(text, 32, "-");
    }
}

/* The frame or inlined function that a line of the list shows: the first with a place. */
static const struct crash_name *best_name(const struct crash *c)
{
    for (size_t i = 0; i < c->nnames; i++) {
        if (c->names[i].place.len != 0) {
            return &c->names[i];
        }
    }
    return c->nnames != 0 ? &c->names[0] : NULL;
}

static void print_row(const struct crashes_entry *e)
{
    const struct crash *c = &e->crash;
    const struct crash_name *n = best_name(c);
    char last[32];

    format_time(c->time_ms, last);
    printf("%s  %6llu  %s  %.*s: %.*s in %.*s %.*s\n", e->id, (unsigned long long)c->count, last,
           STR_ARG(c->plugin), STR_ARG(c->trap), STR_ARG(n == NULL ? c->callback : n->function),
           STR_ARG(n == NULL ? STR("") : n->place));
}

static void print_field(const char *name, struct str value)
{
    if (value.len != 0) {
        printf("%-10s %.*s\n", name, STR_ARG(value));
    }
}

static void print_whole(const struct crashes_entry *e)
{
    const struct crash *c = &e->crash;
    char first[32], last[32];
    size_t n = 0;

    format_time(c->first_ms, first);
    format_time(c->time_ms, last);
    printf("%-10s %s\n%-10s %llu, %s to %s\n", "crash", e->id, "count", (unsigned long long)c->count, first,
           last);
    if (c->dropped != 0) {
        printf("%-10s %llu more traps of the plugin came too fast to be told apart\n", "dropped",
               (unsigned long long)c->dropped);
    }
    print_field("plugin", c->plugin);
    print_field("sha256", c->sha256);
    print_field("trap", c->trap);
    print_field("callback", c->callback);
    print_field("route", c->route);
    print_field("request", c->request);
    printf("%-10s %llu bytes\n", "memory", (unsigned long long)c->memory_bytes);
    for (size_t i = 0; i < c->noffsets; i++) {
        printf("%5zu: 0x%x", i, c->offsets[i]);
        for (bool inlined = false; n < c->nnames && c->names[n].frame == i; n++, inlined = true) {
            printf("%s%.*s %.*s", inlined ? "\n         inlined into " : " ", STR_ARG(c->names[n].function),
                   STR_ARG(c->names[n].place));
        }
        putchar('\n');
    }
    if (c->skipped != 0) {
        printf("       and %llu more\n", (unsigned long long)c->skipped);
    }
    for (size_t i = 0; i < c->nlines; i++) {
        printf("%s  %.*s\n", i == 0 ? "last lines of the log:\n" : "", STR_ARG(c->lines[i]));
    }
}

static void add_text(struct strbuf *b, const char *key, struct str value)
{
    strbuf_printf(b, ",\"%s\":", key);
    strbuf_add_json(b, value);
}

static void add_number(struct strbuf *b, const char *key, uint64_t v)
{
    strbuf_printf(b, ",\"%s\":%llu", key, (unsigned long long)v);
}

static void print_json(const struct crashes_entry *e)
{
    const struct crash *c = &e->crash;
    struct strbuf b = {0};
    size_t n = 0;

    strbuf_printf(&b, "{\"id\":\"%s\"", e->id);
    add_number(&b, "count", c->count);
    add_number(&b, "first_ms", c->first_ms);
    add_number(&b, "last_ms", c->time_ms);
    add_number(&b, "dropped", c->dropped);
    add_text(&b, "plugin", c->plugin);
    add_text(&b, "sha256", c->sha256);
    add_text(&b, "trap", c->trap);
    add_text(&b, "callback", c->callback);
    add_text(&b, "route", c->route);
    add_text(&b, "request", c->request);
    add_number(&b, "memory_bytes", c->memory_bytes);
    add_number(&b, "skipped_frames", c->skipped);
    strbuf_printf(&b, ",\"frames\":[");
    for (size_t i = 0; i < c->noffsets; i++) {
        strbuf_printf(&b, "%s{\"offset\":%u,\"functions\":[", i == 0 ? "" : ",", c->offsets[i]);
        for (bool more = false; n < c->nnames && c->names[n].frame == i; n++, more = true) {
            strbuf_printf(&b, "%s{\"name\":", more ? "," : "");
            strbuf_add_json(&b, c->names[n].function);
            add_text(&b, "at", c->names[n].place);
            strbuf_add_char(&b, '}');
        }
        strbuf_printf(&b, "]}");
    }
    strbuf_printf(&b, "],\"log\":[");
    for (size_t i = 0; i < c->nlines; i++) {
        strbuf_printf(&b, "%s", i == 0 ? "" : ",");
        strbuf_add_json(&b, c->lines[i]);
    }
    strbuf_printf(&b, "]}");
    puts(b.at);
    strbuf_fini(&b);
}

static int run(int argc, char **argv)
{
    struct cli_operands operands;
    struct crashes_entry *all = NULL;
    struct weir_report rep;
    struct strbuf dir = {0};
    size_t n = 0, damaged = 0, shown = 0;
    int code = cli_parse(&usage, argc, argv, &operands);

    if (code != CLI_GO_ON) {
        return code;
    }
    const char *id = operands.len == 0 ? "" : operands.at[0];
    weir_report_init(&rep);
    strbuf_printf(&dir, "%s/crashes", state);
    weir_status st = crashes_list(dir.at, &all, &n, &damaged, &rep);
    strbuf_fini(&dir);
    if (st != WEIR_OK) {
        return cli_fail("%s; is this the state folder of a `weir run`? Name it with --state", rep.message);
    }
    if (damaged != 0) {
        fprintf(stderr, "weir: %zu damaged report%s passed by\n", damaged, damaged == 1 ? " is" : "s are");
    }
    for (size_t i = 0; i < n; i++) {
        if (strncmp(all[i].id, id, strlen(id)) == 0) {
            (json ? print_json : id[0] != '\0' ? print_whole : print_row)(&all[i]);
            shown++;
        }
    }
    crashes_list_free(all, n);
    if (id[0] != '\0' && shown == 0) {
        return cli_fail("no crash report begins with %s", id);
    }
    return CLI_EXIT_OK;
}

const struct cli_verb cli_verb_crashes = {"crashes", "list and show traps of plugins", run};
