/* jwt-logout by its exports, against the fake host: what happens between a question and its answer; and the
 * cache by itself. */
#include "plugin_test.h"
#include "jwt.h"
#include "verdict_cache.h"

enum { OTHER = 3, FIRST = 7, SECOND = 11, THIRD = 15 };

#define BASE                                                                                                 \
    "{\"keys\":[{\"secret\":\"s\"}],\"redis\":{\"service_name\":\"redis\"},\"logout_path\":\"/logout\""
#define CLEAN "*3\r\n$-1\r\n$-1\r\n$-1\r\n"
#define REVOKED "*3\r\n$-1\r\n$1\r\n1\r\n$-1\r\n"

/* While requests wait. */
static bool reconfigure(const char *json)
{
    fake.config = wp_str_of(json);
    return proxy_on_configure(ROOT, (uint32_t)fake.config.len);
}

static void begin_test(const char *json)
{
    assert_true(configure(json));
}

/* A request whose token has this jti; it waits under the id. */
static uint32_t ask_as(uint32_t id, const char *jti, const char *path)
{
    struct wp_hmac_key key;
    char value[512];
    wp_hmac_key_init(&key, WP_SHA256, WP_STR("s"));
    struct wp_str claims =
        wp_format("{\"sub\":\"ann\",\"iat\":1699999000,\"exp\":1700000600,\"jti\":\"%s\"}", jti);
    struct wp_str token = jwt_sign_hs256(WP_STR("{\"alg\":\"HS256\"}"), claims, &key);
    snprintf(value, sizeof value, "Bearer %.*s", WP_ARG(token));
    fake.request.n = 0;
    fake.responded = false;
    fake.status = fake.continued = 0;
    fake_set(&fake.request, WP_STR(":path"), path);
    fake_set(&fake.request, WP_STR(":method"), "POST");
    fake_set(&fake.request, WP_STR("authorization"), value);
    proxy_on_context_create(id, ROOT);
    return proxy_on_request_headers(id, (uint32_t)fake.request.n, true);
}

static void answer(uint32_t token, const char *resp)
{
    fake.redis_reply = wp_str_of(resp);
    proxy_on_redis_call_response(ROOT, token, 0, (uint32_t)fake.redis_reply.len);
}

static bool sent(uint32_t n, const char *part)
{
    return n < fake.nredis && strstr(fake.redis[n].payload.at, part) != NULL;
}

static void one_round_trip(void **state)
{
    (void)state;
    begin_test(BASE "}");
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_PAUSE);
    assert_int_equal(fake.nredis, 1);
    assert_true(sent(0, "*4\r\n$4\r\nMGET\r\n$16\r\n{jwt-logout}:all\r\n$58\r\n{jwt-logout}:t:"));
    assert_false(fake.responded || fake.continued != 0);
    answer(FIRST, CLEAN);
    assert_int_equal(fake.continued, 1);
    proxy_on_delete(STREAM);
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_PAUSE);
    answer(SECOND, REVOKED);
    assert_int_equal(fake.status, 401);
    assert_int_equal(fake.continued, 0);
    proxy_on_delete(STREAM);
}

/* A clean answer of before the logout comes after it: the request is refused, and the next too. */
static void logged_out_while_redis_is_asked(void **state)
{
    (void)state;
    begin_test(BASE ",\"cache_ms\":60000}");
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_PAUSE);
    assert_int_equal(ask_as(OTHER, "1", "/logout"), WP_PAUSE);
    assert_true(sent(1, "$3\r\nSET\r\n"));
    answer(SECOND, "+OK\r\n");
    assert_int_equal(fake.status, 204);
    proxy_on_delete(OTHER);
    fake.responded = false;
    answer(FIRST, CLEAN);
    assert_int_equal(fake.status, 401);
    assert_int_equal(fake.continued, 0);
    proxy_on_delete(STREAM);
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_PAUSE);
    assert_int_equal(fake.status, 401);
    assert_int_equal(fake.nredis, 2);
    proxy_on_delete(STREAM);
}

/* The age of a clean entry counts from the question, as a token may be revoked right after the answer. */
static void clean_since_the_question(void **state)
{
    (void)state;
    begin_test(BASE ",\"cache_ms\":1000}");
    ask_as(STREAM, "1", "/");
    fake.now_ns += 900000000;
    answer(FIRST, CLEAN);
    proxy_on_delete(STREAM);
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_CONTINUE);
    proxy_on_delete(STREAM);
    fake.now_ns += 100000000;
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_PAUSE);
    proxy_on_delete(STREAM);
}

static void the_client_leaves(void **state)
{
    (void)state;
    begin_test(BASE "}");
    ask_as(STREAM, "1", "/");
    proxy_on_delete(STREAM);
    ask_as(STREAM, "1", "/logout");
    proxy_on_delete(STREAM);
    answer(FIRST, CLEAN);
    answer(SECOND, "+OK\r\n");
    assert_false(fake.responded || fake.continued != 0);
}

/* A new configuration while requests wait: verdicts count, the old cache is not touched, and a request for
 * which Redis has no answer does not pass. */
static void configured_meanwhile(void **state)
{
    (void)state;
    begin_test(BASE ",\"cache_ms\":60000,\"on_failure\":\"open\"}");
    ask_as(STREAM, "1", "/");
    assert_true(reconfigure(BASE ",\"cache_ms\":60000,\"on_failure\":\"open\"}"));
    answer(FIRST, CLEAN);
    assert_int_equal(fake.continued, 1);
    proxy_on_delete(STREAM);
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_PAUSE); /* the new cache is empty */
    assert_true(reconfigure(BASE ",\"on_failure\":\"open\"}"));
    answer(SECOND, "-ERR\r\n");
    assert_int_equal(fake.status, 503);
    proxy_on_delete(STREAM);
    ask_as(STREAM, "1", "/logout");
    assert_true(reconfigure(""));
    answer(THIRD, "+OK\r\n");
    assert_int_equal(fake.status, 204);
    proxy_on_delete(STREAM);
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_CONTINUE);
    proxy_on_delete(STREAM);
}

static void a_refused_configuration_changes_nothing(void **state)
{
    (void)state;
    begin_test(BASE ",\"cache_ms\":60000}");
    ask_as(STREAM, "1", "/");
    assert_false(reconfigure(BASE ",\"on_failure\":\"never\"}"));
    assert_non_null(strstr(fake.log, "configuration: on_failure: must be open, closed or cache-only"));
    answer(FIRST, CLEAN);
    proxy_on_delete(STREAM);
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_CONTINUE); /* from the cache */
    proxy_on_delete(STREAM);
}

static void the_host_refuses(void **state)
{
    (void)state;
    begin_test(BASE "}");
    fake.call_status = WP_INTERNAL_FAILURE;
    assert_int_equal(ask_as(STREAM, "1", "/"), WP_PAUSE);
    assert_int_equal(fake.status, 503);
    proxy_on_delete(STREAM);
    assert_int_equal(ask_as(STREAM, "1", "/logout"), WP_PAUSE);
    assert_int_equal(fake.status, 503);
    proxy_on_delete(STREAM);
}

/* ---- the cache ---- */

static const unsigned char *id(unsigned n)
{
    static unsigned char bytes[VERDICT_ID_BYTES];
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, &n, sizeof n);
    return bytes;
}

static void cache_of_nothing(void **state)
{
    (void)state;
    struct wp_arena arena = {0};
    struct verdict_cache c;
    verdict_cache_init(&c, &arena, 0);
    verdict_cache_put_clean(&c, id(1), 10);
    verdict_cache_put_revoked(&c, id(1), 1000, 10);
    verdict_cache_drop_clean(&c);
    assert_false(verdict_cache_is_clean(&c, id(1), 10, 1000));
    assert_false(verdict_cache_is_revoked(&c, id(1), 10));
    wp_arena_free(&arena);
}

static void cache_of_few(void **state)
{
    (void)state;
    struct wp_arena arena = {0};
    struct verdict_cache c;
    verdict_cache_init(&c, &arena, VERDICT_WAYS); /* one set */
    assert_int_equal(c.nsets, 1);
    for (unsigned i = 1; i <= VERDICT_WAYS + 1; i++) {
        verdict_cache_put_clean(&c, id(i), 100 + i);
    }
    assert_false(verdict_cache_is_clean(&c, id(1), 110, 1000)); /* the oldest went */
    assert_true(verdict_cache_is_clean(&c, id(2), 110, 1000));
    assert_false(verdict_cache_is_clean(&c, id(2), 110, 8));   /* too old */
    assert_false(verdict_cache_is_clean(&c, id(2), 50, 1000)); /* the clock was put back */
    verdict_cache_put_revoked(&c, id(2), 500, 110);
    verdict_cache_put_clean(&c, id(2), 111); /* an answer that comes late */
    assert_true(verdict_cache_is_revoked(&c, id(2), 110));
    assert_false(verdict_cache_is_clean(&c, id(2), 110, 1000));
    assert_false(verdict_cache_is_revoked(&c, id(2), 500));
    verdict_cache_drop_clean(&c);
    assert_true(verdict_cache_is_revoked(&c, id(2), 110));
    assert_false(verdict_cache_is_clean(&c, id(3), 110, 1000));
    wp_arena_free(&arena);
}

/* Clean ones never take a revoked one's place, and revoked ones only that of one that ends sooner. */
static void a_flood(void **state)
{
    (void)state;
    struct wp_arena arena = {0};
    struct verdict_cache c;
    verdict_cache_init(&c, &arena, VERDICT_WAYS);
    for (unsigned i = 1; i <= VERDICT_WAYS; i++) {
        verdict_cache_put_revoked(&c, id(i), 1000 + i, 10);
    }
    for (unsigned i = 100; i < 200; i++) {
        verdict_cache_put_clean(&c, id(i), i);
        assert_false(verdict_cache_is_clean(&c, id(i), i, 1000));
    }
    for (unsigned i = 1; i <= VERDICT_WAYS; i++) {
        assert_true(verdict_cache_is_revoked(&c, id(i), 200));
    }
    verdict_cache_put_revoked(&c, id(9), 1001, 200);
    assert_false(verdict_cache_is_revoked(&c, id(9), 200));
    verdict_cache_put_revoked(&c, id(9), UINT64_MAX, 200);
    assert_true(verdict_cache_is_revoked(&c, id(9), 200) && !verdict_cache_is_revoked(&c, id(1), 200));
    verdict_cache_put_clean(&c, id(100), 1003); /* two have ended */
    assert_true(verdict_cache_is_clean(&c, id(100), 1003, 10));
    assert_true(verdict_cache_is_revoked(&c, id(4), 1003));
    wp_arena_free(&arena);
}

static void cache_of_many(void **state)
{
    (void)state;
    struct wp_arena arena = {0};
    struct verdict_cache c;
    verdict_cache_init(&c, &arena, 4096);
    size_t kept = 0;
    for (unsigned i = 0; i < 1024; i++) {
        verdict_cache_put_clean(&c, id(i), 1);
    }
    for (unsigned i = 0; i < 1024; i++) {
        kept += verdict_cache_is_clean(&c, id(i), 1, 1);
    }
    assert_true(kept > 1000);
    wp_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_round_trip),
        cmocka_unit_test(logged_out_while_redis_is_asked),
        cmocka_unit_test(clean_since_the_question),
        cmocka_unit_test(the_client_leaves),
        cmocka_unit_test(configured_meanwhile),
        cmocka_unit_test(a_refused_configuration_changes_nothing),
        cmocka_unit_test(the_host_refuses),
        cmocka_unit_test(cache_of_nothing),
        cmocka_unit_test(cache_of_few),
        cmocka_unit_test(a_flood),
        cmocka_unit_test(cache_of_many),
    };
    return RUN_PLUGIN_TESTS(tests);
}
