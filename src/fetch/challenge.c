/* fetch/challenge.c - one scheme and its parameters. */
#include "fetch/challenge.h"

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip_space(struct str *s)
{
    while (s->len != 0 && (s->at[0] == ' ' || s->at[0] == '\t')) {
        *s = str_slice(*s, 1, s->len);
    }
}

static struct str take_token(struct str *s)
{
    size_t n = 0;
    while (n < s->len && is_token_char(s->at[n])) {
        n++;
    }
    struct str token = str_slice(*s, 0, n);
    *s = str_slice(*s, n, s->len);
    return token;
}

/* A token or a quoted string, into `out` with its NUL; false: malformed, too long, or with control
 * characters.
 */
static bool take_value(struct str *s, char *out, size_t cap)
{
    size_t n = 0, i = 1;

    if (s->len == 0 || s->at[0] != '"') {
        struct str token = take_token(s);
        if (token.len == 0 || token.len >= cap) {
            return false;
        }
        memcpy(out, token.at, token.len);
        out[token.len] = '\0';
        return true;
    }
    for (; i < s->len && s->at[i] != '"'; i++) {
        i += s->at[i] == '\\';
        if (i >= s->len || n + 1 >= cap || (unsigned char)s->at[i] < ' ' || s->at[i] == 0x7f) {
            return false;
        }
        out[n++] = s->at[i];
    }
    if (i >= s->len) {
        return false;
    }
    out[n] = '\0';
    *s = str_slice(*s, i + 1, s->len);
    return true;
}

bool fetch_challenge_parse(struct str header, struct fetch_challenge *out)
{
    struct fetch_challenge c = {.kind = FETCH_NO_CHALLENGE};
    struct str rest = str_trim(header), scheme = take_token(&rest);
    char other[1024];

    c.kind = str_ieq(scheme, STR("basic"))    ? FETCH_BASIC
             : str_ieq(scheme, STR("bearer")) ? FETCH_BEARER
                                              : FETCH_NO_CHALLENGE;
    if (c.kind == FETCH_NO_CHALLENGE) {
        return false;
    }
    for (skip_space(&rest); rest.len != 0; skip_space(&rest)) {
        struct str name = take_token(&rest);
        skip_space(&rest);
        if (name.len == 0 || rest.len == 0 || rest.at[0] != '=') {
            break; /* the next challenge begins */
        }
        rest = str_slice(rest, 1, rest.len);
        skip_space(&rest);
        const struct {
            const char *name;
            char *at;
            size_t cap;
        } known[] = {{"realm", c.realm, sizeof c.realm},
                     {"service", c.service, sizeof c.service},
                     {"scope", c.scope, sizeof c.scope},
                     {NULL, other, sizeof other}};
        size_t i = 0;
        while (known[i].name != NULL && !str_ieq(name, str_of(known[i].name))) {
            i++;
        }
        if (!take_value(&rest, known[i].at, known[i].cap)) {
            return false;
        }
        skip_space(&rest);
        if (rest.len != 0 && rest.at[0] != ',') {
            return false;
        }
        rest = str_slice(rest, 1, rest.len);
    }
    if (c.kind == FETCH_BEARER && c.realm[0] == '\0') {
        return false;
    }
    *out = c;
    return true;
}
