/* control/alerts.c - groups that wait, and one child for each webhook. */
#include "control/alerts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "control/store.h"
#include "gw/alert.h"
#include "os/os.h"

enum {
    MINUTE_MS = 60000,
    CHILD_STEP_MS = 500, /* SIGCHLD wakes the loop; this is for those that are late */
    SECRET_BYTES_MAX = 8192,
    SAID_BYTES_MAX = 400,
    CPU_LIMIT_S = 30,
};

/* A group, with the values of its last crash. */
struct group {
    char id[CRASH_ID_DIGITS + 1];
    char *values[GW_ALERT_NVALUES];
    uint64_t missed;   /* crashes since the last alert; 0: nothing to send */
    uint64_t quiet_ms; /* nothing is sent before */
};

struct webhook {
    char *name, *url, *url_file, *token_file, *template;
    uint32_t timeout_ms, rate_limit, repeat_after_ms;
    VEC(struct group) groups; /* oldest first */
    uint64_t next_ms;         /* by the rate limit, or after a failure */
    uint64_t allowance_ms;    /* of the rate: what may be spent at once, at most a minute's worth */
    uint64_t counted_ms;
    unsigned failures;

    pid_t child; /* 0: none */
    int said;
    uint64_t deadline_ms;
    char sent[CRASH_ID_DIGITS + 1]; /* the group the child is about */
    uint64_t sent_count;
};

struct alerts {
    struct confined_options opt;
    char *program, *work_dir;
    VEC(struct webhook) hooks;
};

/* ---- groups ----------------------------------------------------------------------------------- */

static void group_fini(struct group *g)
{
    for (int i = 0; i < GW_ALERT_NVALUES; i++) {
        mem_free(g->values[i]);
    }
}

static struct group *find_group(struct webhook *w, const char *id)
{
    for (size_t i = 0; i < w->groups.len; i++) {
        if (strcmp(w->groups.at[i].id, id) == 0) {
            return &w->groups.at[i];
        }
    }
    return NULL;
}

static struct group *get_group(struct webhook *w, const char *id)
{
    struct group *g = find_group(w, id), new = {.missed = 0};

    if (g != NULL) {
        return g;
    }
    if (w->groups.len == ALERTS_GROUPS_MAX) {
        group_fini(&w->groups.at[0]);
        memmove(w->groups.at, w->groups.at + 1, --w->groups.len * sizeof *w->groups.at);
    }
    snprintf(new.id, sizeof new.id, "%s", id);
    vec_push(&w->groups, new);
    return &w->groups.at[w->groups.len - 1];
}

/* A line for people.  It comes from a plugin and goes to a chat: what chats take for mark-up, mentions and
 * links is not in it. */
static char *text_of(char *const *v)
{
    struct strbuf b = {0};

    strbuf_printf(&b, "Plugin %s crashed: %s in %s%s%s (callback %s%s%s), %s in all; weir crashes %.8s",
                  v[GW_ALERT_plugin], v[GW_ALERT_trap],
                  v[GW_ALERT_function][0] != '\0' ? v[GW_ALERT_function] : "a function without a name",
                  v[GW_ALERT_at][0] != '\0' ? " at " : "", v[GW_ALERT_at], v[GW_ALERT_callback],
                  v[GW_ALERT_route][0] != '\0' ? ", route " : "", v[GW_ALERT_route], v[GW_ALERT_count],
                  v[GW_ALERT_id]);
    for (size_t i = 0; i < b.len; i++) {
        if (strchr("<>&@*_~`|[]#", b.at[i]) != NULL) {
            b.at[i] = b.at[i] == '_' ? '-' : ' ';
        }
    }
    return b.at;
}

static char *number_of(uint64_t n)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%llu", (unsigned long long)n);
    return b.at;
}

static void set_values(struct group *g, const char *id, const struct crash *c)
{
    struct str at = STR(""), function = c->nnames != 0 ? c->names[0].function : STR("");

    group_fini(g);
    for (size_t i = 0; i < c->nnames && at.len == 0; i++) {
        at = c->names[i].place;
    }
    const struct str values[GW_ALERT_NVALUES] = {
        [GW_ALERT_text] = STR(""),       [GW_ALERT_id] = str_of(id), [GW_ALERT_plugin] = c->plugin,
        [GW_ALERT_sha256] = c->sha256,   [GW_ALERT_trap] = c->trap,  [GW_ALERT_callback] = c->callback,
        [GW_ALERT_function] = function,  [GW_ALERT_at] = at,         [GW_ALERT_route] = c->route,
        [GW_ALERT_request] = c->request, [GW_ALERT_count] = STR(""), [GW_ALERT_missed] = STR(""),
    };
    for (int i = 0; i < GW_ALERT_NVALUES; i++) {
        g->values[i] = mem_strndup(values[i].len == 0 ? "" : values[i].at, values[i].len);
    }
    mem_free(g->values[GW_ALERT_count]);
    g->values[GW_ALERT_count] = number_of(c->count);
    mem_free(g->values[GW_ALERT_text]);
    g->values[GW_ALERT_text] = text_of(g->values);
}

void alerts_crash(void *ctx, const char *id, const struct crash *c)
{
    struct alerts *a = ctx;

    for (size_t i = 0; i < a->hooks.len; i++) {
        struct group *g = get_group(&a->hooks.at[i], id);
        g->missed++;
        set_values(g, id, c);
    }
}

/* ---- webhooks ----------------------------------------------------------------------------------- */

static void end_child(struct webhook *w)
{
    if (w->child != 0) {
        kill(-w->child, SIGKILL);
        waitpid(w->child, NULL, 0);
        close(w->said);
        w->child = 0;
    }
}

static void webhook_fini(struct webhook *w)
{
    char *const texts[] = {w->name, w->url, w->url_file, w->token_file, w->template};

    end_child(w);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mem_free(texts[i]);
    }
    for (size_t i = 0; i < w->groups.len; i++) {
        group_fini(&w->groups.at[i]);
    }
    vec_fini(&w->groups);
}

struct alerts *alerts_new(const struct confined_options *opt)
{
    struct alerts *a = mem_zalloc(sizeof *a);

    a->opt = *opt;
    a->opt.program = a->program = mem_strndup(opt->program, strlen(opt->program));
    a->opt.work_dir = a->work_dir = mem_strndup(opt->work_dir, strlen(opt->work_dir));
    return a;
}

void alerts_free(struct alerts *a)
{
    if (a == NULL) {
        return;
    }
    for (size_t i = 0; i < a->hooks.len; i++) {
        webhook_fini(&a->hooks.at[i]);
    }
    vec_fini(&a->hooks);
    mem_free(a->program);
    mem_free(a->work_dir);
    mem_free(a);
}

static bool same(const struct webhook *w, const struct gw_alert *g)
{
    return str_eq(str_of(w->name), g->name) && str_eq(str_of(w->url), g->url) &&
           str_eq(str_of(w->url_file), g->url_file) && str_eq(str_of(w->token_file), g->token_file) &&
           str_eq(str_of(w->template), g->template) && w->timeout_ms == g->timeout_ms &&
           w->rate_limit == g->rate_limit && w->repeat_after_ms == g->repeat_after_ms;
}

static char *copy(struct str s)
{
    return mem_strndup(s.len == 0 ? "" : s.at, s.len);
}

static struct webhook make(const struct gw_alert *g)
{
    return (struct webhook){
        .name = copy(g->name),
        .url = copy(g->url),
        .url_file = copy(g->url_file),
        .token_file = copy(g->token_file),
        .template = copy(g->template),
        .timeout_ms = g->timeout_ms,
        .rate_limit = g->rate_limit,
        .repeat_after_ms = g->repeat_after_ms,
        .allowance_ms = MINUTE_MS,
        .counted_ms = os_monotonic_ns() / 1000000,
    };
}

void alerts_set(struct alerts *a, const struct gw_config *config)
{
    size_t nbefore = a->hooks.len;

    for (uint32_t i = 0; i < config->nalerts; i++) {
        const struct gw_alert *g = &config->alerts[i];
        size_t k = 0;
        while (k < nbefore && (a->hooks.at[k].name == NULL || !same(&a->hooks.at[k], g))) {
            k++;
        }
        struct webhook w = k < nbefore ? a->hooks.at[k] : make(g);
        if (k < nbefore) {
            a->hooks.at[k] = (struct webhook){.name = NULL}; /* it moved */
        }
        vec_push(&a->hooks, w);
    }
    for (size_t k = 0; k < nbefore; k++) {
        webhook_fini(&a->hooks.at[k]);
    }
    a->hooks.len -= nbefore;
    if (a->hooks.len != 0) {
        memmove(a->hooks.at, a->hooks.at + nbefore, a->hooks.len * sizeof *a->hooks.at);
    }
}

/* ---- sending -------------------------------------------------------------------------------------- */

/* First line of a file; false: it cannot be read, which was said. */
static bool first_line(const struct webhook *w, const char *path, struct strbuf *out)
{
    struct weir_report rep;
    uint8_t *bytes;
    size_t len;

    weir_report_init(&rep);
    if (store_read_file(path, SECRET_BYTES_MAX, &bytes, &len, &rep) != WEIR_OK) {
        log_line(LOG_ERROR, "alert %s is not sent: %s", w->name, rep.message);
        return false;
    }
    struct str rest = str_make(bytes, len);
    strbuf_add(out, str_trim(str_cut(&rest, '\n')));
    mem_free(bytes);
    return true;
}

/* What `weir post` reads: two lines, URL and token, then the body.  -1: no file. */
static int make_input(const struct alerts *a, const struct webhook *w, const struct group *g)
{
    struct strbuf in = {0};
    struct str values[GW_ALERT_NVALUES];
    char missed[24];
    int fd = -1;

    snprintf(missed, sizeof missed, "%llu", (unsigned long long)g->missed);
    for (int i = 0; i < GW_ALERT_NVALUES; i++) {
        values[i] = str_of(g->values[i]);
    }
    values[GW_ALERT_missed] = str_of(missed);
    bool ok = w->url[0] != '\0' ? (strbuf_add(&in, str_of(w->url)), true) : first_line(w, w->url_file, &in);
    strbuf_add_char(&in, '\n');
    ok = ok && (w->token_file[0] == '\0' || first_line(w, w->token_file, &in));
    strbuf_add_char(&in, '\n');
    const char *wrong = ok ? gw_alert_render(str_of(w->template), values, &in) : "";
    if (wrong == NULL && (fd = confined_file(a->opt.work_dir)) >= 0 &&
        pwrite(fd, in.at, in.len, 0) != (ssize_t)in.len) {
        close(fd);
        fd = -1;
    }
    strbuf_fini(&in);
    return fd;
}

static uint64_t jittered(uint64_t ms)
{
    uint32_t r = 0;
    return getrandom(&r, sizeof r, GRND_NONBLOCK) == sizeof r ? ms - ms / 4 + r % (ms / 2 + 1) : ms;
}

static void failed(struct webhook *w, struct group *g, bool again, const char *why, uint64_t now_ms)
{
    w->failures++;
    if (g != NULL && (!again || w->failures >= ALERTS_TRIES_MAX)) {
        log_line(LOG_ERROR, "alert %s: what crash %s is about cannot be told: %s", w->name, g->id, why);
        g->missed = 0;
        g->quiet_ms = now_ms + w->repeat_after_ms;
        w->failures = again ? w->failures : 0;
    } else {
        log_line(LOG_WARN, "alert %s: %s; it is tried again", w->name, why);
    }
    unsigned shift = w->failures < 8 ? w->failures : 8;
    uint64_t wait = (uint64_t)ALERTS_RETRY_FIRST_MS << (shift == 0 ? 0 : shift - 1);
    w->next_ms = now_ms + jittered(wait < ALERTS_RETRY_MAX_MS ? wait : ALERTS_RETRY_MAX_MS);
    if (w->failures >= ALERTS_TRIES_MAX) {
        w->failures = 0; /* of the next group */
    }
}

static void start(struct alerts *a, struct webhook *w, struct group *g, uint64_t now_ms)
{
    static const char *const argv[] = {"weir", "post", NULL};
    static const struct confined_limits limits = {CPU_LIMIT_S, 2, 1 << 20};
    int in = make_input(a, w, g);

    w->said = in < 0 ? -1 : confined_file(a->opt.work_dir);
    pid_t pid = confined_start(&a->opt, &limits, argv, in, w->said, w->said);
    if (pid > 0) {
        w->child = pid;
        w->deadline_ms = now_ms + w->timeout_ms;
        w->sent_count = g->missed;
        memcpy(w->sent, g->id, sizeof w->sent);
    } else {
        if (w->said >= 0) {
            close(w->said);
        }
        failed(w, g, true, "no child can be started", now_ms);
    }
    if (in >= 0) {
        close(in);
    }
}

/* The child's last words: one line, without control characters. */
static void read_said(int fd, char *why, size_t cap)
{
    ssize_t n = pread(fd, why, cap - 1, 0);

    why[n > 0 ? n : 0] = '\0';
    why[strcspn(why, "\n")] = '\0';
    for (char *at = why; *at != '\0'; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
    }
}

static void reap(struct webhook *w, uint64_t now_ms)
{
    char why[SAID_BYTES_MAX];
    bool late = now_ms >= w->deadline_ms;
    int status;

    if (late) {
        kill(-w->child, SIGKILL);
    }
    if (waitpid(w->child, &status, late ? 0 : WNOHANG) != w->child) {
        return;
    }
    read_said(w->said, why, sizeof why);
    close(w->said);
    w->child = 0;
    struct group *g = find_group(w, w->sent);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        w->failures = 0;
        if (g != NULL) {
            g->missed -= w->sent_count < g->missed ? w->sent_count : g->missed;
            g->quiet_ms = now_ms + w->repeat_after_ms;
        }
        return;
    }
    if (late) {
        snprintf(why, sizeof why, "no answer within %u ms", w->timeout_ms);
    } else if (WIFSIGNALED(status)) {
        snprintf(why, sizeof why, "the process that sends was ended by signal %d", WTERMSIG(status));
    }
    failed(w, g, late || !WIFEXITED(status) || WEXITSTATUS(status) != ALERTS_EXIT_REFUSED, why, now_ms);
}

/* The group that waits for longest and may be sent; *when: the earliest time one may, if there is none. */
static struct group *next_group(const struct webhook *w, uint64_t now_ms, uint64_t *when)
{
    *when = 0;
    for (size_t i = 0; i < w->groups.len; i++) {
        struct group *g = &w->groups.at[i];
        if (g->missed != 0 && g->quiet_ms <= now_ms) {
            return g;
        }
        if (g->missed != 0 && (*when == 0 || g->quiet_ms < *when)) {
            *when = g->quiet_ms;
        }
    }
    return NULL;
}

/* A token bucket that holds a minute's alerts. */
static bool may_send(struct webhook *w, uint64_t now_ms)
{
    uint64_t price = MINUTE_MS / w->rate_limit;

    w->allowance_ms += now_ms - w->counted_ms;
    w->counted_ms = now_ms;
    if (w->allowance_ms > MINUTE_MS) {
        w->allowance_ms = MINUTE_MS;
    }
    if (w->allowance_ms < price) {
        w->next_ms = now_ms + price - w->allowance_ms;
        return false;
    }
    w->allowance_ms -= price;
    return true;
}

void alerts_step(struct alerts *a, uint64_t now_ms)
{
    uint64_t when;

    for (size_t i = 0; i < a->hooks.len; i++) {
        struct webhook *w = &a->hooks.at[i];
        if (w->child != 0) {
            reap(w, now_ms);
        }
        struct group *g = w->child == 0 && now_ms >= w->next_ms ? next_group(w, now_ms, &when) : NULL;
        if (g != NULL && may_send(w, now_ms)) {
            start(a, w, g, now_ms);
        }
    }
}

uint64_t alerts_when_ms(const struct alerts *a, uint64_t now_ms)
{
    uint64_t next = 0;

    for (size_t i = 0; i < a->hooks.len; i++) {
        const struct webhook *w = &a->hooks.at[i];
        uint64_t when = 0;
        if (w->child != 0) {
            when = w->deadline_ms < now_ms + CHILD_STEP_MS ? w->deadline_ms : now_ms + CHILD_STEP_MS;
        } else if (next_group(w, now_ms, &when) != NULL) {
            when = w->next_ms > now_ms ? w->next_ms : now_ms;
        } else if (when != 0 && when < w->next_ms) {
            when = w->next_ms;
        }
        if (when != 0 && (next == 0 || when < next)) {
            next = when;
        }
    }
    return next;
}
