/* cli/metrics.h - GET /metrics: what workers, plugins and the control process count, as Prometheus reads it.
 * docs/metrics.md has every family. */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include "cli/api_workers.h"

void metrics_text(struct api *a, const struct workers_said *workers, struct strbuf *out);

#endif
