/* Part of probe: `inject BYTES END` by the host call, `injectby FUNCTION BYTES END` by a foreign function,
 * `injectfill N END`: N times 'i'. */

static int run_inject(struct call *c)
{
    if (is(c, "inject")) {
        result(c, proxy_inject_encoded_data_to_filter_chain(A(1), N(2)));
    } else if (is(c, "injectby")) {
        char message[300];
        u32 n = 0;
        message[n++] = 1 << 3 | 2;
        message[n++] = (char)c->args[2].len; /* less than 128 */
        for (u32 i = 0; i < c->args[2].len; i++) {
            message[n++] = c->args[2].at[i];
        }
        message[n++] = 2 << 3;
        message[n++] = (char)N(3);
        result(c, proxy_call_foreign_function(A(1), message, n, 0, 0));
    } else if (is(c, "injectfill")) {
        char *bytes = heap_alloc(N(1));
        for (u32 i = 0; i < N(1); i++) {
            bytes[i] = 'i';
        }
        result(c, proxy_inject_encoded_data_to_filter_chain(bytes, N(1), N(2)));
    } else {
        return 0;
    }
    return 1;
}
