/* What plugins do to requests all day: split a header block, compare names without case, trim, read cookies,
 * decode a query. */
#include "kernel.h"

struct view {
    const char *at;
    uint32_t len;
};

static const char block[] =
    ":method: GET\r\n:path: /orders/list?user=al%20ice&page=12&filter=a%2Bb%3D%22c%22&sort=-date\r\n"
    ":authority: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language:  "
    "en-US,en;q=0.5 \r\n"
    "X-Forwarded-For: 10.1.2.3, 192.168.7.9, 172.16.0.1\r\nAuthorization: Bearer "
    "abcdefghijklmnop.qrstuvwxyz.012345\r\n"
    "Cookie: theme=dark; session=0123456789abcdef; lang=de; tracking=off\r\nContent-Type: "
    "application/json\r\n"
    "Cache-Control: no-cache\r\nX-Request-Id: 7f3c1d52-9a0b-4c44-8d11-1234567890ab\r\n";

static const char *const wanted[] = {"authorization", "cookie",    "x-forwarded-for",
                                     "content-type",  "x-api-key", ":path"};

static char decoded[256];

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int same_name(struct view a, const char *b)
{
    for (uint32_t i = 0; i < a.len; i++) {
        if (lower(a.at[i]) != b[i] || !b[i]) {
            return 0;
        }
    }
    return b[a.len] == 0;
}

static struct view trim(struct view v)
{
    while (v.len && (*v.at == ' ' || *v.at == '\t')) {
        v.at++, v.len--;
    }
    while (v.len && (v.at[v.len - 1] == ' ' || v.at[v.len - 1] == '\t')) {
        v.len--;
    }
    return v;
}

/* The part of *rest before `c`; *rest continues behind it. */
static struct view cut(struct view *rest, char c)
{
    struct view part = {rest->at, 0};
    while (part.len < rest->len && part.at[part.len] != c) {
        part.len++;
    }
    uint32_t step = part.len < rest->len ? part.len + 1 : part.len;
    rest->at += step;
    rest->len -= step;
    return part;
}

static uint32_t hash(struct view v, uint32_t h)
{
    for (uint32_t i = 0; i < v.len; i++) {
        h = (h ^ (uint8_t)v.at[i]) * 16777619u;
    }
    return h;
}

static uint32_t cookies(struct view v)
{
    uint32_t sum = 0;
    while (v.len) {
        struct view value = trim(cut(&v, ';')), name = cut(&value, '=');
        if (same_name(name, "session")) {
            sum += hash(value, 17);
        }
        sum += name.len;
    }
    return sum;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static uint32_t query(struct view v)
{
    uint32_t sum = 0;
    cut(&v, '?');
    while (v.len) {
        struct view value = cut(&v, '&'), name = cut(&value, '=');
        uint32_t n = 0;
        for (uint32_t i = 0; i < value.len; i++) {
            char c = value.at[i];
            if (c == '%' && i + 2 < value.len && hex(value.at[i + 1]) >= 0) {
                c = (char)(hex(value.at[i + 1]) * 16 + hex(value.at[i + 2]));
                i += 2;
            }
            decoded[n++] = c;
        }
        sum += hash((struct view){decoded, n}, hash(name, 5));
    }
    return sum;
}

static uint32_t request(struct view rest)
{
    uint32_t sum = 0;
    while (rest.len) {
        struct view line = cut(&rest, '\n');
        if (line.len && line.at[line.len - 1] == '\r') {
            line.len--;
        }
        struct view name = {line.at, line.len ? 1 : 0};
        while (name.len < line.len && line.at[name.len] != ':') {
            name.len++;
        }
        struct view value = {line.at + name.len + 1, line.len - name.len - 1};
        value = trim(value);
        for (uint32_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            if (same_name(name, wanted[i])) {
                sum += i == 1 ? cookies(value) : i == 5 ? query(value) : hash(value, i);
            }
        }
    }
    return sum;
}

KERNEL uint32_t run(void)
{
    static char copy[sizeof block];
    uint32_t sum = 0;
    memcpy(copy, block, sizeof block);
    for (uint32_t i = 0; i < 120000; i++) {
        copy[sizeof block - 10] = (char)('a' + i % 26);
        sum = sum * 7 + request((struct view){copy, sizeof block - 1});
    }
    return sum;
}
