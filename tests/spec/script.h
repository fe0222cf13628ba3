/* spec/script.h - one file of the suite. */
#ifndef SPEC_SCRIPT_H
#define SPEC_SCRIPT_H

#include <jansson.h>
#include <stdbool.h>

#include "weir/engine.h"

/* Called after every command, in order; `reason` says why it failed, `lacks` names the feature that the
 * engine refused a module of it for, or is empty. */
typedef void spec_script_result(void *ctx, unsigned index, bool ok, const char *type, const char *reason,
                                const char *lacks);

/* False: the file cannot be read, which was said on stderr. */
bool spec_script_run(const char *path, enum weir_tier tier, spec_script_result *result, void *ctx);

#endif
