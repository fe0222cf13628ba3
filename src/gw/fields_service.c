/* gw/fields_service.c - fields about how a service's endpoints are chosen, watched, spared and tried again.
 *
 * Parts of gw/fields.c's tables, with the checks that go with them. */
#include <string.h>

#include "gw/values.h"

#define AT(type, member) offsetof(struct type, member)
#define FIELDS(table) .fields = table, .nfields = sizeof table / sizeof table[0]

enum { HOUR_MS = 3600000, LIMIT_MAX = 1000000 };

/* ---- choosing --------------------------------------------------------------------------- */

static const struct gw_field hash_fields[] = {
    {.name = "header",
     .kind = GW_F_STRING,
     .offset = AT(gw_hash_key, header),
     .check = gw_check_header_name,
     .doc = "The value of this header."},
    {.name = "cookie",
     .kind = GW_F_STRING,
     .offset = AT(gw_hash_key, cookie),
     .check = gw_check_header_name,
     .doc = "The value of this cookie, with case."},
    {.name = "address",
     .kind = GW_F_BOOL,
     .offset = AT(gw_hash_key, address),
     .fallback = "false",
     .doc = "`true`: the client's address."},
};
const struct gw_type gw_type_hash_key = {
    .name = "services[].hash",
    .about =
        "Exactly one. Requests that have the same go to the same endpoint as long as it is usable; requests "
        "without it go by turns.",
    .size = sizeof(struct gw_hash_key),
    FIELDS(hash_fields),
    .check = gw_check_hash_key};

void gw_check_hash_key(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                       void *object)
{
    const struct gw_hash_key *k = object;
    if ((k->header.at != NULL) + (k->cookie.at != NULL) + k->address != 1) {
        gw_problem_at(r, node, path, "give exactly one of header, cookie and address: true");
    }
}

void gw_check_service(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                      void *object)
{
    const struct gw_service *s = object;
    if ((s->policy == GW_CONSISTENT_HASH) != (s->hash != NULL)) {
        gw_problem_at(r, node, path,
                      "policy: consistentHash and hash belong together; add the other or remove this one");
    }
    if (s->limits.pending != 0 && s->limits.connections == 0 && s->limits.requests == 0) {
        gw_problem_at(r, node, path,
                      "limits.pending needs limits.connections or limits.requests to wait for");
    }
}

/* ---- health ----------------------------------------------------------------------------- */

static const struct gw_field passive_fields[] = {
    {.name = "failures",
     .kind = GW_F_UINT,
     .offset = AT(gw_passive, failures),
     .max = 1000,
     .fallback = "1",
     .doc = "So many requests in a row without an answer (no connection, broken off, timed out) eject an "
            "endpoint; 0: none do."},
    {.name = "serverErrors",
     .kind = GW_F_UINT,
     .offset = AT(gw_passive, server_errors),
     .max = 1000,
     .fallback = "0",
     .doc = "So many answers 5xx in a row do; 0: none do."},
    {.name = "ejectTime",
     .kind = GW_F_DURATION,
     .offset = AT(gw_passive, eject_ms),
     .min = 1,
     .max = HOUR_MS,
     .fallback = "10s",
     .doc = "How long an endpoint is left alone; doubled each time it is ejected again before it answered."},
    {.name = "maxEjectTime",
     .kind = GW_F_DURATION,
     .offset = AT(gw_passive, max_eject_ms),
     .min = 1,
     .max = 24 * HOUR_MS,
     .fallback = "60s",
     .doc = "The most that comes of doubling."},
    {.name = "maxEjected",
     .kind = GW_F_UINT,
     .offset = AT(gw_passive, max_ejected),
     .max = 100,
     .fallback = "100",
     .doc =
         "Percent of the endpoints that may be ejected at a time; one may be in any case, unless it is 0."},
};
static const struct gw_type passive_type = {.name = "services[].health.passive",
                                            .about = "What requests meet. Each worker counts for itself.",
                                            .size = sizeof(struct gw_passive),
                                            FIELDS(passive_fields)};

static const struct gw_field active_fields[] = {
    {.name = "path",
     .kind = GW_F_STRING,
     .offset = AT(gw_active, path),
     .check = gw_check_path,
     .doc = "`GET` of this path must be answered well; none: a connection (with `tls`, its handshake) is "
            "enough."},
    {.name = "host",
     .kind = GW_F_STRING,
     .offset = AT(gw_active, host),
     .check = gw_check_authority,
     .doc = "The Host header of these requests; the service's name otherwise."},
    {.name = "status",
     .kind = GW_F_UINT,
     .offset = AT(gw_active, status),
     .max = 599,
     .fallback = "0",
     .doc = "The status of a good answer; 0: 200 to 399."},
    {.name = "interval",
     .kind = GW_F_DURATION,
     .offset = AT(gw_active, interval_ms),
     .min = 10,
     .max = HOUR_MS,
     .fallback = "5s",
     .doc = "Time between two checks of an endpoint, by each worker; a tenth more or less."},
    {.name = "timeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_active, timeout_ms),
     .min = 1,
     .max = HOUR_MS,
     .fallback = "2s",
     .doc = "Longest wait for connection and answer."},
    {.name = "healthy",
     .kind = GW_F_UINT,
     .offset = AT(gw_active, healthy),
     .min = 1,
     .max = 1000,
     .fallback = "2",
     .doc = "So many good checks in a row bring an endpoint back."},
    {.name = "unhealthy",
     .kind = GW_F_UINT,
     .offset = AT(gw_active, unhealthy),
     .min = 1,
     .max = 1000,
     .fallback = "3",
     .doc = "So many bad ones take it out. The very first check of an endpoint decides alone."},
};
static const struct gw_type active_type = {.name = "services[].health.active",
                                           .about = "Each worker asks each endpoint again and again.",
                                           .size = sizeof(struct gw_active),
                                           FIELDS(active_fields)};

static const struct gw_field health_fields[] = {
    {.name = "passive",
     .kind = GW_F_OBJECT,
     .offset = AT(gw_health, passive),
     .type = &passive_type,
     .doc = "By what requests meet."},
    {.name = "active",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_health, active),
     .type = &active_type,
     .doc = "By asking; none: nobody asks."},
    {.name = "slowStart",
     .kind = GW_F_DURATION,
     .offset = AT(gw_health, slow_start_ms),
     .max = HOUR_MS,
     .fallback = "0s",
     .doc = "An endpoint that comes back, or is new beside others, gets a tenth of its share at first, and "
            "all of it "
            "after this time."},
    {.name = "panic",
     .kind = GW_F_UINT,
     .offset = AT(gw_health, panic),
     .max = 100,
     .fallback = "0",
     .doc =
         "Percent: with fewer usable endpoints than this, or none, all are used, whatever is known of them."},
};
const struct gw_type gw_type_health = {
    .name = "services[].health",
    .about = "An endpoint that is ejected or found unhealthy gets no requests while others are usable.",
    .size = sizeof(struct gw_health),
    FIELDS(health_fields)};

/* ---- limits ----------------------------------------------------------------------------- */

static const struct gw_field service_limits_fields[] = {
    {.name = "connections",
     .kind = GW_F_UINT,
     .offset = AT(gw_service_limits, connections),
     .max = LIMIT_MAX,
     .fallback = "0",
     .doc = "Connections in use to one endpoint; 0: no limit. An endpoint that has so many is passed by."},
    {.name = "requests",
     .kind = GW_F_UINT,
     .offset = AT(gw_service_limits, requests),
     .max = LIMIT_MAX,
     .fallback = "0",
     .doc = "Requests under way, of routes; 0: no limit."},
    {.name = "pending",
     .kind = GW_F_UINT,
     .offset = AT(gw_service_limits, pending),
     .max = LIMIT_MAX,
     .fallback = "0",
     .doc = "Requests that wait, in the order they came, when one of the limits is reached. Further ones are "
            "answered with 503."},
    {.name = "pendingTimeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_service_limits, pending_timeout_ms),
     .min = 1,
     .max = HOUR_MS,
     .fallback = "1s",
     .doc = "Longest wait; then 503."},
};
const struct gw_type gw_type_service_limits = {.name = "services[].limits",
                                               .about = "All of them hold for each worker by itself.",
                                               .size = sizeof(struct gw_service_limits),
                                               FIELDS(service_limits_fields)};

/* ---- retries ---------------------------------------------------------------------------- */

static const struct gw_field retries_fields[] = {
    {.name = "on",
     .kind = GW_F_STRINGS,
     .filled = true,
     .offset = AT(gw_retries, on),
     .count = AT(gw_retries, non),
     .doc = "`connect-failure`; `reset`: broke off without an answer; `timeout`; `5xx`; `gateway-error`: "
            "502, 503 and "
            "504; or a status from 400 to 599 in quotes. None: the first three."},
    {.name = "attempts",
     .kind = GW_F_UINT,
     .offset = AT(gw_retries, attempts),
     .max = 10,
     .fallback = "2",
     .doc = "How often a request is sent again, each time to an endpoint that was not tried if there is one; "
            "0: never."},
    {.name = "perTryTimeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_retries, per_try_ms),
     .max = HOUR_MS,
     .fallback = "0s",
     .doc = "Longest time from the choice of an endpoint to the headers of its answer; then the next one is "
            "tried. 0: "
            "only the other timeouts count."},
    {.name = "anyMethod",
     .kind = GW_F_BOOL,
     .offset = AT(gw_retries, any_method),
     .fallback = "false",
     .doc = "`true`: POST, PATCH and LOCK, too, though the upstream may have done what they say; otherwise "
            "only when "
            "nothing was sent."},
};
const struct gw_type gw_type_retries = {
    .name = "services[].retries",
    .about = "Also of a route, in the place of its service's. All of it ends with the request's `timeout`. A "
             "request "
             "whose body is still under way is not sent again once some of it left.",
    .size = sizeof(struct gw_retries),
    FIELDS(retries_fields),
    .check = gw_check_retries};

static const struct gw_field budget_fields[] = {
    {.name = "share",
     .kind = GW_F_UINT,
     .offset = AT(gw_retry_budget, share),
     .max = 100,
     .fallback = "20",
     .doc = "Percent of the service's requests under way that may be retries."},
    {.name = "minimum",
     .kind = GW_F_UINT,
     .offset = AT(gw_retry_budget, minimum),
     .max = LIMIT_MAX,
     .fallback = "3",
     .doc = "So many may be in any case."},
};
const struct gw_type gw_type_retry_budget = {
    .name = "services[].retryBudget",
    .about = "So that retries do not bring down a service that is overloaded. Of each worker by itself.",
    .size = sizeof(struct gw_retry_budget),
    FIELDS(budget_fields)};

enum { STATUS_FROM = 400, STATUS_TO = 599 };

static void add_statuses(struct gw_retries *r, uint32_t from, uint32_t to)
{
    for (uint32_t s = from; s <= to; s++) {
        r->statuses[(s - STATUS_FROM) / 8] |= (uint8_t)(1u << ((s - STATUS_FROM) % 8));
    }
}

static bool add_condition(struct gw_retries *r, struct str text)
{
    static const struct {
        const char *name;
        uint32_t condition, from, to;
    } known[] = {
        {"connect-failure", GW_RETRY_CONNECT, 1, 0},
        {"reset", GW_RETRY_RESET, 1, 0},
        {"timeout", GW_RETRY_TIMEOUT, 1, 0},
        {"5xx", 0, 500, 599},
        {"gateway-error", 0, 502, 504},
    };
    uint64_t status;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (str_eq(text, str_of(known[i].name))) {
            r->conditions |= known[i].condition;
            add_statuses(r, known[i].from, known[i].to);
            return true;
        }
    }
    if (!str_to_u64(text, &status) || status < STATUS_FROM || status > STATUS_TO) {
        return false;
    }
    add_statuses(r, (uint32_t)status, (uint32_t)status);
    return true;
}

void gw_check_retries(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                      void *object)
{
    struct gw_retries *retries = object;
    struct gw_path on = {path, "on", 0};

    for (uint32_t i = 0; i < retries->non; i++) {
        struct gw_path at = {&on, NULL, i};
        if (!add_condition(retries, retries->on[i])) {
            gw_problem_at(
                r, node, &at,
                "must be connect-failure, reset, timeout, 5xx, gateway-error or a status from 400 to "
                "599");
        }
    }
    if (retries->non == 0) {
        retries->conditions = GW_RETRY_CONNECT | GW_RETRY_RESET | GW_RETRY_TIMEOUT;
    }
}

bool gw_retries_status(const struct gw_retries *r, uint32_t status)
{
    return status >= STATUS_FROM && status <= STATUS_TO &&
           (r->statuses[(status - STATUS_FROM) / 8] >> ((status - STATUS_FROM) % 8) & 1) != 0;
}
