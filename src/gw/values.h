/* gw/values.h - the checks that go with the fields in fields.c.
 *
 * The first kind looks at one string and may normalise it (lower-case a host, say); false: a problem was
 * added.  The second kind looks at a mapping after its fields were read without a problem. */
#ifndef GW_VALUES_H
#define GW_VALUES_H

#include "gw/schema.h"

typedef bool gw_check_value(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                            struct str *value);
gw_check_value gw_check_name, gw_check_host_pattern, gw_check_host, gw_check_authority, gw_check_domain,
    gw_check_path, gw_check_path_prefix, gw_check_regex, gw_check_method, gw_check_header_name,
    gw_check_scheme, gw_check_url, gw_check_sha256, gw_check_env_name, gw_check_certificates,
    gw_check_private_key, gw_check_certificate_host, gw_check_alert_template, gw_check_alert_url;

typedef void gw_check_object(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                             void *object);
gw_check_object gw_check_listener, gw_check_path_match, gw_check_header_match, gw_check_redirect,
    gw_check_route, gw_check_env, gw_check_rule, gw_check_plugin, gw_check_tls, gw_check_service,
    gw_check_hash_key, gw_check_retries, gw_check_certificate, gw_check_alert;

/* A string that is PEM text or names a file of it, as that text. False: a problem was added.  Blocks on disk.
 */
bool gw_pem_read(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                 struct str *out);
/* Is `private_key` the one of the first certificate?  Both are PEM text. */
bool gw_pem_key_fits(struct str certificate, struct str private_key);

/* The first certificate of a text, which the caller frees (X509_free); NULL: it has none. */
struct x509_st *gw_pem_certificate(struct str pem);

/* A host as sent, into `buf`: lower-case, without its port and a dot at its end.  False, *out
 * untouched: longer than any host name can be (GW_MAX_HOST). */
enum { GW_MAX_HOST = 255, GW_MAX_SEGMENTS = 32 };
bool gw_host_normalise(struct str host, char buf[GW_MAX_HOST + 1], struct str *out);

#endif
