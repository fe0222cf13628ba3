/* cli/api_workers.c - a table of views, and what each makes of the workers' reports. */
#include "cli/api_workers.h"

#include <string.h>

#include "base/mem.h"
#include "cli/endpoints.h"
#include "cli/metrics.h"
#include "observe/prometheus.h"

static void status_view(struct api *a, const struct workers_said *workers, struct strbuf *out)
{
    api_status_json(a, workers, NULL, false, out);
}

static void workers_view(struct api *a, const struct workers_said *workers, struct strbuf *out)
{
    (void)a;
    strbuf_printf(out, "{\"items\":[");
    for (size_t i = 0; i < workers->n; i++) {
        const struct worker_said *w = &workers->at[i];
        char *text = w->json == NULL ? NULL : json_dumps(w->json, JSON_COMPACT);
        strbuf_printf(out, "%s{\"pid\":%d,\"report\":%s}", i == 0 ? "" : ",", (int)w->pid,
                      text == NULL ? "null" : text);
        free(text);
    }
    strbuf_printf(out, "]}");
}

static void endpoints_view(struct api *a, const struct workers_said *workers, struct strbuf *out)
{
    endpoints_json(a->deploy->published, workers, out);
}

static void metrics_view(struct api *a, const struct workers_said *workers, struct strbuf *out)
{
    metrics_text(a, workers, out);
}

static const struct {
    const char *what; /* workers are asked for (ngx_http_weir_status.c) */
    const char *type;
    void (*make)(struct api *a, const struct workers_said *workers, struct strbuf *out);
} views[] = {
    [API_STATUS] = {"plugins", "application/json", status_view},
    [API_WORKERS] = {"all", "application/json", workers_view},
    [API_ENDPOINTS] = {"services", "application/json", endpoints_view},
    [API_METRICS] = {"all", PROMETHEUS_CONTENT_TYPE, metrics_view},
};

static void answer(struct api *a, enum api_view view, uint64_t client, const struct gather_report *reports,
                   size_t n)
{
    struct workers_said workers = {mem_zalloc_array(n + 1, sizeof *workers.at), n};
    struct strbuf out = {0};

    for (size_t i = 0; i < n; i++) {
        struct worker_said *w = &workers.at[i];
        w->pid = reports[i].pid;
        /* Names of metrics may hold anything, NULs too. */
        w->json = reports[i].text.at == NULL
                      ? NULL
                      : json_loadb(reports[i].text.at, reports[i].text.len, JSON_ALLOW_NUL, NULL);
        w->exiting = json_is_true(json_object_get(w->json, "exiting"));
    }
    views[view].make(a, &workers, &out);
    if (view != API_METRICS) {
        strbuf_add_char(&out, '\n');
    }
    admin_answer_as(a->admin, client, 200, views[view].type, "", strbuf_str(&out));
    for (size_t i = 0; i < n; i++) {
        json_decref(workers.at[i].json);
    }
    mem_free(workers.at);
    strbuf_fini(&out);
}

static void answer_status(void *ctx, uint64_t client, const struct gather_report *reports, size_t n)
{
    answer(ctx, API_STATUS, client, reports, n);
}

static void answer_workers(void *ctx, uint64_t client, const struct gather_report *reports, size_t n)
{
    answer(ctx, API_WORKERS, client, reports, n);
}

static void answer_endpoints(void *ctx, uint64_t client, const struct gather_report *reports, size_t n)
{
    answer(ctx, API_ENDPOINTS, client, reports, n);
}

static void answer_metrics(void *ctx, uint64_t client, const struct gather_report *reports, size_t n)
{
    answer(ctx, API_METRICS, client, reports, n);
}

void api_workers_ask(struct api *a, uint64_t client, enum api_view view)
{
    static gather_done *const done[] = {[API_STATUS] = answer_status,
                                        [API_WORKERS] = answer_workers,
                                        [API_ENDPOINTS] = answer_endpoints,
                                        [API_METRICS] = answer_metrics};

    gathers_ask(a->deploy->gathers, views[view].what, done[view], a, client);
}

/* ---- of all workers --------------------------------------------------------------------------- */

void workers_silent_json(const struct workers_said *workers, struct strbuf *json)
{
    bool any = false;

    strbuf_printf(json, "\"silent\":[");
    for (size_t i = 0; i < workers->n; i++) {
        if (workers->at[i].json == NULL) {
            strbuf_printf(json, "%s%d", any ? "," : "", (int)workers->at[i].pid);
            any = true;
        }
    }
    strbuf_printf(json, "]");
}

static bool heals(const json_t *worker, struct str plugin)
{
    size_t i;
    json_t *p;

    json_array_foreach(json_object_get(worker, "plugins"), i, p)
    {
        const char *name = json_string_value(json_object_get(p, "name"));
        const char *state = json_string_value(json_object_get(p, "state"));
        if (name != NULL && state != NULL && strcmp(state, "healing") == 0 && str_eq(str_of(name), plugin)) {
            return true;
        }
    }
    return false;
}

void workers_healing(void *ctx, struct str plugin, struct strbuf *pids)
{
    const struct workers_said *workers = ctx;

    for (size_t i = 0; i < workers->n; i++) {
        if (!workers->at[i].exiting && heals(workers->at[i].json, plugin)) {
            strbuf_printf(pids, "%s%d", pids->len == 0 ? "" : ",", (int)workers->at[i].pid);
        }
    }
}
