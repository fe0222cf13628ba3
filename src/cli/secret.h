/* cli/secret.h - reading a pull secret's file. */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include <stdbool.h>

#include "base/str.h"

/* The option of verbs that log in at registries. */
#define CLI_SECRET_OPTION(at)                                                                                \
    {.name = "secret",                                                                                       \
     .kind = CLI_TEXT,                                                                                       \
     .value = (at),                                                                                          \
     .arg = "FILE",                                                                                          \
     .help = "docker configuration or a line USER:PASSWORD; - is standard input (default: what docker "      \
             "login left)"}

/* Read the secret at `path`, "-" for standard input, into `out`; with NULL what `docker login` left, if it
 * did: $DOCKER_CONFIG/config.json or ~/.docker/config.json.  False: why was said on stderr. */
bool cli_read_secret(const char *path, struct strbuf *out);

#endif
