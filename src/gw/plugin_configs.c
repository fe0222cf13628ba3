/* gw/plugin_configs.c - which configurations a plugin is started with.
 *
 * Each distinct text becomes one root context.  A rule's configuration takes the place of the default one, it
 * is not merged with it.  There is one exception, for Higress's authentication plugins, whose rules say only
 * who of the default configuration's consumers is allowed: a rule with nothing but `allow`, beside a default
 * with `consumers`, becomes the default configuration with that rule inside, in the form those plugins read:
 *     {"consumers":[...],"_rules_":[{"_match_domain_":["*"],"allow":[...]}]} */
#include "gw/check.h"

#include "base/hash.h"

/* ---- reading compact JSON, which is known to be well-formed ----------------------------------- */

static size_t skip_string(struct str json, size_t i)
{
    for (i++; json.at[i] != '"'; i++) {
        i += json.at[i] == '\\';
    }
    return i + 1;
}

static size_t skip_value(struct str json, size_t i)
{
    size_t depth = 0;
    do {
        char c = json.at[i];
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        i = c == '"' ? skip_string(json, i) : i + 1;
    } while (depth != 0 || (json.at[i] != ',' && json.at[i] != '}' && json.at[i] != ']'));
    return i;
}

/* Has the object a key, given with its quotes?  *nkeys: how many it has. */
static bool has_key(struct str json, struct str quoted, size_t *nkeys)
{
    bool found = false;
    size_t i = 1;

    *nkeys = 0;
    while (json.at[i] != '}') {
        i += json.at[i] == ',';
        size_t end = skip_string(json, i);
        found = found || str_eq(str_slice(json, i, end), quoted);
        ++*nkeys;
        i = skip_value(json, end + 1);
    }
    return found;
}

static bool is_allow_rule(const struct gw_plugin *p, struct str config)
{
    size_t n, ignored;
    return p->default_config.at != NULL && has_key(config, STR("\"allow\""), &n) && n == 1 &&
           has_key(p->default_config, STR("\"consumers\""), &ignored) &&
           !has_key(p->default_config, STR("\"_rules_\""), &ignored);
}

static struct str make_allow_config(struct gw_config *c, struct str global, struct str rule)
{
    global.len--;                        /* without its '}' */
    rule = str_slice(rule, 1, rule.len); /* without its '{' */
    return str_of(arena_printf(&c->arena, "%.*s,\"_rules_\":[{\"_match_domain_\":[\"*\"],%.*s]}",
                               STR_ARG(global), STR_ARG(rule)));
}

/* ---- distinct texts ----------------------------------------------------------------------- */

struct table {
    struct gw_plugin *p;
    uint32_t *slots; /* index + 1 into configs; 0: empty */
    size_t mask;
};

static uint32_t intern(struct table *t, struct str config)
{
    size_t i = hash_bytes(config.at, config.len, 0) & t->mask;

    while (t->slots[i] != 0) {
        if (str_eq(t->p->configs[t->slots[i] - 1], config)) {
            return t->slots[i] - 1;
        }
        i = (i + 1) & t->mask;
    }
    t->p->configs[t->p->nconfigs] = config;
    t->slots[i] = ++t->p->nconfigs;
    return t->slots[i] - 1;
}

static bool has_enabled_rule(const struct gw_plugin *p)
{
    for (uint32_t i = 0; i < p->nrules; i++) {
        if (!p->rules[i].config_disable) {
            return true;
        }
    }
    return false;
}

static uint32_t default_index(struct table *t)
{
    const struct gw_plugin *p = t->p;
    if (p->default_config_disable || (p->default_config.at == NULL && has_enabled_rule(p))) {
        return GW_NONE;
    }
    return intern(t, p->default_config.at == NULL ? STR("") : p->default_config);
}

static uint32_t rule_index(struct gw_config *c, struct table *t, const struct gw_rule *rule)
{
    if (rule->config_disable) {
        return GW_NONE;
    }
    struct str config = rule->config.at == NULL ? STR("{}") : rule->config;
    return intern(t,
                  is_allow_rule(t->p, config) ? make_allow_config(c, t->p->default_config, config) : config);
}

void gw_plugin_set_configs(struct gw_config *c, struct gw_plugin *p)
{
    size_t nslots = 4;

    p->configs = ARENA_ARRAY(&c->arena, struct str, (size_t)p->nrules + 1);
    p->nconfigs = 0;
    p->ignore_rules = p->plugin_config.at != NULL;
    if (p->ignore_rules) {
        p->configs[p->nconfigs++] = p->plugin_config;
        p->default_index = 0;
        return;
    }
    while (nslots < 2 * ((size_t)p->nrules + 1)) {
        nslots *= 2;
    }
    struct table t = {p, mem_zalloc_array(nslots, sizeof *t.slots), nslots - 1};
    p->default_index = default_index(&t);
    for (uint32_t i = 0; i < p->nrules; i++) {
        p->rules[i].config_index = rule_index(c, &t, &p->rules[i]);
    }
    mem_free(t.slots);
}
