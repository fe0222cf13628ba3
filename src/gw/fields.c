/* gw/fields.c - every field of the configuration: its kind, limits, default and meaning.
 *
 * These tables are the only place where a field is written down: reading, writing and the reference in
 * docs/configuration.md all come from here.  The checks that go with single values are in values.c. */
#include "gw/values.h"

#define AT(type, member) offsetof(struct type, member)
#define ARRAY(type, member) .offset = AT(type, member), .count = AT(type, n##member)
#define FIELDS(table) .fields = table, .nfields = sizeof table / sizeof table[0]

enum { HOUR_MS = 3600000 };

/* ---- listeners -------------------------------------------------------------------------- */

static const struct gw_choice protocols[] = {
    {"http", GW_HTTP}, {"https", GW_HTTPS}, {"tcp", GW_TCP}, {NULL, 0}};
static const struct gw_choice tls_versions[] = {{"TLSv1.2", GW_TLS_1_2}, {"TLSv1.3", GW_TLS_1_3}, {NULL, 0}};

static const struct gw_field client_certificate_fields[] = {
    {.name = "ca",
     .kind = GW_F_PEM,
     .required = true,
     .offset = AT(gw_client_certificate, ca),
     .check = gw_check_certificates,
     .doc = "The authorities that may have issued it."},
    {.name = "required",
     .kind = GW_F_BOOL,
     .offset = AT(gw_client_certificate, required),
     .fallback = "true",
     .doc = "`false`: clients without one are served, too; plugins see which it is (`connection.mtls`)."},
};
static const struct gw_type client_certificate_type = {
    .name = "listeners[].tls.clientCertificate",
    .about = "Clients are asked for a certificate (mTLS). One that does not verify ends the handshake.",
    .size = sizeof(struct gw_client_certificate),
    FIELDS(client_certificate_fields)};

static const struct gw_field listener_tls_fields[] = {
    {.name = "minVersion",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_listener_tls, min_version),
     .choices = tls_versions,
     .fallback = "TLSv1.2",
     .doc = "The oldest version of TLS that is spoken; the newest is 1.3."},
    {.name = "clientCertificate",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_listener_tls, client),
     .type = &client_certificate_type,
     .doc = "Ask clients for a certificate; none: they are not asked."},
};
static const struct gw_type listener_tls_type = {
    .name = "listeners[].tls",
    .about = "How connections are encrypted, with `protocol: https` or `tcp`.",
    .size = sizeof(struct gw_listener_tls),
    FIELDS(listener_tls_fields)};

static const struct gw_field listener_fields[] = {
    {.name = "address",
     .kind = GW_F_ADDRESS,
     .required = true,
     .offset = AT(gw_listener, address),
     .doc = "Where to listen: `127.0.0.1:10000`, `0.0.0.0:80`, `[::]:80`."},
    {.name = "name",
     .kind = GW_F_STRING,
     .offset = AT(gw_listener, name),
     .check = gw_check_name,
     .doc = "What rules of NETWORK plugins call it; its address means it, too."},
    {.name = "protocol",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_listener, protocol),
     .choices = protocols,
     .fallback = "http",
     .doc = "`http`: requests go by routes. `https`: the same, encrypted by `certificates`. `tcp`: "
            "connections go "
            "to `service`, whatever they carry; with `tls` decrypted."},
    {.name = "service",
     .kind = GW_F_STRING,
     .offset = AT(gw_listener, service_name),
     .check = gw_check_name,
     .doc = "With `tcp`: the service that connections go to."},
    {.name = "http2",
     .kind = GW_F_BOOL,
     .offset = AT(gw_listener, http2),
     .fallback = "true",
     .doc = "Beside HTTP/1.1 serve HTTP/2: with `https` to clients that ask for it (ALPN), with `http` to "
            "clients "
            "that begin with it (prior knowledge)."},
    {.name = "proxyProtocol",
     .kind = GW_F_BOOL,
     .offset = AT(gw_listener, proxy_protocol),
     .fallback = "false",
     .doc = "`true`: each connection begins with a header of the PROXY protocol, version 1 or 2; one of "
            "`clientAddress.trusted` says in it who the client is."},
    {.name = "tls",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_listener, tls),
     .type = &listener_tls_type,
     .doc = "With `https`: how connections are encrypted. With `tcp`: that they are; `tls: {}` is all of it "
            "as by "
            "default."},
};
static const struct gw_type listener_type = {.name = "listeners[]",
                                             .about = "A socket to serve on. A lone string is its `address`.",
                                             .size = sizeof(struct gw_listener),
                                             .placed = true,
                                             .shorthand = "address",
                                             FIELDS(listener_fields),
                                             .check = gw_check_listener};

/* ---- certificates ----------------------------------------------------------------------- */

static const struct gw_field certificate_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .offset = AT(gw_certificate, name),
     .check = gw_check_name,
     .doc = "What the administration API calls it; none: its first host and kind of key, like "
            "`shop.example-ec`."},
    {.name = "hosts",
     .kind = GW_F_STRINGS,
     .filled = true,
     ARRAY(gw_certificate, hosts),
     .check = gw_check_certificate_host,
     .doc = "Names it is shown for: `shop.example`, `*.shop.example` (one or more labels in front); none: "
            "those it "
            "was made for."},
    {.name = "certificate",
     .kind = GW_F_PEM,
     .required = true,
     .offset = AT(gw_certificate, certificate),
     .check = gw_check_certificates,
     .doc = "The certificate, with intermediate ones behind it."},
    {.name = "key",
     .kind = GW_F_PEM,
     .required = true,
     .offset = AT(gw_certificate, key),
     .check = gw_check_private_key,
     .doc = "Its private key, without a password."},
    {.name = "default",
     .kind = GW_F_BOOL,
     .offset = AT(gw_certificate, is_default),
     .fallback = "false",
     .doc = "`true`: shown to clients that ask for a name no certificate is for, or for none; otherwise they "
            "are "
            "refused (`unrecognized_name`)."},
};
static const struct gw_type certificate_type = {
    .name = "certificates[]",
    .about =
        "What `https` listeners, and `tcp` listeners with `tls`, show, by the name that the client asks for "
        "(SNI).",
    .size = sizeof(struct gw_certificate),
    .placed = true,
    FIELDS(certificate_fields),
    .check = gw_check_certificate};

/* ---- services --------------------------------------------------------------------------- */

static const struct gw_field endpoint_fields[] = {
    {.name = "address",
     .kind = GW_F_ADDRESS,
     .required = true,
     .offset = AT(gw_endpoint, address),
     .doc = "`host:port`; an IPv6 address in brackets."},
    {.name = "weight",
     .kind = GW_F_UINT,
     .offset = AT(gw_endpoint, weight),
     .min = 1,
     .max = 1000,
     .fallback = "1",
     .doc = "Share of the requests, relative to the service's other endpoints."},
};
static const struct gw_type endpoint_type = {.name = "services[].endpoints[]",
                                             .about = "A server. A lone string is its `address`.",
                                             .size = sizeof(struct gw_endpoint),
                                             .placed = true,
                                             .shorthand = "address",
                                             FIELDS(endpoint_fields)};

static const struct gw_field tls_fields[] = {
    {.name = "serverName",
     .kind = GW_F_STRING,
     .offset = AT(gw_tls, server_name),
     .check = gw_check_host,
     .doc = "The name asked for (SNI), which the certificate must have too; the host of each endpoint "
            "otherwise."},
    {.name = "verify",
     .kind = GW_F_BOOL,
     .offset = AT(gw_tls, verify),
     .fallback = "true",
     .doc = "`false`: any certificate will do; for tests, because anyone can stand in for the service."},
    {.name = "ca",
     .kind = GW_F_PEM,
     .offset = AT(gw_tls, ca),
     .check = gw_check_certificates,
     .doc = "The authorities that may have issued the service's certificate; the system's otherwise."},
    {.name = "certificate",
     .kind = GW_F_PEM,
     .offset = AT(gw_tls, certificate),
     .check = gw_check_certificates,
     .doc = "What the service is shown when it asks for a certificate, with intermediate ones behind it."},
    {.name = "key",
     .kind = GW_F_PEM,
     .offset = AT(gw_tls, key),
     .check = gw_check_private_key,
     .doc = "The private key of `certificate`, without a password."},
};
static const struct gw_type tls_type = {
    .name = "services[].tls",
    .about =
        "Connections to the endpoints are encrypted (TLS 1.2 or 1.3); `tls: {}` verifies by the system's "
        "authorities.",
    .size = sizeof(struct gw_tls),
    FIELDS(tls_fields),
    .check = gw_check_tls};

static const struct gw_choice policies[] = {{"roundRobin", GW_ROUND_ROBIN},
                                            {"leastRequests", GW_LEAST_REQUESTS},
                                            {"consistentHash", GW_CONSISTENT_HASH},
                                            {NULL, 0}};

static const struct gw_choice upstream_protocols[] = {
    {"http1", GW_HTTP1}, {"http2", GW_HTTP2}, {"grpc", GW_HTTP2}, {NULL, 0}};

static const struct gw_field service_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_service, name),
     .check = gw_check_name,
     .doc = "What routes and rules call it. Higress's form `outbound|80||echo.static` is a name like any "
            "other."},
    {.name = "endpoints",
     .kind = GW_F_LIST,
     .required = true,
     .filled = true,
     ARRAY(gw_service, endpoints),
     .type = &endpoint_type,
     .doc = "The servers behind it."},
    {.name = "policy",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_service, policy),
     .choices = policies,
     .fallback = "roundRobin",
     .doc = "How an endpoint is chosen: in turn, the one with the fewest requests under way, or by `hash`; "
            "each by weight."},
    {.name = "hash",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_service, hash),
     .type = &gw_type_hash_key,
     .doc = "With `consistentHash`: what of a request decides."},
    {.name = "connectTimeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_service, connect_timeout_ms),
     .min = 1,
     .max = HOUR_MS,
     .fallback = "5s",
     .doc = "Longest wait for a connection."},
    {.name = "readTimeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_service, read_timeout_ms),
     .min = 1,
     .max = 24 * HOUR_MS,
     .fallback = "60s",
     .doc = "Longest wait between two reads of the response; with a `tcp` listener longest time without "
            "traffic in "
            "either direction."},
    {.name = "sendTimeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_service, send_timeout_ms),
     .min = 1,
     .max = 24 * HOUR_MS,
     .fallback = "60s",
     .doc = "Longest wait between two writes of the request."},
    {.name = "keepalive",
     .kind = GW_F_UINT,
     .offset = AT(gw_service, keepalive),
     .max = 10000,
     .fallback = "32",
     .doc = "Idle connections that each worker keeps open; 0: none."},
    {.name = "keepaliveTimeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_service, keepalive_timeout_ms),
     .min = 1,
     .max = 24 * HOUR_MS,
     .fallback = "60s",
     .doc = "How long an idle connection is kept."},
    {.name = "tls",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_service, tls),
     .type = &tls_type,
     .doc = "Encrypt the connections; none: clear text."},
    {.name = "protocol",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_service, protocol),
     .choices = upstream_protocols,
     .fallback = "http1",
     .doc = "What requests are sent in. `http2`: HTTP/2, by ALPN with `tls`, else with prior knowledge; "
            "`grpc` is "
            "another name for it."},
    {.name = "health",
     .kind = GW_F_OBJECT,
     .offset = AT(gw_service, health),
     .type = &gw_type_health,
     .doc = "Which endpoints are used."},
    {.name = "limits",
     .kind = GW_F_OBJECT,
     .offset = AT(gw_service, limits),
     .type = &gw_type_service_limits,
     .doc = "How much goes to it at a time."},
    {.name = "retries",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_service, retries),
     .type = &gw_type_retries,
     .doc = "Which requests are sent again; none: those that got no answer, to each other endpoint (10 at "
            "most) once."},
    {.name = "retryBudget",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_service, retry_budget),
     .type = &gw_type_retry_budget,
     .doc = "How many retries there may be at a time; none: no limit."},
};
static const struct gw_type service_type = {.name = "services[]",
                                            .about = "A group of servers that answer the same.",
                                            .size = sizeof(struct gw_service),
                                            .placed = true,
                                            FIELDS(service_fields),
                                            .check = gw_check_service};

/* ---- routes ----------------------------------------------------------------------------- */

static const struct gw_field path_fields[] = {
    {.name = "exact",
     .kind = GW_F_VARIANT,
     .offset = 0,
     .variant = GW_MATCH_EXACT,
     .check = gw_check_path,
     .doc = "The path is this."},
    {.name = "prefix",
     .kind = GW_F_VARIANT,
     .offset = 0,
     .variant = GW_MATCH_PREFIX,
     .check = gw_check_path_prefix,
     .doc = "The path begins with these whole segments: `/orders` matches `/orders` and `/orders/1`, not "
            "`/ordersx`."},
    {.name = "regex",
     .kind = GW_F_VARIANT,
     .offset = 0,
     .variant = GW_MATCH_REGEX,
     .check = gw_check_regex,
     .doc = "The whole path matches this regular expression (PCRE2, on bytes)."},
};
static const struct gw_type path_type = {
    .name = "routes[].match.path",
    .about = "One of the three. Without `path`, a route takes any path (prefix `/`).",
    .size = sizeof(struct gw_matcher),
    FIELDS(path_fields),
    .check = gw_check_path_match};

static const struct gw_field header_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_header_match, name),
     .check = gw_check_header_name,
     .doc = "Header name, in any case."},
    {.name = "exact",
     .kind = GW_F_VARIANT,
     .offset = AT(gw_header_match, value),
     .variant = GW_MATCH_EXACT,
     .doc = "The value is this."},
    {.name = "prefix",
     .kind = GW_F_VARIANT,
     .offset = AT(gw_header_match, value),
     .variant = GW_MATCH_PREFIX,
     .doc = "The value begins with this."},
    {.name = "regex",
     .kind = GW_F_VARIANT,
     .offset = AT(gw_header_match, value),
     .variant = GW_MATCH_REGEX,
     .check = gw_check_regex,
     .doc = "The whole value matches this regular expression."},
    {.name = "present",
     .kind = GW_F_VARIANT,
     .offset = AT(gw_header_match, value),
     .variant = GW_MATCH_PRESENT,
     .doc = "`true`: the header is there, whatever its value."},
};
static const struct gw_type header_type = {
    .name = "routes[].match.headers[]",
    .about = "A header that a request must have: `name` and one of the others.",
    .size = sizeof(struct gw_header_match),
    .placed = true,
    FIELDS(header_fields),
    .check = gw_check_header_match};

static const struct gw_field match_fields[] = {
    {.name = "hosts",
     .kind = GW_F_STRINGS,
     .filled = true,
     ARRAY(gw_match, hosts),
     .check = gw_check_host_pattern,
     .doc = "`shop.example`, `*.shop.example` (one or more labels in front) or `*`; none: any host."},
    {.name = "path",
     .kind = GW_F_OBJECT,
     .offset = AT(gw_match, path),
     .type = &path_type,
     .doc = "How the path must look."},
    {.name = "methods",
     .kind = GW_F_STRINGS,
     .filled = true,
     ARRAY(gw_match, methods),
     .check = gw_check_method,
     .doc = "`GET`, `POST`, ...; none: any method."},
    {.name = "headers",
     .kind = GW_F_LIST,
     .filled = true,
     ARRAY(gw_match, headers),
     .type = &header_type,
     .doc = "All of these must hold."},
};
static const struct gw_type match_type = {.name = "routes[].match",
                                          .about =
                                              "Which requests a route takes: all of what is given must hold.",
                                          .size = sizeof(struct gw_match),
                                          FIELDS(match_fields)};

static const struct gw_field backend_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_backend, name),
     .check = gw_check_name,
     .doc = "A service."},
    {.name = "weight",
     .kind = GW_F_UINT,
     .offset = AT(gw_backend, weight),
     .max = 1000000,
     .fallback = "1",
     .doc = "Share of the requests, relative to the others; 0: none."},
};
static const struct gw_type backend_type = {.name = "routes[].services[]",
                                            .about =
                                                "One way of a traffic split. A lone string is its `name`.",
                                            .size = sizeof(struct gw_backend),
                                            .placed = true,
                                            .shorthand = "name",
                                            FIELDS(backend_fields)};

static const struct gw_field redirect_fields[] = {
    {.name = "status",
     .kind = GW_F_UINT,
     .offset = AT(gw_redirect, status),
     .min = 301,
     .max = 308,
     .fallback = "302",
     .doc = "301, 302, 303, 307 or 308."},
    {.name = "scheme",
     .kind = GW_F_STRING,
     .offset = AT(gw_redirect, scheme),
     .check = gw_check_scheme,
     .doc = "`http` or `https`; the request's otherwise."},
    {.name = "host",
     .kind = GW_F_STRING,
     .offset = AT(gw_redirect, host),
     .check = gw_check_host,
     .doc = "The request's otherwise."},
    {.name = "port",
     .kind = GW_F_UINT,
     .offset = AT(gw_redirect, port),
     .min = 1,
     .max = 65535,
     .doc = "The request's otherwise; none if `scheme` or `host` is given."},
    {.name = "path",
     .kind = GW_F_STRING,
     .offset = AT(gw_redirect, path),
     .check = gw_check_path,
     .doc = "The new path; the request's otherwise. The query stays."},
    {.name = "prefix",
     .kind = GW_F_STRING,
     .offset = AT(gw_redirect, prefix),
     .check = gw_check_path_prefix,
     .doc = "Takes the place of the prefix that matched; only with `match.path.prefix`."},
};
static const struct gw_type redirect_type = {
    .name = "routes[].redirect",
    .about = "Answers with a redirect. At least one field besides `status`.",
    .size = sizeof(struct gw_redirect),
    .placed = true,
    FIELDS(redirect_fields),
    .check = gw_check_redirect};

static const struct gw_field route_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_route, name),
     .check = gw_check_name,
     .doc = "What rules, logs and metrics call it."},
    {.name = "match",
     .kind = GW_F_OBJECT,
     .offset = AT(gw_route, match),
     .type = &match_type,
     .doc = "Which requests it takes; none: all."},
    {.name = "service",
     .kind = GW_F_BACKEND,
     .offset = AT(gw_route, backends),
     .count = AT(gw_route, nbackends),
     .check = gw_check_name,
     .doc = "The service the requests go to."},
    {.name = "services",
     .kind = GW_F_LIST,
     .filled = true,
     ARRAY(gw_route, backends),
     .type = &backend_type,
     .doc = "Instead of `service`: several, by weight."},
    {.name = "rewrite",
     .kind = GW_F_OBJECT,
     .offset = AT(gw_route, rewrite),
     .type = &gw_type_rewrite,
     .doc = "What changes on the way to the upstream."},
    {.name = "timeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_route, timeout_ms),
     .min = 1,
     .max = 24 * HOUR_MS,
     .doc = "Instead of the service's `readTimeout` and `sendTimeout`."},
    {.name = "limits",
     .kind = GW_F_OBJECT,
     .offset = 0,
     .type = &gw_type_route_limits,
     .doc = "What plugins may use, and how large a request may be."},
    {.name = "retries",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_route, retries),
     .type = &gw_type_retries,
     .doc = "Instead of the service's `retries`."},
    {.name = "requestHeaders",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_route, request_headers),
     .type = &gw_type_header_changes,
     .doc = "What changes in the headers that the upstream gets, after the plugins."},
    {.name = "responseHeaders",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_route, response_headers),
     .type = &gw_type_header_changes,
     .doc = "What changes in the headers that the client gets, after the plugins, whoever answered."},
    {.name = "redirect",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_route, redirect),
     .type = &redirect_type,
     .doc = "Answer with a redirect instead of a service."},
};
static const struct gw_type route_type = {
    .name = "routes[]",
    .about = "Where requests go. Exactly one of `service`, `services` and `redirect`.",
    .size = sizeof(struct gw_route),
    .placed = true,
    FIELDS(route_fields),
    .check = gw_check_route};

/* ---- plugins ---------------------------------------------------------------------------- */

static const struct gw_choice pulls[] = {{"UNSPECIFIED_POLICY", GW_PULL_UNSPECIFIED},
                                         {"IfNotPresent", GW_PULL_IF_NOT_PRESENT},
                                         {"Always", GW_PULL_ALWAYS},
                                         {NULL, 0}};
static const struct gw_choice phases[] = {{"AUTHN", GW_AUTHN},
                                          {"AUTHZ", GW_AUTHZ},
                                          {"STATS", GW_STATS},
                                          {"UNSPECIFIED_PHASE", GW_UNSPECIFIED_PHASE},
                                          {NULL, 0}};
static const struct gw_choice plugin_types[] = {{"HTTP", GW_PLUGIN_HTTP},
                                                {"NETWORK", GW_PLUGIN_NETWORK},
                                                {"UNSPECIFIED_PLUGIN_TYPE", GW_PLUGIN_HTTP},
                                                {NULL, 0}};
static const struct gw_choice fails[] = {
    {"FAIL_CLOSE", GW_FAIL_CLOSE}, {"FAIL_OPEN", GW_FAIL_OPEN}, {NULL, 0}};
static const struct gw_choice runtimes[] = {
    {"auto", GW_RUNTIME_AUTO}, {"aot", GW_RUNTIME_AOT}, {"interp", GW_RUNTIME_INTERP}, {NULL, 0}};
static const struct gw_choice route_types[] = {{"HTTP", GW_ROUTE_HTTP}, {"GRPC", GW_ROUTE_GRPC}, {NULL, 0}};
static const struct gw_choice env_froms[] = {{"INLINE", GW_ENV_INLINE}, {"HOST", GW_ENV_HOST}, {NULL, 0}};

static const struct gw_field env_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_env, name),
     .check = gw_check_env_name,
     .doc = "Name of the variable."},
    {.name = "valueFrom",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_env, from),
     .choices = env_froms,
     .fallback = "INLINE",
     .doc = "`HOST`: copied from the gateway's own environment, if it is set there."},
    {.name = "value", .kind = GW_F_STRING, .offset = AT(gw_env, value), .doc = "The value, with `INLINE`."},
};
static const struct gw_type env_type = {.name = "plugins[].vmConfig.env[]",
                                        .about = "An environment variable that the plugin sees (WASI).",
                                        .size = sizeof(struct gw_env),
                                        .placed = true,
                                        FIELDS(env_fields),
                                        .check = gw_check_env};

static const struct gw_field vm_config_fields[] = {
    {.name = "env",
     .kind = GW_F_LIST,
     .offset = AT(gw_plugin, env),
     .count = AT(gw_plugin, nenv),
     .type = &env_type,
     .doc = "Environment variables."},
};
static const struct gw_type vm_config_type = {
    .name = "plugins[].vmConfig", .size = sizeof(struct gw_plugin), FIELDS(vm_config_fields)};

static const struct gw_field rule_fields[] = {
    {.name = "route",
     .alias = "ingress",
     .kind = GW_F_STRINGS,
     ARRAY(gw_rule, routes),
     .check = gw_check_name,
     .doc = "Names of routes."},
    {.name = "domain",
     .kind = GW_F_STRINGS,
     ARRAY(gw_rule, domains),
     .check = gw_check_domain,
     .doc = "Host patterns: `shop.example`, `*.shop.example`, `*shop.example`, `shop.*`, `*`."},
    {.name = "service",
     .kind = GW_F_STRINGS,
     ARRAY(gw_rule, services),
     .check = gw_check_name,
     .doc = "Names of services; also `fqdn`, `fqdn:port` and `outbound|port||fqdn`."},
    {.name = "listener",
     .kind = GW_F_STRINGS,
     ARRAY(gw_rule, listeners),
     .doc = "Names or addresses of `tcp` listeners; only of plugins with `type: NETWORK`."},
    {.name = "config",
     .kind = GW_F_JSON,
     .offset = AT(gw_rule, config),
     .doc = "The configuration for requests of this rule; none: `{}`."},
    {.name = "configDisable",
     .kind = GW_F_BOOL,
     .offset = AT(gw_rule, config_disable),
     .fallback = "false",
     .doc = "`true`: the plugin does not run for requests of this rule."},
    {.name = "routeType",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_rule, route_type),
     .choices = route_types,
     .fallback = "HTTP",
     .doc = "Accepted and without effect: a route here carries both."},
};
static const struct gw_type rule_type = {
    .name = "plugins[].matchRules[]",
    .about =
        "Requests that take another configuration. At least one of `route`, `domain` and `service`; for a "
        "`NETWORK` plugin, whose rules are about connections, of `listener` and `service`.",
    .size = sizeof(struct gw_rule),
    .placed = true,
    FIELDS(rule_fields),
    .check = gw_check_rule};

static const struct gw_field vm_fields[] = {
    {.name = "runtime",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_plugin, runtime),
     .choices = runtimes,
     .fallback = "auto",
     .doc = "`auto`: compiled code as soon as it is there, the interpreter until then."},
    {.name = "allowPrecompiled",
     .kind = GW_F_BOOL,
     .offset = AT(gw_plugin, allow_precompiled),
     .fallback = "false",
     .doc = "Use the native image that the module carries, if it fits."},
};
static const struct gw_type vm_type = {.name = "plugins[].vm",
                                       .about = "How the module is run.",
                                       .size = sizeof(struct gw_plugin),
                                       FIELDS(vm_fields)};

static const struct gw_field limits_fields[] = {
    {.name = "memory",
     .kind = GW_F_SIZE,
     .offset = AT(gw_plugin, memory_limit_bytes),
     .min = 65536,
     .max = INT64_C(4) << 30,
     .fallback = "128MiB",
     .doc = "Most memory of one VM of the plugin: of all its memories and tables together."},
    {.name = "growth",
     .kind = GW_F_SIZE,
     .offset = AT(gw_plugin, growth_bytes),
     .min = 65536,
     .max = INT64_C(4) << 30,
     .fallback = "64MiB",
     .doc =
         "A VM that grew by more than this since its start is replaced between two requests by one as it was "
         "after its start; requests that it serves end on it, and its memory goes back to the system."},
    {.name = "requests",
     .kind = GW_F_UINT,
     .offset = AT(gw_plugin, vm_requests),
     .min = 0,
     .max = UINT32_MAX,
     .fallback = "0",
     .doc = "The same after so many requests or connections; 0: never."},
    {.name = "body",
     .kind = GW_F_SIZE,
     .offset = AT(gw_plugin, body_limit_bytes),
     .min = 1,
     .max = INT64_C(256) << 20,
     .fallback = "1MiB",
     .doc = "Most bytes of one body that the plugin may hold back: a longer request is answered with 413, a "
            "longer response with 500; past it nothing is read from a connection. A plugin changes it for "
            "one request by `set_decoder_buffer_limit` and "
            "`set_encoder_buffer_limit`."},
    {.name = "cpu",
     .kind = GW_F_DURATION,
     .offset = AT(gw_plugin, cpu_limit_ms),
     .min = 1,
     .max = 60000,
     .fallback = "100ms",
     .doc =
         "Most CPU time of one call of the plugin, with the host calls it makes; past it the call ends with "
         "the trap `deadline exceeded` and `failStrategy` decides."},
    {.name = "startCpu",
     .kind = GW_F_DURATION,
     .offset = AT(gw_plugin, start_cpu_limit_ms),
     .min = 1,
     .max = 600000,
     .fallback = "5s",
     .doc = "The same of each call while the plugin starts and takes its configurations."},
#define PW_QUOTA_COUNT GW_F_UINT
#define PW_QUOTA_BYTES GW_F_SIZE
#define PW_QUOTA(id, field, of, number, text, most, status, about)                                           \
    {.name = #field,                                                                                         \
     .kind = PW_QUOTA_##of,                                                                                  \
     .offset = AT(gw_plugin, quotas.field),                                                                  \
     .min = 1,                                                                                               \
     .max = most,                                                                                            \
     .fallback = text,                                                                                       \
     .doc = about},
#include "weir/pw_quota.def"
#undef PW_QUOTA_COUNT
#undef PW_QUOTA_BYTES
};
static const struct gw_type limits_type = {.name = "plugins[].limits",
                                           .about = "What a plugin may use.",
                                           .size = sizeof(struct gw_plugin),
                                           FIELDS(limits_fields)};

static const struct gw_choice isolations[] = {{"shared", GW_ISOLATION_SHARED},
                                              {"route", GW_ISOLATION_ROUTE},
                                              {"request", GW_ISOLATION_REQUEST},
                                              {NULL, 0}};

static const struct gw_field plugin_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_plugin, name),
     .check = gw_check_name,
     .doc = "What logs and metrics call it; in a WasmPlugin document `metadata.name`."},
    {.name = "url",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_plugin, url),
     .check = gw_check_url,
     .doc = "The module: `file:PATH` (from the working directory) or `file:///PATH`; `http://`, `https://`, "
            "`oci://`, "
            "which is also meant by no scheme."},
    {.name = "sha256",
     .kind = GW_F_STRING,
     .offset = AT(gw_plugin, sha256),
     .check = gw_check_sha256,
     .doc = "What the module, or the image's manifest, must hash to, in hexadecimal."},
    {.name = "imagePullPolicy",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_plugin, pull_policy),
     .choices = pulls,
     .fallback = "UNSPECIFIED_POLICY",
     .doc = "`Always`: ask whether there is another one each time the configuration is read. Unspecified: "
            "`Always` for an image "
            "without a tag or with `latest`, else `IfNotPresent`."},
    {.name = "imagePullSecret",
     .kind = GW_F_STRING,
     .offset = AT(gw_plugin, pull_secret),
     .doc = "File with the login for the registry, see above."},
    {.name = "verificationKey",
     .kind = GW_F_STRING,
     .offset = AT(gw_plugin, verification_key),
     .doc = "Reserved, as in Higress; has no effect."},
    {.name = "pluginName",
     .kind = GW_F_STRING,
     .offset = AT(gw_plugin, plugin_name),
     .doc = "The root id: which of the module's plugins to run, if it has several."},
    {.name = "type",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_plugin, type),
     .choices = plugin_types,
     .fallback = "HTTP",
     .doc = "What passes the plugin: requests of `http` listeners, or connections of `tcp` listeners "
            "(`NETWORK`). As in "
            "Istio's WasmPlugin."},
    {.name = "phase",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_plugin, phase),
     .choices = phases,
     .fallback = "UNSPECIFIED_PHASE",
     .doc = "Plugins run in the order AUTHN, AUTHZ, STATS, unspecified."},
    {.name = "priority",
     .kind = GW_F_INT,
     .offset = AT(gw_plugin, priority),
     .min = INT32_MIN,
     .max = INT32_MAX,
     .fallback = "0",
     .doc = "In a phase, higher first; then by name."},
    {.name = "failStrategy",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_plugin, fail_strategy),
     .choices = fails,
     .fallback = "FAIL_CLOSE",
     .doc = "What a failed plugin does to requests: `FAIL_CLOSE` answers 503 (closes a connection), "
            "`FAIL_OPEN` passes "
            "them by."},
    {.name = "vmConfig",
     .kind = GW_F_OBJECT,
     .offset = 0,
     .type = &vm_config_type,
     .doc = "The plugin's environment."},
    {.name = "pluginConfig",
     .kind = GW_F_JSON,
     .offset = AT(gw_plugin, plugin_config),
     .doc = "The configuration for all requests; `defaultConfig` and `matchRules` are then ignored."},
    {.name = "defaultConfig",
     .kind = GW_F_JSON,
     .offset = AT(gw_plugin, default_config),
     .doc = "The configuration for requests that no rule matches. None at all: see below."},
    {.name = "defaultConfigDisable",
     .kind = GW_F_BOOL,
     .offset = AT(gw_plugin, default_config_disable),
     .fallback = "false",
     .doc = "`true`: the plugin does not run for requests that no rule matches."},
    {.name = "matchRules",
     .kind = GW_F_LIST,
     ARRAY(gw_plugin, rules),
     .type = &rule_type,
     .doc = "The first that matches a request decides."},
    {.name = "vm", .kind = GW_F_OBJECT, .offset = 0, .type = &vm_type, .doc = "How the module is run."},
    {.name = "isolation",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_plugin, isolation),
     .choices = isolations,
     .fallback = "shared",
     .doc =
         "Who shares a VM of the plugin in a worker: `shared` all requests, `route` those that take the same "
         "configuration, so that rules with different `config` have VMs of their own; `request` nobody: "
         "every "
         "request gets a copy of the VM as it was after its start, and leaves nothing behind."},
    {.name = "limits",
     .kind = GW_F_OBJECT,
     .offset = 0,
     .type = &limits_type,
     .doc = "What the plugin may use."},
};
const struct gw_type gw_type_plugin = {
    .name = "plugins[]",
    .about =
        "A WebAssembly module that requests or connections pass through. The fields are those of Higress's "
        "WasmPlugin, and `name`, `type`, `vm` and `limits`.",
    .size = sizeof(struct gw_plugin),
    .placed = true,
    FIELDS(plugin_fields),
    .check = gw_check_plugin};

/* ---- all -------------------------------------------------------------------------------- */

static const struct gw_field config_fields[] = {
    {.name = "listeners",
     .kind = GW_F_LIST,
     ARRAY(gw_config, listeners),
     .type = &listener_type,
     .doc = "Sockets to serve on."},
    {.name = "certificates",
     .kind = GW_F_LIST,
     ARRAY(gw_config, certificates),
     .type = &certificate_type,
     .doc = "What `https` listeners, and `tcp` listeners with `tls`, show."},
    {.name = "services",
     .kind = GW_F_LIST,
     ARRAY(gw_config, services),
     .type = &service_type,
     .doc = "Groups of upstream servers."},
    {.name = "routes",
     .kind = GW_F_LIST,
     ARRAY(gw_config, routes),
     .type = &route_type,
     .doc = "Which requests go where."},
    {.name = "plugins",
     .kind = GW_F_LIST,
     ARRAY(gw_config, plugins),
     .type = &gw_type_plugin,
     .doc = "What requests pass through."},
    {.name = "clientAddress",
     .kind = GW_F_OPTIONAL,
     .offset = AT(gw_config, client_address),
     .type = &gw_type_client_address,
     .doc = "Which proxies in front say who the client is; none: it is who connects."},
    {.name = "logLevel",
     .kind = GW_F_CHOICE,
     .offset = AT(gw_config, log_level),
     .choices = gw_log_levels,
     .doc = "Least level of plugins' lines in the error log; none: that of `weir run --plugin-log-level`."},
    {.name = "drainTimeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_config, drain_timeout_ms),
     .min = 1000,
     .max = 24 * HOUR_MS,
     .doc = "How long requests and connections under way may take to end when the gateway stops, or a worker "
            "ends after a reload; none: as `weir run --drain-timeout` says."},
    {.name = "alerts",
     .kind = GW_F_LIST,
     ARRAY(gw_config, alerts),
     .type = &gw_type_alert,
     .doc = "Who is told of plugins' crashes."},
};
const struct gw_type gw_type_config = {.name = "A document",
                                       .about = "Several documents and files are put together: their lists "
                                                "are appended; another field is given once in all of them.",
                                       .size = sizeof(struct gw_config),
                                       FIELDS(config_fields)};
