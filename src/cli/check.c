/* cli/check.c - `weir check`: everything that is wrong with a configuration, before it is used.
 *
 * After the configuration itself, each plugin is started as a gateway would, in a child process with a time
 * limit, so that a module that hangs or crashes harms nobody.  First with all of its configurations in one
 * VM; if that fails, with one after the other, to find those to blame. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/fake_server.h"
#include "gw/load.h"

enum { MAX_MODULE_BYTES = 256 << 20, MAX_BLAMED = 20 };

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

/* ---- in the child ----------------------------------------------------------------------- */

/* What the plugin logs at its start, at warn and above; the newest lines that fit. */
static struct strbuf said;

static void keep_log(struct fake_server *server, enum pw_log_level level, struct str line)
{
    (void)server;
    if (level >= PW_LOG_WARN && said.len + line.len < 400) {
        strbuf_printf(&said, "%s%.*s", said.len == 0 ? "" : "; ", STR_ARG(line));
    }
}

static weir_status read_module(const struct gw_plugin *p, struct str file, struct weir_module **out,
                               struct weir_report *rep)
{
    struct strbuf bytes = {0};
    char chunk[65536], *path = mem_strndup(file.at, file.len);
    uint8_t digest[HASH_SHA256_BYTES];
    char hex[HASH_SHA256_HEX];
    size_t n;
    FILE *f = fopen(path, "rb");
    weir_status st = WEIR_OK;

    if (f == NULL) {
        st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s", path, strerror(errno));
        goto done;
    }
    while ((n = fread(chunk, 1, sizeof chunk, f)) != 0 && bytes.len <= MAX_MODULE_BYTES) {
        strbuf_add_bytes(&bytes, chunk, n);
    }
    if (ferror(f) || bytes.len > MAX_MODULE_BYTES) {
        st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s: %s", path,
                             ferror(f) ? strerror(errno) : "larger than 256 MiB");
        goto done;
    }
    hash_sha256_of(bytes.at, bytes.len, digest);
    hash_hex(digest, hex);
    if (p->sha256.at != NULL && !str_eq(p->sha256, str_of(hex))) {
        st = weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "", "%s hashes to %s, not to its sha256",
                             path, hex);
        goto done;
    }
    st = weir_module_new((const uint8_t *)bytes.at, bytes.len, WEIR_FEATURES_ALL, out, rep);
done:
    if (f != NULL) {
        fclose(f);
    }
    strbuf_fini(&bytes);
    mem_free(path);
    return st;
}

/* Start the plugin with `n` of its configurations, from `first` on. */
static weir_status start(const struct gw_plugin *p, struct weir_module *m, uint32_t first, uint32_t n,
                         struct weir_report *rep)
{
    static const enum weir_tier tiers[] = {[GW_RUNTIME_AUTO] = WEIR_TIER_AUTO,
                                           [GW_RUNTIME_AOT] = WEIR_TIER_AUTO,
                                           [GW_RUNTIME_INTERP] = WEIR_TIER_INTERP};
    struct fake_server server = {.level = PW_LOG_WARN, .log = keep_log};
    struct pw_env *env = mem_zalloc_array(p->nenv, sizeof *env);
    struct pw_plugin_options o = {
        .name = p->name,
        .root_id = p->plugin_name.at == NULL ? STR("") : p->plugin_name,
        .vm_id = STR(""),
        .vm_config = STR(""),
        .env = env,
        .nenv = p->nenv,
        .configs = p->configs + first,
        .nconfigs = n,
        .fail_open = p->fail_strategy == GW_FAIL_OPEN,
        .tier = tiers[p->runtime],
        .memory_limit_bytes = p->memory_limit_bytes,
        .cpu_budget_ms = p->cpu_limit_ms,
        .start_cpu_budget_ms = p->start_cpu_limit_ms,
    };
    struct pw_plugin *plugin = NULL;

    for (uint32_t i = 0; i < p->nenv; i++) {
        env[i] = (struct pw_env){p->env[i].name, p->env[i].value.at == NULL ? STR("") : p->env[i].value};
    }
    weir_status st = pw_plugin_new(m, &o, &fake_server_functions, &server, &plugin, rep);
    if (st == WEIR_OK) {
        st = pw_plugin_start(plugin, rep);
        pw_plugin_free(plugin);
        fake_calls_fini(&server.calls);
    }
    mem_free(env);
    return st;
}

/* The whole of the child; the cause of a failure goes to `fd`. */
static _Noreturn void child(const struct gw_plugin *p, struct str file, uint32_t first, uint32_t n, int fd)
{
    struct weir_report rep;
    struct weir_module *m = NULL;
    char text[700];

    weir_report_init(&rep);
    if (freopen("/dev/null", "w", stdout) == NULL) {
        _exit(CLI_EXIT_USAGE);
    }
    weir_status st = read_module(p, file, &m, &rep);
    if (st == WEIR_OK) {
        st = start(p, m, first, n, &rep);
    }
    if (st == WEIR_OK) {
        _exit(CLI_EXIT_OK);
    }
    weir_report_format(&rep, text, sizeof text);
    dprintf(fd, "%s%s%.*s", text, said.len == 0 ? "" : "; the plugin says: ", STR_ARG(said));
    _exit(m == NULL ? CLI_EXIT_USAGE : CLI_EXIT_FAILED);
}

/* ---- in the parent ---------------------------------------------------------------------- */

enum outcome { STARTED, REFUSED, NO_MODULE, CRASHED, HUNG };

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Everything the child writes until it ends; false: it took too long. */
static bool drain(int fd, int64_t deadline_ms, struct strbuf *out)
{
    char chunk[1024];
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline_ms - now_ms();
        int ready = poll(&p, 1, left < 0 ? 0 : (int)left);
        if (ready == 0) {
            return false;
        }
        if (ready < 0) {
            continue; /* EINTR */
        }
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n <= 0) {
            return true;
        }
        if (out->len < 4096) {
            strbuf_add_bytes(out, chunk, (size_t)n);
        }
    }
}

static enum outcome try_start(const struct gw_plugin *p, struct str file, uint32_t first, uint32_t n,
                              struct strbuf *why)
{
    int fds[2], status = 0;

    why->len = 0;
    fflush(NULL);
    if (pipe(fds) != 0) {
        strbuf_printf(why, "pipe: %s", strerror(errno));
        return NO_MODULE;
    }
    pid_t pid = fork();
    if (pid < 0) {
        strbuf_printf(why, "fork: %s", strerror(errno));
        close(fds[0]);
        close(fds[1]);
        return NO_MODULE;
    }
    if (pid == 0) {
        close(fds[0]);
        child(p, file, first, n, fds[1]);
    }
    close(fds[1]);
    bool ended = drain(fds[0], now_ms() + (int64_t)timeout_s * 1000, why);
    if (!ended) {
        kill(pid, SIGKILL);
    }
    close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!ended) {
        strbuf_printf(why, "does not start within %" PRIu64 " s; it may loop for ever", timeout_s);
        return HUNG;
    }
    if (WIFSIGNALED(status)) {
        strbuf_printf(why, "%scrashes when it is started (signal %d)", why->len == 0 ? "" : "; ",
                      WTERMSIG(status));
        return CRASHED;
    }
    return WEXITSTATUS(status) == CLI_EXIT_OK       ? STARTED
           : WEXITSTATUS(status) == CLI_EXIT_FAILED ? REFUSED
                                                    : NO_MODULE;
}

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
        enum outcome o = p->nconfigs == 1 ? REFUSED : try_start(p, file, i, 1, &why);
        struct gw_place at = place_of_config(p, i, &member);
        if (o != STARTED) {
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

static void check_plugin(const struct gw_plugin *p, struct gw_problems *problems)
{
    struct strbuf why = {0};
    struct str file;

    if (!gw_plugin_file(p, &file)) {
        blame(problems, p->at, ".url",
              "modules are only read from files so far; fetch it and write file:PATH", STR(""));
        return;
    }
    if (p->nconfigs == 0) {
        gw_problems_add(problems, true, p->at, p->at.field,
                        "never runs: no rule lets it, and there is no default");
    }
    switch (try_start(p, file, 0, p->nconfigs, &why)) {
    case STARTED:
        break;
    case NO_MODULE:
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
