/* Streams side by side on one VM: what one does to another, and VMs that are replaced under them.
 *
 * The guest is probe (tests/guests/host), driven by the request headers of a small server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/str.h"
#include "pw/plugin.h"
#include "weir/proxy_wasm.h"

enum { MAX_HEADERS = 4 };

struct fake {
    struct pw_header headers[MAX_HEADERS];
    size_t nheaders;
    uint32_t local_status, resumed_requests, resumed_responses, closed;
    struct str details;
};

static char log_text[65536]; /* of everything */
static uint64_t clock_ns = 1;

static void server_log(void *server, void *stream, struct str plugin, enum pw_log_level level,
                       struct str line)
{
    size_t len = strlen(log_text);
    (void)server;
    (void)stream;
    (void)plugin;
    (void)level;
    snprintf(log_text + len, sizeof log_text - len, "%.*s\n", STR_ARG(line));
}

static enum pw_log_level log_level(void *server)
{
    (void)server;
    return PW_LOG_TRACE;
}

static uint64_t now_ns(void *server, void *stream)
{
    (void)server;
    (void)stream;
    return clock_ns;
}

static uint64_t monotonic_ns(void *server)
{
    (void)server;
    return clock_ns;
}

static bool map_available(void *stream, enum pw_map map)
{
    (void)stream;
    return map == PW_MAP_REQUEST_HEADERS;
}

static size_t map_count(void *stream, enum pw_map map)
{
    return map == PW_MAP_REQUEST_HEADERS ? ((struct fake *)stream)->nheaders : 0;
}

static bool map_at(void *stream, enum pw_map map, size_t i, struct pw_header *out)
{
    struct fake *f = stream;
    if (map != PW_MAP_REQUEST_HEADERS || i >= f->nheaders) {
        return false;
    }
    *out = f->headers[i];
    return true;
}

static bool map_get(void *stream, enum pw_map map, struct str name, struct str *value)
{
    struct fake *f = stream;
    for (size_t i = 0; map == PW_MAP_REQUEST_HEADERS && i < f->nheaders; i++) {
        if (str_eq(f->headers[i].name, name)) {
            *value = f->headers[i].value;
            return true;
        }
    }
    return false;
}

static bool map_set(void *stream, enum pw_map map, struct str name, struct str value)
{
    (void)stream;
    (void)map;
    (void)name;
    (void)value;
    return false;
}

static bool map_remove(void *stream, enum pw_map map, struct str name)
{
    (void)stream;
    (void)map;
    (void)name;
    return false;
}

static bool map_set_all(void *stream, enum pw_map map, const struct pw_header *entries, size_t n)
{
    (void)stream;
    (void)map;
    (void)entries;
    (void)n;
    return false;
}

static bool property(void *server, void *stream, const struct str *path, size_t segments,
                     struct pw_value *out)
{
    (void)server;
    (void)stream;
    (void)path;
    (void)segments;
    (void)out;
    return false;
}

static void send_local_response(void *stream, const struct pw_local_response *r)
{
    struct fake *f = stream;
    assert_int_equal(f->local_status, 0); /* once a stream */
    f->local_status = r->status;
    f->details = str_eq(r->details, STR("wasm_fail_stream")) ? STR("wasm_fail_stream") : STR("other");
}

static void resume_request(void *stream)
{
    ((struct fake *)stream)->resumed_requests++;
}

static void resume_response(void *stream)
{
    ((struct fake *)stream)->resumed_responses++;
}

static void close_stream(void *stream)
{
    ((struct fake *)stream)->closed++;
}

static void clear_route_cache(void *stream)
{
    (void)stream;
}

static const struct pw_server server = {
    .log = server_log,
    .log_level = log_level,
    .now_ns = now_ns,
    .monotonic_ns = monotonic_ns,
    .map_available = map_available,
    .map_count = map_count,
    .map_at = map_at,
    .map_get = map_get,
    .map_add = map_set,
    .map_replace = map_set,
    .map_remove = map_remove,
    .map_set_all = map_set_all,
    .property = property,
    .send_local_response = send_local_response,
    .resume_request = resume_request,
    .resume_response = resume_response,
    .close_stream = close_stream,
    .clear_route_cache = clear_route_cache,
};

static struct weir_module *load(const char *path)
{
    static uint8_t bytes[1 << 20];
    struct weir_module *m = NULL;
    FILE *f = fopen(path, "rb");

    assert_non_null(f);
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_int_equal(weir_module_new(bytes, len, WEIR_FEATURES_ALL, &m, NULL), WEIR_OK);
    return m;
}

static struct pw_plugin *start_guest(const char *path, bool fail_open)
{
    static const struct str configs[] = {STR("a"), STR("b")};
    struct pw_plugin_options opt = {
        .name = STR("probe"), .configs = configs, .nconfigs = 2, .fail_open = fail_open};
    struct weir_module *m = load(path);
    struct pw_plugin *p;

    log_text[0] = '\0';
    assert_int_equal(pw_plugin_new(m, &opt, &server, NULL, &p, NULL), WEIR_OK);
    assert_int_equal(pw_plugin_tier(p), WEIR_TIER_AUTO);
    assert_int_equal(pw_plugin_start(p, NULL), WEIR_OK);
    assert_int_not_equal(pw_plugin_tier(p), WEIR_TIER_AUTO);
    weir_module_unref(m);
    return p;
}

static struct pw_plugin *start(bool fail_open)
{
    return start_guest("build/guests/host/probe.wasm", fail_open);
}

/* A stream through both configurations, with a script for the request callbacks. */
static struct pw_stream *begin(struct pw_plugin *p, struct fake *f, const char *script, const char *response)
{
    const struct pw_step steps[] = {{p, 0}, {p, 1}};

    memset(f, 0, sizeof *f);
    f->headers[f->nheaders++] = (struct pw_header){STR("x-request"), str_of(script)};
    if (response != NULL) {
        f->headers[f->nheaders++] = (struct pw_header){STR("x-response"), str_of(response)};
    }
    return pw_stream_new(steps, 2, f);
}

/* Contexts: roots 1 and 2; the first stream has 3, and 4 once it gets there. */
static void test_resume_by_another_stream(void **state)
{
    struct pw_plugin *p = start(false);
    struct fake fa, fb;
    struct pw_stream *a = begin(p, &fa, "ret 1", NULL);
    (void)state;

    assert_int_equal(pw_stream_on_request_headers(a, true), PW_PAUSE);
    assert_int_equal(pw_stream_on_request_headers(a, true), PW_PAUSE); /* nobody resumed it */

    struct pw_stream *b = begin(p, &fb, "effective 3; continue 0; continue 1; continue 0", NULL);
    assert_int_equal(pw_stream_on_request_headers(b, true), PW_CONTINUE);
    /* Both steps of b asked for it; a was told once. */
    assert_int_equal(fa.resumed_requests, 1);
    assert_int_equal(fa.resumed_responses, 0);
    assert_int_equal(fb.resumed_requests, 0);
    /* It goes on with its second step, which pauses again. */
    assert_int_equal(pw_stream_resume_request(a), PW_PAUSE);
    assert_non_null(strstr(log_text, "on_context_create 6 2\n"));
    pw_stream_end(b);
    pw_stream_end(a);
    pw_plugin_free(p);
}

static void test_local_response_and_close_by_another_stream(void **state)
{
    struct pw_plugin *p = start(false);
    struct fake fa, fb, fc;
    struct pw_stream *a = begin(p, &fa, "ret 1", NULL);
    (void)state;

    assert_int_equal(pw_stream_on_request_headers(a, true), PW_PAUSE);
    struct pw_stream *b = begin(p, &fb, "effective 3; local 403 d b -1", NULL);
    assert_int_equal(pw_stream_on_request_headers(b, true), PW_CONTINUE);
    assert_int_equal(fa.local_status, 403);
    assert_int_equal(fb.local_status, 0);
    assert_int_equal(pw_stream_local_step(a), 0);
    assert_int_equal(pw_stream_local_step(b), -1);
    /* The response passes the callbacks of the one context there is. */
    assert_int_equal(pw_stream_on_response_headers(a, false), PW_CONTINUE);
    assert_non_null(strstr(log_text, "on_response_headers 3 0 0\n"));

    struct pw_stream *c = begin(p, &fc, "effective 4; close 0", NULL);
    assert_int_equal(pw_stream_on_request_headers(c, true), PW_CONTINUE);
    assert_int_equal(fb.closed, 1);
    pw_stream_end(c);
    pw_stream_end(b);
    pw_stream_end(a);
    pw_plugin_free(p);
}

static void test_response_pauses(void **state)
{
    struct pw_plugin *p = start(false);
    struct fake fa, fb;
    struct pw_stream *a = begin(p, &fa, "", "ret 3");
    (void)state;

    assert_int_equal(pw_stream_on_request_headers(a, true), PW_CONTINUE);
    assert_int_equal(pw_stream_on_response_headers(a, true), PW_PAUSE); /* 4, the last step, is first */
    struct pw_stream *b = begin(p, &fb, "effective 3; continue 1; effective 4; continue 0; continue 1", NULL);
    assert_int_equal(pw_stream_on_request_headers(b, true), PW_CONTINUE);
    assert_int_equal(fa.resumed_responses, 1);
    assert_int_equal(fa.resumed_requests, 0);
    assert_int_equal(pw_stream_resume_response(a), PW_PAUSE);
    assert_non_null(strstr(log_text, "on_response_headers 3 0 1\n"));
    pw_stream_end(b);
    pw_stream_end(a);
    pw_plugin_free(p);
}

/* A trap in one stream: who waits for the VM fails at once, who is elsewhere when he comes back to it. */
static void fail_others(bool fail_open)
{
    struct pw_plugin *p = start(fail_open);
    struct fake waiting, passing, trapping, fresh;
    struct pw_stream *w = begin(p, &waiting, "ret 1", NULL);
    struct pw_stream *a = begin(p, &passing, "", NULL);

    assert_int_equal(pw_stream_on_request_headers(w, true), PW_PAUSE);
    assert_int_equal(pw_stream_on_request_headers(a, true), PW_CONTINUE);
    struct pw_stream *t = begin(p, &trapping, "trap", NULL);
    assert_int_equal(pw_stream_on_request_headers(t, true), fail_open ? PW_CONTINUE : PW_LOCAL);
    assert_true(pw_stream_trapped(t) && pw_stream_trapped(w) && !pw_stream_trapped(a));

    assert_int_equal(waiting.local_status, fail_open ? 0 : 503);
    assert_int_equal(waiting.resumed_requests, fail_open ? 1 : 0);
    assert_int_equal(pw_stream_resume_request(w), PW_CONTINUE);

    log_text[0] = '\0';
    assert_int_equal(pw_stream_on_response_headers(a, true), fail_open ? PW_CONTINUE : PW_LOCAL);
    assert_int_equal(passing.local_status, fail_open ? 0 : 503);
    assert_int_equal(pw_stream_on_response_headers(a, true), PW_CONTINUE); /* it failed once */

    struct pw_stream *f = begin(p, &fresh, "", NULL);
    assert_int_equal(pw_stream_on_request_headers(f, true), PW_CONTINUE);
    pw_stream_end(t);
    pw_stream_end(a);
    pw_stream_end(w);
    assert_null(strstr(log_text, "on_done"));      /* nobody calls a dead VM */
    assert_null(strstr(log_text, "on_configure")); /* it was replaced as it was after that */
    pw_stream_end(f);
    assert_non_null(strstr(log_text, "on_done 3\n"));
    pw_plugin_free(p);
}

static void test_trap_fails_others_closed(void **state)
{
    (void)state;
    fail_others(false);
}

static void test_trap_fails_others_open(void **state)
{
    (void)state;
    fail_others(true);
}

/* A plugin that has no callback left for a stream cannot fail it. */
static void test_trap_spares_whom_nothing_is_asked_of(void **state)
{
    struct pw_plugin *p = start_guest("build/guests/host/decider.wasm", false);
    struct fake passing, trapping;
    struct pw_stream *a = begin(p, &passing, "", NULL), *t = begin(p, &trapping, "trap", NULL);
    (void)state;

    assert_int_equal(pw_stream_on_request_headers(a, true), PW_CONTINUE);
    assert_int_equal(pw_stream_on_request_headers(t, true), PW_LOCAL);
    assert_int_equal(trapping.local_status, 503);
    assert_int_equal(pw_stream_on_response_headers(a, true), PW_CONTINUE);
    assert_int_equal(passing.local_status, 0);
    assert_true(!pw_stream_trapped(a) && pw_stream_trapped(t));
    pw_stream_end(t);
    pw_stream_end(a);
    pw_plugin_free(p);
}

/* A callback that does not end is ended after its budget, and its VM replaced. */
static void test_deadline(void **state)
{
    struct pw_plugin *p = start(false);
    struct fake f;
    (void)state;

    for (int i = 0; i < 2; i++) {
        struct pw_stream *s = begin(p, &f, i == 0 ? "loop" : "loop calls", NULL);
        clock_t before = clock();
        assert_int_equal(pw_stream_on_request_headers(s, true), PW_LOCAL);
        double ms = (double)(clock() - before) * 1e3 / CLOCKS_PER_SEC;
        assert_true(ms >= 99 && ms < 130);
        assert_int_equal(f.local_status, 503);
        assert_non_null(strstr(log_text, "trap in proxy_on_request_headers: deadline exceeded"));
        pw_stream_end(s);
        struct pw_stream *next = begin(p, &f, "", NULL);
        assert_int_equal(pw_stream_on_request_headers(next, true), PW_CONTINUE);
        pw_stream_end(next);
    }
    pw_plugin_free(p);
}

static void test_back_off(void **state)
{
    struct pw_plugin *p = start(false);
    struct fake f;
    (void)state;

    for (int i = 0; i < 6; i++) {
        struct pw_stream *s = begin(p, &f, "trap", NULL);
        assert_int_equal(pw_stream_on_request_headers(s, true), PW_LOCAL);
        pw_stream_end(s);
    }
    log_text[0] = '\0';
    struct pw_stream *early = begin(p, &f, "", NULL);
    assert_int_equal(pw_stream_on_request_headers(early, true), PW_LOCAL);
    assert_string_equal(log_text, "");
    assert_int_equal(pw_plugin_memory_bytes(p), 0);
    pw_stream_end(early);
    clock_ns += 100000000;
    struct pw_stream *later = begin(p, &f, "", NULL);
    assert_int_equal(pw_stream_on_request_headers(later, true), PW_CONTINUE);
    assert_true(pw_plugin_memory_bytes(p) >= 65536);
    pw_stream_end(later);
    pw_plugin_free(p);
}

/* The wait doubles from 0.1 s to 25.6 s; each is up to a quarter less, and not by the same part. */
static void test_back_off_doubles_with_jitter(void **state)
{
    struct pw_plugin *p = start(false);
    struct fake f;
    uint64_t parts = 0; /* the tenths of the quarter that were seen, as bits */
    (void)state;

    for (unsigned failures = 1; failures <= 30; failures++) {
        struct pw_stream *s = begin(p, &f, "trap", NULL);
        assert_int_equal(pw_stream_on_request_headers(s, true), PW_LOCAL);
        pw_stream_end(s);
        assert_int_equal(pw_plugin_backs_off(p), failures > 5);
        if (failures > 5) {
            uint64_t full = UINT64_C(100000000) << (failures < 14 ? failures - 6 : 8),
                     wait = p->next_start_ns - clock_ns;
            assert_true(wait <= full && wait > full - full / 4);
            parts |= UINT64_C(1) << (full - wait) * 40 / full;
            clock_ns = p->next_start_ns;
        }
    }
    assert_true(__builtin_popcountll(parts) > 3);
    pw_plugin_free(p);
}

/* Running streams stay on the old VM; its roots end with the last of them. */
static void test_replace_module(void **state)
{
    struct pw_plugin *p = start(false);
    struct weir_module *m = load("build/guests/host/probe-0_2_100.wasm");
    struct weir_module *bad = load("build/guests/host/no_marker.wasm");
    struct fake fa, fb;
    struct weir_report rep;
    struct pw_stream *a = begin(p, &fa, "ret 1", NULL);
    (void)state;

    assert_int_equal(pw_stream_on_request_headers(a, true), PW_PAUSE);
    weir_report_init(&rep);
    assert_int_equal(pw_plugin_replace_module(p, bad, &rep), WEIR_E_UNSUPPORTED);
    weir_report_init(&rep);
    log_text[0] = '\0';
    assert_int_equal(pw_plugin_replace_module(p, m, &rep), WEIR_OK);
    assert_null(strstr(log_text, "on_done"));
    weir_module_unref(m);
    weir_module_unref(bad);

    struct pw_stream *b = begin(p, &fb, "effective 4; continue 0", NULL); /* 4 is in another VM */
    assert_int_equal(pw_stream_on_request_headers(b, true), PW_CONTINUE);
    assert_int_equal(fa.resumed_requests, 0);
    assert_null(strstr(log_text, "on_done"));
    log_text[0] = '\0';
    pw_stream_end(a);
    assert_string_equal(log_text,
                        "on_done 3\non_log 3\non_delete 3\non_done 1\non_delete 1\non_done 2\non_delete 2\n");
    pw_stream_end(b);
    pw_plugin_free(p);
}

static void test_stored_properties_for_access_logs(void **state)
{
    struct pw_plugin *p = start(false);
    struct fake f;
    struct str v;
    struct pw_stream *s = begin(p, &f, "setprop custom_log text; setprop a~b c", NULL);
    (void)state;

    assert_false(pw_stream_get_property(s, STR("custom_log"), &v));
    assert_int_equal(pw_stream_on_request_headers(s, true), PW_CONTINUE);
    assert_true(pw_stream_get_property(s, STR("custom_log"), &v) && str_eq(v, STR("text")));
    assert_true(pw_stream_get_property(s, (struct str){"a\0b", 3}, &v) && str_eq(v, STR("c")));
    pw_stream_end(s);
    pw_plugin_free(p);
}

/* A stream that ends before any plugin saw it creates nothing; one without steps passes. */
static void test_streams_without_contexts(void **state)
{
    struct pw_plugin *p = start(false);
    struct fake f;
    struct pw_stream *s = begin(p, &f, "", NULL);
    (void)state;

    log_text[0] = '\0';
    assert_int_equal(pw_stream_on_response_headers(s, true), PW_CONTINUE);
    pw_stream_end(s);
    assert_string_equal(log_text, "");
    s = pw_stream_new(NULL, 0, &f);
    assert_int_equal(pw_stream_on_request_headers(s, true), PW_CONTINUE);
    assert_int_equal(pw_stream_on_response_headers(s, true), PW_CONTINUE);
    pw_stream_end(s);
    pw_plugin_free(p);
}

/* Both steps of a stream that ended; then it is freed. */
static void expect_outcomes(struct pw_stream *s, enum pw_outcome first, enum pw_outcome second)
{
    pw_stream_finish(s);
    struct pw_step_report a = pw_stream_step_report(s, 0), b = pw_stream_step_report(s, 1);
    assert_string_equal(pw_outcome_name(a.outcome), pw_outcome_name(first));
    assert_string_equal(pw_outcome_name(b.outcome), pw_outcome_name(second));
    assert_true(str_eq(a.details, first == PW_OUTCOME_ANSWERED ? STR("d") : STR("")));
    assert_true(str_eq(b.details, STR("")));
    assert_true(b.ns == 0 || second != PW_OUTCOME_NONE);
    pw_stream_end(s);
}

static void test_outcomes(void **state)
{
    static const struct {
        const char *script;
        enum pw_verdict verdict;
        enum pw_outcome outcome;
    } cases[] = {
        {"ret 1", PW_PAUSE, PW_OUTCOME_PAUSED},   {"local 403 d b -1", PW_LOCAL, PW_OUTCOME_ANSWERED},
        {"close 0", PW_CLOSE, PW_OUTCOME_CLOSED}, {"trap", PW_LOCAL, PW_OUTCOME_TRAPPED},
        {"loop", PW_LOCAL, PW_OUTCOME_DEADLINE},
    };
    struct pw_plugin *p = start(false);
    struct fake f, other;
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pw_stream *s = begin(p, &f, cases[i].script, NULL);
        assert_int_equal(pw_stream_on_request_headers(s, true), cases[i].verdict);
        expect_outcomes(s, cases[i].outcome, PW_OUTCOME_NONE);
    }
    struct pw_stream *s = begin(p, &f, "", NULL), *t = begin(p, &other, "trap", NULL);
    assert_int_equal(pw_stream_on_request_headers(s, true), PW_CONTINUE);
    assert_int_equal(pw_stream_on_request_headers(t, true), PW_LOCAL);
    assert_int_equal(pw_stream_on_response_headers(s, true), PW_LOCAL);
    expect_outcomes(s, PW_OUTCOME_OK, PW_OUTCOME_VM_DIED);
    expect_outcomes(t, PW_OUTCOME_TRAPPED, PW_OUTCOME_NONE);
    pw_plugin_free(p);
}

/* Where the policy lets the stream pass, the second step finds the VM dead, and later none. */
static void test_outcomes_of_streams_that_pass(void **state)
{
    struct pw_plugin *p = start(true);
    struct fake f;
    (void)state;

    for (int i = 0; i < 6; i++) {
        struct pw_stream *s = begin(p, &f, "trap", NULL);
        assert_int_equal(pw_stream_on_request_headers(s, true), PW_CONTINUE);
        expect_outcomes(s, PW_OUTCOME_TRAPPED, PW_OUTCOME_VM_DIED);
    }
    struct pw_stream *s = begin(p, &f, "", NULL);
    assert_int_equal(pw_stream_on_request_headers(s, true), PW_CONTINUE);
    expect_outcomes(s, PW_OUTCOME_HEALING, PW_OUTCOME_HEALING);
    pw_plugin_free(p);
}

static uint64_t real_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A loop that ends with its budget took almost all the time that passed; a step that was not called took
 * none. */
static void test_time_of_steps(void **state)
{
    static const struct str config = STR("");
    struct pw_plugin_options opt = {.name = STR("quick"), .configs = &config, .nconfigs = 1};
    struct weir_module *m = load("build/guests/host/probe.wasm");
    struct pw_plugin *p = start(false), *quick;
    struct fake f;
    (void)state;

    assert_int_equal(pw_plugin_new(m, &opt, &server, NULL, &quick, NULL), WEIR_OK);
    const struct pw_step steps[] = {{quick, 0}, {p, 0}};
    memset(&f, 0, sizeof f);
    struct pw_stream *s = pw_stream_new(steps, 2, &f);
    pw_stream_finish(s);
    assert_int_equal(pw_stream_step_report(s, 0).ns, 0); /* nobody was called */
    pw_stream_end(s);

    s = begin(p, &f, "loop", NULL);
    uint64_t before = real_ns();
    assert_int_equal(pw_stream_on_request_headers(s, true), PW_LOCAL);
    pw_stream_finish(s);
    uint64_t passed = real_ns() - before;
    struct pw_step_report r = pw_stream_step_report(s, 0);
    assert_true(r.ns <= passed + passed / 100 && r.ns >= passed - passed / 10 && r.ns >= 99000000);
    assert_int_equal(pw_stream_step_report(s, 1).ns, 0);
    pw_stream_end(s);

    memset(&f, 0, sizeof f);
    s = pw_stream_new(steps, 2, &f); /* the first did not start */
    assert_int_equal(pw_stream_on_request_headers(s, true), PW_LOCAL);
    expect_outcomes(s, PW_OUTCOME_STOPPED, PW_OUTCOME_NONE);
    pw_plugin_free(quick);
    pw_plugin_free(p);
    weir_module_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume_by_another_stream),
        cmocka_unit_test(test_local_response_and_close_by_another_stream),
        cmocka_unit_test(test_response_pauses),
        cmocka_unit_test(test_trap_fails_others_closed),
        cmocka_unit_test(test_trap_fails_others_open),
        cmocka_unit_test(test_trap_spares_whom_nothing_is_asked_of),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_back_off_doubles_with_jitter),
        cmocka_unit_test(test_replace_module),
        cmocka_unit_test(test_stored_properties_for_access_logs),
        cmocka_unit_test(test_streams_without_contexts),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_outcomes_of_streams_that_pass),
        cmocka_unit_test(test_time_of_steps),
    };
    return cmocka_run_group_tests_name("pw/stream", tests, NULL, NULL);
}
