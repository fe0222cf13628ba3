/* gw/template.h - values with variables: "from ${client} by ${route}".
 *
 * "${NAME}" stands for a variable, "$${" for a "${"; any other '$' is one. */
#ifndef GW_TEMPLATE_H
#define GW_TEMPLATE_H

#include <stdbool.h>

#include "base/str.h"

enum gw_variable {
    GW_VAR_CLIENT,
    GW_VAR_HOST,
    GW_VAR_METHOD,
    GW_VAR_PATH,
    GW_VAR_REQUEST_ID,
    GW_VAR_ROUTE,
    GW_VAR_SCHEME,
    GW_VAR_SERVICE,
};

/* False: *unknown is a name that there is not. */
bool gw_template_check(struct str text, struct str *unknown);

/* `text`, which was checked, with its variables, appended to `out`. `value` says what one is. */
void gw_template_expand(struct str text, struct str (*value)(void *ctx, enum gw_variable v), void *ctx,
                        struct strbuf *out);

#endif
