/* control/sources.c - a table of sources, and their files in store/sources:
 *
 *     HEX of the module in the store, a line
 *     the version (a manifest's digest, an ETag), a line that may be empty
 *     the URL, a line, for people
 */
#include "control/sources.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "os/os.h"

struct source {
    char *url, *secret, *sha256; /* secret, sha256: NULL if there is none */
    enum source_state state;
    char hex[HASH_SHA256_HEX]; /* of the module that is there, "" if there is none */
    char version[300];
    char cause[500];
    bool due;   /* a fetch is to start */
    bool fresh; /* the last one brought something that nobody has taken yet */
    uint64_t retry_ms;
    uint64_t delay_ms;
    unsigned round;
    struct fetcher fetcher;
};

struct sources {
    struct store *store;
    struct confined_options opt;
    char *program, *work_dir;
    unsigned round;
    VEC(struct source *) list;
};

static uint64_t now_ms(void)
{
    return os_monotonic_ns() / 1000000;
}

struct sources *sources_new(struct store *store, const struct confined_options *opt)
{
    struct sources *s = mem_zalloc(sizeof *s);

    s->store = store;
    s->opt = *opt;
    s->opt.program = s->program = mem_strndup(opt->program, strlen(opt->program));
    s->opt.work_dir = s->work_dir = mem_strndup(opt->work_dir, strlen(opt->work_dir));
    return s;
}

static void free_source(struct source *e)
{
    fetcher_stop(&e->fetcher);
    mem_free(e->url);
    mem_free(e->secret);
    mem_free(e->sha256);
    mem_free(e);
}

void sources_free(struct sources *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->list.len; i++) {
        free_source(s->list.at[i]);
    }
    vec_fini(&s->list);
    mem_free(s->program);
    mem_free(s->work_dir);
    mem_free(s);
}

bool sources_is_remote(const struct gw_plugin *p)
{
    struct str file;
    return !gw_plugin_file(p, &file);
}

static struct source *find(const struct sources *s, const struct gw_plugin *p)
{
    for (size_t i = 0; i < s->list.len; i++) {
        struct source *e = s->list.at[i];
        if (str_eq(str_of(e->url), p->url) && str_eq(str_of(e->sha256), p->sha256)) {
            return e;
        }
    }
    return NULL;
}

static char *copy(struct str s)
{
    return s.at == NULL ? NULL : mem_strndup(s.at, s.len);
}

/* ---- what is remembered --------------------------------------------------------------------- */

static void key_of(const struct source *e, char key[HASH_SHA256_HEX])
{
    struct strbuf text = {0};
    uint8_t digest[HASH_SHA256_BYTES];

    strbuf_printf(&text, "%s\n%s", e->url, e->sha256 == NULL ? "" : e->sha256);
    hash_sha256_of(text.at, text.len, digest);
    hash_hex(digest, key);
    strbuf_fini(&text);
}

static void recall(struct sources *s, struct source *e)
{
    char key[HASH_SHA256_HEX];
    struct str hex = STR(""), version = STR("");
    char *text;

    key_of(e, key);
    text = store_source(s->store, key);
    if (text != NULL) {
        struct str rest = str_of(text);
        hex = str_cut(&rest, '\n');
        version = str_cut(&rest, '\n');
    } else if (e->sha256 != NULL) { /* the module may have come from elsewhere */
        hex = str_of(e->sha256);
    }
    if (hex.len == HASH_SHA256_HEX - 1 && version.len < sizeof e->version) {
        memcpy(e->hex, hex.at, hex.len);
        memcpy(e->version, version.len == 0 ? "" : version.at, version.len);
        if (!store_need_module(s->store, e->hex)) {
            e->hex[0] = e->version[0] = '\0';
        }
    }
    mem_free(text);
}

static void remember(struct sources *s, const struct source *e)
{
    char key[HASH_SHA256_HEX];
    struct strbuf text = {0};

    key_of(e, key);
    strbuf_printf(&text, "%s\n%s\n%s\n", e->hex, e->version, e->url);
    store_put_source(s->store, key, text.at);
    strbuf_fini(&text);
}

/* ---- what is wanted ------------------------------------------------------------------------- */

void sources_begin(struct sources *s)
{
    s->round++;
}

void sources_end(struct sources *s)
{
    for (size_t i = s->list.len; i-- != 0;) {
        if (s->list.at[i]->round != s->round) {
            free_source(s->list.at[i]);
            s->list.at[i] = vec_pop(&s->list);
        }
    }
}

/* IfNotPresent, but a name that moves is asked for each time, as in Istio: the tag latest, or none. */
static bool always(const struct gw_plugin *p)
{
    struct str rest = p->url;

    if (p->pull_policy != GW_PULL_UNSPECIFIED || !str_starts_with(p->url, STR("oci://"))) {
        return p->pull_policy == GW_PULL_ALWAYS;
    }
    for (size_t i = rest.len; i-- != 0;) {
        if (rest.at[i] == '/') {
            rest = str_slice(rest, i + 1, rest.len);
            break;
        }
    }
    bool digest = str_find_char(rest, '@') != rest.len, tag = str_find_char(rest, ':') != rest.len;
    return !digest && (!tag || str_ends_with(rest, STR(":latest")));
}

static struct source *add(struct sources *s, const struct gw_plugin *p)
{
    struct source *e = mem_zalloc(sizeof *e);

    e->url = copy(p->url);
    e->sha256 = copy(p->sha256);
    e->secret = copy(p->pull_secret);
    recall(s, e);
    e->state = e->hex[0] == '\0' ? SOURCE_FETCHING : SOURCE_READY;
    vec_push(&s->list, e);
    return e;
}

bool sources_want(struct sources *s, const struct gw_plugin *p, bool again, char hex[HASH_SHA256_HEX])
{
    struct source *e = find(s, p);

    e = e == NULL ? add(s, p) : e;
    e->round = s->round;
    if (!str_eq(str_of(e->secret), p->pull_secret)) {
        mem_free(e->secret);
        e->secret = copy(p->pull_secret);
        again = true;
    }
    bool pinned = e->sha256 != NULL && e->hex[0] != '\0'; /* it cannot be another one */
    bool wanted = e->hex[0] == '\0' || (always(p) && !e->fresh && !pinned);
    if (wanted && e->fetcher.child == 0 && (again || e->retry_ms == 0)) {
        e->due = true;
        e->retry_ms = 0;
    }
    e->fresh = false;
    if (e->hex[0] == '\0') {
        return false;
    }
    memcpy(hex, e->hex, sizeof e->hex);
    return true;
}

bool sources_state(const struct sources *s, const struct gw_plugin *p, enum source_state *state,
                   const char **cause)
{
    const struct source *e = find(s, p);

    if (e == NULL) {
        return false;
    }
    *state = e->state;
    *cause = e->state == SOURCE_FAILED ? e->cause : "";
    return true;
}

void sources_refer(const struct sources *s, struct sweep_refs *refs)
{
    for (size_t i = 0; i < s->list.len; i++) {
        char key[HASH_SHA256_HEX];
        key_of(s->list.at[i], key);
        sweep_refs_add(refs, str_of(key));
        sweep_refs_add(refs, str_of(s->list.at[i]->hex));
    }
}

/* ---- fetching ------------------------------------------------------------------------------- */

static void failed(struct source *e, const char *why)
{
    uint32_t random = 0;

    e->delay_ms = e->delay_ms == 0 ? SOURCES_RETRY_FIRST_MS : e->delay_ms * 2;
    e->delay_ms = e->delay_ms > SOURCES_RETRY_MAX_MS ? SOURCES_RETRY_MAX_MS : e->delay_ms;
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    uint64_t wait = e->delay_ms - random % (e->delay_ms / 4 + 1); /* many gateways do not come at once */
    e->retry_ms = now_ms() + wait;
    e->state = SOURCE_FAILED;
    snprintf(e->cause, sizeof e->cause, "cannot fetch %.120s: %.300s", e->url, why);
    log_line(LOG_WARN, "%s; tried again in %.1f s%s", e->cause, (double)wait / 1000,
             e->hex[0] == '\0' ? "" : "; the copy of before serves");
}

static void start(struct sources *s, struct source *e)
{
    struct weir_report rep;
    struct fetcher_job job = {.url = e->url,
                              .secret = e->secret != NULL && e->secret[0] != '\0' ? e->secret : NULL,
                              .sha256 = e->sha256,
                              .known = e->hex[0] != '\0' && e->version[0] != '\0' ? e->version : NULL};

    e->due = false;
    e->retry_ms = 0;
    weir_report_init(&rep);
    if (fetcher_start(&e->fetcher, &s->opt, &job, &rep) != WEIR_OK) {
        failed(e, rep.message);
    }
}

/* True: there is another module than before. */
static bool take(struct sources *s, struct source *e, enum fetcher_outcome outcome,
                 const struct fetcher_result *r)
{
    struct weir_report rep;
    char hex[HASH_SHA256_HEX];

    weir_report_init(&rep);
    if (outcome == FETCHER_FAILED) {
        failed(e, r->why);
        return false;
    }
    if (outcome == FETCHER_MADE && store_put_module(s->store, r->bytes, r->len, hex, &rep) != WEIR_OK) {
        failed(e, rep.message);
        return false;
    }
    e->state = SOURCE_READY;
    e->delay_ms = 0;
    if (outcome == FETCHER_UNCHANGED) {
        return false;
    }
    bool other = strcmp(hex, e->hex) != 0;
    memcpy(e->hex, hex, sizeof hex);
    memcpy(e->version, r->version, sizeof e->version);
    remember(s, e);
    e->fresh = other;
    log_line(LOG_INFO, "fetched %s (%zu bytes, sha256 %s)", e->url, r->len, hex);
    return other;
}

bool sources_step(struct sources *s, uint64_t now)
{
    struct fetcher_result r;
    size_t running = 0;
    bool came = false;

    for (size_t i = 0; i < s->list.len; i++) {
        struct source *e = s->list.at[i];
        if (e->fetcher.child == 0) {
            continue;
        }
        enum fetcher_outcome outcome = fetcher_poll(&e->fetcher, &r);
        if (outcome == FETCHER_RUNS) {
            running++;
            continue;
        }
        came = take(s, e, outcome, &r) || came;
        mem_free(r.bytes);
    }
    for (size_t i = 0; i < s->list.len && running < SOURCES_RUNNING_MAX; i++) {
        struct source *e = s->list.at[i];
        if (e->fetcher.child == 0 && (e->due || (e->retry_ms != 0 && now >= e->retry_ms))) {
            start(s, e);
            running += e->fetcher.child != 0;
        }
    }
    return came;
}

uint64_t sources_when_ms(const struct sources *s, uint64_t now)
{
    uint64_t next = 0;

    for (size_t i = 0; i < s->list.len; i++) {
        const struct source *e = s->list.at[i];
        uint64_t when = e->fetcher.child != 0 ? now + SOURCES_STEP_MS : e->due ? now + 1 : e->retry_ms;
        if (when != 0 && (next == 0 || when < next)) {
            next = when;
        }
    }
    return next;
}
