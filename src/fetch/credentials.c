/* fetch/credentials.c - docker's configuration, or a line. */
#include "fetch/credentials.h"

#include <jansson.h>
#include <openssl/evp.h>

static weir_status refuse(struct weir_report *rep, const char *what)
{
    return weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "",
                           "the pull secret %s; it is a docker configuration with \"auths\", or a line "
                           "USER:PASSWORD",
                           what);
}

static bool keep(struct str s, char *out, size_t cap)
{
    if (s.len >= cap || (s.len != 0 && memchr(s.at, '\0', s.len) != NULL)) {
        return false;
    }
    memcpy(out, s.len == 0 ? "" : s.at, s.len);
    out[s.len] = '\0';
    return true;
}

static bool split(struct str pair, struct fetch_credentials *out)
{
    size_t colon = str_find_char(pair, ':');

    out->given = colon != pair.len && colon != 0 &&
                 keep(str_slice(pair, 0, colon), out->user, sizeof out->user) &&
                 keep(str_slice(pair, colon + 1, pair.len), out->password, sizeof out->password);
    return out->given;
}

static bool split_base64(struct str text, struct fetch_credentials *out)
{
    unsigned char plain[12 << 10];

    if (text.len == 0 || text.len % 4 != 0 || text.len / 4 * 3 > sizeof plain) {
        return false;
    }
    int n = EVP_DecodeBlock(plain, (const unsigned char *)text.at, (int)text.len);
    for (size_t i = text.len; n > 0 && i-- > text.len - 2 && text.at[i] == '=';) {
        n--;
    }
    return n > 0 && split(str_make(plain, (size_t)n), out);
}

/* "https://index.docker.io/v1/" is how docker writes its own; others are "HOST" or a URL. */
static bool is_for(const char *key, struct str host)
{
    struct str k = str_of(key);
    size_t scheme = str_starts_with(k, STR("https://")) ? 8 : str_starts_with(k, STR("http://")) ? 7 : 0;

    k = str_slice(k, scheme, k.len);
    k = str_slice(k, 0, str_find_char(k, '/'));
    bool hub = str_eq(host, STR("docker.io"));
    return str_ieq(k, host) ||
           (hub && (str_ieq(k, STR("index.docker.io")) || str_ieq(k, STR("registry-1.docker.io"))));
}

static struct str member(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return json_is_string(v) ? str_make(json_string_value(v), json_string_length(v)) : STR("");
}

static bool read_entry(const json_t *entry, struct fetch_credentials *out)
{
    struct str auth = member(entry, "auth"), user = member(entry, "username"),
               identity = member(entry, "identitytoken");

    if (identity.len != 0) { /* the user beside it is a placeholder */
        out->given = keep(identity, out->identity_token, sizeof out->identity_token);
        return out->given;
    }
    if (user.len != 0) {
        out->given = keep(user, out->user, sizeof out->user) &&
                     keep(member(entry, "password"), out->password, sizeof out->password);
        return out->given;
    }
    return split_base64(auth, out);
}

weir_status fetch_credentials_find(struct str secret, struct str host, struct fetch_credentials *out,
                                   struct weir_report *rep)
{
    struct str text = str_trim(secret);
    const char *key;
    json_t *entry;
    weir_status st = WEIR_OK;

    *out = (struct fetch_credentials){.given = false};
    if (text.len == 0) {
        return WEIR_OK;
    }
    if (text.at[0] != '{') {
        return str_find_char(text, '\n') == text.len && split(text, out) ? WEIR_OK
                                                                         : refuse(rep, "cannot be read");
    }
    json_t *json = json_loadb(text.at, text.len, 0, NULL);
    json_t *auths = json_object_get(json, "auths");
    if (!json_is_object(auths)) {
        st = refuse(rep, json == NULL ? "is no JSON" : "has no \"auths\"");
    } else {
        json_object_foreach(auths, key, entry)
        {
            if (is_for(key, host)) {
                st = read_entry(entry, out) ? WEIR_OK : refuse(rep, "has an entry that cannot be read");
                break;
            }
        }
    }
    json_decref(json);
    return st;
}
