/* gw/certificates.c - certificates of listeners with TLS: what they are for, and which one a client gets.
 *
 * The names are those that the configuration gives, else the DNS names in the certificate.  A name may have
 * one certificate of each kind of key; OpenSSL then shows the one that the client can verify.  As with
 * routes, a suffix stands for one or more labels. */
#include "gw/certificates.h"

#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/vec.h"
#include "gw/tables.h"
#include "gw/values.h"

VEC(struct str) typedef name_vec;

/* ---- one certificate -------------------------------------------------------------------- */

bool gw_check_certificate_host(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                               struct str *value)
{
    if (str_eq(*value, STR("*"))) {
        gw_problem_at(r, node, path, "for every name there is `default: true`");
        return false;
    }
    return gw_check_host_pattern(r, node, path, value);
}

/* "shop.example" or "*.shop.example", and nothing that would be more than a name. */
static bool is_pattern(struct str name)
{
    struct str rest = str_starts_with(name, STR("*.")) ? str_slice(name, 2, name.len) : name;

    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_') ||
            (c == '.' && (i == 0 || rest.at[i - 1] == '.'))) {
            return false;
        }
    }
    return rest.len != 0 && rest.len <= GW_MAX_HOST && rest.at[rest.len - 1] != '.';
}

/* The DNS names in the certificate, lower-case. */
static void names_of(struct arena *a, X509 *cert, name_vec *names)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
        if (g->type != GEN_DNS) {
            continue;
        }
        size_t len = (size_t)ASN1_STRING_length(g->d.dNSName);
        char *text = arena_strndup(a, (const char *)ASN1_STRING_get0_data(g->d.dNSName), len);
        for (size_t k = 0; k < len; k++) {
            text[k] = text[k] >= 'A' && text[k] <= 'Z' ? (char)(text[k] | 0x20) : text[k];
        }
        if (is_pattern(str_make(text, len))) {
            vec_push(names, str_make(text, len));
        }
    }
    GENERAL_NAMES_free(all);
}

/* Clients take a '*' for one label (RFC 6125, 6.4.3). */
static bool covered(struct str host, const name_vec *names)
{
    size_t dot = str_find_char(host, '.');
    struct str behind = str_slice(host, dot, host.len);

    for (size_t i = 0; i < names->len; i++) {
        struct str name = names->at[i];
        if (str_eq(name, host) ||
            (name.at[0] == '*' && behind.len != 0 && str_eq(str_slice(name, 1, name.len), behind))) {
            return true;
        }
    }
    return false;
}

static void check_names(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                        struct gw_certificate *c, X509 *cert)
{
    name_vec names = {0};
    struct gw_path hosts = {path, "hosts", 0};
    const struct gw_node *at = gw_node_find(node, "hosts");

    names_of(r->arena, cert, &names);
    for (uint32_t i = 0; i < c->nhosts; i++) {
        if (!covered(c->hosts[i], &names)) {
            gw_warning_at(r, at, &(struct gw_path){&hosts, NULL, i},
                          "the certificate is not made for %.*s; clients refuse it there",
                          STR_ARG(c->hosts[i]));
        }
    }
    if (c->nhosts == 0 && names.len != 0) {
        c->hosts = ARENA_ARRAY(r->arena, struct str, names.len);
        memcpy(c->hosts, names.at, names.len * sizeof *names.at);
        c->nhosts = (uint32_t)names.len;
    } else if (c->nhosts == 0 && !c->is_default) {
        gw_problem_at(r, node, path,
                      "the certificate is made for no DNS name; give hosts, or `default: true`");
    }
    vec_fini(&names);
}

static void check_time(struct gw_reader *r, const struct gw_node *at, const struct gw_path *path, X509 *cert)
{
    const ASN1_TIME *from = X509_get0_notBefore(cert), *until = X509_get0_notAfter(cert), *wrong = NULL;
    const char *what = "";
    struct tm tm;
    char date[32] = "";

    if (X509_cmp_current_time(until) < 0) {
        wrong = until;
        what = "expired on";
    } else if (X509_cmp_current_time(from) > 0) {
        wrong = from;
        what = "is not valid before";
    }
    if (wrong != NULL && ASN1_TIME_to_tm(wrong, &tm) == 1) {
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", &tm);
        gw_warning_at(r, at, path, "%s %s; clients refuse it", what, date);
    }
}

static enum gw_key_kind kind_of(X509 *cert)
{
    switch (EVP_PKEY_base_id(X509_get0_pubkey(cert))) {
    case EVP_PKEY_RSA:
        return GW_KEY_RSA;
    case EVP_PKEY_EC:
        return GW_KEY_EC;
    default:
        return GW_KEY_OTHER;
    }
}

/* Different for all certificates of a model: a host has one of a kind. */
static struct str name_of(struct gw_reader *r, const struct gw_certificate *c)
{
    static const char *const kinds[GW_KEY_KINDS] = {"rsa", "ec", "other"};
    struct str host = c->nhosts == 0 ? STR("default") : c->hosts[0];

    return str_of(arena_printf(r->arena, "%.*s-%s", STR_ARG(host), kinds[c->kind]));
}

void gw_check_certificate(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                          void *object)
{
    struct gw_certificate *c = object;
    struct gw_path certificate = {path, "certificate", 0}, key = {path, "key", 0};

    if (!gw_pem_key_fits(c->certificate, c->key)) {
        gw_problem_at(r, gw_node_find(node, "key"), &key,
                      "is not the key of the first certificate in certificate");
        return;
    }
    X509 *cert = gw_pem_certificate(c->certificate);
    c->kind = kind_of(cert);
    check_time(r, gw_node_find(node, "certificate"), &certificate, cert);
    check_names(r, node, path, c, cert);
    if (c->name.at == NULL) {
        c->name = name_of(r, c);
    }
    X509_free(cert);
}

/* ---- all of them ------------------------------------------------------------------------ */

static size_t count_hosts(const struct gw_config *c)
{
    size_t n = 0;
    for (uint32_t i = 0; i < c->ncertificates; i++) {
        n += c->certificates[i].nhosts;
    }
    return n;
}

static void check_twice(struct gw_problems *problems, const struct gw_config *c, uint32_t i, uint32_t other,
                        struct str name)
{
    const struct gw_certificate *one = &c->certificates[i];

    if (other != i) {
        gw_problems_add(
            problems, false, one->at, one->at.field,
            "%.*s has a certificate with such a key already, at %s:%u; remove one of the two, or give "
            "it other hosts",
            STR_ARG(name), c->certificates[other].at.file, c->certificates[other].at.line);
    }
}

void gw_certificates_check(struct gw_config *c, struct gw_problems *problems)
{
    struct arena a;
    struct gw_table table;

    for (uint32_t i = 0; i < c->nlisteners && c->ncertificates == 0; i++) {
        if (gw_listener_has_tls(&c->listeners[i])) {
            gw_problems_add(problems, false, c->listeners[i].at, c->listeners[i].at.field,
                            "%s needs a certificate; add it to certificates",
                            c->listeners[i].protocol == GW_HTTPS ? "https" : "tls");
        }
    }
    arena_init(&a);
    gw_table_init(&table, &a, count_hosts(c) + 2 * (size_t)c->ncertificates);
    for (uint32_t i = 0; i < c->ncertificates; i++) {
        const struct gw_certificate *one = &c->certificates[i];
        uint32_t named = gw_table_put(&table, one->name, GW_KEY_KINDS, i);
        if (named != i && one->name.len != 0) {
            gw_problems_add(problems, false, one->at, one->at.field,
                            "the name '%.*s' is taken, at %s:%u; rename one of the two", STR_ARG(one->name),
                            c->certificates[named].at.file, c->certificates[named].at.line);
            continue;
        }
        if (one->is_default) {
            check_twice(problems, c, i, gw_table_put(&table, STR("*"), one->kind, i), STR("the default"));
        }
        for (uint32_t h = 0; h < one->nhosts; h++) {
            check_twice(problems, c, i, gw_table_put(&table, one->hosts[h], one->kind, i), one->hosts[h]);
        }
    }
    arena_fini(&a);
}

/* ---- finding ---------------------------------------------------------------------------- */

static void put(struct gw_certificates *t, uint32_t set, const struct gw_certificate *one, uint32_t index)
{
    t->sets[set].by_kind[one->kind] = index;
}

void gw_certificates_build(struct gw_certificates *t, struct arena *a, const struct gw_config *c)
{
    size_t n = count_hosts(c) + 1;
    uint32_t nsets = 1;

    gw_table_init(&t->hosts, a, n);
    t->sets = ARENA_ARRAY(a, struct gw_certificate_set, n);
    memset(t->sets, 0xff, n * sizeof *t->sets); /* GW_NONE */
    for (uint32_t i = 0; i < c->ncertificates; i++) {
        const struct gw_certificate *one = &c->certificates[i];
        if (one->is_default) {
            put(t, 0, one, i);
        }
        for (uint32_t h = 0; h < one->nhosts; h++) {
            bool suffix = one->hosts[h].at[0] == '*';
            struct str host = str_slice(one->hosts[h], suffix, one->hosts[h].len);
            uint32_t set = gw_table_put(&t->hosts, host, suffix, nsets);
            nsets += set == nsets;
            t->max_suffix = suffix && host.len > t->max_suffix ? host.len : t->max_suffix;
            put(t, set, one, i);
        }
    }
}

const struct gw_certificate_set *gw_certificates_find(const struct gw_certificates *t, struct str name)
{
    char buf[GW_MAX_HOST + 1];
    struct str host;

    if (name.len == 0 || !gw_host_normalise(name, buf, &host)) {
        return &t->sets[0];
    }
    uint32_t set = gw_table_find(&t->hosts, host, 0);
    size_t from = host.len > t->max_suffix ? host.len - t->max_suffix : 1;
    for (size_t i = from; i < host.len && set == GW_NONE && t->max_suffix != 0; i++) {
        set = host.at[i] == '.' ? gw_table_find(&t->hosts, str_slice(host, i, host.len), 1) : GW_NONE;
    }
    return &t->sets[set == GW_NONE ? 0 : set];
}
