/* cli/endpoints.c - adds up what each worker says of a service, endpoint by endpoint.
 *
 * Between two generations workers may have different endpoints for a moment: the union is shown. */
#include "cli/endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char *const sums[] = {"requests", "pending", "retries", "refused"};
static const char *const endpoint_sums[] = {"active", "idle", "requests", "failed"};
enum { NSUMS = sizeof sums / sizeof *sums, NENDPOINT_SUMS = sizeof endpoint_sums / sizeof *endpoint_sums };

static void add_to(json_t *object, const char *key, const json_t *from)
{
    json_int_t before = json_integer_value(json_object_get(object, key));

    json_object_set_new(object, key, json_integer(before + json_integer_value(json_object_get(from, key))));
}

/* Of two failures the later one; either may be null. */
static json_t *later(json_t *a, json_t *b)
{
    return json_integer_value(json_object_get(a, "ms")) >= json_integer_value(json_object_get(b, "ms")) ? a
                                                                                                        : b;
}

static bool same_text(const json_t *a, const json_t *b)
{
    const char *left = json_string_value(a), *right = json_string_value(b);

    return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

/* The endpoint in the list, made if it is not there. */
static json_t *get_endpoint(json_t *list, const json_t *said)
{
    size_t i;
    json_t *e;

    json_array_foreach(list, i, e)
    {
        if (same_text(json_object_get(e, "address"), json_object_get(said, "address")) &&
            same_text(json_object_get(e, "serverName"), json_object_get(said, "server_name"))) {
            return e;
        }
    }
    e = json_object();
    json_object_set(e, "address", json_object_get(said, "address"));
    json_object_set(e, "serverName", json_object_get(said, "server_name")); /* none: stays away */
    json_object_set(e, "weight", json_object_get(said, "weight"));
    json_object_set(e, "state", json_object_get(said, "state"));
    json_object_set_new(e, "failure", json_null());
    json_object_set_new(e, "workers", json_array());
    json_array_append_new(list, e);
    return e;
}

static void add_endpoint(json_t *list, const json_t *said, pid_t pid)
{
    json_t *e = get_endpoint(list, said), *own = json_object(), *failure = json_object_get(said, "failure");

    if (!same_text(json_object_get(e, "state"), json_object_get(said, "state"))) {
        json_object_set_new(e, "state", json_string("mixed"));
    }
    for (size_t i = 0; i < NENDPOINT_SUMS; i++) {
        add_to(e, endpoint_sums[i], said);
        add_to(own, endpoint_sums[i], said);
    }
    json_object_set_new(own, "pid", json_integer(pid));
    json_object_set(own, "state", json_object_get(said, "state"));
    json_object_set(own, "share", json_object_get(said, "share"));
    json_object_set(own, "failure", failure);
    json_object_set(e, "failure", later(json_object_get(e, "failure"), failure));
    json_array_append_new(json_object_get(e, "workers"), own);
}

/* A name's addresses are the union; `failures` is the most in a row that a worker has. */
static void add_name(json_t *list, const json_t *said)
{
    size_t i, k;
    json_t *name = NULL, *one, *address;

    json_array_foreach(list, i, one)
    {
        name = same_text(json_object_get(one, "name"), json_object_get(said, "name")) ? one : name;
    }
    if (name == NULL) {
        name =
            json_pack("{s:O?,s:[],s:i}", "name", json_object_get(said, "name"), "addresses", "failures", 0);
        json_array_append_new(list, name);
    }
    json_int_t failures = json_integer_value(json_object_get(said, "failures"));
    if (failures > json_integer_value(json_object_get(name, "failures"))) {
        json_object_set_new(name, "failures", json_integer(failures));
    }
    json_t *all = json_object_get(name, "addresses");
    json_array_foreach(json_object_get(said, "addresses"), i, address)
    {
        bool known = false;
        json_array_foreach(all, k, one)
        {
            known = known || json_equal(one, address);
        }
        if (!known) {
            json_array_append(all, address);
        }
    }
}

static void add_service(json_t *service, const json_t *said, pid_t pid)
{
    size_t i;
    json_t *one;

    for (i = 0; i < NSUMS; i++) {
        add_to(service, sums[i], said);
    }
    json_array_foreach(json_object_get(said, "names"), i, one)
    {
        add_name(json_object_get(service, "names"), one);
    }
    json_array_foreach(json_object_get(said, "endpoints"), i, one)
    {
        add_endpoint(json_object_get(service, "endpoints"), one, pid);
    }
}

/* Services by name, empty yet, and the list of them. */
static json_t *empty_services(const struct gw_config *config, json_t *items)
{
    json_t *by_name = json_object();

    for (uint32_t i = 0; i < config->nservices; i++) {
        struct str name = config->services[i].name;
        json_t *service = json_object();
        char *text = mem_strndup(name.at, name.len);
        json_object_set_new(service, "name", json_stringn(name.at, name.len));
        for (size_t k = 0; k < NSUMS; k++) {
            json_object_set_new(service, sums[k], json_integer(0));
        }
        json_object_set_new(service, "names", json_array());
        json_object_set_new(service, "endpoints", json_array());
        json_object_set(by_name, text, service);
        json_array_append_new(items, service);
        mem_free(text);
    }
    return by_name;
}

void endpoints_json(const struct gw_config *config, const struct workers_said *workers, struct strbuf *out)
{
    json_t *items = json_array(), *by_name = empty_services(config, items), *said;
    size_t k;

    for (size_t i = 0; i < workers->n; i++) {
        const struct worker_said *w = &workers->at[i];
        if (w->exiting) {
            continue;
        }
        json_array_foreach(json_object_get(w->json, "services"), k, said)
        {
            const char *name = json_string_value(json_object_get(said, "name"));
            json_t *service = name == NULL ? NULL : json_object_get(by_name, name);
            if (service != NULL) {
                add_service(service, said, w->pid);
            }
        }
    }
    char *text = json_dumps(items, JSON_COMPACT);
    strbuf_printf(out, "{");
    workers_silent_json(workers, out);
    strbuf_printf(out, ",\"items\":%s}", text == NULL ? "[]" : text);
    free(text);
    json_decref(by_name);
    json_decref(items);
}
