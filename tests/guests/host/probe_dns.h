/* Part of probe: `resolve NAME SCRIPT`; what comes of it runs the script as a callout's answer does.  `dns`
 * shows the addresses, with what each holds. */

static int run_dns(struct call *c)
{
    char *script = 0;
    void *at = 0;
    u32 token = 77, len = 0, st;

    if (is(c, "resolve")) {
        st = envoy_resolve_dns(A(1), &token);
        find_script(c, 2, &script, &len);
        if (st == 0) {
            remember(c, token | 1u << 31, script, len);
        }
        result(c, st);
        put_char(&c->out, ' ');
        put_number(&c->out, token);
        return 1;
    }
    if (!is(c, "dns")) {
        return 0;
    }
    st = proxy_get_buffer_bytes(8, 0, 0xffffffff, &at, &len);
    result(c, st);
    if (st == 0 && len >= 4) {
        u32 n = word_at(at);
        const char *text = (const char *)at + 4 + 4 * n;
        for (u32 i = 0; i < n; i++) {
            put_char(&c->out, ' ');
            put(&c->out, text);
            put_char(&c->out, '=');
            put_number(&c->out, word_at((const char *)at + 4 + 4 * i));
            text += text_len(text) + 1;
        }
        if (text != (const char *)at + len) {
            put(&c->out, " WRONG SIZE");
        }
    }
    return 1;
}
