/* cli/routes.c - `weir routes`: the routes of a running gateway, and where they were written. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/admin_client.h"
#include "cli/cli.h"

static const char *state = ".weir";
static bool json;

static const struct cli_option options[] = {
    ADMIN_CLIENT_STATE_OPTION(&state),
    ADMIN_CLIENT_JSON_OPTION(&json),
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "done"},
    {EXIT_NO_GATEWAY, "no gateway answers there"},
};

static const struct cli_usage usage = {
    .synopsis = "routes",
    .about = "Print each route: hosts and path it matches, where its requests go, and where it was written:\n"
             "a file and a line, or `api`.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

/* Strings, or the names of objects, with commas between; `none` if there are none. */
static void add_list(struct strbuf *out, const json_t *list, const char *none)
{
    size_t i;
    json_t *one;

    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        const char *text =
            json_is_object(one) ? json_string_value(json_object_get(one, "name")) : json_string_value(one);
        strbuf_printf(out, "%s%s", i == 0 ? "" : ",", text == NULL ? "?" : text);
    }
    if (json_array_size(list) == 0) {
        strbuf_printf(out, "%s", none);
    }
}

/* prefix:/orders */
static void add_path(struct strbuf *out, const json_t *path)
{
    static const char *const kinds[] = {"exact", "prefix", "regex"};

    for (size_t i = 0; i < CLI_COUNT(kinds); i++) {
        const char *text = json_string_value(json_object_get(path, kinds[i]));
        if (text != NULL) {
            strbuf_printf(out, "%s:%s", kinds[i], text);
        }
    }
    if (out->len == 0) {
        strbuf_printf(out, "prefix:/");
    }
}

static void print_route(const json_t *item)
{
    const json_t *part = json_object_get(item, "part"), *match = json_object_get(part, "match");
    struct strbuf hosts = {0}, path = {0}, to = {0}, from = {0};

    add_list(&hosts, json_object_get(match, "hosts"), "*");
    add_path(&path, json_object_get(match, "path"));
    add_list(&to, json_object_get(part, "services"), "redirect");
    if (strcmp(json_string_value(json_object_get(item, "origin")), "api") == 0) {
        strbuf_printf(&from, "api");
    } else {
        strbuf_printf(&from, "%s:%lld", json_string_value(json_object_get(item, "file")),
                      (long long)json_integer_value(json_object_get(item, "line")));
    }
    printf("%-24s %-28s %-28s %-20s %s\n", json_string_value(json_object_get(item, "name")), hosts.at,
           path.at, to.at, from.at);
    strbuf_fini(&hosts);
    strbuf_fini(&path);
    strbuf_fini(&to);
    strbuf_fini(&from);
}

static int run(int argc, char **argv)
{
    json_t *answer = NULL, *item;
    size_t i;
    int code = cli_parse(&usage, argc, argv, NULL);

    if (code == CLI_GO_ON) {
        code = admin_client_get(state, "/v1/routes", &answer);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (json) {
        admin_client_print_json(answer);
    } else {
        printf("%-24s %-28s %-28s %-20s %s\n", "NAME", "HOSTS", "PATH", "TO", "FROM");
        json_array_foreach(json_object_get(answer, "items"), i, item)
        {
            print_route(item);
        }
    }
    json_decref(answer);
    return CLI_EXIT_OK;
}

const struct cli_verb cli_verb_routes = {"routes", "the routes of a running gateway", run};
