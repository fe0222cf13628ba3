/* RESP from any bytes: items lie inside the text and reading always ends; what is cut as a reply is one whole
 * reply, and a command is read back argument by argument; there is one way to write it. */
#include "base/resp.h"

#include "base/mem.h"

static void check_command(struct str text)
{
    struct strbuf b = {0};
    struct str argument, copy;
    size_t n = 0;

    while (resp_argument(text, n, &argument)) {
        n++;
    }
    WEIR_ASSERT(n != 0);
    strbuf_printf(&b, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++) {
        WEIR_ASSERT(resp_argument(text, i, &argument));
        resp_add_bulk(&b, argument);
    }
    copy = strbuf_str(&b);
    WEIR_ASSERT(resp_is_command(copy) && str_eq(copy, text));
    strbuf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *start = (const char *)data, *end = start + size;
    struct str text = {start, size > 2048 ? 2048 : size}, rest = text, reply, again;
    struct resp_item item;

    while (resp_cut(&rest, &item)) {
        WEIR_ASSERT(item.text.len == 0 || (item.text.at >= start && item.text.at + item.text.len <= end));
        WEIR_ASSERT(rest.len < text.len && (item.kind != RESP_ARRAY || item.number >= 0));
        text = rest;
    }
    WEIR_ASSERT(rest.len == text.len);

    rest = (struct str){start, size};
    while (resp_cut_reply(&rest, &reply)) {
        again = reply;
        WEIR_ASSERT(reply.len != 0 && resp_cut_reply(&again, &text) && again.len == 0);
        if (reply.len <= 2048 && resp_is_command(reply)) {
            check_command(reply);
        }
    }
    return 0;
}
