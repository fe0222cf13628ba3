/* gw/config.h - the checked model: what an operator wrote, with every name resolved.
 *
 * One struct gw_config owns one arena; every string, array and struct below lives in it or, nested in a part
 * and then immutable, in a piece that it holds (gw/pieces.h), and nothing in it points anywhere else.
 * gw/load.h makes it from YAML and only hands out a model without errors, so who reads it may rely on:
 * indices are in range, regular expressions compile, weights do not sum to 0, host patterns and header names
 * are lower-case.  gw_generation_build takes it over; until then the owner may change it (the control process
 * rewrites plugin URLs to files of its store).
 *
 * gw/fields.c has the table of the YAML fields that fill these structs. */
#ifndef GW_CONFIG_H
#define GW_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define GW_NONE UINT32_MAX /* no index: no route, no service, no configuration */

/* Where something was written, for messages. */
struct gw_place {
    const char *file; /* as given to the loader, or found in its directory */
    uint32_t line;    /* from 1 */
    const char
        *field; /* "routes[2]", the index counting in its document; NULL where only the line is known */
};

/* ---- listeners ------------------------------------------------------------------------------ */

struct gw_address {
    struct str host; /* name, IPv4 or IPv6 address without brackets */
    uint16_t port;
};

enum gw_protocol { GW_HTTP, GW_TCP, GW_HTTPS };
enum gw_tls_version { GW_TLS_1_2, GW_TLS_1_3 };

/* Whose certificates a client may show. */
struct gw_client_certificate {
    struct str ca; /* PEM certificates */
    bool required;
};

/* How a listener's connections are encrypted. */
struct gw_listener_tls {
    enum gw_tls_version min_version;
    struct gw_client_certificate *client; /* NULL: clients are not asked for one */
};

struct gw_listener {
    struct gw_place at;
    struct str name; /* at NULL: none */
    struct gw_address address;
    enum gw_protocol protocol;
    bool proxy_protocol;         /* connections begin with a header of the PROXY protocol */
    bool http2;                  /* beside HTTP/1.1: with prior knowledge, or by ALPN with HTTPS */
    struct gw_listener_tls *tls; /* HTTPS: NULL: all of it as by default; TCP: NULL: clear text */
    struct str service_name;     /* TCP: where connections go; at NULL with HTTP */

    struct str text;  /* the address as "127.0.0.1:80" or "[::1]:80": no two listeners have the same */
    uint32_t service; /* index of the service called `service_name`, or GW_NONE */
};

bool gw_listener_has_tls(const struct gw_listener *l);

/* ---- the gateway as a whole ------------------------------------------------------------------ */

/* The first `bits` of an IPv6 address; IPv4 is mapped, so has 96 more than were written. */
struct gw_network {
    uint8_t address[16];
    uint32_t bits;
};

/* Whose word about clients counts (gw/client_address.h). */
struct gw_client_address {
    struct str *trusted; /* as written */
    uint32_t ntrusted;
    struct str header; /* lower-case */

    struct gw_network *networks; /* as `trusted` */
};

/* One more than enum pw_log_level: 0 is "not given". */
enum gw_log_level {
    GW_LOG_UNSET,
    GW_LOG_TRACE,
    GW_LOG_DEBUG,
    GW_LOG_INFO,
    GW_LOG_WARN,
    GW_LOG_ERROR,
    GW_LOG_CRITICAL
};

/* ---- certificates --------------------------------------------------------------------------- */

/* Of these kinds there may be one certificate each for a name; clients choose. */
enum gw_key_kind { GW_KEY_RSA, GW_KEY_EC, GW_KEY_OTHER, GW_KEY_KINDS };

/* What listeners with TLS show.  The PEM texts parse, and the key is the first certificate's. */
struct gw_certificate {
    struct gw_place at;
    struct str name; /* that of its first host, and its kind of key, if none was written */
    struct str *
        hosts; /* lower-case: "shop.example", "*.shop.example"; those it was made for, if none were written */
    uint32_t nhosts;
    struct str certificate, key;
    bool is_default; /* for names that no certificate is for, and clients that send none */
    enum gw_key_kind kind;
};

/* ---- services ------------------------------------------------------------------------------- */

enum gw_policy { GW_ROUND_ROBIN, GW_LEAST_REQUESTS, GW_CONSISTENT_HASH };

/* What requests of one client or kind have in common; exactly one is given. */
struct gw_hash_key {
    struct str header; /* lower-case */
    struct str cookie;
    bool address;
};

/* Endpoints that fail requests rest for a while. */
struct gw_passive {
    uint32_t failures;      /* in a row: no connection, broken off, timed out; 0: never */
    uint32_t server_errors; /* in a row: answers 5xx; 0: never */
    uint32_t eject_ms, max_eject_ms;
    uint32_t max_ejected; /* percent of the endpoints */
};

/* Endpoints are asked whether they work. */
struct gw_active {
    struct str path; /* at NULL: a connection is enough */
    struct str host; /* at NULL: the service's name */
    uint32_t interval_ms, timeout_ms;
    uint32_t healthy, unhealthy; /* results in a row */
    uint32_t status;             /* of a healthy answer; 0: 200 to 399 */
};

struct gw_health {
    struct gw_passive passive;
    struct gw_active *active; /* NULL: not asked */
    uint32_t slow_start_ms;   /* 0: whole share at once */
    uint32_t panic;           /* percent: with fewer usable endpoints all are used */
};

/* Of each worker; 0: no limit. */
struct gw_service_limits {
    uint32_t connections; /* to one endpoint */
    uint32_t requests;    /* at a time */
    uint32_t pending;     /* that wait for one of these */
    uint32_t pending_timeout_ms;
};

enum gw_retry { GW_RETRY_CONNECT = 1, GW_RETRY_RESET = 2, GW_RETRY_TIMEOUT = 4 };

struct gw_retries {
    struct str *on;
    uint32_t non;
    uint32_t attempts;   /* besides the first */
    uint32_t per_try_ms; /* 0: only the request's own timeouts */
    bool any_method;

    uint32_t conditions;  /* enum gw_retry, from `on` */
    uint8_t statuses[25]; /* bit set of 400 to 599, from `on` */
};

struct gw_retry_budget {
    uint32_t share;   /* percent of the requests under way that may be retries */
    uint32_t minimum; /* so many may be, however few requests there are */
};

struct gw_endpoint {
    struct gw_place at;
    struct gw_address address;
    uint32_t weight; /* at least 1 */
};

/* How connections to a service are encrypted.  The PEM texts parse, and the key is the first certificate's.
 */
struct gw_tls {
    struct str server_name; /* lower-case; at NULL: the host of each endpoint */
    bool verify;
    struct str ca;               /* PEM certificates; at NULL: the system's */
    struct str certificate, key; /* PEM, what this side shows; at NULL: nothing */
};

/* What is spoken with the endpoints of a service. */
enum gw_upstream_protocol { GW_HTTP1, GW_HTTP2 };

struct gw_service {
    struct gw_place at;
    struct str name;
    struct gw_endpoint *endpoints; /* at least one */
    uint32_t nendpoints;
    enum gw_policy policy;
    uint32_t connect_timeout_ms, read_timeout_ms, send_timeout_ms;
    uint32_t keepalive; /* idle connections each worker keeps; 0: none */
    uint32_t keepalive_timeout_ms;
    struct gw_tls *tls; /* NULL: clear text */
    enum gw_upstream_protocol protocol;
    struct gw_hash_key *hash; /* with GW_CONSISTENT_HASH */
    struct gw_health health;
    struct gw_service_limits limits;
    struct gw_retries *retries;           /* NULL: once for each other endpoint, when it did not answer */
    struct gw_retry_budget *retry_budget; /* NULL: none */
};

/* Is `status` one that is retried? */
bool gw_retries_status(const struct gw_retries *r, uint32_t status);

/* ---- routes --------------------------------------------------------------------------------- */

enum gw_match_kind { GW_MATCH_NONE, GW_MATCH_EXACT, GW_MATCH_PREFIX, GW_MATCH_REGEX, GW_MATCH_PRESENT };

/* A text to compare with.  A regular expression must match the whole subject (PCRE2 syntax, bytes). */
struct gw_matcher {
    enum gw_match_kind kind;
    struct str text;
};

struct gw_header_match {
    struct gw_place at;
    struct str name; /* lower-case */
    struct gw_matcher value;
};

struct gw_match {
    struct str *hosts; /* lower-case: "shop.example", "*.shop.example", "*"; none: any host */
    uint32_t nhosts;
    struct gw_matcher path; /* EXACT, PREFIX (of segments) or REGEX; PREFIX "/" if none was given */
    struct str *methods;    /* upper-case; none: any method */
    uint32_t nmethods;
    struct gw_header_match *headers;
    uint32_t nheaders;
};

/* One way a route's traffic may go. */
struct gw_backend {
    struct gw_place at;
    struct str name;
    uint32_t weight;
    uint32_t service; /* index of the service called `name` */
};

/* The first three exclude each other. */
struct gw_rewrite {
    struct str prefix; /* replaces the matched prefix; at NULL: none */
    struct str path;   /* replaces the whole path; at NULL: none */
    struct str regex,
        replacement; /* if the whole path matches it: "/a/$1", and "$$" for a '$'; at NULL: none */
    struct str host; /* Host header for the upstream; at NULL: as the client sent it */
};

struct gw_header_value {
    struct str name;  /* lower-case */
    struct str value; /* may have variables, see gw/template.h */
};

/* What becomes of a message's headers, in this order. */
struct gw_header_changes {
    struct str *remove; /* lower-case names */
    struct gw_header_value *set, *add;
    uint32_t nremove, nset, nadd;
};

struct gw_redirect {
    struct gw_place at;
    uint32_t status;   /* 301, 302, 303, 307 or 308 */
    struct str scheme; /* "http", "https"; at NULL: the request's */
    struct str host;   /* at NULL: the request's */
    uint32_t port;     /* 0: none named */
    struct str path;   /* replaces the whole path; at NULL: keep */
    struct str prefix; /* replaces the matched prefix; at NULL: keep.  Not both. */
};

struct gw_route {
    struct gw_place at;
    struct str name;
    struct gw_match match;
    struct gw_backend *backends; /* `service: x` is one backend of weight 1; none with a redirect */
    uint32_t nbackends;
    struct gw_rewrite rewrite;
    uint32_t timeout_ms;          /* read and send timeout for this route; 0: the service's */
    uint64_t body_limit_bytes;    /* that a plugin may hold of one body; 0: the plugin's own limit */
    struct gw_retries *retries;   /* NULL: the service's */
    struct gw_redirect *redirect; /* NULL: proxy */
    struct gw_header_changes *request_headers, *response_headers; /* NULL: none */
    uint64_t request_body_bytes;                                  /* longest body of a request; 0: no limit */
    uint32_t header_count;                                        /* most headers of a request; 0: no limit */
    uint64_t header_bytes;                                        /* of their names and values; 0: no limit */
};

/* ---- plugins -------------------------------------------------------------------------------- */

/* In the order in which they run. */
enum gw_phase { GW_AUTHN, GW_AUTHZ, GW_STATS, GW_UNSPECIFIED_PHASE };
enum gw_plugin_type { GW_PLUGIN_HTTP, GW_PLUGIN_NETWORK };
enum gw_fail { GW_FAIL_CLOSE, GW_FAIL_OPEN };
enum gw_isolation { GW_ISOLATION_SHARED, GW_ISOLATION_ROUTE, GW_ISOLATION_REQUEST };
enum gw_pull { GW_PULL_UNSPECIFIED, GW_PULL_IF_NOT_PRESENT, GW_PULL_ALWAYS };
enum gw_runtime { GW_RUNTIME_AUTO, GW_RUNTIME_AOT, GW_RUNTIME_INTERP };
enum gw_route_type { GW_ROUTE_HTTP, GW_ROUTE_GRPC };
enum gw_env_from { GW_ENV_INLINE, GW_ENV_HOST };

struct gw_env {
    struct gw_place at;
    struct str name, value;
    enum gw_env_from from; /* HOST: copied from the gateway's environment, where it is set */
};

/* Which requests, or connections, take which configuration.  gw/generation.h says how several kinds in one
 * rule combine. */
struct gw_rule {
    struct gw_place at;
    struct str *routes, *domains, *services; /* domains lower-case; services as written */
    struct str *listeners;                   /* by name or address; only of NETWORK plugins */
    uint32_t nroutes, ndomains, nservices, nlisteners;
    struct str config; /* compact JSON as written; at NULL: not given */
    bool config_disable;
    enum gw_route_type route_type;
    uint32_t config_index; /* into gw_plugin.configs, GW_NONE: the plugin does not run */
};

/* What the host keeps for a plugin at most: weir/pw_quota.def. */
struct gw_quotas {
#define PW_QUOTA_COUNT uint32_t
#define PW_QUOTA_BYTES uint64_t
#define PW_QUOTA(id, name, kind, ...) PW_QUOTA_##kind name;
#include "weir/pw_quota.def"
#undef PW_QUOTA_COUNT
#undef PW_QUOTA_BYTES
};

struct gw_plugin {
    struct gw_place at;
    struct str name;
    struct str url;    /* with its scheme: "file:...", "http://", "https://", "oci://" */
    struct str sha256; /* 64 lower-case hexadecimal digits; at NULL: not pinned */
    enum gw_pull pull_policy;
    struct str pull_secret;
    struct str verification_key;
    struct str plugin_name; /* root_id */
    enum gw_plugin_type type;
    enum gw_phase phase;
    int32_t priority;
    enum gw_fail fail_strategy;
    enum gw_isolation isolation;
    struct gw_env *env;
    uint32_t nenv;
    struct str plugin_config;  /* compact JSON; at NULL: not given.  Overrides the two below. */
    struct str default_config; /* compact JSON; at NULL: not given */
    bool default_config_disable;
    struct gw_rule *rules;
    uint32_t nrules;
    enum gw_runtime runtime;
    bool allow_precompiled;
    uint64_t memory_limit_bytes;
    uint64_t body_limit_bytes;
    struct gw_quotas quotas;
    uint64_t growth_bytes;
    uint32_t vm_requests;                      /* 0: any number */
    uint32_t cpu_limit_ms, start_cpu_limit_ms; /* of one call; of one while a VM starts */

    /* What follows from the fields above: the distinct configurations, each to be one root context of the
     * plugin, in order of first use.  default_index: for requests no rule matches. */
    struct str *configs;
    uint32_t nconfigs;
    uint32_t default_index; /* into configs, GW_NONE: the plugin does not run */
    bool ignore_rules;      /* plugin_config is given */
};

/* ---- all of it ------------------------------------------------------------------------------ */

struct gw_alert { /* a webhook for crashes; only the control process reads it */
    struct gw_place at;
    struct str name, url, url_file, token_file, template;
    uint32_t timeout_ms, rate_limit /* a minute */, repeat_after_ms;
};

/* A file that was read besides those of the configuration, because a field names it. */
struct gw_outside {
    const struct gw_outside *next;
    const char *path;
};

struct gw_piece;
enum { GW_CONFIG_LISTS = 16 };

struct gw_config {
    struct arena arena;
    uint32_t others;          /* that are views of it */
    struct gw_config *whole;  /* what it is a view of, or NULL */
    struct gw_piece **pieces; /* whose contents its parts have (gw/pieces.h), each a reference; on the heap */
    uint32_t npieces;
    struct gw_piece *
        *piece_of[GW_CONFIG_LISTS];   /* by list in fields.c, then by part: its piece or NULL; or NULL */
    const struct gw_outside *outside; /* NULL: none */
    struct gw_alert *alerts;
    uint32_t nalerts;
    struct gw_listener *listeners;
    struct gw_certificate *certificates;
    struct gw_service *services;
    struct gw_route *routes; /* in the order written; files of a directory by name */
    struct gw_plugin
        *plugins; /* in the order written; gw_generation_plugin_order has the order they run in */
    uint32_t nlisteners, ncertificates, nservices, nroutes, nplugins;
    struct gw_client_address *client_address; /* NULL: clients are who connects */
    enum gw_log_level log_level;              /* of plugins' lines; UNSET: as the server was told */
    uint32_t drain_timeout_ms;                /* of requests when a worker ends; 0: as the server was told */
};

/* NULL is fine. */
void gw_config_free(struct gw_config *c);

/* A configuration with the same lists, to be given other ones of the same arena or its own: what it shares
 * with `c` lives until both are freed. */
struct gw_config *gw_config_view(struct gw_config *c);

/* Index by name, or GW_NONE.  Linear: for tools and tests; a generation has tables. */
uint32_t gw_config_find_service(const struct gw_config *c, struct str name);
uint32_t gw_config_find_route(const struct gw_config *c, struct str name);
uint32_t gw_config_find_plugin(const struct gw_config *c, struct str name);

/* Give environment variables of plugins their final values: those from HOST are looked up in this process and
 * become INLINE ones; those that are not set go.  For whoever publishes the model to processes with another
 * environment. */
void gw_config_resolve_env(struct gw_config *c);

/* The file a `file:` URL names: "file:PATH" and "file:///PATH"; a relative path counts from the working
 * directory.  False, *path untouched: another scheme. */
bool gw_plugin_file(const struct gw_plugin *p, struct str *path);

#endif
