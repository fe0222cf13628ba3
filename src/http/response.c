/* http/response.c - lines and counted bytes, one state for each thing that may come next. */
#include "http/response.h"

void http_response_init(struct http_response *p, bool no_body, uint64_t max_body_bytes)
{
    *p = (struct http_response){.no_body = no_body, .max_body_bytes = max_body_bytes};
    arena_init(&p->arena);
}

void http_response_fini(struct http_response *p)
{
    vec_fini(&p->headers);
    vec_fini(&p->trailers);
    strbuf_fini(&p->body);
    strbuf_fini(&p->line);
    arena_fini(&p->arena);
}

static enum http_progress bad(struct http_response *p, const char *why)
{
    p->state = HTTP_BROKEN;
    p->error = why;
    p->keepalive = false;
    return HTTP_BAD;
}

static enum http_progress complete(struct http_response *p)
{
    p->state = HTTP_COMPLETE;
    return HTTP_DONE;
}

/* ---- lines ----------------------------------------------------------------------------- */

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A lower-cased copy of a name; false: it is no token. */
static bool copy_name(struct arena *a, struct str name, struct str *out)
{
    char *copy = arena_strndup(a, name.at, name.len);

    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_char(copy[i])) {
            return false;
        }
        copy[i] = (char)(copy[i] >= 'A' && copy[i] <= 'Z' ? copy[i] | 0x20 : copy[i]);
    }
    *out = (struct str){copy, name.len};
    return name.len != 0;
}

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '\0' || s.at[i] == '\r' || s.at[i] == '\n') {
            return true;
        }
    }
    return false;
}

static enum http_progress add_field(struct http_response *p, http_headers *list, struct str line)
{
    struct str rest = line, name = str_cut(&rest, ':');
    struct pw_header h;

    if (name.len == line.len || has_controls(rest) || !copy_name(&p->arena, name, &h.name)) {
        return bad(p, "a header line is malformed");
    }
    if (list->len >= HTTP_MAX_HEADERS) {
        return bad(p, "too many headers");
    }
    rest = str_trim(rest);
    h.value = (struct str){arena_strndup(&p->arena, rest.at, rest.len), rest.len};
    vec_push(list, h);
    return HTTP_MORE;
}

/* "HTTP/1.1 200 OK": the reason may be empty or missing. */
static enum http_progress read_status_line(struct http_response *p, struct str s)
{
    if (s.len < 12 || memcmp(s.at, "HTTP/1.", 7) != 0 || (s.at[7] != '0' && s.at[7] != '1') ||
        s.at[8] != ' ' || !is_digit(s.at[9]) || !is_digit(s.at[10]) || !is_digit(s.at[11]) ||
        (s.len > 12 && s.at[12] != ' ') || has_controls(s)) {
        return bad(p, "the status line is malformed");
    }
    p->old = s.at[7] == '0';
    p->keepalive = !p->old;
    p->status = (uint32_t)((s.at[9] - '0') * 100 + (s.at[10] - '0') * 10 + (s.at[11] - '0'));
    if (p->status < 100 || p->status == 101) {
        return bad(p, "the status means nothing here");
    }
    struct pw_header h = {STR(":status"), {arena_strndup(&p->arena, s.at + 9, 3), 3}};
    vec_push(&p->headers, h);
    p->state = HTTP_HEADER_LINE;
    return HTTP_MORE;
}

static enum http_progress take_length(struct http_response *p, struct str value)
{
    uint64_t n;

    if (value.len == 0 || !is_digit(value.at[0]) || !str_to_u64(value, &n) ||
        (p->has_length && n != p->left)) {
        return bad(p, "the content length is malformed");
    }
    p->has_length = true;
    p->left = n;
    return HTTP_MORE;
}

static void take_connection(struct http_response *p, struct str value)
{
    while (value.len != 0) {
        struct str option = str_trim(str_cut(&value, ','));
        if (str_ieq(option, STR("close"))) {
            p->keepalive = false;
        } else if (p->old && str_ieq(option, STR("keep-alive"))) {
            p->keepalive = true;
        }
    }
}

/* The headers are complete: what follows? */
static enum http_progress begin_body(struct http_response *p)
{
    enum http_progress result = HTTP_MORE;

    for (size_t i = 0; i < p->headers.len && result == HTTP_MORE; i++) {
        struct pw_header h = p->headers.at[i];
        if (str_eq(h.name, STR("content-length"))) {
            result = take_length(p, h.value);
        } else if (str_eq(h.name, STR("transfer-encoding"))) {
            if (!str_ieq(h.value, STR("chunked")) || p->chunked || p->old) {
                return bad(p, "an encoding that is not known");
            }
            p->chunked = true;
        } else if (str_eq(h.name, STR("connection"))) {
            take_connection(p, h.value);
        }
    }
    if (result != HTTP_MORE) {
        return result;
    }
    if (p->chunked && p->has_length) {
        return bad(p, "both a length and chunks");
    }
    if (p->status < 200) {
        p->headers.len = 0;
        p->chunked = p->has_length = false;
        p->state = HTTP_STATUS_LINE;
        return HTTP_MORE;
    }
    if (p->no_body || p->status == 204 || p->status == 304) {
        return complete(p);
    }
    if (p->chunked) {
        p->state = HTTP_CHUNK_LINE;
        return HTTP_MORE;
    }
    if (!p->has_length) {
        p->keepalive = false;
        p->state = HTTP_CLOSE_BODY;
        return HTTP_MORE;
    }
    if (p->left > p->max_body_bytes) {
        return bad(p, "the body is too large");
    }
    p->state = HTTP_LENGTH_BODY;
    return p->left == 0 ? complete(p) : HTTP_MORE;
}

static int hex_digit(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* "1a;name=value": what follows the size is nobody's business. */
static enum http_progress read_chunk_line(struct http_response *p, struct str s)
{
    uint64_t size = 0;
    size_t n = 0;

    while (n < s.len && n < 16 && hex_digit(s.at[n]) >= 0) {
        size = size << 4 | (uint64_t)hex_digit(s.at[n++]);
    }
    if (n == 0 || n == 16 || (n < s.len && s.at[n] != ';' && s.at[n] != ' ' && s.at[n] != '\t')) {
        return bad(p, "the size of a chunk is malformed");
    }
    if (size > p->max_body_bytes - p->body.len) {
        return bad(p, "the body is too large");
    }
    p->left = size;
    p->state = size == 0 ? HTTP_TRAILER_LINE : HTTP_CHUNK_DATA;
    return HTTP_MORE;
}

static enum http_progress take_line(struct http_response *p, struct str s)
{
    switch (p->state) {
    case HTTP_STATUS_LINE:
        return read_status_line(p, s);
    case HTTP_HEADER_LINE:
        return s.len == 0 ? begin_body(p) : add_field(p, &p->headers, s);
    case HTTP_CHUNK_LINE:
        return read_chunk_line(p, s);
    case HTTP_CHUNK_END:
        p->state = HTTP_CHUNK_LINE;
        return s.len == 0 ? HTTP_MORE : bad(p, "a chunk is longer than it says");
    default: /* HTTP_TRAILER_LINE */
        return s.len == 0 ? complete(p) : add_field(p, &p->trailers, s);
    }
}

/* ---- pieces ---------------------------------------------------------------------------- */

/* The rest of the line at hand; returns how much of the piece it takes. */
static size_t feed_line(struct http_response *p, struct str piece, enum http_progress *result)
{
    size_t n = str_find_char(piece, '\n');
    bool ended = n < piece.len;
    bool of_chunk = p->state == HTTP_CHUNK_LINE || p->state == HTTP_CHUNK_END;
    size_t limit = of_chunk ? HTTP_MAX_CHUNK_LINE - p->line.len : HTTP_MAX_HEAD_BYTES - p->head_bytes;

    if (n + ended > limit) {
        *result = bad(p, of_chunk ? "a chunk's line is too long" : "the headers are too large");
        return 0;
    }
    strbuf_add(&p->line, str_slice(piece, 0, n));
    if (!of_chunk) {
        p->head_bytes += n + ended;
    }
    if (ended) {
        struct str s = strbuf_str(&p->line);
        if (s.len != 0 && s.at[s.len - 1] == '\r') {
            s.len--;
        }
        p->line.len = 0;
        *result = take_line(p, s);
    }
    return n + ended;
}

static size_t feed_body(struct http_response *p, struct str piece, enum http_progress *result)
{
    uint64_t most = p->state == HTTP_CLOSE_BODY ? p->max_body_bytes - p->body.len : p->left;
    size_t n = piece.len < most ? piece.len : (size_t)most;

    strbuf_add(&p->body, str_slice(piece, 0, n));
    if (p->state == HTTP_CLOSE_BODY) {
        if (n < piece.len) {
            *result = bad(p, "the body is too large");
        }
        return n;
    }
    p->left -= n;
    if (p->left == 0) {
        if (p->state == HTTP_LENGTH_BODY) {
            *result = complete(p);
        } else {
            p->state = HTTP_CHUNK_END;
        }
    }
    return n;
}

enum http_progress http_response_feed(struct http_response *p, const void *at, size_t len, size_t *used)
{
    struct str piece = str_make(at, len);
    enum http_progress result = p->state == HTTP_COMPLETE ? HTTP_DONE
                                : p->state == HTTP_BROKEN ? HTTP_BAD
                                                          : HTTP_MORE;

    *used = 0;
    while (result == HTTP_MORE && *used < len) {
        struct str rest = str_slice(piece, *used, len);
        bool body =
            p->state == HTTP_LENGTH_BODY || p->state == HTTP_CLOSE_BODY || p->state == HTTP_CHUNK_DATA;
        *used += body ? feed_body(p, rest, &result) : feed_line(p, rest, &result);
    }
    return result;
}

enum http_progress http_response_end(struct http_response *p)
{
    switch (p->state) {
    case HTTP_CLOSE_BODY:
        return complete(p);
    case HTTP_COMPLETE:
        return HTTP_DONE;
    case HTTP_BROKEN:
        return HTTP_BAD;
    default:
        return bad(p, "the connection was closed within the response");
    }
}
