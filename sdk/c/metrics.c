/* metrics.c - metrics: defined once per VM, then numbers. */
#include "internal.h"

enum wp_status wp_metric_define(enum wp_metric_type type, struct wp_str name, uint32_t *metric)
{
    return (enum wp_status)proxy_define_metric(type, name.at, name.len, metric);
}

enum wp_status wp_metric_add(uint32_t metric, int64_t delta)
{
    return (enum wp_status)proxy_increment_metric(metric, delta);
}

enum wp_status wp_metric_record(uint32_t metric, uint64_t value)
{
    return (enum wp_status)proxy_record_metric(metric, value);
}

bool wp_metric_get(uint32_t metric, uint64_t *value)
{
    *value = 0;
    return proxy_get_metric(metric, value) == WP_OK;
}
