/* cli/start_check.c - a plugin is started in a child process; what it says and how it ends is the answer. */
#include "cli/start_check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/fake_server.h"
#include "os/os.h"

enum { MAX_MODULE_BYTES = 256 << 20 };

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
        .isolation = (enum pw_isolation)p->isolation, /* the same numbers */
        .tier = tiers[p->runtime],
        .memory_limit_bytes = p->memory_limit_bytes,
        .cpu_budget_ms = p->cpu_limit_ms,
        .start_cpu_budget_ms = p->start_cpu_limit_ms,
    };
    struct pw_plugin *plugin = NULL;

#define PW_QUOTA(id, name, ...) o.quotas[PW_QUOTA_##id] = p->quotas.name;
#include "weir/pw_quota.def"
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
static _Noreturn void child(const struct gw_plugin *p, struct str file, const char *image, uint32_t first,
                            uint32_t n, int fd)
{
    struct weir_report rep;
    struct weir_module *m = NULL;
    char text[700];

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a plugin that hangs does not outlive who asked */
    weir_report_init(&rep);
    if (freopen("/dev/null", "w", stdout) == NULL) {
        _exit(CLI_EXIT_USAGE);
    }
    weir_status st = read_module(p, file, &m, &rep);
    if (st == WEIR_OK && image != NULL) {
        weir_module_load_image(m, image, NULL); /* interpreted, if it cannot be used */
    }
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

struct start_try {
    pid_t pid;
    int fd; /* what the child says, until it ends */
    uint32_t timeout_s;
    uint64_t deadline_ms;
    struct strbuf said;
};

static uint64_t now_ms(void)
{
    return os_monotonic_ns() / 1000000;
}

struct start_try *start_try_new(const struct gw_plugin *p, struct str file, const char *image, uint32_t first,
                                uint32_t n, uint32_t timeout_s, struct strbuf *why)
{
    int fds[2];

    why->len = 0;
    fflush(NULL);
    if (pipe2(fds, O_CLOEXEC) != 0) {
        strbuf_printf(why, "pipe: %s", strerror(errno));
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(p, file, image, first, n, fds[1]);
    }
    close(fds[1]);
    if (pid < 0) {
        strbuf_printf(why, "fork: %s", strerror(errno));
        close(fds[0]);
        return NULL;
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    struct start_try *t = mem_zalloc(sizeof *t);
    t->pid = pid;
    t->fd = fds[0];
    t->timeout_s = timeout_s;
    t->deadline_ms = now_ms() + (uint64_t)timeout_s * 1000;
    return t;
}

int start_try_fd(const struct start_try *t)
{
    return t->fd;
}

uint64_t start_try_deadline_ms(const struct start_try *t)
{
    return t->deadline_ms;
}

/* Ends the child and takes its exit status. */
static int reap(struct start_try *t, bool ended)
{
    int status = 0;

    if (!ended) {
        kill(t->pid, SIGKILL);
    }
    while (waitpid(t->pid, &status, 0) < 0 && errno == EINTR) {
    }
    t->pid = 0;
    return status;
}

void start_try_free(struct start_try *t)
{
    if (t != NULL) {
        if (t->pid != 0) {
            reap(t, false);
        }
        close(t->fd);
        strbuf_fini(&t->said);
        mem_free(t);
    }
}

/* Everything that came; true: the child has ended, its end of the pipe with it. */
static bool read_said(struct start_try *t)
{
    char chunk[1024];
    ssize_t n;

    while ((n = read(t->fd, chunk, sizeof chunk)) > 0) {
        if (t->said.len < 4096) {
            strbuf_add_bytes(&t->said, chunk, (size_t)n);
        }
    }
    return n == 0;
}

bool start_try_step(struct start_try *t, enum start_outcome *outcome, struct strbuf *why)
{
    bool ended = read_said(t);

    if (!ended && now_ms() < t->deadline_ms) {
        return false;
    }
    int status = reap(t, ended);
    why->len = 0;
    strbuf_add(why, strbuf_str(&t->said));
    if (!ended) {
        strbuf_printf(why, "does not start within %u s; it may loop for ever", t->timeout_s);
        *outcome = START_HUNG;
    } else if (WIFSIGNALED(status)) {
        strbuf_printf(why, "%scrashes when it is started (signal %d)", why->len == 0 ? "" : "; ",
                      WTERMSIG(status));
        *outcome = START_CRASHED;
    } else {
        *outcome = WEXITSTATUS(status) == CLI_EXIT_OK       ? START_OK
                   : WEXITSTATUS(status) == CLI_EXIT_FAILED ? START_REFUSED
                                                            : START_NO_MODULE;
    }
    return true;
}

enum start_outcome start_check(const struct gw_plugin *p, struct str file, const char *image, uint32_t first,
                               uint32_t n, uint32_t timeout_s, struct strbuf *why)
{
    enum start_outcome outcome = START_NO_MODULE;
    struct start_try *t = start_try_new(p, file, image, first, n, timeout_s, why);

    while (t != NULL && !start_try_step(t, &outcome, why)) {
        struct pollfd fd = {.fd = t->fd, .events = POLLIN};
        int64_t left = (int64_t)(t->deadline_ms - now_ms());
        poll(&fd, 1, left < 0 ? 0 : (int)left);
    }
    start_try_free(t);
    return outcome;
}
