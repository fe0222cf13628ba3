/* auth.c - see auth.h. */
#include "auth.h"

/* Does the object have fields of the plugin itself? */
static bool has_own_fields(const json_t *object)
{
    static const char *const shell_keys[] = {"_rules_", "global_auth", "allow"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        (void)value;
        bool own = !rule_is_match_key(key);
        for (size_t i = 0; own && i < sizeof shell_keys / sizeof *shell_keys; i++) {
            own = strcmp(key, shell_keys[i]) != 0;
        }
        if (own) {
            return true;
        }
    }
    return false;
}

static bool parse_rule(const json_t *rule, const char *where, auth_parse_fn *parse, struct wp_arena *arena,
                       struct auth_rule *out)
{
    if (!json_is_object(rule)) {
        wp_json_complain(where, "", "must be an object");
        return false;
    }
    bool has_allow = json_object_get(rule, "allow") != NULL;
    if (!rule_match_parse(rule, where, arena, &out->match) ||
        !wp_json_strs(rule, where, "allow", arena, &out->allow)) {
        return false;
    }
    if (has_own_fields(rule)) {
        out->local = parse(rule, where, arena);
        if (!out->local && !has_allow) {
            return false;
        }
        if (!out->local) {
            wp_warn("configuration: %s: its own fields are not usable; only allow is used", where);
        }
    } else if (!has_allow && !out->match.disabled) {
        wp_warn("configuration: %s: has neither allow nor fields of its own, so no consumer is allowed",
                where);
    }
    return true;
}

static bool parse_rules(const json_t *rules, auth_parse_fn *parse, struct wp_arena *arena,
                        struct auth_config *c)
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

static bool parse_object(const json_t *object, auth_parse_fn *parse, struct wp_arena *arena,
                         struct auth_config *out)
{
    if (!json_is_object(object)) {
        wp_json_complain("", "", "must be a JSON object");
        return false;
    }
    struct auth_config c = {0};
    const json_t *rules = json_object_get(object, "_rules_");
    bool global_auth = false;
    if (!wp_json_bool(object, "", "global_auth", &global_auth)) {
        return false;
    }
    if (json_object_get(object, "global_auth")) {
        c.global_auth = global_auth ? AUTH_GLOBAL_ON : AUTH_GLOBAL_OFF;
    }
    if (has_own_fields(object)) {
        c.global = parse(object, "", arena);
    }
    if (!rules && !c.global) {
        wp_json_complain("", "", "nothing usable is configured");
        return false;
    }
    if (rules && !parse_rules(rules, parse, arena, &c)) {
        return false;
    }
    *out = c;
    return true;
}

bool auth_config_parse(struct wp_str text, auth_parse_fn *parse, struct wp_arena *arena,
                       struct auth_config *out)
{
    if (text.len == 0) {
        *out = (struct auth_config){0};
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

bool auth_config_replace(struct wp_str text, auth_parse_fn *parse, struct wp_arena *arena,
                         struct auth_config *config)
{
    struct wp_arena next = {0};
    if (!auth_config_parse(text, parse, &next, config)) {
        wp_arena_free(&next);
        return false;
    }
    wp_arena_free(arena);
    *arena = next;
    return true;
}

struct auth_match auth_config_find_enforced(const struct auth_config *c)
{
    if (c->nrules == 0) {
        return (struct auth_match){.config = c->global};
    }
    struct rule_request request = {0};
    for (size_t i = 0; i < c->nrules; i++) {
        const struct auth_rule *rule = &c->rules[i];
        if (!rule_matches(&rule->match, &request)) {
            continue;
        }
        if (rule->match.disabled) {
            return (struct auth_match){0};
        }
        if (rule->local) {
            return (struct auth_match){.config = rule->local};
        }
        return (struct auth_match){.config = c->global, .allow = &rule->allow};
    }
    return (struct auth_match){.config = c->global_auth == AUTH_GLOBAL_ON ? c->global : NULL};
}

/* `global_auth: false` lets through what no allow list asks to check. */
struct auth_match auth_config_find(const struct auth_config *c)
{
    struct auth_match match = auth_config_find_enforced(c);
    if (c->global_auth == AUTH_GLOBAL_OFF && !match.allow) {
        return (struct auth_match){0};
    }
    return match;
}

bool auth_allows(const struct wp_strs *allow, struct wp_str consumer)
{
    if (!allow) {
        return true;
    }
    for (size_t i = 0; i < allow->n; i++) {
        if (wp_str_eq(allow->at[i], consumer)) {
            return true;
        }
    }
    return false;
}
