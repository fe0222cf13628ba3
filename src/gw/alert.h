/* gw/alert.h - the text that is sent to a webhook: JSON with ${NAME} in its strings.
 *
 * A template is the operator's; values come from plugins, so each is escaped as the inside of a JSON string:
 * whatever a value is, what is rendered has the shape of the template. */
#ifndef GW_ALERT_H
#define GW_ALERT_H

#include <stdbool.h>

#include "base/str.h"

/* X(name): in templates ${name}, in C GW_ALERT_name.  `text` is a line for people. */
#define GW_ALERT_VALUES(X)                                                                                   \
    X(text)                                                                                                  \
    X(id)                                                                                                    \
    X(plugin)                                                                                                \
    X(sha256)                                                                                                \
    X(trap)                                                                                                  \
    X(callback)                                                                                              \
    X(function)                                                                                              \
    X(at)                                                                                                    \
    X(route)                                                                                                 \
    X(request)                                                                                               \
    X(count)                                                                                                 \
    X(missed)

enum gw_alert_value {
#define X(name) GW_ALERT_##name,
    GW_ALERT_VALUES(X)
#undef X
        GW_ALERT_NVALUES
};

#define GW_ALERT_TEMPLATE "{\"text\":\"${text}\"}"

/* Render into `out`; `values` NULL: `out` is not looked at, only the template is.  NULL, or what is wrong
 * with the template (static); `out` then has a part of it. */
const char *gw_alert_render(struct str template, const struct str *values, struct strbuf *out);

#endif
