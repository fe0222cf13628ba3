/* cli/endpoints.h - services and their endpoints as all workers together see them, for GET /v1/endpoints. */
#ifndef CLI_ENDPOINTS_H
#define CLI_ENDPOINTS_H

#include "cli/api_workers.h"

/* Appends the answer: services in the order in which they are written.  An endpoint that workers judge
 * differently is "mixed"; what each says stands beside it. */
void endpoints_json(const struct gw_config *config, const struct workers_said *workers, struct strbuf *out);

#endif
