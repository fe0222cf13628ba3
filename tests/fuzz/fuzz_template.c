/* Any text as a template: one that passes the check expands, and no longer than its pieces; without variables
 * it is itself but for doubled dollars. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "gw/template.h"

static size_t asked;

static struct str value(void *ctx, enum gw_variable v)
{
    WEIR_ASSERT(v <= GW_VAR_SERVICE);
    asked++;
    return *(struct str *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make(data, size), unknown = {0}, filling = STR("${x}$${}");
    struct strbuf out = {0};

    asked = 0;
    if (!gw_template_check(text, &unknown)) {
        WEIR_ASSERT(unknown.len <= size);
        return 0;
    }
    gw_template_expand(text, value, &filling, &out);
    WEIR_ASSERT(out.len <= size + asked * filling.len);
    if (asked == 0 && (size == 0 || memmem(data, size, "$${", 3) == NULL)) {
        WEIR_ASSERT(str_eq(strbuf_str(&out), text));
    }
    strbuf_fini(&out);
    return 0;
}
