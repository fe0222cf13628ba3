/* scoped.c - see scoped.h. */
#include "scoped.h"

static bool has_own_fields(const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        (void)value;
        if (!rule_is_match_key(key) && strcmp(key, "_rules_") != 0) {
            return true;
        }
    }
    return false;
}

static bool parse_rule(const json_t *rule, const char *where, scoped_parse_fn *parse, struct wp_arena *arena,
                       struct scoped_rule *out)
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

static bool parse_rules(const json_t *rules, scoped_parse_fn *parse, struct wp_arena *arena,
                        struct scoped_config *c)
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

static bool parse_object(const json_t *object, scoped_parse_fn *parse, struct wp_arena *arena,
                         struct scoped_config *out)
{
    struct scoped_config c = {0};
    if (!json_is_object(object)) {
        wp_json_complain("", "", "must be a JSON object");
        return false;
    }
    const json_t *rules = json_object_get(object, "_rules_");
    if (has_own_fields(object) || !rules) {
        c.global = parse(object, "", arena);
        if (!c.global) {
            return false;
        }
    }
    if (rules && !parse_rules(rules, parse, arena, &c)) {
        return false;
    }
    *out = c;
    return true;
}

bool scoped_config_parse(struct wp_str text, scoped_parse_fn *parse, struct wp_arena *arena,
                         struct scoped_config *out)
{
    if (text.len == 0) {
        *out = (struct scoped_config){0};
        return true;
    }
    json_t *root = wp_json_parse(text);
    if (!root) {
        return false;
    }
    bool ok = parse_object(root, parse, arena, out);
    json_decref(root);
    return ok;
}

void *scoped_config_find(const struct scoped_config *c)
{
    struct rule_request request = {0};
    for (size_t i = 0; i < c->nrules; i++) {
        if (rule_matches(&c->rules[i].match, &request)) {
            return c->rules[i].config;
        }
    }
    return c->global;
}
