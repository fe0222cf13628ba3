/* bot-detect - refuses crawlers and other programs by their User-Agent.
 *
 * A User-Agent that `allow` matches passes; else one that `deny` or the built-in list (bots.def) matches is
 * refused; else it passes.  Each of the three is one set of regular expressions, so the time it takes
 * grows with the User-Agent's length only.  README.md has the fields, and what differs from Higress's plugin.
 *
 * Sets live outside of arenas.  Every set of a configuration is in its list of sets, which owns them; one
 * built-in set serves all the rules that choose the same groups. */
#include "rule_config.h"
#include "weir_regex.h"

enum group { SEARCH, AI, SOCIAL, SEO, MONITOR, SCRAPER, HEADLESS, LIBRARY, SCANNER, GENERIC, NGROUPS };

#define DENIED "Request denied by Bot Detect check. "

static const struct {
    const char *name;
    struct wp_str details;
} groups_of_bots[NGROUPS] = {
#define GROUP(id, name) [id] = {name, {DENIED "built-in " name, sizeof(DENIED "built-in " name) - 1}}
    GROUP(SEARCH, "search"),     GROUP(AI, "ai"),           GROUP(SOCIAL, "social"),
    GROUP(SEO, "seo"),           GROUP(MONITOR, "monitor"), GROUP(SCRAPER, "scraper"),
    GROUP(HEADLESS, "headless"), GROUP(LIBRARY, "library"), GROUP(SCANNER, "scanner"),
    GROUP(GENERIC, "generic"),
#undef GROUP
};
enum { ALL_GROUPS = (1 << NGROUPS) - 1 };

struct bot {
    enum group group;
    const char *pattern;
};

static const struct bot bots[] = {
#define BOT(group, pattern, example) {group, pattern},
#include "bots.def"
#undef BOT
};
enum { NBOTS = sizeof bots / sizeof *bots };

struct builtin {
    struct builtin *next;
    const struct wp_regex_set *set;
    unsigned groups;
};

/* Those of the configuration that is being read. */
struct builtin_sets {
    struct builtin *first;
};

/* What applies to a request; a set is NULL if it would be empty. */
struct bot_detect {
    const struct wp_regex_set *allow, *deny, *builtin;
    unsigned groups;
    uint32_t blocked_code;
    struct wp_str blocked_message;
};

struct root {
    struct wp_root wp;
    struct wp_arena arena; /* of config */
    struct rule_config config;
};

struct stream {
    struct wp_stream wp;
};

WP_PLUGIN(struct root, struct stream)

/* ---- configuration ---------------------------------------------------------------------- */

static void set_free(void *set)
{
    wp_regex_set_free(set);
}

static struct wp_regex_set *set_new(struct wp_arena *arena, enum wp_regex_mode mode)
{
    struct wp_regex_set *set = wp_regex_set_new(mode);
    wp_arena_on_free(arena, set_free, set);
    return set;
}

/* What most visitors send, but for numbers.  A set's automaton is built as it reads: reading these while the
 * plugin starts leaves little to build to the first requests, to those after a trap, and to every request
 * that has a VM of its own. */
static const char *const browsers[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36 "
    "Edg/126.0.0.0",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
    "Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
};

static bool set_compile(struct wp_regex_set *set, const char *where, const char *key)
{
    struct wp_str error;
    if (wp_regex_set_compile(set, &error)) {
        for (size_t i = 0; i < sizeof browsers / sizeof *browsers; i++) {
            wp_regex_set_find(set, wp_str_of(browsers[i]));
        }
        return true;
    }
    wp_json_complain(where, key, error.at);
    return false;
}

/* The patterns of a field; NULL in *out if there are none. */
static bool parse_patterns(const json_t *object, const char *where, const char *key, enum wp_regex_mode mode,
                           struct wp_arena *arena, const struct wp_regex_set **out)
{
    struct wp_strs patterns = {0};
    if (!wp_json_strs(object, where, key, arena, &patterns)) {
        return false;
    }
    if (patterns.n == 0) {
        return true;
    }
    struct wp_regex_set *set = set_new(arena, mode);
    for (size_t i = 0; i < patterns.n; i++) {
        struct wp_str error;
        if (!wp_regex_set_add(set, patterns.at[i], &error)) {
            wp_json_complain(where, wp_format("%s[%zu]", key, i).at, error.at);
            return false;
        }
    }
    *out = set;
    return set_compile(set, where, key);
}

/* The built-in rows of these groups; one set for all parts of a configuration. */
static const struct wp_regex_set *builtin_set(unsigned groups, const char *where, struct wp_arena *arena,
                                              struct builtin_sets *known)
{
    for (const struct builtin *b = known->first; b; b = b->next) {
        if (b->groups == groups) {
            return b->set;
        }
    }
    struct wp_regex_set *set = set_new(arena, WP_REGEX_SEARCH);
    for (size_t i = 0; i < NBOTS; i++) {
        struct wp_str error;
        if ((groups & 1u << bots[i].group) &&
            !wp_regex_set_add(set, wp_format("(?i)%s", bots[i].pattern), &error)) {
            wp_json_complain(where, "builtin", error.at);
            return NULL;
        }
    }
    if (!set_compile(set, where, "builtin")) {
        return NULL;
    }
    struct builtin *b = wp_arena_alloc(arena, sizeof *b);
    *b = (struct builtin){known->first, set, groups};
    known->first = b;
    return set;
}

static bool parse_groups(const json_t *object, const char *where, struct wp_arena *arena, unsigned *groups)
{
    struct wp_strs names = {0};
    if (!wp_json_strs(object, where, "builtin", arena, &names)) {
        return false;
    }
    *groups = json_object_get(object, "builtin") ? 0 : ALL_GROUPS;
    for (size_t i = 0; i < names.n; i++) {
        size_t g = 0;
        while (g < NGROUPS && !wp_str_eq(names.at[i], wp_str_of(groups_of_bots[g].name))) {
            g++;
        }
        if (g == NGROUPS) {
            wp_json_complain(where, wp_format("builtin[%zu]", i).at,
                             "must be one of search, ai, social, seo, monitor, scraper, headless, library, "
                             "scanner, generic");
            return false;
        }
        *groups |= 1u << g;
    }
    return true;
}

static bool parse_mode(const json_t *object, const char *where, struct wp_arena *arena,
                       enum wp_regex_mode *mode)
{
    struct wp_str match = WP_STR("whole");
    if (!wp_json_str(object, where, "match", arena, &match)) {
        return false;
    }
    bool search = wp_str_eq(match, WP_STR("search"));
    if (!search && !wp_str_eq(match, WP_STR("whole"))) {
        wp_json_complain(where, "match", "must be whole or search");
        return false;
    }
    *mode = search ? WP_REGEX_SEARCH : WP_REGEX_WHOLE;
    return true;
}

static void *parse_bot_detect(const json_t *object, const char *where, struct wp_arena *arena, void *data)
{
    struct bot_detect *c = wp_arena_array(arena, 1, sizeof *c);
    enum wp_regex_mode mode;
    int64_t code = 403;
    if (!parse_mode(object, where, arena, &mode) ||
        !parse_patterns(object, where, "allow", mode, arena, &c->allow) ||
        !parse_patterns(object, where, "deny", mode, arena, &c->deny) ||
        !parse_groups(object, where, arena, &c->groups) ||
        !wp_json_int(object, where, "blocked_code", &code) ||
        !wp_json_str(object, where, "blocked_message", arena, &c->blocked_message)) {
        return NULL;
    }
    if (code < 200 || code > 599) {
        wp_json_complain(where, "blocked_code", "must be from 200 to 599");
        return NULL;
    }
    c->blocked_code = (uint32_t)code;
    if (c->groups != 0) {
        c->builtin = builtin_set(c->groups, where, arena, data);
        if (!c->builtin) {
            return NULL;
        }
    }
    return c;
}

static bool configure(struct root *root, struct wp_str text)
{
    struct builtin_sets sets = {NULL};
    const struct rule_shell shell = {
        .parse = parse_bot_detect, .global = RULE_GLOBAL_MAY_FAIL, .data = &sets};
    return rule_config_replace(text.len != 0 ? text : WP_STR("{}"), &shell, &root->arena, &root->config);
}

static void forget(struct root *root)
{
    wp_arena_free(&root->arena);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* The group of the built-in row that a set of these groups found. */
static enum group group_of(unsigned groups, int found)
{
    size_t i = 0;
    for (; i < NBOTS; i++) {
        if ((groups & 1u << bots[i].group) && found-- == 0) {
            break;
        }
    }
    return bots[i].group;
}

static enum wp_action refuse(const struct bot_detect *c, struct wp_str details)
{
    wp_respond(
        &(struct wp_response){.status = c->blocked_code, .details = details, .body = c->blocked_message});
    return WP_PAUSE;
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    const struct bot_detect *c = rule_config_find(&wp_root_of(s)->config);
    if (!c) {
        return WP_CONTINUE;
    }
    struct wp_str agent = wp_request_header(WP_STR("user-agent"));
    if (c->allow && wp_regex_set_matches(c->allow, agent)) {
        return WP_CONTINUE;
    }
    /* One pass that finds which costs less than one that finds whether, and then another. */
    int found = c->deny ? wp_regex_set_find(c->deny, agent) : -1;
    if (found >= 0) {
        return refuse(c, wp_format(DENIED "deny[%d]", found));
    }
    found = c->builtin ? wp_regex_set_find(c->builtin, agent) : -1;
    if (found >= 0) {
        return refuse(c, groups_of_bots[group_of(c->groups, found)].details);
    }
    return WP_CONTINUE;
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
