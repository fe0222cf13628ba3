/* fetch/source.c - taking URLs of modules apart. */
#include "fetch/source.h"

enum { MAX_NAME = 255, MAX_TAG = 128 };

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool fetch_is_digest(struct str s)
{
    if (s.len != FETCH_DIGEST_LEN || !str_starts_with(s, STR("sha256:"))) {
        return false;
    }
    for (size_t i = 7; i < s.len; i++) {
        if (!(s.at[i] >= '0' && s.at[i] <= '9') && !(s.at[i] >= 'a' && s.at[i] <= 'f')) {
            return false;
        }
    }
    return true;
}

/* Characters of a host with a port; what it means is for the resolver to say. */
static bool is_host(struct str s)
{
    bool any = false;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        any = any || is_alnum(c);
        if (!is_alnum(c) && c != '.' && c != '-' && c != ':' && c != '[' && c != ']' && c != '_') {
            return false;
        }
    }
    return any && s.len <= MAX_NAME;
}

/* Lower-case parts between slashes, as the distribution specification has them. */
static bool is_repository(struct str s)
{
    char before = '/';

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool separator = c == '.' || c == '_' || c == '-';
        if (!is_lower_alnum(c) && !separator && c != '/') {
            return false;
        }
        if ((c == '/' || separator) && before == '/') {
            return false;
        }
        if (c == '/' && !is_lower_alnum(before)) {
            return false;
        }
        before = c;
    }
    return s.len != 0 && s.len <= MAX_NAME && is_lower_alnum(before);
}

static bool is_tag(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (!is_alnum(c) && c != '_' && (i == 0 || (c != '.' && c != '-'))) {
            return false;
        }
    }
    return s.len != 0 && s.len <= MAX_TAG;
}

bool fetch_host_is_loopback(struct str host)
{
    struct str name = str_starts_with(host, STR("[")) ? str_slice(host, 0, str_find_char(host, ']') + 1)
                                                      : str_slice(host, 0, str_find_char(host, ':'));
    uint64_t n;

    if (str_eq(name, STR("localhost")) || str_eq(name, STR("[::1]"))) {
        return true;
    }
    for (unsigned part = 0; part < 4; part++) {
        struct str digits = str_cut(&name, '.');
        if (!str_to_u64(digits, &n) || n > 255 || (part == 0 && n != 127)) {
            return false;
        }
    }
    return name.len == 0;
}

static weir_status refuse(struct weir_report *rep, const char *what, struct str url)
{
    return weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "", "%s in the URL \"%.*s\"", what,
                           (int)(url.len < 150 ? url.len : 150), url.at);
}

static bool names_a_host(struct str first)
{
    return str_find_char(first, '.') != first.len || str_find_char(first, ':') != first.len ||
           str_eq(first, STR("localhost"));
}

static weir_status parse_image(struct str rest, struct fetch_source *s, struct weir_report *rep)
{
    size_t at = str_find_char(rest, '@');

    if (at != rest.len) {
        s->digest = str_slice(rest, at + 1, rest.len);
        rest = str_slice(rest, 0, at);
        if (!fetch_is_digest(s->digest)) {
            return refuse(rep, "a digest is @sha256: and 64 lower-case hexadecimal digits", s->url);
        }
    }
    size_t slash = str_find_char(rest, '/');
    if (slash != rest.len && names_a_host(str_slice(rest, 0, slash))) {
        s->host = str_slice(rest, 0, slash);
        rest = str_slice(rest, slash + 1, rest.len);
    } else {
        s->host = STR("docker.io");
    }
    if (!is_host(s->host)) {
        return refuse(rep, "no host", s->url);
    }
    size_t colon = str_find_char(rest, ':');
    if (colon != rest.len) {
        s->tag = str_slice(rest, colon + 1, rest.len);
        rest = str_slice(rest, 0, colon);
        if (!is_tag(s->tag)) {
            return refuse(rep, "a tag is 1 to 128 letters, digits, '_', '.' and '-'", s->url);
        }
    } else if (s->digest.len == 0) {
        s->tag = STR("latest");
    }
    if (!is_repository(rest)) {
        return refuse(rep, "a repository is written in lower case, like oci://HOST/team/plugin:TAG,", s->url);
    }
    s->repository = rest;
    s->library = str_eq(s->host, STR("docker.io")) && str_find_char(rest, '/') == rest.len;
    return WEIR_OK;
}

weir_status fetch_source_parse(struct str url, struct fetch_source *out, struct weir_report *rep)
{
    static const struct {
        struct str prefix;
        enum fetch_scheme scheme;
    } schemes[] = {{{"http://", 7}, FETCH_HTTP}, {{"https://", 8}, FETCH_HTTPS}, {{"oci://", 6}, FETCH_OCI}};
    struct fetch_source s = {.url = url};

    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.at[i] <= ' ' || url.at[i] == 0x7f) {
            return refuse(rep, "a character that does not belong", STR(""));
        }
    }
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!str_starts_with(url, schemes[i].prefix)) {
            continue;
        }
        struct str rest = str_slice(url, schemes[i].prefix.len, url.len);
        s.scheme = schemes[i].scheme;
        if (s.scheme == FETCH_OCI) {
            weir_status st = parse_image(rest, &s, rep);
            if (st == WEIR_OK) {
                *out = s;
            }
            return st;
        }
        size_t end = 0;
        while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?' && rest.at[end] != '#') {
            end++;
        }
        s.host = str_slice(rest, 0, end);
        if (!is_host(s.host)) {
            return refuse(rep,
                          str_find_char(s.host, '@') != s.host.len
                              ? "credentials belong into imagePullSecret, not"
                              : "no host",
                          str_find_char(s.host, '@') != s.host.len ? STR("...") : url);
        }
        *out = s;
        return WEIR_OK;
    }
    return refuse(rep, "neither http://, https:// nor oci://", url);
}
