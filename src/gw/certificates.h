/* gw/certificates.h - what holds of all certificates of a model together. */
#ifndef GW_CERTIFICATES_H
#define GW_CERTIFICATES_H

#include "gw/config.h"
#include "gw/problems.h"

/* A problem for each name, and for the default, with two certificates of the same kind of key, and for HTTPS
 * listeners without any. */
void gw_certificates_check(struct gw_config *c, struct gw_problems *problems);

#endif
