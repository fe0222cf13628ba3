/* cli/admin_client.h - asks a running gateway (control/admin.h). */
#ifndef CLI_ADMIN_CLIENT_H
#define CLI_ADMIN_CLIENT_H

#include <jansson.h>

/* One request to the gateway of a state folder; `body` may be NULL.  The answer's status, with *out the
 * caller's; 0: no gateway answers there, errno says why.  Blocks until it answers. */
unsigned admin_client_ask(const char *state_dir, const char *method, const char *target, const char *body,
                          json_t **out);

/* A line for each plugin; how many of them are not what was asked for. */
unsigned admin_client_print_plugins(const json_t *status, int only_problems);

/* How many plugins of a status keep their last good version or do not run. */
unsigned admin_client_count_problems(const json_t *status);
/* The lines of "problems" in an answer, on standard output. */
void admin_client_print_problems(const json_t *answer);

/* For verbs that ask one thing and print the answer: options and exit codes they share. */
#define ADMIN_CLIENT_STATE_OPTION(at)                                                                        \
    {.name = "state",                                                                                        \
     .kind = CLI_TEXT,                                                                                       \
     .value = (at),                                                                                          \
     .arg = "DIR",                                                                                           \
     .help = "the gateway's state folder (default .weir)"}
#define ADMIN_CLIENT_JSON_OPTION(at)                                                                         \
    {.name = "json", .kind = CLI_FLAG, .value = (at), .help = "print the gateway's answer as it is"}
enum { EXIT_PARTLY = 3, EXIT_NO_GATEWAY = 4, EXIT_LATE = 5 };
/* Ask; on success *out is the caller's and CLI_GO_ON is returned.  Else why not is on standard error and the
 * code to leave with is returned. */
int admin_client_get(const char *state_dir, const char *target, json_t **out);
/* The answer as it is, indented, on standard output. */
void admin_client_print_json(const json_t *answer);

#endif
