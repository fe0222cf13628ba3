/* cli/secret.h - reading a pull secret's file. */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include <stdbool.h>

#include "base/str.h"

/* Read the secret at `path`, "-" for standard input, into `out`.  False: why was said on stderr. */
bool cli_read_secret(const char *path, struct strbuf *out);
/* What `docker login` left: $DOCKER_CONFIG/config.json or ~/.docker/config.json; nothing if it is not there.
 */
void cli_read_docker_secret(struct strbuf *out);

#endif
