/* rule_config.c - see rule_config.h. */
#include "rule_config.h"

static bool is_shell_field(const char *key, const struct rule_shell *shell)
{
    bool is = rule_is_match_key(key) || strcmp(key, "_rules_") == 0;
    for (const char *const *field = shell->fields; !is && field && *field; field++) {
        is = strcmp(key, *field) == 0;
    }
    return is;
}

bool rule_has_own_fields(const json_t *object, const struct rule_shell *shell)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        (void)value;
        if (!is_shell_field(key, shell)) {
            return true;
        }
    }
    return false;
}

static bool read_rule(const json_t *rule, const char *where, const struct rule_shell *shell,
                      struct wp_arena *arena, struct rule_entry *out)
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
    out->config = (shell->parse_rule ? shell->parse_rule : shell->parse)(rule, where, arena, shell->data);
    return out->config != NULL;
}

static bool read_rules(const json_t *rules, const struct rule_shell *shell, struct wp_arena *arena,
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
        if (!read_rule(json_array_get(rules, i), where.at, shell, arena, &c->rules[i])) {
            return false;
        }
    }
    return true;
}

bool rule_config_read(const json_t *object, const struct rule_shell *shell, struct wp_arena *arena,
                      struct rule_config *out)
{
    struct rule_config c = {0};
    if (!json_is_object(object)) {
        wp_json_complain("", "", "must be a JSON object");
        return false;
    }
    const json_t *rules = json_object_get(object, "_rules_");
    if (!rules || rule_has_own_fields(object, shell)) {
        c.global = shell->parse(object, "", arena, shell->data);
        if (!c.global && (!rules || shell->global == RULE_GLOBAL_MUST_HOLD)) {
            return false;
        }
        if (!c.global) {
            wp_warn("configuration: only _rules_ is used; requests that match no rule pass");
        }
    }
    if (rules && !read_rules(rules, shell, arena, &c)) {
        return false;
    }
    *out = c;
    return true;
}

static bool read_text(struct wp_str text, const struct rule_shell *shell, struct wp_arena *arena,
                      struct rule_config *out)
{
    if (text.len == 0) {
        *out = (struct rule_config){0};
        return true;
    }
    json_t *object = wp_json_parse(text);
    bool ok = object && rule_config_read(object, shell, arena, out);
    json_decref(object);
    return ok;
}

bool rule_config_replace(struct wp_str text, const struct rule_shell *shell, struct wp_arena *arena,
                         struct rule_config *config)
{
    struct wp_arena next = {0};
    if (!read_text(text, shell, &next, config)) {
        wp_arena_free(&next);
        return false;
    }
    wp_arena_free(arena);
    *arena = next;
    return true;
}

const struct rule_entry *rule_config_match(const struct rule_config *c)
{
    struct rule_request request = {0};
    for (size_t i = 0; i < c->nrules; i++) {
        if (rule_matches(&c->rules[i].match, &request)) {
            return &c->rules[i];
        }
    }
    return NULL;
}

void *rule_config_find(const struct rule_config *c)
{
    const struct rule_entry *rule = rule_config_match(c);
    return rule ? rule->config : c->global;
}
