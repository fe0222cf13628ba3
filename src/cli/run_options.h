/* cli/run_options.h - the command line of `weir run`. */
#ifndef WEIR_CLI_RUN_OPTIONS_H
#define WEIR_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"

enum { RUN_EXIT_NGINX = 3 };

/* What was given, or the defaults; read once, then constant.  NULL and 0: not given. */
struct run_args {
    const char *user, *compile_user, *config, *state, *nginx, *weirc, *admin, *admin_token_file;
    bool admin_anywhere, attach;
    uint64_t workers, compile_seconds, shared_mib, plugin_mib, drain_seconds, store_days, store_mib;
    int plugin_log_level;
    struct cli_texts resolvers;
};
extern struct run_args run_args;

/* Least level of plugins' lines in the error log, by name. */
const char *run_log_level(void);

extern const struct cli_usage run_usage;

#endif
