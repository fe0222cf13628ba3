/* Any template, and any value in it: it is refused, or what is rendered is JSON wherever the template with a
 * plain value is. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "gw/alert.h"

static bool is_json(struct str template, struct str value)
{
    struct str values[GW_ALERT_NVALUES];
    struct strbuf out = {0};

    for (int i = 0; i < GW_ALERT_NVALUES; i++) {
        values[i] = value;
    }
    const char *wrong = gw_alert_render(template, values, &out);
    WEIR_ASSERT(wrong == NULL);
    json_t *json = json_loadb(out.at, out.len, JSON_ALLOW_NUL, NULL);
    bool ok = json_is_object(json);
    json_decref(json);
    strbuf_fini(&out);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = str_make(data, size), template = str_cut(&value, '\n');

    if (value.len != 0 && memchr(value.at, 0, value.len) != NULL) {
        return 0; /* reports have none, and jansson takes none in the name of a member */
    }
    if (gw_alert_render(template, NULL, NULL) == NULL && is_json(template, STR("v"))) {
        WEIR_ASSERT(is_json(template, value));
    }
    return 0;
}
