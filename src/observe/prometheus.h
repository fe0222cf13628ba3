/* observe/prometheus.h - metrics as Prometheus reads them: the text format, version 0.0.4.
 *
 * A family is a name with a type; its samples follow its head.  Names are [a-zA-Z_][a-zA-Z0-9_]*; what stands
 * in labels may be anything, and is escaped.
 *
 * Plugins name their metrics as they like, and two of them may be one name here, or one of another type.
 * `prometheus_guests` gives each a name and labels that nothing else has:
 *
 *   - as Envoy does: without a prefix, every byte outside of [a-zA-Z0-9_] an underscore;
 *   - as Higress's Envoy does: route.R.upstream.U.model.M.consumer.C.metric.NAME is
 *     route_upstream_model_consumer_metric_NAME with the labels ai_route, ai_cluster, ai_model and
 * ai_consumer;
 *   - a name in "weir_", which is the gateway's, goes behind "plugin_";
 *   - of two types under one name the later one gets its type as an ending; of two metrics with one name and
 *     the same labels the later one has its own name in the label `metric`. */
#ifndef OBSERVE_PROMETHEUS_H
#define OBSERVE_PROMETHEUS_H

#include "base/str.h"
#include "weir/pw_shared.h"

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct prometheus_label {
    const char *name;
    struct str value;
};

void prometheus_family(struct strbuf *out, struct str name, enum pw_metric_type type, struct str help);
/* `suffix`: "_bucket", or "".  `value`: a number as text. */
void prometheus_sample(struct strbuf *out, struct str name, const char *suffix,
                       const struct prometheus_label *labels, size_t n, struct str value);

struct prometheus_guests;

struct prometheus_guests *prometheus_guests_new(void);
void prometheus_guests_free(struct prometheus_guests *g); /* NULL is fine */
/* Everything is copied.  Gauges are signed. */
void prometheus_guests_add(struct prometheus_guests *g, const struct pw_metric *m);
/* All of them, family by family, in the order of their first metrics. */
void prometheus_guests_write(const struct prometheus_guests *g, struct strbuf *out);

#endif
