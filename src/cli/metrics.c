/* cli/metrics.c - a table of families, and where in the workers' reports (ngx_http_weir_status.c) each one's
 * numbers are.
 *
 * What a worker counts has its place as the label `worker`: a worker that is replaced begins at 0 in the same
 * place, which is what Prometheus takes for a reset (ADR 0091).  What plugins define is common to all
 * workers, so it is taken from one of them. */
#include "cli/metrics.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "observe/prometheus.h"

struct writer {
    struct api *api;
    const struct workers_said *workers;
    struct strbuf *out;
};

struct row {
    const char *name;
    enum pw_metric_type type;
    const char *help;
    void (*write)(struct writer *w, const struct row *row);
    const char *key; /* in the item that `write` is about; "a/b": in an object there */
    double scale;    /* what it is divided by, 0: nothing */
};

/* ---- one sample ------------------------------------------------------------------------------- */

static void add(struct writer *w, const struct row *row, const char *suffix,
                const struct prometheus_label *labels, size_t n, const json_t *value)
{
    char text[64];
    double real = json_number_value(value);

    if (row->scale != 0) {
        snprintf(text, sizeof text, "%.9g", real / row->scale);
    } else if (json_is_integer(value)) {
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    } else {
        snprintf(text, sizeof text, "%.17g", json_is_true(value) ? 1 : real);
    }
    prometheus_sample(w->out, str_of(row->name), suffix, labels, n, str_of(text));
}

static void add_integer(struct writer *w, const struct row *row, const char *suffix,
                        const struct prometheus_label *labels, size_t n, long long value)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", value);
    prometheus_sample(w->out, str_of(row->name), suffix, labels, n, str_of(text));
}

static const json_t *at_path(const json_t *item, const char *path)
{
    char key[64];
    const char *slash = strchr(path, '/');

    if (slash == NULL) {
        return json_object_get(item, path);
    }
    snprintf(key, sizeof key, "%.*s", (int)(slash - path), path);
    return json_object_get(json_object_get(item, key), slash + 1);
}

static struct str text_of(const json_t *item, const char *key)
{
    const json_t *s = json_object_get(item, key);

    return json_is_string(s) ? str_make(json_string_value(s), json_string_length(s)) : STR("");
}

/* ---- workers ---------------------------------------------------------------------------------- */

/* The next worker that counts, from *i on; its place as text.  NULL: there is none. */
static const json_t *next_worker(const struct writer *w, size_t *i, char place[16])
{
    while (*i < w->workers->n) {
        const struct worker_said *said = &w->workers->at[(*i)++];
        if (said->json != NULL && !said->exiting) {
            snprintf(place, 16, "%lld", (long long)json_integer_value(json_object_get(said->json, "slot")));
            return said->json;
        }
    }
    return NULL;
}

static void each_worker(struct writer *w, const struct row *row)
{
    char place[16];
    const json_t *worker;

    for (size_t i = 0; (worker = next_worker(w, &i, place)) != NULL;) {
        struct prometheus_label label = {"worker", str_of(place)};
        add(w, row, "", &label, 1, at_path(worker, row->key));
    }
}

/* What all workers share. */
static void shared(struct writer *w, const struct row *row)
{
    size_t i = 0;
    char place[16];
    const json_t *worker = next_worker(w, &i, place), *value = at_path(worker, row->key);

    if (value != NULL) {
        add(w, row, "", NULL, 0, value);
    }
}

static void nginx_states(struct writer *w, const struct row *row)
{
    static const char *const states[] = {"reading", "writing", "waiting"};
    size_t i = 0;
    char place[16];
    const json_t *nginx = json_object_get(next_worker(w, &i, place), "nginx");

    for (size_t k = 0; k < CLI_COUNT(states); k++) {
        struct prometheus_label label = {"state", str_of(states[k])};
        add(w, row, "", &label, 1, json_object_get(nginx, states[k]));
    }
}

/* ---- services and endpoints ------------------------------------------------------------------- */

/* For each item of a list of each worker: `one`. */
typedef void each_item(struct writer *w, const struct row *row, json_t *item, struct str place);

static void each_of(struct writer *w, const struct row *row, const char *list, each_item *one)
{
    char place[16];
    const json_t *worker;
    json_t *item;
    size_t k;

    for (size_t i = 0; (worker = next_worker(w, &i, place)) != NULL;) {
        json_array_foreach(json_object_get(worker, list), k, item)
        {
            one(w, row, item, str_of(place));
        }
    }
}

static void add_service(struct writer *w, const struct row *row, json_t *item, struct str place)
{
    const struct prometheus_label labels[] = {{"service", text_of(item, "name")}, {"worker", place}};

    add(w, row, "", labels, 2, json_object_get(item, row->key));
}

static void each_service(struct writer *w, const struct row *row)
{
    each_of(w, row, "services", add_service);
}

static void add_answers(struct writer *w, const struct row *row, json_t *item, struct str place)
{
    const char *code;
    json_t *value;

    json_object_foreach(json_object_get(item, row->key), code, value)
    {
        const struct prometheus_label labels[] = {
            {"service", text_of(item, "name")}, {"code", str_of(code)}, {"worker", place}};
        add(w, row, "", labels, 3, value);
    }
}

static void each_answers(struct writer *w, const struct row *row)
{
    each_of(w, row, "services", add_answers);
}

/* [[BOUND, COUNT], ...], in milliseconds, the last bound null; each sample in one of them. */
static void add_times(struct writer *w, const struct row *row, json_t *item, struct str place)
{
    long long count = 0;
    size_t i;
    json_t *bucket;
    char bound[32];
    struct prometheus_label labels[] = {
        {"service", text_of(item, "name")}, {"worker", place}, {"le", STR("")}};

    json_array_foreach(json_object_get(item, row->key), i, bucket)
    {
        const json_t *ms = json_array_get(bucket, 0);
        count += json_integer_value(json_array_get(bucket, 1));
        snprintf(bound, sizeof bound, "%.9g", json_number_value(ms) / 1000);
        labels[2].value = json_is_null(ms) ? STR("+Inf") : str_of(bound);
        add_integer(w, row, "_bucket", labels, 3, count);
    }
    struct row sum = *row;
    sum.scale = 1000;
    add(w, &sum, "_sum", labels, 2, json_object_get(item, "time_ms"));
    add_integer(w, row, "_count", labels, 2, count);
}

static void each_times(struct writer *w, const struct row *row)
{
    each_of(w, row, "services", add_times);
}

static void add_endpoints(struct writer *w, const struct row *row, json_t *item, struct str place)
{
    size_t i;
    json_t *e;

    json_array_foreach(json_object_get(item, "endpoints"), i, e)
    {
        struct str state = text_of(e, "state");
        struct prometheus_label labels[] = {{"service", text_of(item, "name")},
                                            {"endpoint", text_of(e, "address")},
                                            {"worker", place},
                                            {"server_name", text_of(e, "server_name")}};
        size_t n = labels[3].value.len == 0 ? 3 : 4;
        if (row->key != NULL) {
            add(w, row, "", labels, n, json_object_get(e, row->key));
        } else {
            add_integer(w, row, "", labels, n, str_eq(state, STR("healthy")) || str_eq(state, STR("slow")));
        }
    }
}

static void each_endpoint(struct writer *w, const struct row *row)
{
    each_of(w, row, "services", add_endpoints);
}

/* ---- plugins ---------------------------------------------------------------------------------- */

static void add_plugin(struct writer *w, const struct row *row, json_t *item, struct str place)
{
    const struct prometheus_label labels[] = {{"plugin", text_of(item, "name")}, {"worker", place}};

    add(w, row, "", labels, 2, json_object_get(item, row->key));
}

static void each_plugin(struct writer *w, const struct row *row)
{
    each_of(w, row, "plugins", add_plugin);
}

/* Of an object of numbers: its keys are one more label, called `label`. */
static void add_kinds(struct writer *w, const struct row *row, json_t *item, struct str place,
                      const char *label)
{
    const char *kind;
    json_t *value;

    json_object_foreach(json_object_get(item, row->key), kind, value)
    {
        const struct prometheus_label labels[] = {
            {"plugin", text_of(item, "name")}, {label, str_of(kind)}, {"worker", place}};
        add(w, row, "", labels, 3, value);
    }
}

static void add_outcomes(struct writer *w, const struct row *row, json_t *item, struct str place)
{
    add_kinds(w, row, item, place, "outcome");
}

static void each_outcome(struct writer *w, const struct row *row)
{
    each_of(w, row, "plugins", add_outcomes);
}

static void add_quotas(struct writer *w, const struct row *row, json_t *item, struct str place)
{
    add_kinds(w, row, item, place, "quota");
}

static void each_quota(struct writer *w, const struct row *row)
{
    each_of(w, row, "plugins", add_quotas);
}

static void plugin_states(struct writer *w, const struct row *row)
{
    static const char *const states[] = {"fetching", "compiling", "ready", "failed", "healing", "disabled"};
    struct deploy *d = w->api->deploy;
    struct strbuf pids = {0};
    const char *cause;
    bool kept;

    for (uint32_t i = 0; i < d->published->nplugins; i++) {
        struct str name = d->published->plugins[i].name;
        pids.len = 0;
        workers_healing((void *)(uintptr_t)w->workers, name, &pids);
        const char *state = deploy_plugin_state(d, i, &cause, &kept);
        state = pids.len != 0 ? "healing" : state;
        for (size_t k = 0; k < CLI_COUNT(states); k++) {
            const struct prometheus_label labels[] = {{"plugin", name}, {"state", str_of(states[k])}};
            add_integer(w, row, "", labels, 2, strcmp(states[k], state) == 0);
        }
    }
    strbuf_fini(&pids);
}

static void plugins_kept(struct writer *w, const struct row *row)
{
    struct deploy *d = w->api->deploy;
    const char *cause;
    bool kept;

    for (uint32_t i = 0; i < d->published->nplugins; i++) {
        const struct prometheus_label label = {"plugin", d->published->plugins[i].name};
        deploy_plugin_state(d, i, &cause, &kept);
        add_integer(w, row, "", &label, 1, kept);
    }
}

/* ---- Redis ------------------------------------------------------------------------------------ */

/* Summed up over the logins at a service: passwords are no labels. */
static void each_redis(struct writer *w, const struct row *row)
{
    char place[16];
    const json_t *worker;
    json_t *client, *sum;
    const char *service;
    size_t k;

    for (size_t i = 0; (worker = next_worker(w, &i, place)) != NULL;) {
        json_t *sums = json_object();
        json_array_foreach(at_path(worker, "redis/clients"), k, client)
        {
            const json_t *one = json_object_get(client, row->key);
            service = json_string_value(json_object_get(client, "service"));
            if (service != NULL) {
                long long n = json_is_array(one) ? (long long)json_array_size(one) : json_integer_value(one);
                json_object_set_new(sums, service,
                                    json_integer(json_integer_value(json_object_get(sums, service)) + n));
            }
        }
        json_object_foreach(sums, service, sum)
        {
            const struct prometheus_label labels[] = {{"service", str_of(service)},
                                                      {"worker", str_of(place)}};
            add(w, row, "", labels, 2, sum);
        }
        json_decref(sums);
    }
}

/* ---- the control process ---------------------------------------------------------------------- */

static void info(struct writer *w, const struct row *row)
{
    const struct prometheus_label label = {"version", STR(CLI_VERSION)};

    add_integer(w, row, "", &label, 1, 1);
}

static void generation(struct writer *w, const struct row *row)
{
    add_integer(w, row, "", NULL, 0, w->api->deploy->files.last);
}

static void settled(struct writer *w, const struct row *row)
{
    const struct api *a = w->api;

    add_integer(w, row, "", NULL, 0, deploy_settled(a->deploy) && a->host->all_have_it(a->host->ctx));
}

static void count_workers(struct writer *w, const struct row *row)
{
    long long silent = 0;

    for (size_t i = 0; i < w->workers->n; i++) {
        silent += w->workers->at[i].json == NULL;
    }
    add_integer(w, row, "", NULL, 0, row->key != NULL ? silent : (long long)w->workers->n - silent);
}

/* ---- the table -------------------------------------------------------------------------------- */

#define COUNTER PW_METRIC_COUNTER
#define GAUGE PW_METRIC_GAUGE
#define HISTOGRAM PW_METRIC_HISTOGRAM

static const struct row rows[] = {
    {"weir_info", GAUGE, "Always 1; the version is its label", info, NULL, 0},
    {"weir_generation", GAUGE, "Number of the generation in force", generation, NULL, 0},
    {"weir_ready", GAUGE, "1: what was asked for last is in force in all workers", settled, NULL, 0},
    {"weir_workers", GAUGE, "Workers that answered this request", count_workers, NULL, 0},
    {"weir_workers_silent", GAUGE, "Workers that did not answer in time: their numbers are missing",
     count_workers, "silent", 0},
    {"weir_nginx_connections_accepted_total", COUNTER, "Connections of clients", shared, "nginx/accepted", 0},
    {"weir_nginx_requests_total", COUNTER, "Requests of clients, and some of the control process", shared,
     "nginx/requests", 0},
    {"weir_nginx_connections", GAUGE, "Connections of clients now", nginx_states, NULL, 0},
    {"weir_requests_active", GAUGE, "Requests under way", each_worker, "live/requests", 0},
    {"weir_tcp_connections_active", GAUGE, "Connections of tcp listeners", each_worker, "live/connections",
     0},
    {"weir_worker_heap_bytes", GAUGE, "Heap that is in use", each_worker, "heap_bytes", 0},
    {"weir_worker_generations", GAUGE, "Generations in memory", each_worker, "generations", 0},
    {"weir_worker_body_bytes", GAUGE, "Memory for bodies that plugins hold or read", each_worker,
     "live/body_bytes", 0},
    {"weir_service_requests_total", COUNTER,
     "Requests that were sent to the service, by the status that clients got, at their end", each_answers,
     "answers", 0},
    {"weir_service_request_seconds", HISTOGRAM, "How long those took, from first to last byte", each_times,
     "times", 0},
    {"weir_service_retries_total", COUNTER, "Times that one of those was sent again", each_service, "retried",
     0},
    {"weir_service_refused_total", COUNTER, "Requests refused: no endpoint, or a limit", each_service,
     "refused", 0},
    {"weir_service_requests_active", GAUGE, "Requests under way", each_service, "requests", 0},
    {"weir_service_requests_pending", GAUGE, "Requests that wait for room", each_service, "pending", 0},
    {"weir_service_tcp_connections_total", COUNTER, "TCP connections that an endpoint accepted", each_service,
     "connections", 0},
    {"weir_endpoint_healthy", GAUGE, "1: it gets requests", each_endpoint, NULL, 0},
    {"weir_endpoint_requests_total", COUNTER, "Requests, tries, calls and connections sent to it",
     each_endpoint, "requests", 0},
    {"weir_endpoint_failures_total", COUNTER, "Those it did not answer, or with a server error",
     each_endpoint, "failed", 0},
    {"weir_endpoint_active", GAUGE, "Those under way", each_endpoint, "active", 0},
    {"weir_endpoint_idle_connections", GAUGE, "Connections kept for the next one", each_endpoint, "idle", 0},
    {"weir_plugin_state", GAUGE, "1 for the state it is in", plugin_states, NULL, 0},
    {"weir_plugin_kept", GAUGE, "1: its last good version runs instead of the one asked for", plugins_kept,
     NULL, 0},
    {"weir_plugin_requests_total", COUNTER,
     "Requests and connections that it saw, by what became of them there", each_outcome, "requests", 0},
    {"weir_plugin_seconds_total", COUNTER, "Time in its callbacks for them", each_plugin, "time_ns", 1e9},
    {"weir_plugin_traps_total", COUNTER, "Its traps", each_plugin, "traps", 0},
    {"weir_plugin_quota_hits_total", COUNTER, "What it was refused for a limit, by limit", each_quota,
     "quotas", 0},
    {"weir_plugin_memory_bytes", GAUGE, "Linear memory of its VMs", each_plugin, "memory_bytes", 0},
    {"weir_plugin_calls_active", GAUGE, "Its calls (HTTP, gRPC, Redis, names) under way", each_plugin,
     "callouts", 0},
    {"weir_redis_commands_total", COUNTER, "Commands taken from plugins", each_redis, "commands", 0},
    {"weir_redis_rejected_total", COUNTER, "Commands not taken: too many wait", each_redis, "rejected", 0},
    {"weir_redis_replies_total", COUNTER, "Replies handed to plugins", each_redis, "replies", 0},
    {"weir_redis_error_replies_total", COUNTER, "Those that are errors of Redis", each_redis, "error_replies",
     0},
    {"weir_redis_refused_total", COUNTER, "Commands that found no connection", each_redis, "refused", 0},
    {"weir_redis_timed_out_total", COUNTER, "Commands without a reply in time", each_redis, "timed_out", 0},
    {"weir_redis_disconnected_total", COUNTER, "Commands whose connection broke", each_redis, "disconnected",
     0},
    {"weir_redis_connects_total", COUNTER, "Connections made", each_redis, "connects", 0},
    {"weir_redis_connect_failures_total", COUNTER, "Connections that could not be made", each_redis,
     "connect_failures", 0},
    {"weir_redis_login_failures_total", COUNTER, "Logins that Redis refused", each_redis, "login_failures",
     0},
    {"weir_redis_connections_lost_total", COUNTER, "Connections that broke", each_redis, "connections_lost",
     0},
    {"weir_redis_commands_active", GAUGE, "Commands under way", each_redis, "in_flight", 0},
    {"weir_redis_connections", GAUGE, "Connections now", each_redis, "connections", 0},
    {"weir_shared_bytes", GAUGE, "Memory for what plugins share", shared, "shared/bytes", 0},
    {"weir_shared_used_bytes", GAUGE, "What of it is in use", shared, "shared/used_bytes", 0},
    {"weir_shared_evicted_total", COUNTER, "Shared data that made room for other data", shared,
     "shared/evicted", 0},
    {"weir_shared_refused_total", COUNTER, "Writes for which there was no room", shared, "shared/refused", 0},
};

/* ---- what plugins define ---------------------------------------------------------------------- */

static bool read_metric(const json_t *said, struct pw_metric *m)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    struct str type = text_of(said, "type");
    const json_t *value = json_object_get(said, "value"), *buckets = json_object_get(said, "buckets");

    *m = (struct pw_metric){.name = text_of(said, "name")};
    while (!str_eq(type, str_of(types[m->type]))) {
        if (m->type == PW_METRIC_HISTOGRAM) {
            return false;
        }
        m->type++;
    }
    m->value =
        json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)json_number_value(value);
    m->count = (uint64_t)json_integer_value(json_object_get(said, "count"));
    m->sum = (uint64_t)json_number_value(json_object_get(said, "sum"));
    for (size_t i = 0; i <= PW_HISTOGRAM_BOUNDS; i++) {
        m->buckets[i] = (uint64_t)json_integer_value(json_array_get(json_array_get(buckets, i), 1));
    }
    return json_object_get(said, "name") != NULL;
}

static void add_guests(struct writer *w)
{
    size_t i = 0, k;
    char place[16];
    json_t *said;
    struct pw_metric m;
    struct prometheus_guests *guests = prometheus_guests_new();

    json_t *list = json_object_get(next_worker(w, &i, place), "metrics");
    json_array_foreach(list, k, said)
    {
        if (read_metric(said, &m)) {
            prometheus_guests_add(guests, &m);
        }
    }
    prometheus_guests_write(guests, w->out);
    prometheus_guests_free(guests);
}

void metrics_text(struct api *a, const struct workers_said *workers, struct strbuf *out)
{
    struct writer w = {a, workers, out};

    for (size_t i = 0; i < CLI_COUNT(rows); i++) {
        prometheus_family(out, str_of(rows[i].name), rows[i].type, str_of(rows[i].help));
        rows[i].write(&w, &rows[i]);
    }
    add_guests(&w);
}
