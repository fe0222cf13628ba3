/* tests/guests/host/probe_redis.h - probe's commands for Redis.
 *
 * `rinit SERVICE USER PASSWORD TIMEOUT`, `redis SERVICE SCRIPT ARGUMENT ...` sends a command, `redisraw
 * SERVICE SCRIPT TEXT` these bytes, with '^' for a line end.  The SCRIPT runs with the answer, as that of
 * `call`. `redismany SERVICE SCRIPT N ARGUMENT ...` sends N of them and logs the first status that is not 0,
 * and how many were taken before it. */

/* The arguments from..nargs in RESP. */
static u32 make_query(const struct call *c, u32 from, struct text *t)
{
    t->len = 0;
    put_char(t, '*');
    put_number(t, c->nargs - from);
    put(t, "\r\n");
    for (u32 i = from; i < c->nargs; i++) {
        put_char(t, '$');
        put_number(t, c->args[i].len);
        put(t, "\r\n");
        put_bytes(t, c->args[i].at, c->args[i].len);
        put(t, "\r\n");
    }
    return t->len;
}

static void make_raw(const struct call *c, u32 i, struct text *t)
{
    t->len = 0;
    for (u32 k = 0; k < c->args[i].len; k++) {
        put(t, c->args[i].at[k] == '^' ? "\r\n" : "");
        put_bytes(t, &c->args[i].at[k], c->args[i].at[k] != '^');
    }
}

static u32 send_query(const struct call *c, const struct text *query, u32 *token)
{
    char *script = 0;
    u32 len = 0, st;

    find_script(c, 2, &script, &len);
    st = proxy_redis_call(A(1), query->at, query->len, token);
    if (st == 0 && len != 0) {
        remember(c, *token, script, len);
    }
    return st;
}

static int run_redis(struct call *c)
{
    static struct text query;
    u32 token = 77, st;

    if (is(c, "rinit")) {
        result(c, proxy_redis_init(A(1), A(2), A(3), N(4)));
        return 1;
    }
    if (is(c, "redismany")) {
        u32 n = 0;
        make_query(c, 4, &query);
        while (n < N(3) && (st = send_query(c, &query, &token)) == 0) {
            n++;
        }
        result(c, n == N(3) ? 0 : st);
        put_char(&c->out, ' ');
        put_number(&c->out, n);
        return 1;
    }
    if (is(c, "redis")) {
        make_query(c, 3, &query);
    } else if (is(c, "redisraw")) {
        make_raw(c, 3, &query);
    } else {
        return 0;
    }
    st = send_query(c, &query, &token);
    result(c, st);
    put_char(&c->out, ' ');
    put_number(&c->out, token);
    return 1;
}
