/* cli/main.c - `weir`: picks the verb.
 *
 * Verbs are weak references, so that the program links with those whose file is there. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

extern const struct cli_verb cli_verb_apply __attribute__((weak));
extern const struct cli_verb cli_verb_check __attribute__((weak));
extern const struct cli_verb cli_verb_crashes __attribute__((weak));
extern const struct cli_verb cli_verb_diff __attribute__((weak));
extern const struct cli_verb cli_verb_plugins __attribute__((weak));
extern const struct cli_verb cli_verb_routes __attribute__((weak));
extern const struct cli_verb cli_verb_echo __attribute__((weak));
extern const struct cli_verb cli_verb_exec __attribute__((weak));
extern const struct cli_verb cli_verb_new_plugin __attribute__((weak));
extern const struct cli_verb cli_verb_post __attribute__((weak));
extern const struct cli_verb cli_verb_pull __attribute__((weak));
extern const struct cli_verb cli_verb_push __attribute__((weak));
extern const struct cli_verb cli_verb_run __attribute__((weak));
extern const struct cli_verb cli_verb_services __attribute__((weak));
extern const struct cli_verb cli_verb_status __attribute__((weak));
extern const struct cli_verb cli_verb_symbolize __attribute__((weak));
extern const struct cli_verb cli_verb_try __attribute__((weak));

static const struct cli_verb *const verbs[] = {
    &cli_verb_run,        &cli_verb_apply,    &cli_verb_diff,      &cli_verb_status, &cli_verb_plugins,
    &cli_verb_routes,     &cli_verb_services, &cli_verb_check,     &cli_verb_try,    &cli_verb_exec,
    &cli_verb_new_plugin, &cli_verb_crashes,  &cli_verb_symbolize, &cli_verb_push,   &cli_verb_pull,
    &cli_verb_post,       &cli_verb_echo,
};

static void print_help(FILE *to)
{
    fputs("usage: weir VERB [OPTION...]\n\n"
          "An API gateway on nginx whose plugins are WebAssembly.\n\nVerbs:\n",
          to);
    for (size_t i = 0; i < CLI_COUNT(verbs); i++) {
        if (verbs[i] != NULL) {
            fprintf(to, "  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
        }
    }
    fputs("\nOptions:\n"
          "  --help       this text; `weir VERB --help` for a verb's own\n"
          "  --version    print the version\n\n"
          "Exit codes: 0 done, 1 failed, 2 the command line is wrong; a verb's own are in its help.\n",
          to);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return CLI_EXIT_OK;
    }
    if (strcmp(name, "--version") == 0) {
        puts("weir " CLI_VERSION);
        return CLI_EXIT_OK;
    }
    for (size_t i = 0; i < CLI_COUNT(verbs); i++) {
        if (verbs[i] != NULL && strcmp(verbs[i]->name, name) == 0) {
            return verbs[i]->run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "weir: no %s '%s'; `weir --help` lists what there is\n",
            name[0] == '-' ? "option" : "verb", name);
    return CLI_EXIT_USAGE;
}
