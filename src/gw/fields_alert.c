/* gw/fields_alert.c - fields of alerts (gw/fields.c has those of the rest). */
#include "gw/alert.h"
#include "gw/values.h"

#define AT(type, member) offsetof(struct type, member)

static const struct gw_field alert_fields[] = {
    {.name = "name",
     .kind = GW_F_STRING,
     .required = true,
     .offset = AT(gw_alert, name),
     .check = gw_check_name,
     .doc = "What the log calls it."},
    {.name = "url",
     .kind = GW_F_STRING,
     .offset = AT(gw_alert, url),
     .check = gw_check_alert_url,
     .doc = "Where alerts are posted, `http://` or `https://`."},
    {.name = "urlFile",
     .kind = GW_F_STRING,
     .offset = AT(gw_alert, url_file),
     .doc = "Instead of `url`: a file whose first line it is, for URLs that are secrets, as those of chat "
            "systems "
            "are. Read for each try."},
    {.name = "tokenFile",
     .kind = GW_F_STRING,
     .offset = AT(gw_alert, token_file),
     .doc = "A file whose first line is sent as `Authorization: Bearer`."},
    {.name = "template",
     .kind = GW_F_STRING,
     .offset = AT(gw_alert, template),
     .check = gw_check_alert_template,
     .fallback = GW_ALERT_TEMPLATE,
     .doc = "The body, a JSON object with `${NAME}` in its strings (below)."},
    {.name = "timeout",
     .kind = GW_F_DURATION,
     .offset = AT(gw_alert, timeout_ms),
     .min = 100,
     .max = 60000,
     .fallback = "5s",
     .doc = "How long one try may take."},
    {.name = "rateLimit",
     .kind = GW_F_UINT,
     .offset = AT(gw_alert, rate_limit),
     .min = 1,
     .max = 600,
     .fallback = "6",
     .doc = "Alerts a minute at most; more crashes wait, and those of one group become one alert."},
    {.name = "repeatAfter",
     .kind = GW_F_DURATION,
     .offset = AT(gw_alert, repeat_after_ms),
     .min = 1000,
     .max = 86400000,
     .fallback = "10m",
     .doc =
         "How long nothing more is sent of a group that was sent; what came meanwhile is counted in the next "
         "alert."},
};
const struct gw_type gw_type_alert = {.name = "alerts[]",
                                      .about = "A webhook that is told of plugins' crashes.",
                                      .size = sizeof(struct gw_alert),
                                      .placed = true,
                                      .fields = alert_fields,
                                      .nfields = sizeof alert_fields / sizeof alert_fields[0],
                                      .check = gw_check_alert};
