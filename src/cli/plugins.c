/* cli/plugins.c - `weir plugins`: the state of each plugin of a running gateway. */
#include <stdio.h>
#include <string.h>

#include "cli/admin_client.h"
#include "cli/cli.h"

static const char *state = ".weir";
static bool json;

static const struct cli_option options[] = {
    ADMIN_CLIENT_STATE_OPTION(&state),
    {.name = "json", .kind = CLI_FLAG, .value = &json, .help = "print a list of objects"},
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "all run, or no request can match them"},
    {EXIT_PARTLY, "some keep their last good version or do not run"},
    {EXIT_NO_GATEWAY, "no gateway answers there"},
};

static const struct cli_usage usage = {
    .synopsis = "plugins",
    .about =
        "Print each plugin, its state (see `weir status --help`), and why it is not the version asked for.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static int run(int argc, char **argv)
{
    json_t *answer = NULL, *p;
    size_t i;
    int code = cli_parse(&usage, argc, argv, NULL);

    if (code == CLI_GO_ON) {
        code = admin_client_get(state, "/v1/status", &answer);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (json) {
        admin_client_print_json(json_object_get(answer, "plugins"));
    } else {
        printf("%-32s %-10s %s\n", "NAME", "STATE", "CAUSE");
    }
    json_array_foreach(json_object_get(answer, "plugins"), i, p)
    {
        bool kept = json_is_true(json_object_get(p, "kept"));
        if (!json) {
            printf("%-32s %-10s %s%s\n", json_string_value(json_object_get(p, "name")),
                   json_string_value(json_object_get(p, "state")),
                   kept ? "its last good version is kept: " : "",
                   json_string_value(json_object_get(p, "cause")));
        }
    }
    code = admin_client_count_problems(answer) == 0 ? CLI_EXIT_OK : EXIT_PARTLY;
    json_decref(answer);
    return code;
}

const struct cli_verb cli_verb_plugins = {"plugins", "the plugins of a running gateway, and their states",
                                          run};
