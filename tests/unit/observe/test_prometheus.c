/* Whatever plugins call their metrics, each becomes a legal series of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe/prometheus.h"

static struct strbuf text_of(const struct pw_metric *m, size_t n)
{
    struct strbuf out = {0};
    struct prometheus_guests *g = prometheus_guests_new();

    for (size_t i = 0; i < n; i++) {
        prometheus_guests_add(g, &m[i]);
    }
    prometheus_guests_write(g, &out);
    prometheus_guests_free(g);
    return out;
}

static struct pw_metric counter(const char *name, uint64_t value)
{
    return (struct pw_metric){.type = PW_METRIC_COUNTER, .name = str_of(name), .value = value};
}

static void has(const struct strbuf *out, const char *line)
{
    if (strstr(out->at, line) == NULL) {
        print_error("not there: %s\nin:\n%s", line, out->at);
        fail();
    }
}

static void test_names(void **state)
{
    struct pw_metric m[] = {counter("a.b", 1),    counter("a_b", 2), counter("9", 3),         counter("", 4),
                            counter("weir_x", 5), counter("a.b", 6), counter("weir.ready", 7)};
    (void)state;

    m[5].type = PW_METRIC_GAUGE;
    m[5].value = (uint64_t)-6;
    struct strbuf out = text_of(m, 7);
    has(&out, "# TYPE a_b counter\na_b 1\na_b{metric=\"a_b\"} 2\n");
    has(&out, "\n_9 3\n");
    has(&out, "\n_ 4\n");
    has(&out, "\nplugin_weir_x 5\n");
    has(&out, "\nplugin_weir_ready 7\n");
    has(&out, "# TYPE a_b_gauge gauge\na_b_gauge -6\n");
    strbuf_fini(&out);
}

static void test_labels_are_escaped(void **state)
{
    struct pw_metric m[] = {counter("x", 1), counter("", 2)};
    struct strbuf out;
    (void)state;

    m[1].name = STR("x");
    m[1].name.at = "\"\\\n\x01\xff\0\xc3\xa9";
    m[1].name.len = 8;
    m[0].name = STR("________");
    out = text_of(m, 2);
    has(&out, "________{metric=\"\\\"\\\\\\n\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\"} 2\n");
    strbuf_fini(&out);
}

static void test_histograms(void **state)
{
    struct pw_metric m[] = {{.type = PW_METRIC_HISTOGRAM, .name = STR("h"), .count = 3, .sum = 9},
                            counter("h_count", 7),
                            counter("g_sum", 8),
                            {.type = PW_METRIC_HISTOGRAM, .name = STR("g")}};
    (void)state;

    m[0].buckets[0] = 1;
    m[0].buckets[2] = 1;
    m[0].buckets[PW_HISTOGRAM_BOUNDS] = 1;
    struct strbuf out = text_of(m, 4);
    has(&out, "h_bucket{le=\"1\"} 1\nh_bucket{le=\"5\"} 1\nh_bucket{le=\"10\"} 2\n");
    has(&out, "h_bucket{le=\"+Inf\"} 3\nh_sum 9\nh_count 3\n");
    has(&out, "\nh_count_counter 7\n");
    has(&out, "\ng_sum 8\n");
    has(&out, "\ng_histogram_sum 0\n");
    strbuf_fini(&out);
}

static void test_higress(void **state)
{
    struct pw_metric m[] = {
        counter("route.a.b.upstream.outbound|443||x.dns.model.q-1.5.consumer.joe.metric.input_token", 1),
        counter("route.a.b.upstream.outbound|443||x.dns.model.q-1.5.consumer.ann.metric.input_token", 2),
        counter("route.r.upstream.u.model.m.metric.llm-time", 3),
        counter("route.r.upstream.u.model.m.consumer.c", 4),
        counter("route.r.upstream.u.model.m.metric.", 5),
        counter("route.", 6)};
    (void)state;

    struct strbuf out = text_of(m, 6);
    has(&out, "# TYPE route_upstream_model_consumer_metric_input_token counter\n"
              "route_upstream_model_consumer_metric_input_token{ai_route=\"a.b\",ai_cluster=\"outbound|443||"
              "x.dns\","
              "ai_model=\"q-1.5\",ai_consumer=\"joe\"} 1\n"
              "route_upstream_model_consumer_metric_input_token{ai_route=\"a.b\",ai_cluster=\"outbound|443||"
              "x.dns\","
              "ai_model=\"q-1.5\",ai_consumer=\"ann\"} 2\n");
    has(&out, "route_upstream_model_metric_llm_time{ai_route=\"r\",ai_cluster=\"u\",ai_model=\"m\"} 3\n");
    has(&out, "\nroute_r_upstream_u_model_m_consumer_c 4\n");
    has(&out, "\nroute_r_upstream_u_model_m_metric_ 5\n");
    has(&out, "\nroute_ 6\n");
    strbuf_fini(&out);
}

static void test_many(void **state)
{
    enum { N = 5000 };
    struct pw_metric *m = calloc(N, sizeof *m);
    char(*names)[16] = calloc(N, sizeof *names);
    size_t lines = 0;
    (void)state;

    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], i % 2 ? "m.%d" : "m_%d", i / 2);
        m[i] = counter(names[i], (uint64_t)i);
    }
    struct strbuf out = text_of(m, N);
    for (size_t i = 0; i < out.len; i++) {
        lines += out.at[i] == '\n';
    }
    assert_int_equal(lines, N + N / 2 * 2);
    has(&out, "\nm_2499 4998\nm_2499{metric=\"m.2499\"} 4999\n");
    strbuf_fini(&out);
    free(names);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_labels_are_escaped),
        cmocka_unit_test(test_histograms), cmocka_unit_test(test_higress),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests_name("observe/prometheus", tests, NULL, NULL);
}
