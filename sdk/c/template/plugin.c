/* @NAME@ - greets the upstream of every request, and refuses requests without a User-Agent.
 *
 * What `weir new-plugin` begins with: replace it by what the plugin is for.  README.md has the fields. */
#include "weir_json.h"

/* One for each configuration. */
struct root {
    struct wp_root wp;
    struct wp_arena arena; /* of the strings below */
    struct wp_str greeting;
    int64_t status; /* of refusals */
};

/* One for each request. */
struct stream {
    struct wp_stream wp;
};

WP_PLUGIN(struct root, struct stream)

static bool read_fields(const json_t *object, struct root *root, struct wp_arena *arena)
{
    root->greeting = WP_STR("hello");
    root->status = 400;
    if (!json_is_object(object)) {
        wp_json_complain("", "", "must be a JSON object");
        return false;
    }
    if (!wp_json_str(object, "", "greeting", arena, &root->greeting) ||
        !wp_json_int(object, "", "status", &root->status)) {
        return false;
    }
    if (root->status < 400 || root->status > 599) {
        wp_json_complain("", "status", "must be from 400 to 599");
        return false;
    }
    return true;
}

/* May come again with a new configuration: the old one stays in force if that is refused. */
static bool configure(struct root *root, struct wp_str config)
{
    json_t *json = wp_json_parse(config.len != 0 ? config : WP_STR("{}"));
    if (!json) {
        return false;
    }
    struct root next = *root;
    next.arena = (struct wp_arena){0};
    bool ok = read_fields(json, &next, &next.arena);
    json_decref(json);
    wp_arena_free(ok ? &root->arena : &next.arena);
    if (ok) {
        *root = next;
    }
    return ok;
}

static void forget(struct root *root)
{
    wp_arena_free(&root->arena);
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    (void)count;
    (void)end_of_stream;
    const struct root *root = wp_root_of(s);
    if (wp_request_header(WP_STR("user-agent")).len == 0) {
        wp_debug("no User-Agent");
        wp_respond(&(struct wp_response){.status = (uint32_t)root->status,
                                         .details = WP_STR("@NAME@: no User-Agent"),
                                         .body = WP_STR("who are you?\n")});
        return WP_PAUSE;
    }
    wp_header_replace(WP_REQUEST_HEADERS, WP_STR("x-greeting"), root->greeting);
    return WP_CONTINUE;
}

WP_ON_CONFIGURE(configure)
WP_ON_DELETE(forget)
WP_ON_REQUEST_HEADERS(request_headers)
