/* http/request.c - parsed anew whenever more has come: requests are small and arrive in one piece. */
#include "http/request.h"

#include <string.h>

/* The next line without its end.  False: it is not complete. */
static bool cut_line(struct str *text, struct str *line)
{
    size_t end = str_find_char(*text, '\n');

    if (end == text->len) {
        return false;
    }
    *line = str_slice(*text, 0, end);
    *text = str_slice(*text, end + 1, text->len);
    if (line->len != 0 && line->at[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}

/* Visible ASCII. */
static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] <= ' ' || s.at[i] > '~') {
            return false;
        }
    }
    return s.len != 0;
}

static bool parse_request_line(struct str line, struct http_request *out)
{
    out->method = str_cut(&line, ' ');
    out->target = str_cut(&line, ' ');
    return is_word(out->method) && is_word(out->target) && out->target.at[0] == '/' &&
           (str_eq(line, STR("HTTP/1.1")) || str_eq(line, STR("HTTP/1.0")));
}

static struct str trim(struct str s)
{
    while (s.len != 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s = str_slice(s, 1, s.len);
    }
    while (s.len != 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* The headers that are kept.  One that comes twice is refused: which of the two counts is nobody's guess. */
static bool keep_header(struct http_request *r, struct str name, struct str value)
{
    const struct {
        const char *name;
        struct str *value;
    } kept[] = {{"if-match", &r->if_match},
                {"if-none-match", &r->if_none_match},
                {"authorization", &r->authorization}};

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (str_ieq(name, str_of(kept[i].name))) {
            bool first = kept[i].value->at == NULL;
            *kept[i].value = value;
            return first;
        }
    }
    return true;
}

static bool parse_header(struct str line, struct http_request *r, uint64_t *length, bool *has_length)
{
    size_t colon = str_find_char(line, ':');
    struct str name = str_slice(line, 0, colon);

    if (colon == line.len || !is_word(name) || memchr(line.at, '\0', line.len) != NULL ||
        str_ieq(name, STR("transfer-encoding"))) {
        return false;
    }
    if (str_ieq(name, STR("content-length"))) {
        bool first = !*has_length;
        *has_length = true;
        return first && str_to_u64(trim(str_slice(line, colon + 1, line.len)), length) &&
               *length <= HTTP_REQUEST_MAX_BODY_BYTES;
    }
    return keep_header(r, name, trim(str_slice(line, colon + 1, line.len)));
}

enum http_request_result http_request_parse(struct str text, struct http_request *out)
{
    struct http_request r = {0};
    struct str rest = text, line;
    uint64_t length = 0;
    bool has_length = false;
    enum http_request_result more =
        text.len < HTTP_REQUEST_MAX_HEAD_BYTES ? HTTP_REQUEST_MORE : HTTP_REQUEST_BAD;

    if (!cut_line(&rest, &line)) {
        return more;
    }
    if (!parse_request_line(line, &r)) {
        return HTTP_REQUEST_BAD;
    }
    for (;;) {
        if (!cut_line(&rest, &line)) {
            return more;
        }
        if (line.len == 0) {
            break;
        }
        if (!parse_header(line, &r, &length, &has_length)) {
            return HTTP_REQUEST_BAD;
        }
    }
    if (text.len - rest.len > HTTP_REQUEST_MAX_HEAD_BYTES) {
        return HTTP_REQUEST_BAD;
    }
    if (rest.len < length) {
        return HTTP_REQUEST_MORE;
    }
    r.body = str_slice(rest, 0, (size_t)length);
    *out = r;
    return HTTP_REQUEST_DONE;
}
