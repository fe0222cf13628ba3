/* tests/guests/host/probe_shared.h - probe's commands for what workers share, ticks and upstream hosts, and
 * what a tick or a ready queue runs: lines "tick: ..." and "queue: ..." of the configuration. */

static char tick_script[1024], queue_script[1024];
static u32 tick_len, queue_len;

static void result_number(struct call *c, u32 status, u64 v)
{
    result(c, status);
    if (status == 0) {
        put_char(&c->out, ' ');
        put_number(&c->out, v);
    }
}

static int run_queues(struct call *c)
{
    void *at = 0;
    u32 len = 0, v = 77, st;

    if (is(c, "qreg")) {
        st = proxy_register_shared_queue(A(1), &v);
        result_number(c, st, v);
    } else if (is(c, "qres")) { /* qres VM NAME */
        st = proxy_resolve_shared_queue(A(1), A(2), &v);
        result_number(c, st, v);
    } else if (is(c, "enq")) {
        result(c, proxy_enqueue_shared_queue(N(1), A(2)));
    } else if (is(c, "enqmany")) { /* enqmany ID BYTES: until it is refused */
        u32 n = 0;
        void *bytes = heap_alloc(N(2));
        while ((st = proxy_enqueue_shared_queue(N(1), bytes, N(2))) == 0) {
            n++;
        }
        result(c, st);
        put(&c->out, n > 10 ? " many" : " few");
    } else if (is(c, "deq")) {
        st = proxy_dequeue_shared_queue(N(1), &at, &len);
        result_text(c, st, at, len);
    } else {
        return 0;
    }
    return 1;
}

/* The arguments from..nargs are hex digits: the bytes they spell. */
static u32 unhex(const struct call *c, u32 from, unsigned char *out)
{
    u32 n = 0, half = 0;
    for (u32 i = from; i < c->nargs; i++) {
        for (u32 k = 0; k < c->args[i].len; k++) {
            char x = c->args[i].at[k];
            out[n / 2] = (unsigned char)(half << 4 | (u32)(x <= '9' ? x - '0' : x - 'a' + 10));
            half = out[n++ / 2] & 15;
        }
    }
    return n / 2;
}

static int run_foreign(struct call *c)
{
    static unsigned char bytes[4096];
    void *at = 0;
    u32 len = 0;

    if (is(c, "foreignhex")) { /* foreignhex NAME HEX ...: as many arguments as it takes */
        u32 st = proxy_call_foreign_function(A(1), bytes, unhex(c, 2, bytes), &at, &len);
        c->out.len = c->args[0].len + 1 + c->args[1].len;
        result(c, st);
        put_char(&c->out, ' ');
        put_hex(&c->out, at, len);
    } else if (is(c, "twice")) { /* uncompress these hex digits, and the result again: its size */
        void *again = 0;
        u32 st = proxy_call_foreign_function("uncompress", 10, bytes, unhex(c, 1, bytes), &at, &len);
        c->out.len = c->args[0].len;
        result(c, st);
        st = proxy_call_foreign_function("uncompress", 10, at, len, &again, &len);
        result(c, st);
        put_char(&c->out, ' ');
        put_number(&c->out, len);
    } else {
        return 0;
    }
    return 1;
}

static int run_shared(struct call *c)
{
    void *at = 0;
    u32 len = 0, v = 77, st;
    u64 number64 = 77;

    if (is(c, "sget")) {
        st = proxy_get_shared_data(A(1), &at, &len, &v);
        result_text(c, st, at, len);
    } else if (is(c, "scas")) {
        st = proxy_get_shared_data(A(1), &at, &len, &v);
        result_number(c, st, v);
    } else if (is(c, "sset")) { /* sset KEY VALUE CAS; the CAS '@' is the one that scas would say */
        u32 cas = N(3);
        if (c->nargs > 3 && c->args[3].at[0] == '@') {
            proxy_get_shared_data(A(1), &at, &len, &cas);
        }
        result(c, proxy_set_shared_data(A(1), A(2), cas));
    } else if (is(c, "sbig")) { /* sbig KEY BYTES */
        void *bytes = heap_alloc(N(2));
        result(c, proxy_set_shared_data(A(1), bytes, N(2), 0));
    } else if (is(c, "slen")) {
        st = proxy_get_shared_data(A(1), &at, &len, &v);
        result_number(c, st, len);
    } else if (is(c, "mdef")) { /* mdef TYPE NAME */
        st = proxy_define_metric(N(1), A(2), &v);
        result_number(c, st, v);
    } else if (is(c, "minc")) {
        result(c, proxy_increment_metric(N(1), (u64)(long long)(int)N(2)));
    } else if (is(c, "mrec")) {
        result(c, proxy_record_metric(N(1), N(2)));
    } else if (is(c, "mget")) {
        st = proxy_get_metric(N(1), &number64);
        result_number(c, st, number64);
    } else if (is(c, "tick")) {
        result(c, proxy_set_tick_period_milliseconds(N(1)));
    } else if (is(c, "hosts")) {
        st = proxy_get_upstream_hosts(&at, &len);
        result_pairs(c, st, at, len);
    } else if (is(c, "override")) {
        result(c, proxy_set_upstream_override_host(A(1)));
    } else {
        return run_queues(c) || run_foreign(c);
    }
    return 1;
}
