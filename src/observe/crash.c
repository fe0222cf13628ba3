/* observe/crash.c - one table of keys writes and reads reports. */
#include "observe/crash.h"

#include <stddef.h>
#include <string.h>

#include "base/hash.h"

#define HEADER "weir-crash 1"

enum { DIGITS_OF_U64 = 20 };

static const struct {
    const char *key;
    size_t offset;
    bool number;
} fields[] = {
    {"plugin", offsetof(struct crash, plugin), false},
    {"sha256", offsetof(struct crash, sha256), false},
    {"callback", offsetof(struct crash, callback), false},
    {"trap", offsetof(struct crash, trap), false},
    {"route", offsetof(struct crash, route), false},
    {"request", offsetof(struct crash, request), false},
    {"memory", offsetof(struct crash, memory_bytes), true},
    {"time", offsetof(struct crash, time_ms), true},
    {"dropped", offsetof(struct crash, dropped), true},
    {"skipped", offsetof(struct crash, skipped), true},
    {"count", offsetof(struct crash, count), true},
    {"first", offsetof(struct crash, first_ms), true},
};
enum { NFIELDS = sizeof fields / sizeof *fields };

/* ---- writing --------------------------------------------------------------------------------------- */

/* A value as one line of text. */
static void add_value(struct strbuf *b, struct str s)
{
    s = str_slice(s, 0, CRASH_VALUE_BYTES);
    unsigned char most = str_is_utf8(s) ? 0xff : 0x7f; /* also where the cut went through a character */
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        strbuf_add_char(b, c < ' ' || c == 0x7f ? ' ' : c > most ? '?' : s.at[i]);
    }
}

static void add_line(struct strbuf *b, const char *key, struct str value)
{
    strbuf_printf(b, "%s ", key);
    add_value(b, value);
    strbuf_add_char(b, '\n');
}

static void add_field(const struct crash *c, size_t i, struct strbuf *b)
{
    const char *at = (const char *)c + fields[i].offset;
    struct str text;
    uint64_t number;

    if (!fields[i].number) {
        memcpy(&text, at, sizeof text);
        if (text.len != 0) {
            add_line(b, fields[i].key, text);
        }
        return;
    }
    memcpy(&number, at, sizeof number);
    if (number != 0) {
        strbuf_printf(b, "%s %llu\n", fields[i].key, (unsigned long long)number);
    }
}

void crash_write(const struct crash *c, size_t limit, struct strbuf *b)
{
    size_t start = b->len, first = c->nlines;

    strbuf_printf(b, HEADER "\n");
    for (size_t i = 0; i < NFIELDS; i++) {
        add_field(c, i, b);
    }
    for (size_t i = 0; i < c->noffsets; i++) {
        strbuf_printf(b, "frame %u\n", c->offsets[i]);
    }
    for (size_t i = 0; i < c->nnames; i++) {
        struct strbuf line = {0};
        strbuf_printf(&line, "name %u ", c->names[i].frame);
        add_value(&line, c->names[i].function);
        strbuf_add_char(&line, '\n');
        if (c->names[i].place.len != 0) {
            add_line(&line, "place", c->names[i].place);
        }
        if (b->len - start + line.len <= limit) {
            strbuf_add(b, strbuf_str(&line));
        }
        strbuf_fini(&line);
    }
    size_t used = b->len - start;
    while (first > 0) {
        size_t len = c->lines[first - 1].len;
        size_t need = (len < CRASH_VALUE_BYTES ? len : CRASH_VALUE_BYTES) + sizeof "log \n" - 1;
        if (used + need > limit) {
            break;
        }
        used += need;
        first--;
    }
    for (size_t i = first; i < c->nlines; i++) {
        add_line(b, "log", c->lines[i]);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static bool printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f) {
            return false;
        }
    }
    return s.len <= CRASH_VALUE_BYTES;
}

static bool read_frame(struct crash *c, struct str value)
{
    uint64_t v;

    if (c->noffsets == WEIR_TRAP_FRAMES || !str_to_u64(value, &v) || v > UINT32_MAX) {
        return false;
    }
    c->offsets[c->noffsets++] = (uint32_t)v;
    return true;
}

static bool read_name(struct crash *c, struct str value)
{
    uint64_t frame;

    if (c->nnames == CRASH_MOST_NAMES || !str_to_u64(str_cut(&value, ' '), &frame) || frame >= c->noffsets) {
        return false;
    }
    c->names[c->nnames++] = (struct crash_name){.frame = (uint32_t)frame, .function = value};
    return true;
}

static bool read_field(struct crash *c, struct str key, struct str value)
{
    for (size_t i = 0; i < NFIELDS; i++) {
        if (str_eq(key, str_of(fields[i].key))) {
            char *at = (char *)c + fields[i].offset;
            uint64_t number;
            if (!fields[i].number) {
                memcpy(at, &value, sizeof value);
                return true;
            }
            if (value.len > DIGITS_OF_U64 || !str_to_u64(value, &number)) {
                return false;
            }
            memcpy(at, &number, sizeof number);
            return true;
        }
    }
    return false;
}

static bool read_line(struct crash *c, struct str line)
{
    struct str value = line, key = str_cut(&value, ' ');

    if (!printable(value)) {
        return false;
    }
    if (str_eq(key, STR("frame"))) {
        return read_frame(c, value);
    }
    if (str_eq(key, STR("name"))) {
        return read_name(c, value);
    }
    if (str_eq(key, STR("place"))) {
        return c->nnames != 0 && (c->names[c->nnames - 1].place = value, true);
    }
    if (str_eq(key, STR("log"))) {
        return c->nlines < CRASH_MOST_LINES && (c->lines[c->nlines++] = value, true);
    }
    return read_field(c, key, value);
}

static bool is_sha256(struct str s)
{
    size_t n = 0;
    while (n < s.len && ((s.at[n] >= '0' && s.at[n] <= '9') || (s.at[n] >= 'a' && s.at[n] <= 'f'))) {
        n++;
    }
    return n == s.len && n == HASH_SHA256_HEX - 1;
}

bool crash_read(struct str text, struct crash *c)
{
    *c = (struct crash){0};
    if (text.len == 0 || text.at[text.len - 1] != '\n' || !str_is_utf8(text) ||
        !str_eq(str_cut(&text, '\n'), STR(HEADER))) {
        return false;
    }
    while (text.len != 0) {
        if (!read_line(c, str_cut(&text, '\n'))) {
            return false;
        }
    }
    return c->plugin.len != 0 && c->trap.len != 0 && is_sha256(c->sha256);
}

void crash_id(const struct crash *c, char id[CRASH_ID_DIGITS + 1])
{
    struct hash_sha256 h;
    uint8_t digest[HASH_SHA256_BYTES];
    char hex[HASH_SHA256_HEX];
    bool by_chance = str_eq(c->trap, str_of(weir_trap_text(WEIR_TRAP_DEADLINE))) ||
                     str_eq(c->trap, str_of(weir_trap_text(WEIR_TRAP_STACK_EXHAUSTED)));
    size_t from = by_chance && c->noffsets != 0 ? c->noffsets - 1 : 0;

    hash_sha256_init(&h);
    hash_sha256_add(&h, c->sha256.at, c->sha256.len);
    hash_sha256_add(&h, c->trap.at, c->trap.len);
    hash_sha256_add(&h, c->callback.at, c->callback.len);
    for (size_t i = from; i < c->noffsets && !(by_chance && c->skipped != 0); i++) {
        hash_sha256_add(&h, &c->offsets[i], sizeof c->offsets[i]);
    }
    hash_sha256_end(&h, digest);
    hash_hex(digest, hex);
    memcpy(id, hex, CRASH_ID_DIGITS);
    id[CRASH_ID_DIGITS] = '\0';
}
