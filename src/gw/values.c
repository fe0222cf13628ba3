/* gw/values.c - what single values may be, and what must hold between the fields of one mapping. */
#include "gw/values.h"

#include "gw/pattern.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool all_of(struct str s, const char *others)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.at[i]) && (s.at[i] == '\0' || strchr(others, s.at[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

static struct str recase(struct gw_reader *r, struct str s, char from, char to)
{
    char *copy = arena_strndup(r->arena, s.at, s.len);
    for (size_t i = 0; i < s.len; i++) {
        if (copy[i] >= from && copy[i] <= from + 25) {
            copy[i] = (char)(copy[i] - from + to);
        }
    }
    return str_make(copy, s.len);
}

static struct str lower(struct gw_reader *r, struct str s)
{
    return recase(r, s, 'A', 'a');
}

/* ---- names ------------------------------------------------------------------------------ */

bool gw_check_name(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                   struct str *value)
{
    if (value->len == 0 || value->len > 253 || !all_of(*value, "-._/|:*@")) {
        gw_problem_at(r, node, path, "a name is 1 to 253 letters, digits and any of - . _ / | : * @");
        return false;
    }
    return true;
}

bool gw_check_env_name(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                       struct str *value)
{
    if (value->len == 0 || str_find_char(*value, '=') != value->len) {
        gw_problem_at(r, node, path, "the name of a variable is not empty and has no '='");
        return false;
    }
    return true;
}

/* ---- hosts ------------------------------------------------------------------------------ */

static struct str without_port(struct str host)
{
    size_t close = str_find_char(host, ']');
    size_t from = close == host.len ? 0 : close;
    return str_slice(host, 0, from + str_find_char(str_slice(host, from, host.len), ':'));
}

bool gw_host_normalise(struct str host, char buf[GW_MAX_HOST + 1], struct str *out)
{
    host = without_port(host);
    if (host.len != 0 && host.at[host.len - 1] == '.') {
        host.len--;
    }
    if (host.len > GW_MAX_HOST) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        char c = host.at[i];
        buf[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    *out = str_make(buf, host.len);
    return true;
}

/* "shop.example", "10.0.0.1", "[::1]". */
static const char *host_fault(struct str s)
{
    if (s.len == 0 || s.len > GW_MAX_HOST) {
        return "a host is 1 to 255 characters long";
    }
    if (s.at[0] == '[') {
        return s.at[s.len - 1] == ']' && all_of(str_slice(s, 1, s.len - 1), ":.")
                   ? NULL
                   : "an IPv6 address is written [...]";
    }
    if (str_find_char(s, ':') != s.len) {
        return "must be without a port: requests for every port of the host match";
    }
    if (!all_of(s, "-._")) {
        return "a host has letters, digits, '-', '.' and '_' only; international names are written xn--...";
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '.' && (i == 0 || s.at[i - 1] == '.')) {
            return "has an empty label (two dots, or one at the beginning)";
        }
    }
    return NULL;
}

static bool check_host(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                       struct str tail, struct str *value)
{
    if (tail.len > 1 && tail.at[tail.len - 1] == '.') { /* the root's dot says nothing */
        tail.len--;
        value->len--;
    }
    const char *fault = host_fault(tail);
    if (fault != NULL) {
        gw_problem_at(r, node, path, "%s", fault);
        return false;
    }
    *value = lower(r, *value);
    return true;
}

bool gw_check_host(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                   struct str *value)
{
    return check_host(r, node, path, *value, value);
}

bool gw_check_host_pattern(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                           struct str *value)
{
    if (str_eq(*value, STR("*"))) {
        return true;
    }
    if (str_starts_with(*value, STR("*."))) {
        return check_host(r, node, path, str_slice(*value, 2, value->len), value);
    }
    if (str_find_char(*value, '*') != value->len) {
        gw_problem_at(r, node, path, "'*' stands alone or as the first label, like *.shop.example");
        return false;
    }
    return check_host(r, node, path, *value, value);
}

bool gw_check_authority(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                        struct str *value)
{
    struct str host = without_port(*value), port = str_slice(*value, host.len + 1, value->len);
    const char *fault = host_fault(host);
    uint64_t n = 0;

    if (fault == NULL && host.len != value->len && (!str_to_u64(port, &n) || n == 0 || n > 65535)) {
        fault = "the port is a number from 1 to 65535";
    }
    if (fault != NULL) {
        gw_problem_at(r, node, path, "%s", fault);
    }
    return fault == NULL;
}

/* Any text can be a pattern; what cannot match is worth a warning. */
bool gw_check_domain(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                     struct str *value)
{
    if (value->len == 0) {
        gw_problem_at(r, node, path, "must not be empty; * matches every host");
        return false;
    }
    struct str fixed = *value;
    if (fixed.at[0] == '*') {
        fixed = str_slice(fixed, 1, fixed.len);
    } else if (fixed.at[fixed.len - 1] == '*') {
        fixed.len--;
    }
    if (str_find_char(fixed, '*') != fixed.len) {
        gw_warning_at(r, node, path, "never matches: '*' counts at the beginning or the end only");
    } else if (without_port(fixed).len != fixed.len) {
        gw_warning_at(r, node, path,
                      "never matches: the port is taken off the request's host; leave it out here too");
    }
    *value = lower(r, *value);
    return true;
}

const char *gw_address_parse(struct arena *a, struct str text, struct gw_address *out)
{
    struct str host = without_port(text);
    uint64_t port;

    if (host.len == text.len || !str_to_u64(str_slice(text, host.len + 1, text.len), &port) || port == 0 ||
        port > 65535) {
        return "must be host:port, with a port from 1 to 65535";
    }
    const char *fault = host_fault(host);
    if (fault != NULL) {
        return fault;
    }
    if (host.at[0] == '[') {
        host = str_slice(host, 1, host.len - 1);
    }
    out->host = str_make(arena_strndup(a, host.at, host.len), host.len);
    out->port = (uint16_t)port;
    return NULL;
}

void gw_address_format(const struct gw_address *a, struct strbuf *out)
{
    bool v6 = str_find_char(a->host, ':') != a->host.len;
    strbuf_printf(out, "%s%.*s%s:%u", v6 ? "[" : "", STR_ARG(a->host), v6 ? "]" : "", a->port);
}

/* ---- paths and expressions -------------------------------------------------------------- */

static const char *path_fault(struct str s)
{
    if (s.len == 0 || s.at[0] != '/') {
        return "must begin with '/'";
    }
    if (s.len > 2048) {
        return "longer than 2048 bytes; shorten it";
    }
    for (size_t i = 0, from = 1; i <= s.len; i++) {
        if (i != s.len && (s.at[i] == '?' || s.at[i] == '#')) {
            return "must be the path alone, without '?' or '#'";
        }
        if (i == s.len || (s.at[i] == '/' && i != 0)) {
            struct str segment = str_slice(s, from, i);
            if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")) || (segment.len == 0 && i != s.len)) {
                return "has '//', '/./' or '/../', which requests no longer have when routes are chosen";
            }
            from = i + 1;
        }
    }
    return NULL;
}

bool gw_check_path(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                   struct str *value)
{
    const char *fault = path_fault(*value);
    if (fault != NULL) {
        gw_problem_at(r, node, path, "%s", fault);
    }
    return fault == NULL;
}

/* A prefix ends with its last segment, not with a '/'. */
bool gw_check_path_prefix(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                          struct str *value)
{
    size_t segments = 0;

    if (!gw_check_path(r, node, path, value)) {
        return false;
    }
    if (value->len > 1 && value->at[value->len - 1] == '/') {
        value->len--;
    }
    for (size_t i = 0; i < value->len; i++) {
        segments += value->at[i] == '/';
    }
    if (segments > GW_MAX_SEGMENTS) {
        gw_problem_at(r, node, path, "has more than %d segments; use a regex", GW_MAX_SEGMENTS);
    }
    return segments <= GW_MAX_SEGMENTS;
}

bool gw_check_regex(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                    struct str *value)
{
    char error[256];
    struct gw_pattern *p = gw_pattern_new(*value, error, sizeof error);

    if (p == NULL) {
        gw_problem_at(r, node, path, "not a regular expression: %s", error);
    }
    gw_pattern_free(p);
    return p != NULL;
}

void gw_check_path_match(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                         void *object)
{
    struct gw_matcher *m = object;
    if (m->kind != GW_MATCH_NONE) {
        return;
    }
    if (node->at.line != 0) {
        gw_problem_at(r, node, path, "give one of exact, prefix and regex");
    }
    *m = (struct gw_matcher){GW_MATCH_PREFIX, STR("/")};
}

/* ---- requests --------------------------------------------------------------------------- */

static const char token_marks[] = "!#$%&'*+-.^_`|~"; /* RFC 9110, 5.6.2, beside letters and digits */

bool gw_check_method(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                     struct str *value)
{
    if (value->len == 0 || value->len > 32 || !all_of(*value, "-_")) {
        gw_problem_at(r, node, path, "must be a method like GET");
        return false;
    }
    *value = recase(r, *value, 'a', 'A');
    return true;
}

bool gw_check_header_name(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                          struct str *value)
{
    if (value->len == 0 || value->len > 256 || !all_of(*value, token_marks)) {
        gw_problem_at(r, node, path,
                      "must be the name of a header; hosts, paths and methods have fields of their own");
        return false;
    }
    *value = lower(r, *value);
    return true;
}

void gw_check_header_match(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                           void *object)
{
    struct gw_header_match *h = object;
    if (h->value.kind == GW_MATCH_NONE) {
        gw_problem_at(r, node, path, "give one of exact, prefix, regex and present beside the name");
    }
}

bool gw_check_scheme(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                     struct str *value)
{
    if (!str_eq(*value, STR("http")) && !str_eq(*value, STR("https"))) {
        gw_problem_at(r, node, path, "must be http or https");
        return false;
    }
    return true;
}

void gw_check_redirect(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                       void *object)
{
    struct gw_redirect *d = object;
    struct gw_path status = {path, "status", 0};

    if (d->status != 301 && d->status != 302 && d->status != 303 && d->status != 307 && d->status != 308) {
        gw_problem_at(r, node, &status, "must be 301, 302, 303, 307 or 308");
    }
    if (d->scheme.at == NULL && d->host.at == NULL && d->port == 0 && d->path.at == NULL &&
        d->prefix.at == NULL) {
        gw_problem_at(r, node, path, "leads back to the same place; add scheme, host, port, path or prefix");
    }
    if (d->path.at != NULL && d->prefix.at != NULL) {
        gw_problem_at(r, node, path, "path and prefix exclude each other; keep one");
    }
}

void gw_check_route(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path, void *object)
{
    struct gw_route *route = object;
    bool one = gw_node_find(node, "service") != NULL, several = gw_node_find(node, "services") != NULL;
    uint64_t weights = 0;
    struct gw_path rewrite = {path, "rewrite", 0}, redirect = {path, "redirect", 0};

    if (one + several + (route->redirect != NULL) != 1) {
        gw_problem_at(r, node, path, "needs exactly one of service, services and redirect");
        return;
    }
    for (uint32_t i = 0; i < route->nbackends; i++) {
        weights += route->backends[i].weight;
        route->backends[i].service = GW_NONE;
    }
    if (route->redirect == NULL && weights == 0) {
        gw_problem_at(r, node, path, "all weights are 0; no request could go anywhere");
    }
    if (route->match.path.kind == GW_MATCH_PREFIX) {
        return;
    }
    if (route->rewrite.prefix.at != NULL) {
        gw_problem_at(r, node, &rewrite, "prefix needs a route with match.path.prefix");
    }
    if (route->redirect != NULL && route->redirect->prefix.at != NULL) {
        gw_problem_at(r, node, &redirect, "prefix needs a route with match.path.prefix");
    }
}

/* ---- listeners -------------------------------------------------------------------------- */

void gw_check_listener(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                       void *object)
{
    const struct gw_listener *l = object;

    if (l->protocol == GW_TCP && l->service_name.at == NULL) {
        gw_problem_at(r, node, path, "protocol: tcp needs service, to which connections go");
    } else if (l->protocol != GW_TCP && l->service_name.at != NULL) {
        gw_problem_at(r, node, path, "service is only for protocol: tcp; requests of http go by routes");
    }
    if (l->protocol == GW_HTTP && l->tls != NULL) {
        gw_problem_at(r, node, &(struct gw_path){path, "tls", 0}, "is only for protocol: https or tcp");
    }
}

/* ---- plugins ---------------------------------------------------------------------------- */

static bool is_file_url(struct str url, struct str *path)
{
    if (!str_starts_with(url, STR("file:"))) {
        return false;
    }
    struct str rest = str_slice(url, 5, url.len);
    *path = str_starts_with(rest, STR("//")) ? str_slice(rest, 2, rest.len) : rest;
    return true;
}

bool gw_plugin_file(const struct gw_plugin *p, struct str *path)
{
    return is_file_url(p->url, path);
}

bool gw_check_url(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                  struct str *value)
{
    static const char *const schemes[] = {"http://", "https://", "oci://"};
    struct str file;

    if (is_file_url(*value, &file)) {
        if (file.len == 0 || (str_starts_with(*value, STR("file://")) && file.at[0] != '/')) {
            gw_problem_at(r, node, path, "a file is written file:PATH or file:///PATH");
            return false;
        }
        return true;
    }
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (str_starts_with(*value, str_of(schemes[i])) && value->len > strlen(schemes[i])) {
            return true;
        }
    }
    size_t colon = str_find_char(*value, ':');
    if (value->len == 0 ||
        (colon != value->len && str_starts_with(str_slice(*value, colon, value->len), STR("://")))) {
        gw_problem_at(r, node, path, "must be file:PATH, http://..., https://... or oci://...");
        return false;
    }
    *value = str_of(arena_printf(r->arena, "oci://%.*s", STR_ARG(*value)));
    return true;
}

bool gw_check_sha256(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                     struct str *value)
{
    bool hex = value->len == 64;
    for (size_t i = 0; i < value->len; i++) {
        char c = (char)(value->at[i] | 0x20);
        hex = hex && ((value->at[i] >= '0' && value->at[i] <= '9') || (c >= 'a' && c <= 'f'));
    }
    if (!hex) {
        gw_problem_at(r, node, path, "must be 64 hexadecimal digits");
        return false;
    }
    *value = lower(r, *value);
    return true;
}

void gw_check_env(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path, void *object)
{
    struct gw_env *e = object;
    if (e->from == GW_ENV_HOST && e->value.at != NULL) {
        gw_problem_at(r, node, path, "value has no use with valueFrom: HOST; remove one of them");
    }
}

void gw_check_rule(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path, void *object)
{
    struct gw_rule *rule = object;
    if (rule->nroutes == 0 && rule->ndomains == 0 && rule->nservices == 0 && rule->nlisteners == 0) {
        gw_problem_at(r, node, path, "matches nothing; add route (ingress), domain, service or listener");
    } else if (rule->nroutes != 0 && rule->ndomains != 0) {
        gw_warning_at(r, node, path,
                      "domain counts for nothing beside route, as in Higress; write two rules");
    }
    if (rule->config_disable && rule->config.at != NULL) {
        gw_warning_at(r, node, path, "config has no use with configDisable: true");
    }
}

/* Rules about requests fit no connection, and the other way round. */
static void check_rule_kinds(struct gw_reader *r, const struct gw_path *path, const struct gw_plugin *p)
{
    for (uint32_t i = 0; i < p->nrules; i++) {
        const struct gw_rule *rule = &p->rules[i];
        struct gw_path rules = {path, "matchRules", 0}, at = {&rules, NULL, i};
        struct gw_node where = {.at = rule->at};
        if (p->type == GW_PLUGIN_HTTP && rule->nlisteners != 0) {
            gw_problem_at(r, &where, &at, "listener is only for plugins with type: NETWORK; take it out");
        } else if (p->type == GW_PLUGIN_NETWORK && (rule->nroutes != 0 || rule->ndomains != 0)) {
            gw_problem_at(
                r, &where, &at,
                "connections of a NETWORK plugin have no route and no domain; match by listener or service");
        }
    }
}

void gw_check_plugin(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                     void *object)
{
    struct gw_plugin *p = object;

    check_rule_kinds(r, path, p);
    if (p->plugin_config.at != NULL && (p->default_config.at != NULL || p->nrules != 0)) {
        gw_warning_at(r, node, path, "pluginConfig is given: defaultConfig and matchRules are ignored");
    }
    if (p->nenv > 256) {
        gw_problem_at(r, node, path, "more than 256 environment variables");
        return;
    }
    for (uint32_t i = 0; i < p->nenv; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (str_eq(p->env[i].name, p->env[k].name)) {
                struct gw_path env = {path, "vmConfig.env", 0}, at = {&env, NULL, i};
                struct gw_node where = {.at = p->env[i].at};
                gw_problem_at(r, &where, &at, "'%.*s' is given twice, first in line %u; keep one",
                              STR_ARG(p->env[i].name), p->env[k].at.line);
            }
        }
    }
}
