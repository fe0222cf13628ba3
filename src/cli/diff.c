/* cli/diff.c - `weir diff`: what `weir apply` would change. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin_client.h"
#include "cli/cli.h"

enum { EXIT_DIFFERS = 3 };

static const char *config, *state = ".weir";
static bool json;

static const struct cli_option options[] = {
    {.name = "config",
     .letter = 'c',
     .kind = CLI_TEXT,
     .value = &config,
     .arg = "FILE",
     .help = "the file or folder that would be applied (default: the one the gateway has)"},
    ADMIN_CLIENT_STATE_OPTION(&state),
    ADMIN_CLIENT_JSON_OPTION(&json),
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "nothing would change"},
    {CLI_EXIT_FAILED, "the configuration has errors"},
    {EXIT_DIFFERS, "something would change"},
    {EXIT_NO_GATEWAY, "no gateway answers there"},
};

static const struct cli_usage usage = {
    .synopsis = "diff",
    .about =
        "Print what `weir apply` would change: `+` parts added, `-` removed, `~` changed, and which plugins\n"
        "would get a new VM.  Nothing is changed.  Parts that the API wrote count as they would.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static void print_change(const json_t *c)
{
    const char *change = json_string_value(json_object_get(c, "change"));
    const char *problem = json_string_value(json_object_get(c, "problem"));

    printf("%c %s %s%s",
           change[0] == 'a'   ? '+'
           : change[0] == 'r' ? '-'
                              : '~',
           json_string_value(json_object_get(c, "kind")), json_string_value(json_object_get(c, "name")),
           json_is_true(json_object_get(c, "newVm")) ? " (new VM)" : "");
    printf(problem == NULL ? "\n" : ": %s\n", problem);
}

static int say(unsigned status, const json_t *answer)
{
    const json_t *changes = json_object_get(answer, "changes");
    size_t i;
    json_t *c;

    if (json) {
        admin_client_print_json(answer);
    } else {
        admin_client_print_problems(answer);
    }
    if (status != 200) {
        return cli_fail("%s", json_string_value(json_object_get(answer, "error")));
    }
    json_array_foreach((json_t *)(uintptr_t)changes, i, c)
    {
        if (!json) {
            print_change(c);
        }
    }
    return json_array_size(changes) == 0 ? CLI_EXIT_OK : EXIT_DIFFERS;
}

static int run(int argc, char **argv)
{
    char path[PATH_MAX];
    json_t *answer = NULL;
    int code = cli_parse(&usage, argc, argv, NULL);

    if (code != CLI_GO_ON) {
        return code;
    }
    if (config != NULL && realpath(config, path) == NULL) {
        return cli_fail("%s: %s", config, strerror(errno));
    }
    json_t *body = config == NULL ? json_object() : json_pack("{s:s}", "config", path);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    unsigned status =
        text == NULL ? 0 : admin_client_ask(state, "POST", "/v1/apply?dryRun=true", text, &answer);
    free(text);
    if (status == 0) {
        fprintf(stderr, "weir: no gateway answers in \"%s\": %s\n", state, strerror(errno));
        return EXIT_NO_GATEWAY;
    }
    code = say(status, answer);
    json_decref(answer);
    return code;
}

const struct cli_verb cli_verb_diff = {"diff", "what `apply` would change", run};
