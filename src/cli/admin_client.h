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

#endif
