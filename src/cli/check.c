/* cli/check.c - `weir check`: everything that is wrong with a configuration, before it is used.
 *
 * After the configuration itself, each plugin is started as a gateway would, in a child process with a time
 * limit, so that a module that hangs or crashes harms nobody.  First with all of its configurations in one
 * VM; if that fails, with one after the other, to find those to blame. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/start_check.h"
#include "control/fetcher.h"
#include "gw/load.h"

enum { MAX_BLAMED = 20 };

static const char *config_path;
static uint64_t timeout_s = 10;
static bool no_start, fields;

static const struct cli_option options[] = {
    {.name = "config",
     .letter = 'c',
     .kind = CLI_TEXT,
     .value = &config_path,
     .arg = "FILE",
     .help = "the configuration: a file, or a directory of *.yaml"},
    {.name = "timeout",
     .kind = CLI_NUMBER,
     .value = &timeout_s,
     .arg = "SECONDS",
     .help = "longest start of a plugin (default 10)"},
    {.name = "no-start", .kind = CLI_FLAG, .value = &no_start, .help = "do not load or start plugins"},
    {.name = "fields",
     .kind = CLI_FLAG,
     .value = &fields,
     .help = "instead: print all fields of the configuration, as Markdown"},
};

static const struct cli_exit_code exits[] = {
    {0, "the configuration can be used (there may be warnings)"},
    {1, "it cannot: every problem is printed"},
};

static const struct cli_usage usage = {
    .synopsis = "check -c FILE",
    .about = "Check a configuration and start each of its plugins once with each of its configurations.\n"
             "Every problem is a line on standard output:\n"
             "  FILE:LINE: field: what is wrong and what to do\n"
             "Relative file: URLs of plugins count from the working directory.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

/* ---- plugins --------------------------------------------------------------------------------- */

/* Where configuration `index` of the plugin was written first. */
static struct gw_place place_of_config(const struct gw_plugin *p, uint32_t index, const char **member)
{
    *member = p->ignore_rules ? ".pluginConfig" : p->default_config.at == NULL ? "" : ".defaultConfig";
    if (p->default_index != index) {
        for (uint32_t i = 0; i < p->nrules; i++) {
            if (p->rules[i].config_index == index) {
                *member = p->rules[i].config.at == NULL ? "" : ".config";
                return p->rules[i].at;
            }
        }
    }
    return p->at;
}

static void blame(struct gw_problems *problems, struct gw_place at, const char *member, const char *what,
                  struct str why)
{
    struct strbuf field = {0};
    strbuf_printf(&field, "%s%s", at.field, member);
    gw_problems_add(problems, false, at, field.at, "%s%.*s", what, STR_ARG(why));
    strbuf_fini(&field);
}

/* All configurations together did not start: which of them do not alone? */
static void find_blame(const struct gw_plugin *p, struct str file, struct str together,
                       struct gw_problems *problems)
{
    struct strbuf why = {0};
    uint32_t blamed = 0;

    for (uint32_t i = 0; i < p->nconfigs && blamed < MAX_BLAMED; i++) {
        const char *member;
        enum start_outcome o =
            p->nconfigs == 1 ? START_REFUSED : start_check(p, file, NULL, i, 1, (uint32_t)timeout_s, &why);
        struct gw_place at = place_of_config(p, i, &member);
        if (o != START_OK) {
            blame(problems, at, member,
                  "the plugin does not start with it: ", p->nconfigs == 1 ? together : strbuf_str(&why));
            blamed++;
        }
    }
    if (blamed == 0) {
        blame(problems, p->at, "", "does not start with all of its configurations in one VM: ", together);
    }
    strbuf_fini(&why);
}

/* Fetch a module as the gateway would, into a file of this process in /tmp. */
static bool fetch(const struct gw_plugin *p, char file[64], struct gw_problems *problems)
{
    struct confined_options opt = {.program = "/proc/self/exe", .work_dir = "/tmp"};
    char *url = mem_strndup(p->url.at, p->url.len);
    char *secret = p->pull_secret.len == 0 ? NULL : mem_strndup(p->pull_secret.at, p->pull_secret.len);
    char *sha256 = p->sha256.at == NULL ? NULL : mem_strndup(p->sha256.at, p->sha256.len);
    struct fetcher_job job = {.url = url, .secret = secret, .sha256 = sha256};
    struct fetcher fetcher = {.child = 0};
    struct fetcher_result r = {.bytes = NULL};
    struct weir_report rep;
    bool ok = false;

    fprintf(stderr, "weir: fetching %s\n", url);
    weir_report_init(&rep);
    if (fetcher_start(&fetcher, &opt, &job, &rep) != WEIR_OK) {
        blame(problems, p->at, ".imagePullSecret", "the module cannot be fetched: ", str_of(rep.message));
    } else if (fetcher_wait(&fetcher, &r) != FETCHER_MADE) {
        blame(problems, p->at, ".url", "the module cannot be fetched: ", str_of(r.why));
    } else {
        snprintf(file, 64, "/tmp/weir-check-XXXXXX");
        int fd = mkostemp(file, O_CLOEXEC);
        ok = fd >= 0 && write(fd, r.bytes, r.len) == (ssize_t)r.len;
        if (fd >= 0) {
            close(fd);
        }
        if (!ok) {
            blame(problems, p->at, ".url", "the module cannot be kept: ", str_of(strerror(errno)));
        } else {
            fprintf(stderr, "weir: fetched %s, %zu bytes\n", url, r.len);
        }
    }
    mem_free(r.bytes);
    mem_free(url);
    mem_free(secret);
    mem_free(sha256);
    return ok;
}

static void check_file(const struct gw_plugin *p, struct str file, struct gw_problems *problems)
{
    struct strbuf why = {0};

    if (p->nconfigs == 0) {
        gw_problems_add(problems, true, p->at, p->at.field,
                        "never runs: no rule lets it, and there is no default");
    }
    switch (start_check(p, file, NULL, 0, p->nconfigs, (uint32_t)timeout_s, &why)) {
    case START_OK:
        break;
    case START_NO_MODULE:
        blame(problems, p->at, ".url", "the module cannot be used: ", strbuf_str(&why));
        break;
    default:
        if (p->nconfigs == 0) {
            blame(problems, p->at, "", "does not start: ", strbuf_str(&why));
        } else {
            find_blame(p, file, strbuf_str(&why), problems);
        }
    }
    strbuf_fini(&why);
}

static void check_plugin(const struct gw_plugin *p, struct gw_problems *problems)
{
    struct gw_plugin fetched = *p;
    char path[64];
    struct str file;

    if (gw_plugin_file(p, &file)) {
        check_file(p, file, problems);
    } else if (fetch(p, path, problems)) {
        fetched.sha256 = (struct str){0}; /* it was seen to: it may be an image's */
        check_file(&fetched, str_of(path), problems);
        unlink(path);
    }
}

static void print_problems(const struct gw_problems *problems)
{
    struct strbuf line = {0};
    for (size_t i = 0; i < problems->list.len; i++) {
        line.len = 0;
        gw_problem_format(&problems->list.at[i], &line);
        puts(line.at);
    }
    if (problems->ndropped != 0) {
        printf("%s: and %u more problems\n", config_path, problems->ndropped);
    }
    strbuf_fini(&line);
}

static int print_fields(void)
{
    struct strbuf text = {0};
    gw_config_write_reference(&text);
    fputs(text.at, stdout);
    strbuf_fini(&text);
    return CLI_EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct gw_problems problems;
    struct gw_config *config = NULL;
    int rc = cli_parse(&usage, argc, argv, NULL);

    if (rc != CLI_GO_ON) {
        return rc;
    }
    if (fields) {
        return print_fields();
    }
    if (config_path == NULL) {
        return cli_usage_error(&usage, "--config FILE is missing");
    }
    if (timeout_s == 0 || timeout_s > 3600) {
        return cli_usage_error(&usage, "--timeout takes 1 to 3600 seconds");
    }
    gw_problems_init(&problems);
    if (gw_config_load(config_path, &config, &problems) == WEIR_OK && !no_start) {
        gw_config_resolve_env(config);
        for (uint32_t i = 0; i < config->nplugins; i++) {
            check_plugin(&config->plugins[i], &problems);
        }
        gw_problems_sort(&problems);
    }
    print_problems(&problems);
    rc = problems.nerrors == 0 ? CLI_EXIT_OK : CLI_EXIT_FAILED;
    gw_config_free(config);
    gw_problems_fini(&problems);
    return rc;
}

const struct cli_verb cli_verb_check = {"check", "check a configuration and its plugins", run};
