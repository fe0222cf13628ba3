/* auth.c - see auth.h. */
#include "auth.h"

/* What a rule comes to. */
struct auth_rule {
    void *local; /* the rule's own configuration, or NULL: the global one with `allow` */
    struct wp_strs allow;
};

static const char *const shell_fields[] = {"global_auth", "allow", NULL};

/* The shell's `data`. */
struct auth_parser {
    rule_parse_fn *parse;
    const struct rule_shell *shell;
};

/* Without consumers there is nothing to ask for, even if all fields of the plugin have defaults. */
static void *parse_global(const json_t *object, const char *where, struct wp_arena *arena, void *data)
{
    const struct auth_parser *parser = data;
    if (!rule_has_own_fields(object, parser->shell)) {
        wp_json_complain(where, "", "nothing usable is configured");
        return NULL;
    }
    return parser->parse(object, where, arena, NULL);
}

static void *parse_rule(const json_t *rule, const char *where, struct wp_arena *arena, void *data)
{
    const struct auth_parser *parser = data;
    struct auth_rule *out = wp_arena_array(arena, 1, sizeof *out);
    bool has_allow = json_object_get(rule, "allow") != NULL;
    if (!wp_json_strs(rule, where, "allow", arena, &out->allow)) {
        return NULL;
    }
    if (rule_has_own_fields(rule, parser->shell)) {
        out->local = parser->parse(rule, where, arena, NULL);
        if (!out->local && !has_allow) {
            return NULL;
        }
        if (!out->local) {
            wp_warn("configuration: %s: its own fields are not usable; only allow is used", where);
        }
    } else if (!has_allow) {
        wp_warn("configuration: %s: has neither allow nor fields of its own, so no consumer is allowed",
                where);
    }
    return out;
}

/* `global_auth` of the whole object, before what else it says. */
static bool read_global_auth(const json_t *object, enum auth_global *out)
{
    bool on = false;
    if (!wp_json_bool(object, "", "global_auth", &on)) {
        return false;
    }
    *out = !json_object_get(object, "global_auth") ? AUTH_GLOBAL_UNSET
           : on                                    ? AUTH_GLOBAL_ON
                                                   : AUTH_GLOBAL_OFF;
    return true;
}

static bool read_text(struct wp_str text, rule_parse_fn *parse, struct wp_arena *arena,
                      struct auth_config *out)
{
    struct auth_config c = {0};
    if (text.len != 0) {
        struct auth_parser parser = {.parse = parse};
        struct rule_shell shell = {.parse = parse_global,
                                   .parse_rule = parse_rule,
                                   .global = RULE_GLOBAL_MAY_FAIL,
                                   .fields = shell_fields,
                                   .data = &parser};
        parser.shell = &shell;
        json_t *object = wp_json_parse(text);
        bool ok = object && read_global_auth(object, &c.global_auth) &&
                  rule_config_read(object, &shell, arena, &c.rules);
        json_decref(object);
        if (!ok) {
            return false;
        }
    }
    *out = c;
    return true;
}

bool auth_config_replace(struct wp_str text, rule_parse_fn *parse, struct wp_arena *arena,
                         struct auth_config *config)
{
    struct wp_arena next = {0};
    if (!read_text(text, parse, &next, config)) {
        wp_arena_free(&next);
        return false;
    }
    wp_arena_free(arena);
    *arena = next;
    return true;
}

struct auth_match auth_config_find_enforced(const struct auth_config *c)
{
    const struct rule_entry *entry = rule_config_match(&c->rules);
    if (!entry) {
        bool applies = c->rules.nrules == 0 || c->global_auth == AUTH_GLOBAL_ON;
        return (struct auth_match){.config = applies ? c->rules.global : NULL};
    }
    const struct auth_rule *rule = entry->config;
    if (!rule) { /* disabled */
        return (struct auth_match){0};
    }
    return rule->local ? (struct auth_match){.config = rule->local}
                       : (struct auth_match){.config = c->rules.global, .allow = &rule->allow};
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
