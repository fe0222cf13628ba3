/* cli/apply.c - `weir apply`: have a running gateway read its configuration now, and hear what came of it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin_client.h"
#include "cli/cli.h"

static const char *config, *state = ".weir";
static bool json;

static const struct cli_option options[] = {
    {.name = "config",
     .letter = 'c',
     .kind = CLI_TEXT,
     .value = &config,
     .arg = "FILE",
     .help = "read and watch this file or folder from now on (default: the one it has)"},
    ADMIN_CLIENT_STATE_OPTION(&state),
    ADMIN_CLIENT_JSON_OPTION(&json),
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "all workers have the configuration"},
    {CLI_EXIT_FAILED, "the configuration has errors; nothing changed"},
    {EXIT_PARTLY, "all workers have it, but plugins keep their last good version or do not run"},
    {EXIT_NO_GATEWAY, "no gateway answers there"},
    {EXIT_LATE, "it is published, but not all workers said in time that they have it"},
};

static const struct cli_usage usage = {
    .synopsis = "apply",
    .about = "Have a running gateway read its configuration, and wait until all workers have it.\n"
             "Plugins' modules are read again and plugins that were refused are tried again.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static int say(unsigned status, const json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));

    if (json) {
        admin_client_print_json(answer);
    } else {
        admin_client_print_problems(answer);
    }
    if (status != 200) {
        fprintf(stderr, "weir: %s\n", error != NULL ? error : "the gateway did not say why");
        return status == 504 ? EXIT_LATE : CLI_EXIT_FAILED;
    }
    if (json) {
        return admin_client_count_problems(answer) == 0 ? CLI_EXIT_OK : EXIT_PARTLY;
    }
    printf("%s is in force in all workers%s\n", json_string_value(json_object_get(answer, "generation")),
           json_is_true(json_object_get(answer, "changed")) ? "" : "; nothing changed");
    return admin_client_print_plugins(answer, true) == 0 ? CLI_EXIT_OK : EXIT_PARTLY;
}

static int run(int argc, char **argv)
{
    char path[PATH_MAX];
    json_t *answer = NULL, *body;
    int code = cli_parse(&usage, argc, argv, NULL);

    if (code != CLI_GO_ON) {
        return code;
    }
    if (config != NULL && realpath(config, path) == NULL) {
        return cli_fail("%s: %s", config, strerror(errno));
    }
    /* The gateway stands elsewhere, so the name is made absolute; links in it stay, to be followed anew. */
    if (config != NULL && config[0] == '/') {
        snprintf(path, sizeof path, "%s", config);
    }
    body = config == NULL ? json_object() : json_pack("{s:s}", "config", path);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    unsigned status = text == NULL ? 0 : admin_client_ask(state, "POST", "/v1/apply", text, &answer);
    free(text);
    if (status == 0) {
        fprintf(stderr, "weir: no gateway answers in \"%s\": %s\n", state, strerror(errno));
        return EXIT_NO_GATEWAY;
    }
    code = say(status, answer);
    json_decref(answer);
    return code;
}

const struct cli_verb cli_verb_apply = {"apply", "have a running gateway read its configuration", run};
