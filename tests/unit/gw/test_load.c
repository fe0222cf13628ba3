/* Loading: what is refused, with which words; what the model then holds; writing and reading it back. */
#include "gw_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define S "services: [{name: s, endpoints: ['h:1']}]\n"
#define R S "routes: [{name: r, service: s}]\n"
#define PLUGIN(fields) R "plugins:\n- {name: p, url: 'file:x', " fields "}\n"

struct refused {
    const char *yaml, *problems;
};

static void check_refused(const struct refused *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct gw_problems problems;
        struct gw_config *c = (struct gw_config *)&problems; /* must stay untouched */
        struct strbuf text = {0};

        gw_problems_init(&problems);
        weir_status st = gw_config_load_text("t", str_of(cases[i].yaml), &c, &problems);
        problems_text(&problems, &text);
        assert_string_equal(text.at == NULL ? "" : text.at, cases[i].problems);
        assert_int_equal(st, WEIR_E_CONFIG);
        assert_ptr_equal(c, &problems);
        gw_problems_fini(&problems);
        strbuf_fini(&text);
    }
}
#define CHECK_REFUSED(cases) check_refused(cases, sizeof(cases) / sizeof(cases)[0])

static void test_shapes(void **state)
{
    static const struct refused cases[] = {
        {"[]", "t:1: must be a mapping, not a list\n"},
        {"x", "t:1: must be a mapping, not a string\n"},
        {"route: []",
         "t:1: route: no such field; there are listeners, certificates, services, routes, plugins, "
         "clientAddress, logLevel, drainTimeout, alerts\n"},
        {"logLevel: loud", "t:1: logLevel: must be one of trace, debug, info, warn, error, critical\n"},
        {"logLevel: info\n---\nlogLevel: info", "t:3: logLevel: another document gives it, too; keep one\n"},
        {"drainTimeout: 10ms", "t:1: drainTimeout: must be 1s to 24h\n"},
        {"listeners: [{address: 'h:1', proxyProtocol: true}]",
         "t:1: listeners[0].proxyProtocol: h:1 needs clientAddress beside it, which says whose word about "
         "clients counts\n"},
        {"clientAddress: {}", "t:1: clientAddress.trusted: is missing; add it\n"},
        {"clientAddress: {trusted: [10.0.0.0/8, 10.0.0.0/33, '::/129', x, 10.0.0.1/]}",
         "t:1: clientAddress.trusted[1]: must be an address or a network, like 10.0.0.0/8 or 2001:db8::/32\n"
         "t:1: clientAddress.trusted[2]: must be an address or a network, like 10.0.0.0/8 or 2001:db8::/32\n"
         "t:1: clientAddress.trusted[3]: must be an address or a network, like 10.0.0.0/8 or 2001:db8::/32\n"
         "t:1: clientAddress.trusted[4]: must be an address or a network, like 10.0.0.0/8 or "
         "2001:db8::/32\n"},
        {"routes: {}", "t:1: routes: must be a list, not a mapping; write it as [...]\n"},
        {"listeners: ['1.2.3.4:5', 7]", "t:1: listeners[1]: must be a mapping, not a whole number\n"},
        {"listeners:\n- address: '1.2.3.4:5'\n  http2: yes",
         "t:3: listeners[0].http2: must be true or false, not a string; write true or false\n"},
        {"listeners: [{}]", "t:1: listeners[0].address: is missing; add it\n"},
        {"listeners: [{address: }]", "t:1: listeners[0].address: is missing; add it\n"},
        {S "routes:\n- name: 12\n  service: s",
         "t:3: routes[0].name: must be a string, not a whole number; put it in quotes\n"},
        {S "routes:\n- {name: r, service: s, match: {hosts: a.b}}",
         "t:3: routes[0].match.hosts: must be a list, not a string; write it as [...]\n"},
        {S "routes:\n- {name: r, service: s, match: {hosts: []}}",
         "t:3: routes[0].match.hosts: must not be empty; add an entry or leave it out\n"},
        {"services: [{name: s, endpoints: []}]",
         "t:1: services[0].endpoints: must not be empty; add an entry\n"},
        /* everything is reported, in order of lines, from both halves of the work */
        {"services:\n- name: s\n  endpoints: ['h:x']\n  policy: best\n  keepalive: -1\nroutes:\n- name: r\n  "
         "service: q\n",
         "t:3: services[0].endpoints[0].address: must be host:port, with a port from 1 to 65535\n"
         "t:4: services[0].policy: must be one of roundRobin, leastRequests, consistentHash\n"
         "t:5: services[0].keepalive: must be from 0 to 10000\n"
         "t:8: routes[0].service: there is no service 'q'; add it to services or correct the name\n"},
        {"a: [", "t:2: not YAML: while parsing a flow node: did not find expected node content (column 1)\n"},
        {"apiVersion: v1\nkind: Service", "t:1: kind: only apiVersion: extensions.higress.io/v1alpha1 with "
                                          "kind: WasmPlugin can be read beside weir's "
                                          "own documents, which have neither\n"},
    };
    (void)state;
    CHECK_REFUSED(cases);
}

static void test_values(void **state)
{
    static const struct refused cases[] = {
        {"listeners: ['127.0.0.1']",
         "t:1: listeners[0].address: must be host:port, with a port from 1 to 65535\n"},
        {"listeners: ['127.0.0.1:0']",
         "t:1: listeners[0].address: must be host:port, with a port from 1 to 65535\n"},
        {"listeners: ['h:65536']",
         "t:1: listeners[0].address: must be host:port, with a port from 1 to 65535\n"},
        {"listeners: ['::1:80']",
         "t:1: listeners[0].address: must be host:port, with a port from 1 to 65535\n"},
        {"listeners: ['[::1:80']",
         "t:1: listeners[0].address: must be host:port, with a port from 1 to 65535\n"},
        {"listeners: [':80']", "t:1: listeners[0].address: a host is 1 to 255 characters long\n"},
        {"listeners: ['a b:80']",
         "t:1: listeners[0].address: a host has letters, digits, '-', '.' and '_' only; "
         "international names are written xn--...\n"},
        {"listeners: ['h:1', 'h:1']", "t:1: listeners[1].address: h:1 is listened on twice; remove one\n"},
        {"services: [{name: s, endpoints: ['h:1'], connectTimeout: 5}]",
         "t:1: services[0].connectTimeout: must be a time with its unit, like 500ms, 5s, 2m or 1h\n"},
        {"services: [{name: s, endpoints: ['h:1'], connectTimeout: 2h}]",
         "t:1: services[0].connectTimeout: must be from 1ms to 3600000ms\n"},
        {"services: [{name: s, endpoints: ['h:1'], connectTimeout: 99999999999999999999h}]",
         "t:1: services[0].connectTimeout: must be a time with its unit, like 500ms, 5s, 2m or 1h\n"},
        {"services: [{name: s, endpoints: [{address: 'h:1', weight: 0}]}]",
         "t:1: services[0].endpoints[0].weight: must be from 1 to 1000\n"},
        {"services: [{name: s, endpoints: [{address: 'h:1', weight: 99999999999999999999}]}]",
         "t:1: services[0].endpoints[0].weight: must be from 1 to 1000\n"},
        {"services: [{name: s, endpoints: [{address: 'h:1', weight: 1.5}]}]",
         "t:1: services[0].endpoints[0].weight: must be a whole number, not a number\n"},
        {"services: [{name: 'a b', endpoints: ['h:1']}]",
         "t:1: services[0].name: a name is 1 to 253 letters, digits and any of - . _ / | : * @\n"},
        {"services: [{name: \"a\\n\", endpoints: ['h:1']}]",
         "t:1: services[0].name: has control characters; remove them\n"},
    };
    (void)state;
    CHECK_REFUSED(cases);
}

#define MATCH(m) S "routes:\n- {name: r, service: s, match: {" m "}}\n"

static void test_routes(void **state)
{
    static const struct refused cases[] = {
        {MATCH("hosts: [a.b, 'x*.b']"),
         "t:3: routes[0].match.hosts[1]: '*' stands alone or as the first label, like *.shop.example\n"},
        {MATCH("hosts: ['a.b:80']"), "t:3: routes[0].match.hosts[0]: must be without a port: requests for "
                                     "every port of the host match\n"},
        {MATCH("hosts: ['a..b']"),
         "t:3: routes[0].match.hosts[0]: has an empty label (two dots, or one at the beginning)\n"},
        {MATCH("path: {}"), "t:3: routes[0].match.path: give one of exact, prefix and regex\n"},
        {MATCH("path: {exact: /a, prefix: /b}"),
         "t:3: routes[0].match.path.prefix: another way to match is given beside it; keep one\n"},
        {MATCH("path: {exact: a}"), "t:3: routes[0].match.path.exact: must begin with '/'\n"},
        {MATCH("path: {prefix: '/a?b'}"),
         "t:3: routes[0].match.path.prefix: must be the path alone, without '?' or '#'\n"},
        {MATCH("path: {prefix: /a/../b}"),
         "t:3: routes[0].match.path.prefix: has '//', '/./' or '/../', which requests no "
         "longer have when routes are chosen\n"},
        {MATCH("path: {exact: //}"),
         "t:3: routes[0].match.path.exact: has '//', '/./' or '/../', which requests no "
         "longer have when routes are chosen\n"},
        {MATCH("path: {regex: '/(a'}"), "t:3: routes[0].match.path.regex: not a regular expression: missing "
                                        "closing parenthesis at character 4\n"},
        {MATCH("methods: [G T]"), "t:3: routes[0].match.methods[0]: must be a method like GET\n"},
        {MATCH("headers: [{name: x}]"),
         "t:3: routes[0].match.headers[0]: give one of exact, prefix, regex and present beside the name\n"},
        {MATCH("headers: [{name: x, present: false}]"),
         "t:3: routes[0].match.headers[0].present: must be true; leave it out otherwise\n"},
        {MATCH("headers: [{name: ':path', exact: x}]"),
         "t:3: routes[0].match.headers[0].name: must be the name of a header; hosts, paths and methods have "
         "fields of their "
         "own\n"},
        {S "routes: [{name: r}]", "t:2: routes[0]: needs exactly one of service, services and redirect\n"},
        {S "routes: [{name: r, service: s, services: [s]}]",
         "t:2: routes[0]: needs exactly one of service, services and redirect\n"},
        {S "routes: [{name: r, service: s, redirect: {path: /}}]",
         "t:2: routes[0]: needs exactly one of service, services and redirect\n"},
        {S "routes: [{name: r, services: [{name: s, weight: 0}]}]",
         "t:2: routes[0]: all weights are 0; no request could go anywhere\n"},
        {S "routes: [{name: r, services: [s, {name: q, weight: 2}]}]",
         "t:2: routes[0].services[1]: there is no service 'q'; add it to services or correct the name\n"},
        {S "routes: [{name: r, redirect: {status: 301}}]",
         "t:2: routes[0].redirect: leads back to the same place; add scheme, host, port, path or prefix\n"},
        {S "routes: [{name: r, redirect: {status: 304, path: /x}}]",
         "t:2: routes[0].redirect.status: must be 301, 302, 303, 307 or 308\n"},
        {S "routes: [{name: r, redirect: {prefix: /y, path: /x}}]",
         "t:2: routes[0].redirect: path and prefix exclude each other; keep one\n"},
        {S "routes: [{name: r, match: {path: {exact: /x}}, service: s, rewrite: {prefix: /y}}]",
         "t:2: routes[0].rewrite: prefix needs a route with match.path.prefix\n"},
        {S "routes: [{name: r, service: s, rewrite: {path: /y, regex: /x, replacement: /y}}]",
         "t:2: routes[0].rewrite: give only one of prefix, path and regex\n"},
        {S "routes: [{name: r, service: s, rewrite: {regex: /x}}]",
         "t:2: routes[0].rewrite: regex and replacement go together\n"},
        {S "routes: [{name: r, service: s, rewrite: {regex: /x, replacement: '/$x'}}]",
         "t:2: routes[0].rewrite.replacement: has a '$' that is neither a group ($0 to $9) nor doubled "
         "($$)\n"},
        {S "routes: [{name: r, service: s, requestHeaders: {remove: [Content-Length]}}]",
         "t:2: routes[0].requestHeaders.remove[0]: content-length is set by the gateway; for the upstream's "
         "Host "
         "see rewrite.host\n"},
        {S "routes: [{name: r, service: s, requestHeaders: {set: [{name: x, value: '${no}'}]}}]",
         "t:2: routes[0].requestHeaders.set[0].value: there is no variable 'no'; a '${' that is none is "
         "written "
         "'$${'\n"},
        {S "routes: [{name: r, service: s, rewrite: {host: 'a:b'}}]",
         "t:2: routes[0].rewrite.host: the port is a number from 1 to 65535\n"},
        {S "routes:\n- {name: r, service: s}\n- {name: r, service: s}\n",
         "t:4: routes[1]: the name 'r' is taken, at t:3; rename one of the two\n"},
        {S S, "t:2: services: given twice, first in line 1; keep one\n"},
        {S "---\n" S, "t:3: services[0]: the name 's' is taken, at t:1; rename one of the two\n"},
    };
    (void)state;
    CHECK_REFUSED(cases);
}

static void test_plugins(void **state)
{
    static const struct refused cases[] = {
        {R "plugins: [{name: p}]", "t:3: plugins[0].url: is missing; add it\n"},
        {R "plugins: [{name: p, url: 'ftp://x'}]",
         "t:3: plugins[0].url: must be file:PATH, http://..., https://... or oci://...\n"},
        {R "plugins: [{name: p, url: 'file://x/y'}]",
         "t:3: plugins[0].url: a file is written file:PATH or file:///PATH\n"},
        {R "plugins: [{name: p, url: 'file:'}]",
         "t:3: plugins[0].url: a file is written file:PATH or file:///PATH\n"},
        {PLUGIN("sha256: abc"), "t:4: plugins[0].sha256: must be 64 hexadecimal digits\n"},
        {PLUGIN("phase: authn"),
         "t:4: plugins[0].phase: must be one of AUTHN, AUTHZ, STATS, UNSPECIFIED_PHASE\n"},
        {PLUGIN("priority: 2147483648"),
         "t:4: plugins[0].priority: must be from -2147483648 to 2147483647\n"},
        {PLUGIN("priority: high"), "t:4: plugins[0].priority: must be a whole number, not a string\n"},
        {PLUGIN("failStrategy: FAIL_CLOSED"),
         "t:4: plugins[0].failStrategy: must be one of FAIL_CLOSE, FAIL_OPEN\n"},
        {PLUGIN("defaultConfig: 5"),
         "t:4: plugins[0].defaultConfig: must be a mapping, not a whole number\n"},
        {PLUGIN("defaultConfig: {a: .inf}"),
         "t:4: plugins[0].defaultConfig: JSON has no number like .inf; put it in quotes\n"},
        {PLUGIN("matchRules: [{config: {}}]"), "t:4: plugins[0].matchRules[0]: matches nothing; add route "
                                               "(ingress), domain, service or listener\n"},
        {PLUGIN("matchRules: [{route: [r, x], service: [y]}]"),
         "t:4: plugins[0].matchRules[0].route: there is no route 'x'; add it to routes or correct the name\n"
         "t:4: plugins[0].matchRules[0].service: there is no service 'y'; add it to services or correct the "
         "name\n"},
        {PLUGIN("matchRules: [{route: [r], ingress: [r]}]"),
         "t:4: plugins[0].matchRules[0].ingress: route and ingress are two names of one field; keep one\n"},
        {PLUGIN("matchRules: [{domain: ['']}]"),
         "t:4: plugins[0].matchRules[0].domain[0]: must not be empty; * matches every host\n"},
        {PLUGIN("vmConfig: {env: [{name: A, valueFrom: HOST, value: x}]}"),
         "t:4: plugins[0].vmConfig.env[0]: value has no use with valueFrom: HOST; remove one of them\n"},
        {PLUGIN("vmConfig: {env: [{name: A}, {name: A}]}"),
         "t:4: plugins[0].vmConfig.env[1]: 'A' is given twice, first in line 4; keep one\n"},
        {PLUGIN("vm: {runtime: jit}"), "t:4: plugins[0].vm.runtime: must be one of auto, aot, interp\n"},
        {PLUGIN("limits: {memory: 1KiB}"),
         "t:4: plugins[0].limits.memory: must be from 65536 to 4294967296 bytes\n"},
        {PLUGIN("limits: {memory: lots}"),
         "t:4: plugins[0].limits.memory: must be a number of bytes, like 65536, 64KiB, 16MiB or 1GiB\n"},
        {"apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\nspec:\n  url: "
         "x\n  name: q\n"
         "  matchRules:\n  - ingress: [nowhere]\n---\nlisteners: ['h:1']\n",
         "t:6: spec.name: no such field; there are url, sha256, imagePullPolicy, imagePullSecret, "
         "verificationKey, "
         "pluginName, type, phase, priority, failStrategy, vmConfig, pluginConfig, defaultConfig, "
         "defaultConfigDisable, "
         "matchRules, vm, isolation, limits\n"
         "t:8: spec.matchRules[0].route: there is no route 'nowhere'; add it to routes or correct the "
         "name\n"},
        {"apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nurl: x\n",
         "t:1: spec: is missing; add it\n"
         "t:1: metadata.name: is missing or no string; it is the plugin's name\n"
         "t:3: url: no such field in a WasmPlugin; fields of the plugin go under spec\n"},
    };
    (void)state;
    CHECK_REFUSED(cases);
}

static const char everything[] =
    "listeners: ['127.0.0.1:10000', {address: '[::1]:443', http2: false}]\n"
    "services:\n"
    "- {name: echo, endpoints: [127.0.0.1:10080, {address: other:81, weight: 3}], connectTimeout: 250ms,\n"
    "   readTimeout: 2m, keepalive: 0}\n"
    "- {name: outbound|80||a.dns, endpoints: ['10.0.0.1:80']}\n"
    "routes:\n"
    "- {name: orders, match: {hosts: [Shop.Example., '*.SHOP.example'], path: {prefix: /orders/}, methods: "
    "[get],\n"
    "   headers: [{name: X-A, exact: b}, {name: x-b, regex: '[0-9]+'}, {name: x-c, present: true}, {name: D, "
    "prefix: p}]},\n"
    "   services: [echo, {name: outbound|80||a.dns, weight: 9}], rewrite: {prefix: /o, host: "
    "'up.example:81'}, timeout: 3s}\n"
    "- {name: old, match: {path: {regex: '/old/.*'}}, redirect: {status: 308, scheme: https, host: "
    "New.example}}\n"
    "- {name: all, service: echo}\n"
    "plugins:\n"
    "- name: key-auth\n"
    "  url: file:build/plugins/key-auth.wasm\n"
    "  sha256: 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n"
    "  phase: AUTHN\n"
    "  priority: 310\n"
    "  vmConfig: {env: [{name: A, value: '1'}, {name: B, valueFrom: HOST}]}\n"
    "  defaultConfig: &d {consumers: [{name: a, credential: x}], keys: [k]}\n"
    "  matchRules:\n"
    "  - {route: [orders], config: {b: 1, a: [true, null, 0x10]}}\n"
    "  - {domain: ['*.Shop.example'], config: *d}\n"
    "  - {service: [echo], configDisable: true}\n"
    "  - {route: [all], config: {allow: [a]}}\n"
    "  vm: {runtime: interp, allowPrecompiled: true}\n"
    "  limits: {memory: 64Mi, cpu: 20ms, startCpu: 2s}\n"
    "---\n"
    "apiVersion: extensions.higress.io/v1alpha1\n"
    "kind: WasmPlugin\n"
    "metadata: {name: from-higress, namespace: higress-system, labels: {a: b}}\n"
    "spec:\n"
    "  url: registry.example/plugins/x:1.0\n"
    "  failStrategy: FAIL_OPEN\n"
    "  imagePullPolicy: Always\n"
    "  pluginConfig: {}\n";

static void test_model(void **state)
{
    struct gw_config *c = load_good(everything);
    (void)state;

    assert_int_equal(c->nlisteners, 2);
    assert_true(c->listeners[0].http2);
    assert_str(c->listeners[1].address.host, "::1");
    assert_int_equal(c->listeners[1].address.port, 443);
    assert_int_equal(c->services[0].nendpoints, 2);
    assert_int_equal(c->services[0].endpoints[1].weight, 3);
    assert_int_equal(c->services[0].connect_timeout_ms, 250);
    assert_int_equal(c->services[0].read_timeout_ms, 120000);
    assert_int_equal(c->services[0].send_timeout_ms, 60000);
    assert_int_equal(c->services[0].keepalive, 0);

    const struct gw_route *r = &c->routes[0];
    assert_str(r->match.hosts[0], "shop.example");
    assert_str(r->match.hosts[1], "*.shop.example");
    assert_int_equal(r->match.path.kind, GW_MATCH_PREFIX);
    assert_str(r->match.path.text, "/orders");
    assert_str(r->match.methods[0], "GET");
    assert_str(r->match.headers[0].name, "x-a");
    assert_int_equal(r->match.headers[2].value.kind, GW_MATCH_PRESENT);
    assert_int_equal(r->backends[1].weight, 9);
    assert_int_equal(r->backends[1].service, 1);
    assert_int_equal(r->timeout_ms, 3000);
    assert_int_equal(c->routes[1].redirect->status, 308);
    assert_str(c->routes[1].redirect->host, "new.example");
    assert_int_equal(c->routes[2].match.path.kind, GW_MATCH_PREFIX);
    assert_str(c->routes[2].match.path.text, "/");
    assert_int_equal(c->routes[2].at.line, 11);

    const struct gw_plugin *p = &c->plugins[0];
    assert_int_equal(p->phase, GW_AUTHN);
    assert_int_equal(p->priority, 310);
    assert_int_equal(p->fail_strategy, GW_FAIL_CLOSE);
    assert_int_equal(p->memory_limit_bytes, 64 << 20);
    assert_int_equal(p->cpu_limit_ms, 20);
    assert_int_equal(p->start_cpu_limit_ms, 2000);
    assert_int_equal(p->nconfigs, 3);
    assert_int_equal(p->default_index, 0);
    assert_str(p->configs[0], "{\"consumers\":[{\"name\":\"a\",\"credential\":\"x\"}],\"keys\":[\"k\"]}");
    assert_str(p->configs[1], "{\"b\":1,\"a\":[true,null,16]}");
    assert_int_equal(p->rules[1].config_index, 0); /* the same text, once */
    assert_int_equal(p->rules[2].config_index, GW_NONE);
    assert_str(p->configs[p->rules[3].config_index],
               "{\"consumers\":[{\"name\":\"a\",\"credential\":\"x\"}],\"keys\":[\"k\"],"
               "\"_rules_\":[{\"_match_domain_\":[\"*\"],\"allow\":[\"a\"]}]}");
    assert_str(p->rules[1].domains[0], "*.shop.example");
    assert_int_equal(p->rules[1].at.line, 22);

    p = &c->plugins[1];
    assert_str(p->name, "from-higress");
    assert_str(p->url, "oci://registry.example/plugins/x:1.0");
    assert_int_equal(p->phase, GW_UNSPECIFIED_PHASE);
    assert_int_equal(p->pull_policy, GW_PULL_ALWAYS);
    assert_str(p->configs[0], "{}");
    assert_int_equal(p->default_index, 0);
    gw_config_free(c);
}

static void test_write_reads_back(void **state)
{
    struct gw_config *c = load_good(everything);
    struct strbuf first = {0}, second = {0};
    (void)state;

    gw_config_write(c, &first);
    gw_config_free(c);
    c = load_good(first.at);
    gw_config_write(c, &second);
    assert_string_equal(first.at, second.at);
    assert_int_equal(c->nplugins, 2);
    assert_int_equal(c->plugins[0].nconfigs, 3);
    assert_int_equal(c->routes[0].backends[1].service, 1);
    assert_non_null(strstr(first.at, "\"defaultConfig\":{\"consumers\""));
    gw_config_free(c);
    strbuf_fini(&first);
    strbuf_fini(&second);
}

/* What a request without a matching rule takes, by what the plugin says. */
static void test_default_configuration(void **state)
{
    static const struct {
        const char *yaml;
        uint32_t index;
        const char *config;
    } cases[] = {
        {PLUGIN("priority: 1"), 0, ""},
        {PLUGIN("defaultConfig: {}"), 0, "{}"},
        {PLUGIN("defaultConfig: {a: 1}, defaultConfigDisable: true"), GW_NONE, NULL},
        {PLUGIN("matchRules: [{route: [r]}]"), GW_NONE, NULL},
        {PLUGIN("matchRules: [{route: [r], configDisable: true}]"), 0, ""},
        {PLUGIN("defaultConfig: {}, matchRules: [{route: [r]}]"), 0, "{}"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_config *c = load_good(cases[i].yaml);
        assert_int_equal(c->plugins[0].default_index, cases[i].index);
        if (cases[i].config != NULL) {
            assert_str(c->plugins[0].configs[cases[i].index], cases[i].config);
        }
        gw_config_free(c);
    }
}

static void test_warnings(void **state)
{
    static const struct refused cases[] = {
        {PLUGIN("matchRules: [{route: [r], domain: [a]}]"),
         "t:4: plugins[0].matchRules[0]: warning: domain counts for nothing beside route, as in Higress; "
         "write two rules\n"},
        {PLUGIN("matchRules: [{domain: ['a.b:80']}]"),
         "t:4: plugins[0].matchRules[0].domain[0]: warning: never matches: the "
         "port is taken off the request's host; leave it out here too\n"},
        {PLUGIN("matchRules: [{domain: ['a*b']}]"),
         "t:4: plugins[0].matchRules[0].domain[0]: warning: never matches: '*' "
         "counts at the beginning or the end only\n"},
        {PLUGIN("pluginConfig: {}, defaultConfig: {}"),
         "t:4: plugins[0]: warning: pluginConfig is given: defaultConfig and matchRules are ignored\n"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_problems problems;
        struct gw_config *c = NULL;
        struct strbuf text = {0};

        gw_problems_init(&problems);
        assert_int_equal(gw_config_load_text("t", str_of(cases[i].yaml), &c, &problems), WEIR_OK);
        problems_text(&problems, &text);
        assert_string_equal(text.at, cases[i].problems);
        gw_config_free(c);
        gw_problems_fini(&problems);
        strbuf_fini(&text);
    }
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_directory(void **state)
{
    char dir[] = "/tmp/weir-test-XXXXXX";
    static const char *const names[] = {"a.yaml", "b.yml", ".hidden.yaml", "notes.txt", "c.yaml"};
    struct gw_problems problems;
    struct gw_config *c = NULL;
    struct strbuf text = {0};
    char expected[512], path[256];
    (void)state;

    assert_non_null(mkdtemp(dir));
    gw_problems_init(&problems);
    assert_int_equal(gw_config_load(dir, &c, &problems), WEIR_E_CONFIG);
    write_file(dir, names[0], "routes: [{name: r, service: s}]");
    write_file(dir, names[1], S);
    write_file(dir, names[2], "nonsense");
    write_file(dir, names[3], "nonsense");
    gw_problems_fini(&problems);

    gw_problems_init(&problems);
    assert_int_equal(gw_config_load(dir, &c, &problems), WEIR_OK);
    assert_int_equal(c->nroutes, 1);
    assert_int_equal(c->routes[0].backends[0].service, 0);
    gw_config_free(c);

    write_file(dir, names[4], "\n" S);
    assert_int_equal(gw_config_load(dir, &c, &problems), WEIR_E_CONFIG);
    problems_text(&problems, &text);
    snprintf(expected, sizeof expected,
             "%s/c.yaml:2: services[0]: the name 's' is taken, at %s/b.yml:1; rename one of the two\n", dir,
             dir);
    assert_string_equal(text.at, expected);
    gw_problems_fini(&problems);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
    gw_problems_init(&problems);
    assert_int_equal(gw_config_load(dir, &c, &problems), WEIR_E_NOT_FOUND);
    assert_int_equal(problems.nerrors, 1);
    gw_problems_fini(&problems);
    strbuf_fini(&text);
}

static void test_many_problems_are_counted(void **state)
{
    struct gw_problems problems;
    struct gw_config *c = NULL;
    struct strbuf text = {0};
    (void)state;

    strbuf_add(&text, STR("listeners:\n"));
    for (int i = 0; i < 1500; i++) {
        strbuf_add(&text, STR("- x\n"));
    }
    gw_problems_init(&problems);
    assert_int_equal(gw_config_load_text("t", strbuf_str(&text), &c, &problems), WEIR_E_CONFIG);
    assert_int_equal(problems.list.len, GW_PROBLEMS_KEPT);
    assert_int_equal(problems.nerrors, 1500);
    assert_int_equal(problems.ndropped, 500);
    gw_problems_fini(&problems);
    strbuf_fini(&text);
}

static void test_environment_is_resolved(void **state)
{
    struct gw_config *c =
        load_good(PLUGIN("vmConfig: {env: [{name: A, value: x}, {name: WEIR_TEST_SET, valueFrom: HOST}, "
                         "{name: WEIR_TEST_UNSET, valueFrom: HOST}]}"));
    (void)state;

    setenv("WEIR_TEST_SET", "here", 1);
    unsetenv("WEIR_TEST_UNSET");
    gw_config_resolve_env(c);
    assert_int_equal(c->plugins[0].nenv, 2);
    assert_str(c->plugins[0].env[1].value, "here");
    assert_int_equal(c->plugins[0].env[1].from, GW_ENV_INLINE);
    gw_config_free(c);
}

static void test_file_urls(void **state)
{
    static const char *const cases[][2] = {
        {"file:a/b.wasm", "a/b.wasm"}, {"file:/a/b", "/a/b"}, {"file:///a", "/a"}};
    struct str path;
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        struct gw_plugin p = {.url = str_of(cases[i][0])};
        assert_true(gw_plugin_file(&p, &path));
        assert_str(path, cases[i][1]);
    }
    struct gw_plugin p = {.url = STR("oci://file:x")};
    assert_false(gw_plugin_file(&p, &path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_plugins),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_write_reads_back),
        cmocka_unit_test(test_default_configuration),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_many_problems_are_counted),
        cmocka_unit_test(test_environment_is_resolved),
        cmocka_unit_test(test_file_urls),
    };
    return cmocka_run_group_tests_name("gw/load", tests, NULL, NULL);
}
