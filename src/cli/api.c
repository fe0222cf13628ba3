/* cli/api.c - a table of paths, and what each does. */
#include "cli/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/api_workers.h"
#include "cli/overlay.h"
#include "control/crashes.h"
#include "gw/load.h"
#include "gw/parts.h"
#include "os/os.h"

enum { PATIENCE_S = 30, PATIENCE_MOST_S = 300, NAME_BYTES_MAX = 1000 };

/* A request being answered. */
struct call {
    struct api *a;
    uint64_t client;
    const struct http_request *r;
    bool dry_run;
    uint64_t patience_s; /* for workers to have a change */
    int kind;            /* of the part in the path, or GW_PART_NONE */
    char name[NAME_BYTES_MAX + 1];
};

static uint64_t now_ms(void)
{
    return os_monotonic_ns() / 1000000;
}

weir_status api_init(struct api *a, struct deploy *d, const char *state_dir, const char *config,
                     const struct api_host *host, struct weir_report *rep)
{
    *a = (struct api){.deploy = d, .state_dir = state_dir, .host = host};
    a->config = mem_strndup(config, strlen(config));
    return overlay_read(state_dir, &a->overlay, rep);
}

void api_fini(struct api *a)
{
    for (size_t i = 0; i < a->waiters.len; i++) {
        mem_free(a->waiters.at[i].headers);
    }
    vec_fini(&a->waiters);
    gw_sources_fini(&a->sources);
    gw_pieces_fini(&a->pieces);
    json_decref(a->overlay);
    mem_free(a->config);
}

/* ---- answers ---------------------------------------------------------------------------------- */

static void add_problems(struct gw_problems *problems, struct strbuf *out)
{
    gw_problems_sort(problems);
    strbuf_printf(out, "\"problems\":[");
    for (size_t i = 0; i < problems->list.len; i++) {
        const struct gw_problem *p = &problems->list.at[i];
        strbuf_printf(out, "%s{\"file\":", i == 0 ? "" : ",");
        strbuf_add_json(out, str_of(p->at.file == NULL ? "" : p->at.file));
        strbuf_printf(out, ",\"line\":%u,\"field\":", p->at.line);
        strbuf_add_json(out, str_of(p->field));
        strbuf_printf(out, ",\"message\":");
        strbuf_add_json(out, str_of(p->message));
        strbuf_printf(out, ",\"warning\":%s}", p->warning ? "true" : "false");
    }
    strbuf_printf(out, "]");
}

static void answer(struct api *a, uint64_t client, unsigned status, const char *headers, struct strbuf *json)
{
    strbuf_add_char(json, '\n');
    admin_answer(a->admin, client, status, headers, strbuf_str(json));
    strbuf_fini(json);
}

static void refuse(const struct call *c, unsigned status, const char *why, struct gw_problems *problems)
{
    struct strbuf json = {0};

    strbuf_printf(&json, "{\"error\":");
    strbuf_add_json(&json, str_of(why));
    if (problems != NULL) {
        strbuf_printf(&json, ",");
        add_problems(problems, &json);
    }
    strbuf_printf(&json, "}");
    answer(c->a, c->client, status, status == 405 ? "Allow: GET, PUT, DELETE, POST\r\n" : "", &json);
}

void api_status_json(struct api *a, const struct workers_said *workers, const char *error, bool changed,
                     struct strbuf *json)
{
    strbuf_printf(json, "{");
    if (error != NULL) {
        strbuf_printf(json, "\"error\":");
        strbuf_add_json(json, str_of(error));
        strbuf_printf(json, ",");
    }
    strbuf_printf(json, "\"changed\":%s,\"ready\":%s,\"config\":", changed ? "true" : "false",
                  deploy_settled(a->deploy) && a->host->all_have_it(a->host->ctx) ? "true" : "false");
    strbuf_add_json(json, str_of(a->config));
    strbuf_printf(json, ",");
    if (workers != NULL) {
        workers_silent_json(workers, json);
        strbuf_printf(json, ",");
    }
    deploy_status_json(a->deploy, workers == NULL ? NULL : workers_healing, (void *)(uintptr_t)workers, json);
    strbuf_printf(json, "}");
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static void wait_for(struct call *c, unsigned status, char *headers, bool tries)
{
    struct api_waiter w = {c->client, status, headers, tries, false, now_ms() + c->patience_s * 1000};
    vec_push(&c->a->waiters, w);
}

bool api_waiting(const struct api *a)
{
    return a->waiters.len != 0;
}

uint64_t api_when_ms(const struct api *a)
{
    return a->deploy->gathers == NULL ? 0 : gathers_when_ms(a->deploy->gathers);
}

void api_step(struct api *a, bool changed)
{
    if (a->deploy->gathers != NULL) {
        gathers_step(a->deploy->gathers, now_ms());
    }
    for (size_t i = a->waiters.len; i-- != 0;) {
        struct api_waiter *w = &a->waiters.at[i];
        struct strbuf json = {0};
        bool late = now_ms() >= w->deadline_ms || deploy_nrefused(a->deploy) != 0;

        w->changed = w->changed || changed;
        bool done = deploy_settled(a->deploy) && !(w->tries && deploy_trying(a->deploy)) &&
                    a->host->all_have_it(a->host->ctx);
        if (!done && !late) {
            continue;
        }
        api_status_json(a, NULL, done ? NULL : "not all workers have it; logs/error.log may say why",
                        w->changed, &json);
        answer(a, w->client, done ? w->status : 504, w->headers == NULL ? "" : w->headers, &json);
        mem_free(w->headers);
        *w = vec_last(&a->waiters);
        (void)vec_pop(&a->waiters);
    }
}

/* ---- the whole configuration ------------------------------------------------------------------ */

static weir_status load(struct api *a, const struct gw_sources *sources, const json_t *overlay,
                        struct gw_config **out, struct gw_problems *problems)
{
    struct strbuf over = {0};

    overlay_text(overlay, &over);
    weir_status st =
        gw_config_load_sources(sources, OVERLAY_FILE, strbuf_str(&over), &a->pieces, out, problems);
    strbuf_fini(&over);
    return st;
}

/* Files and the API's parts together. */
static weir_status load_files(struct api *a, const char *path, struct gw_sources *sources,
                              struct gw_config **out, struct gw_problems *problems)
{
    struct gw_config *config = NULL;
    weir_status missing = gw_sources_read(path, sources, problems);
    weir_status st = load(a, sources, a->overlay, &config, problems);

    if (missing == WEIR_OK && st == WEIR_OK) {
        *out = config;
        return WEIR_OK;
    }
    gw_config_free(config);
    return missing != WEIR_OK ? missing : st;
}

weir_status api_read(struct api *a, const char *path, bool again, struct gw_problems *problems)
{
    struct gw_sources sources = {0};
    struct gw_config *config = NULL;

    weir_status st = load_files(a, path, &sources, &config, problems);
    if (a->host->half_written(a->host->ctx)) {
        gw_problems_add(problems, false, (struct gw_place){.file = path}, "",
                        "a file is being written; apply it again when it is whole");
        gw_config_free(config);
        config = NULL;
        st = WEIR_E_IO;
    }
    if (st == WEIR_OK) {
        st = deploy_take(a->deploy, config, again, problems);
        if (st != WEIR_OK) {
            gw_config_free(config);
        }
    }
    if (st == WEIR_OK) {
        gw_sources_fini(&a->sources);
        a->sources = sources;
    } else {
        gw_sources_fini(&sources);
    }
    return st;
}

static void answer_diff(struct call *c, struct gw_config *config)
{
    struct strbuf json = {0};

    strbuf_printf(&json, "{\"dryRun\":true,");
    deploy_diff_json(c->a->deploy, config, &json);
    strbuf_printf(&json, "}");
    answer(c->a, c->client, 200, "", &json);
}

static void apply_dry(struct call *c, const char *path)
{
    struct gw_sources sources = {0};
    struct gw_config *config = NULL;
    struct gw_problems problems;

    gw_problems_init(&problems);
    if (load_files(c->a, path, &sources, &config, &problems) == WEIR_OK) {
        answer_diff(c, config);
        gw_config_free(config);
    } else {
        refuse(c, 422, "the configuration has errors", &problems);
    }
    gw_problems_fini(&problems);
    gw_sources_fini(&sources);
}

static void apply_path(struct call *c, const char *path)
{
    struct api *a = c->a;
    struct gw_problems problems;

    bool other = strcmp(path, a->config) != 0;

    gw_problems_init(&problems);
    if (path[0] != '/' && other) {
        refuse(c, 400, "config must be an absolute path", NULL);
    } else if (other && !a->host->watch(a->host->ctx, path)) {
        refuse(c, 500,
               "changes there could not be watched: the system has no more inotify instances, or this "
               "process no "
               "more descriptors; nothing changed",
               NULL);
    } else if (api_read(a, path, true, &problems) != WEIR_OK) {
        if (other && !a->host->watch(a->host->ctx, a->config)) {
            log_line(LOG_ERROR, "%s is not watched any more: the system has no more inotify instances",
                     a->config);
        }
        refuse(c, 422, "the configuration has errors; nothing changed", &problems);
    } else {
        char *now = mem_strndup(path, strlen(path));
        mem_free(a->config);
        a->config = now;
        wait_for(c, 200, NULL, true);
    }
    gw_problems_fini(&problems);
}

static void post_apply(struct call *c)
{
    struct str body = c->r->body;
    json_t *json = json_loadb(body.at == NULL ? "" : body.at, body.len, 0, NULL);
    const json_t *config = json_object_get(json, "config");
    const char *path = config == NULL ? c->a->config : json_string_value(config);

    if ((body.len != 0 && !json_is_object(json)) || path == NULL) {
        refuse(c, 400, "the body must be an object; config, the path of a file", NULL);
    } else if (c->dry_run) {
        apply_dry(c, path);
    } else if (c->a->stopping) {
        refuse(c, 503, "the gateway is ending", NULL);
    } else {
        apply_path(c, path);
    }
    json_decref(json);
}

/* ---- parts ------------------------------------------------------------------------------------ */

/* A number for what the part is now, as an entity tag. */
static void etag_of(const struct gw_config *config, unsigned kind, uint32_t i, char out[24])
{
    struct strbuf text = {0};
    gw_part_write(config, kind, i, &text);
    snprintf(out, 24, "\"%016" PRIx64 "\"", hash_bytes(text.at, text.len, kind + 1));
    strbuf_fini(&text);
}

static void add_origin(struct call *c, unsigned kind, uint32_t i, struct strbuf *out)
{
    struct gw_place at = gw_part_place(c->a->deploy->wanted, kind, i);

    if (at.file != NULL && strcmp(at.file, OVERLAY_FILE) == 0) {
        strbuf_printf(out, "\"origin\":\"api\"");
        return;
    }
    strbuf_printf(out, "\"origin\":\"file\",\"file\":");
    strbuf_add_json(out, str_of(at.file == NULL ? "" : at.file));
    strbuf_printf(out, ",\"line\":%u", at.line);
}

static void list_parts(struct call *c)
{
    const struct gw_config *config = c->a->deploy->wanted;
    unsigned kind = (unsigned)c->kind;
    struct strbuf json = {0}, name = {0};
    char etag[24];

    strbuf_printf(&json, "{\"items\":[");
    for (uint32_t i = 0; i < gw_part_count(config, kind); i++) {
        name.len = 0;
        gw_part_name(config, kind, i, &name);
        etag_of(config, kind, i, etag);
        strbuf_printf(&json, "%s{\"name\":", i == 0 ? "" : ",");
        strbuf_add_json(&json, strbuf_str(&name));
        strbuf_printf(&json, ",\"etag\":");
        strbuf_add_json(&json, str_of(etag));
        strbuf_printf(&json, ",");
        add_origin(c, kind, i, &json);
        strbuf_printf(&json, ",\"part\":");
        gw_part_show(config, kind, i, &json);
        strbuf_printf(&json, "}");
    }
    strbuf_printf(&json, "]}");
    strbuf_fini(&name);
    answer(c->a, c->client, 200, "", &json);
}

static void get_part(struct call *c, uint32_t i)
{
    struct strbuf json = {0};
    char etag[24], headers[64];

    etag_of(c->a->deploy->wanted, (unsigned)c->kind, i, etag);
    snprintf(headers, sizeof headers, "ETag: %s\r\n", etag);
    gw_part_show(c->a->deploy->wanted, (unsigned)c->kind, i, &json);
    answer(c->a, c->client, 200, headers, &json);
}

/* Is the tag in a list like `"a", "b"`, or is that "*"? */
static bool names_tag(struct str list, const char *etag)
{
    while (list.len != 0) {
        struct str one = str_trim(str_cut(&list, ','));
        if (str_eq(one, STR("*")) || str_eq(one, str_of(etag))) {
            return true;
        }
    }
    return false;
}

/* Do the conditions of the request hold?  `i` is GW_NONE where the part is not there. */
static bool conditions_hold(const struct call *c, uint32_t i)
{
    char etag[24] = "";

    if (i != GW_NONE) {
        etag_of(c->a->deploy->wanted, (unsigned)c->kind, i, etag);
    }
    if (c->r->if_match.at != NULL && (i == GW_NONE || !names_tag(c->r->if_match, etag))) {
        return false;
    }
    return c->r->if_none_match.at == NULL || i == GW_NONE || !names_tag(c->r->if_none_match, etag);
}

/* Put the API's parts in force as `overlay`, which is taken over. */
static void change_parts(struct call *c, json_t *overlay, unsigned status)
{
    struct api *a = c->a;
    struct gw_config *config = NULL;
    struct gw_problems problems;
    struct weir_report rep;
    char etag[24], *headers = NULL;

    weir_report_init(&rep);
    gw_problems_init(&problems);
    if (load(a, &a->sources, overlay, &config, &problems) != WEIR_OK) {
        refuse(c, 422, "with this part the configuration has errors; nothing changed", &problems);
    } else if (c->dry_run) {
        answer_diff(c, config);
        gw_config_free(config);
    } else if (overlay_write(a->state_dir, overlay, &rep) != WEIR_OK) {
        refuse(c, 500, rep.message, NULL);
        gw_config_free(config);
    } else {
        bool plugins = strcmp(gw_part_kind_name((unsigned)c->kind), "plugins") == 0;
        uint32_t i = gw_part_find(config, (unsigned)c->kind, str_of(c->name));
        json_t *before = a->overlay;
        a->overlay = overlay;
        overlay = before;
        deploy_take(a->deploy, config, false, &problems); /* there is a generation: it takes it over */
        if (i != GW_NONE) {
            struct strbuf line = {0};
            etag_of(config, (unsigned)c->kind, i, etag);
            strbuf_printf(&line, "ETag: %s\r\n", etag);
            headers = line.at;
        }
        wait_for(c, status, headers, plugins);
    }
    gw_problems_fini(&problems);
    json_decref(overlay);
}

static void put_part(struct call *c, uint32_t i)
{
    json_error_t error;
    struct str body = c->r->body;
    json_t *part = json_loadb(body.at == NULL ? "" : body.at, body.len, JSON_REJECT_DUPLICATES, &error);
    const json_t *name = json_object_get(part, "name");
    bool by_address = name == NULL && json_string_value(json_object_get(part, "address")) != NULL &&
                      strcmp(json_string_value(json_object_get(part, "address")), c->name) == 0;
    char why[300];

    if (!json_is_object(part)) {
        snprintf(why, sizeof why, "the body must be the part, a JSON object%s%s", part == NULL ? ": " : "",
                 part == NULL ? error.text : "");
        refuse(c, 400, why, NULL);
    } else if (name != NULL &&
               (json_string_value(name) == NULL || strcmp(json_string_value(name), c->name) != 0)) {
        refuse(c, 400, "its name is another one than that of the path; leave it out, or ask for its own path",
               NULL);
    } else {
        if (!by_address) {
            json_object_set_new(part, "name", json_string(c->name));
        }
        const char *kind = gw_part_kind_name((unsigned)c->kind);
        change_parts(c, overlay_with(c->a->overlay, kind, c->name, part), i == GW_NONE ? 201 : 200);
    }
    json_decref(part);
}

static void delete_part(struct call *c, uint32_t i)
{
    json_t *without = overlay_without(c->a->overlay, gw_part_kind_name((unsigned)c->kind), c->name);
    struct gw_place at = gw_part_place(c->a->deploy->wanted, (unsigned)c->kind, i);

    if (without == NULL) {
        struct strbuf why = {0};
        strbuf_printf(&why, "it is written in %s, line %u; remove it there", at.file, at.line);
        refuse(c, 409, why.at, NULL);
        strbuf_fini(&why);
        return;
    }
    change_parts(c, without, 200);
}

static void on_part(struct call *c)
{
    struct str method = c->r->method;
    bool get = str_eq(method, STR("GET")), put = str_eq(method, STR("PUT")),
         del = str_eq(method, STR("DELETE"));
    uint32_t i = gw_part_find(c->a->deploy->wanted, (unsigned)c->kind, str_of(c->name));

    if (!get && !put && !del) {
        refuse(c, 405, "a part can be read, put and deleted", NULL);
    } else if (!get && c->a->stopping) {
        refuse(c, 503, "the gateway is ending", NULL);
    } else if (!get && !conditions_hold(c, i)) {
        refuse(c, 412, "it is another one by now; read it again", NULL);
    } else if (put) {
        put_part(c, i);
    } else if (i == GW_NONE) {
        refuse(c, 404, "there is no such part", NULL);
    } else if (get) {
        get_part(c, i);
    } else {
        delete_part(c, i);
    }
}

/* ---- what else there is ----------------------------------------------------------------------- */

static void get_generations(struct call *c)
{
    struct strbuf json = {0};

    strbuf_printf(&json, "{\"items\":");
    deploy_generations_json(c->a->deploy, &json);
    strbuf_printf(&json, "}");
    answer(c->a, c->client, 200, "", &json);
}

/* These four are answered when the workers have said their part. */
static void get_status(struct call *c)
{
    api_workers_ask(c->a, c->client, API_STATUS);
}

static void get_workers(struct call *c)
{
    api_workers_ask(c->a, c->client, API_WORKERS);
}

static void get_endpoints(struct call *c)
{
    api_workers_ask(c->a, c->client, API_ENDPOINTS);
}

static void get_metrics(struct call *c)
{
    api_workers_ask(c->a, c->client, API_METRICS);
}

static void get_crashes(struct call *c)
{
    struct crashes_entry *entries = NULL;
    size_t n = 0, damaged = 0;
    struct weir_report rep;
    struct strbuf json = {0};

    weir_report_init(&rep);
    weir_status st = crashes_list(c->a->crashes_dir, &entries, &n, &damaged, &rep);
    if (st != WEIR_OK && st != WEIR_E_NOT_FOUND) {
        refuse(c, 500, rep.message, NULL);
        return;
    }
    strbuf_printf(&json, "{\"damaged\":%zu,\"items\":[", damaged);
    for (size_t i = 0; i < n; i++) {
        const struct crash *crash = &entries[i].crash;
        struct strbuf text = {0};
        const struct {
            const char *key;
            struct str value;
        } words[] = {{"plugin", crash->plugin},     {"module", crash->sha256}, {"trap", crash->trap},
                     {"callback", crash->callback}, {"route", crash->route},   {"request", crash->request}};
        strbuf_printf(&json,
                      "%s{\"id\":\"%s\",\"count\":%" PRIu64 ",\"firstMs\":%" PRIu64 ",\"lastMs\":%" PRIu64,
                      i == 0 ? "" : ",", entries[i].id, crash->count, crash->first_ms, crash->time_ms);
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            strbuf_printf(&json, ",\"%s\":", words[k].key);
            strbuf_add_json(&json, words[k].value);
        }
        crash_write(crash, CRASH_FILE_BYTES, &text);
        strbuf_printf(&json, ",\"report\":");
        strbuf_add_json(&json, strbuf_str(&text));
        strbuf_printf(&json, "}");
        strbuf_fini(&text);
    }
    strbuf_printf(&json, "]}");
    crashes_list_free(entries, n);
    answer(c->a, c->client, 200, "", &json);
}

static void post_drain(struct call *c)
{
    struct strbuf json = {0};

    strbuf_printf(&json, "{\"draining\":true}");
    answer(c->a, c->client, 202, "", &json);
    if (!c->a->stopping) {
        c->a->stopping = true;
        c->a->host->drain(c->a->host->ctx);
    }
}

/* ---- paths ------------------------------------------------------------------------------------ */

static const struct {
    const char *method, *path;
    void (*run)(struct call *c);
} paths[] = {
    {"GET", "/v1/status", get_status},           {"POST", "/v1/apply", post_apply},
    {"GET", "/v1/generations", get_generations}, {"GET", "/v1/workers", get_workers},
    {"GET", "/v1/endpoints", get_endpoints},     {"GET", "/metrics", get_metrics},
    {"GET", "/v1/crashes", get_crashes},         {"POST", "/v1/drain", post_drain},
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* Percent-decoding; false: malformed, too long, or with a NUL. */
static bool decode(struct str s, char out[NAME_BYTES_MAX + 1])
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_digit(s.at[i + 1]) : -1,
                low = high < 0 ? -1 : hex_digit(s.at[i + 2]);
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0' || n == NAME_BYTES_MAX) {
            return false;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return n != 0 && str_is_utf8(str_make(out, n));
}

/* /v1/KIND and /v1/KIND/NAME.  False: no such kind. */
static bool try_parts(struct call *c, struct str path)
{
    struct str rest = path;

    if (!str_starts_with(rest, STR("/v1/"))) {
        return false;
    }
    rest = str_slice(rest, 4, rest.len);
    bool one = memchr(rest.at, '/', rest.len) != NULL;
    struct str kind = str_cut(&rest, '/');
    c->kind = gw_part_kind(kind);
    if (c->kind == GW_PART_NONE) {
        return false;
    }
    if (!one) {
        if (str_eq(c->r->method, STR("GET"))) {
            list_parts(c);
        } else {
            refuse(c, 405, "the list can only be read; put and delete single parts", NULL);
        }
    } else if (decode(rest, c->name)) {
        on_part(c);
    } else {
        refuse(c, 400, "the name in the path is none", NULL);
    }
    return true;
}

static bool read_query(struct call *c, struct str query)
{
    while (query.len != 0) {
        struct str value = str_cut(&query, '&'), key = str_cut(&value, '=');
        bool yes = str_eq(value, STR("true")), no = str_eq(value, STR("false"));
        if (str_eq(key, STR("dryRun")) && (yes || no)) {
            c->dry_run = yes;
        } else if (!str_eq(key, STR("timeout")) || !str_to_u64(value, &c->patience_s) || c->patience_s == 0 ||
                   c->patience_s > PATIENCE_MOST_S) {
            return false;
        }
    }
    return true;
}

void api_request(void *ctx, uint64_t client, const struct http_request *r)
{
    struct call c = {.a = ctx, .client = client, .r = r, .kind = GW_PART_NONE, .patience_s = PATIENCE_S};
    struct str query = r->target, path = str_cut(&query, '?');
    bool known = false;

    if (!read_query(&c, query)) {
        refuse(&c, 400, "the parameters are dryRun, true or false, and timeout, 1 to 300 seconds", NULL);
        return;
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (!str_eq(path, str_of(paths[i].path))) {
            continue;
        }
        known = true;
        if (str_eq(r->method, str_of(paths[i].method))) {
            paths[i].run(&c);
            return;
        }
    }
    if (known) {
        refuse(&c, 405, "another method is meant for this path", NULL);
    } else if (!try_parts(&c, path)) {
        refuse(&c, 404, "no such path; docs/api.md lists them", NULL);
    }
}
