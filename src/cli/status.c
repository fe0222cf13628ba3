/* cli/status.c - `weir status`: what a running gateway has in force. */
#include <stdio.h>
#include <string.h>

#include "cli/admin_client.h"
#include "cli/cli.h"

static const char *state = ".weir";
static bool json;

static const struct cli_option options[] = {
    ADMIN_CLIENT_STATE_OPTION(&state),
    ADMIN_CLIENT_JSON_OPTION(&json),
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "it runs, and so do its plugins"},
    {EXIT_PARTLY, "plugins keep their last good version or do not run"},
    {EXIT_NO_GATEWAY, "no gateway answers there"},
};

static const struct cli_usage usage = {
    .synopsis = "status",
    .about = "Print the generation in force, which workers have it, and the state of each plugin:\n"
             "  ready      it runs, or will with the first request\n"
             "  compiling  the same, interpreted until its native image is there\n"
             "  fetching   its module is on its way; its requests go by its failStrategy, or to the version "
             "of before\n"
             "  failed     it does not run; its requests go by its failStrategy\n"
             "  healing    it fails again and again and waits before it is tried anew\n"
             "  disabled   no request can match it\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static int print(const json_t *answer)
{
    size_t i;
    json_t *w;

    printf("%s of %s%s\n", json_string_value(json_object_get(answer, "generation")),
           json_string_value(json_object_get(answer, "config")),
           json_is_true(json_object_get(answer, "ready")) ? "" : ", not in all workers yet");
    json_array_foreach(json_object_get(answer, "workers"), i, w)
    {
        printf("worker %lld: generation %lld\n", (long long)json_integer_value(json_object_get(w, "pid")),
               (long long)json_integer_value(json_object_get(w, "generation")));
    }
    return admin_client_print_plugins(answer, false) == 0 ? CLI_EXIT_OK : EXIT_PARTLY;
}

static int run(int argc, char **argv)
{
    json_t *answer = NULL;
    int code = cli_parse(&usage, argc, argv, NULL);

    if (code != CLI_GO_ON) {
        return code;
    }
    code = admin_client_get(state, "/v1/status", &answer);
    if (code != CLI_GO_ON) {
        return code;
    }
    if (json) {
        admin_client_print_json(answer);
        code = admin_client_count_problems(answer) == 0 ? CLI_EXIT_OK : EXIT_PARTLY;
    } else {
        code = print(answer);
    }
    json_decref(answer);
    return code;
}

const struct cli_verb cli_verb_status = {"status", "what a running gateway has in force", run};
