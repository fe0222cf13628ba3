/* gw/generation.h - a configuration made ready for traffic: immutable, with its lookup tables.
 *
 * A generation is built once per process (worker) from a checked model and never changes.  Reference
 * counted without atomics: it belongs to one thread.  A request takes a reference when it begins and gives it
 * back when it ends, so nothing changes under its feet; the last one frees everything.
 *
 * Choosing a route, most specific first, as in the Kubernetes Gateway API:
 *   1. host: exact, then the longest matching *.suffix, then any host.  A suffix stands for one or more
 * labels.
 *   2. path: exact, then the longest prefix, then regular expressions in the order written, then the
 *      prefix "/", which says nothing about the path.  Prefixes are of whole segments: /orders
 *      matches /orders, /orders/ and /orders/1, not /ordersx.  A '/' at the end of a prefix does not matter.
 *   3. routes that name methods, 4. routes that name more headers, 5. the order written.
 * A route counts only if all of its conditions hold; where none of the most specific group holds, the next
 * group is tried, down to routes for any host.
 *
 * Choosing a plugin's configuration: pluginConfig if given; else the first rule in list order that matches;
 * else the default.  A rule with routes matches when the route's name is among them, and, if it names
 * services too, the service as well; its domains then count for nothing, as in Higress's C++ and Go SDKs.
 * Without routes, it matches when the host matches one of its domains (if it has any) and the service one of
 * its services (if it has any): the SDKs look at only one of the two there, not the same one; both must hold
 * here.  For connections (plugins of type NETWORK, and no others) it matches when the listener is one of its
 * listeners (if it has any) and the service one of its services (if it has any). */
#ifndef GW_GENERATION_H
#define GW_GENERATION_H

#include "base/str.h"
#include "gw/config.h"

struct gw_generation;

/* Takes the model over; it is freed with the generation.  Never fails: a checked model has what it takes. */
struct gw_generation *gw_generation_build(struct gw_config *take);
void gw_generation_ref(struct gw_generation *g);
void gw_generation_unref(struct gw_generation *g); /* NULL is fine */

const struct gw_config *gw_generation_config(const struct gw_generation *g);
size_t gw_generation_bytes(const struct gw_generation *g); /* memory held by model and tables, roughly */

/* ---- routes --------------------------------------------------------------------------------- */

/* What of a request decides.  Strings need to live only for the call. */
struct gw_request {
    struct str host;   /* as sent: any case, a port is ignored */
    struct str path;   /* normalised by the server, without the query */
    struct str method; /* upper-case */
    /* The value of the first header called `name` (lower-case); false: there is none. */
    bool (*header)(void *ctx, struct str name, struct str *value);
    void *ctx;
};

/* Index of the route into config->routes, or GW_NONE.  A host of more than 255 bytes has no route.  Does not
 * allocate. */
uint32_t gw_generation_route(const struct gw_generation *g, const struct gw_request *r);
uint32_t gw_generation_find_route(const struct gw_generation *g, struct str name);
uint32_t gw_generation_find_service(const struct gw_generation *g, struct str name);

/* Which of route->backends this request takes, by weight; `random` is any number, evenly distributed.
 * GW_NONE: the route has none (a redirect). */
uint32_t gw_route_pick_backend(const struct gw_route *route, uint64_t random);

/* The path that goes upstream: the route's rewrite applied to `path` (without query); written to `out`
 * (appended).  False, nothing appended: the path stays as it is. */
bool gw_generation_rewrite_path(const struct gw_generation *g, uint32_t route, struct str path,
                                struct strbuf *out);

/* The Location of a redirect: `scheme`, `host` and `path` are the request's; `host` with its port as sent,
 * `query` without '?', may be empty.  Appended to `out`. */
void gw_route_redirect_location(const struct gw_route *route, struct str scheme, struct str host,
                                struct str path, struct str query, struct strbuf *out);

/* ---- plugins -------------------------------------------------------------------------------- */

struct gw_step {
    uint32_t plugin; /* into config->plugins */
    uint32_t config; /* into that plugin's configs */
};

/* Every plugin once, in the order they run: phase, then priority (high first), then name. */
const uint32_t *gw_generation_plugin_order(const struct gw_generation *g); /* config->nplugins entries */

/* The plugins for a request, in order: `route` from gw_generation_route or GW_NONE, `backend` from
 * gw_route_pick_backend (not looked at where there is no route, or none of its backends), `host` as sent.
 * `steps` has room for config->nplugins.  Returns how many there are.  Does not allocate. */
uint32_t gw_generation_plugins(const struct gw_generation *g, uint32_t route, uint32_t backend,
                               struct str host, struct gw_step *steps);

/* The same for a connection to a TCP listener, known in advance; *n of them. */
const struct gw_step *gw_generation_connection_plugins(const struct gw_generation *g, uint32_t listener,
                                                       uint32_t *n);
/* A listener by its address (gw_listener.text), or GW_NONE: there is none, or it speaks another protocol. */
uint32_t gw_generation_find_listener(const struct gw_generation *g, enum gw_protocol protocol,
                                     struct str text);

/* ---- certificates --------------------------------------------------------------------------- */

/* Those to show to a client that asks for `name` (SNI, any case; "": for none), one of a kind: of the exact
 * host, else of the longest *.suffix, else the default's.  Returns how many, indices into
 * config->certificates; 0: such a client is refused.  Does not allocate. */
uint32_t gw_generation_certificates(const struct gw_generation *g, struct str name,
                                    uint32_t found[GW_KEY_KINDS]);

#endif
