/* rule_config.c - see rule_config.h. */
#include "rule_config.h"

static bool parse_rule(const json_t *rule, const char *where, rule_parse_fn *parse, struct wp_arena *arena,
                       struct rule_entry *out)
{
    if (!json_is_object(rule)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    if (!rule_match_parse(rule, where, arena, &out->match)) {
        return false;
    }
    if (out->match.disabled) {
        return true;
    }
    out->config = parse(rule, where, arena);
    return out->config != NULL;
}

static bool parse_rules(const json_t *rules, rule_parse_fn *parse, struct wp_arena *arena,
                        struct rule_config *c)
{
    if (!json_is_array(rules)) {
        wp_json_complain("", "_rules_", "must be an array of rules");
        return false;
    }
    c->nrules = json_array_size(rules);
    c->rules = wp_arena_array(arena, c->nrules, sizeof *c->rules);
    for (size_t i = 0; i < c->nrules; i++) {
        struct wp_str where = wp_format("_rules_[%zu]", i);
        if (!parse_rule(json_array_get(rules, i), where.at, parse, arena, &c->rules[i])) {
            return false;
        }
    }
    return true;
}

static bool parse_object(const json_t *object, rule_parse_fn *parse, struct wp_arena *arena,
                         struct rule_config *out)
{
    if (!json_is_object(object)) {
        wp_json_complain("", "", "must be a JSON object");
        return false;
    }
    struct rule_config c = {0};
    const json_t *rules = json_object_get(object, "_rules_");
    if (!rules || json_object_size(object) > 1) {
        c.global = parse(object, "", arena);
        if (!c.global && !rules) {
            return false;
        }
        if (!c.global) {
            wp_warn("configuration: only _rules_ is used; requests that match no rule pass");
        }
    }
    if (rules && !parse_rules(rules, parse, arena, &c)) {
        return false;
    }
    *out = c;
    return true;
}

bool rule_config_parse(struct wp_str text, rule_parse_fn *parse, struct wp_arena *arena,
                       struct rule_config *out)
{
    json_t *root = wp_json_parse(text);
    if (!root) {
        return false;
    }
    bool ok = parse_object(root, parse, arena, out);
    json_decref(root);
    return ok;
}

const void *rule_config_find(const struct rule_config *c)
{
    struct rule_request request = {0};
    for (size_t i = 0; i < c->nrules; i++) {
        if (rule_matches(&c->rules[i].match, &request)) {
            return c->rules[i].config;
        }
    }
    return c->global;
}
