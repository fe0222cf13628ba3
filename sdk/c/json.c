/* json.c - configuration fields on top of Jansson. */
#include "weir_json.h"

#include <stdlib.h>

json_t *wp_json_parse(struct wp_str text)
{
    json_error_t error;
    json_t *value = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value) {
        wp_error("configuration: line %d, column %d: %s", error.line, error.column, error.text);
    }
    return value;
}

void wp_json_complain(const char *where, const char *key, const char *what)
{
    bool nested = *where != '\0' && *key != '\0', placed = *where != '\0' || *key != '\0';
    wp_error("configuration: %s%s%s%s%s", where, nested ? "." : "", key, placed ? ": " : "", what);
}

static bool scalar_str(const json_t *v, struct wp_arena *arena, struct wp_str *out)
{
    if (json_is_string(v)) {
        *out = wp_arena_dup(arena, (struct wp_str){json_string_value(v), json_string_length(v)});
        return true;
    }
    if (json_is_integer(v) && json_integer_value(v) >= 0) {
        *out = wp_arena_dup(arena, wp_format("%lld", (long long)json_integer_value(v)));
        return true;
    }
    return false;
}

bool wp_json_str(const json_t *object, const char *where, const char *key, struct wp_arena *arena,
                 struct wp_str *out)
{
    const json_t *v = json_object_get(object, key);
    if (!v || scalar_str(v, arena, out)) {
        return true;
    }
    wp_json_complain(where, key, "must be a string");
    return false;
}

bool wp_json_strs(const json_t *object, const char *where, const char *key, struct wp_arena *arena,
                  struct wp_strs *out)
{
    const json_t *v = json_object_get(object, key);
    if (!v) {
        return true;
    }
    if (!json_is_array(v)) {
        wp_json_complain(where, key, "must be an array of strings");
        return false;
    }
    size_t n = json_array_size(v);
    struct wp_strs strs = {wp_arena_array(arena, n, sizeof *strs.at), n};
    for (size_t i = 0; i < n; i++) {
        if (!scalar_str(json_array_get(v, i), arena, &strs.at[i])) {
            wp_json_complain(where, key, "must hold strings only");
            return false;
        }
    }
    *out = strs;
    return true;
}

bool wp_json_bool(const json_t *object, const char *where, const char *key, bool *out)
{
    const json_t *v = json_object_get(object, key);
    if (!v) {
        return true;
    }
    const char *text = json_string_value(v);
    if (json_is_true(v) || (text && strcmp(text, "true") == 0)) {
        *out = true;
        return true;
    }
    if (json_is_false(v) || (text && strcmp(text, "false") == 0)) {
        *out = false;
        return true;
    }
    wp_json_complain(where, key, "must be true or false");
    return false;
}

/* All of `s` as a decimal number that fits. */
static bool parse_int(struct wp_str s, int64_t *out)
{
    bool negative = wp_str_byte(s, 0) == '-';
    size_t i = negative ? 1 : 0;
    uint64_t v = 0;
    if (i == s.len) {
        return false;
    }
    for (; i < s.len; i++) {
        int c = s.at[i];
        if (c < '0' || c > '9' || v > (INT64_MAX - (uint64_t)(c - '0')) / 10) {
            return false;
        }
        v = v * 10 + (uint64_t)(c - '0');
    }
    *out = negative ? -(int64_t)v : (int64_t)v;
    return true;
}

bool wp_json_int(const json_t *object, const char *where, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(object, key);
    if (!v) {
        return true;
    }
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    struct wp_str text = {json_string_value(v), json_string_length(v)};
    if (json_is_string(v) && parse_int(text, out)) {
        return true;
    }
    wp_json_complain(where, key, "must be an integer");
    return false;
}

#ifdef __wasm__
/* Jansson's own file for this asks /dev/urandom and the process id, which a module does not have.  The
 * clock is enough: configuration is not an attacker's, and a seed of a token's claims differs per VM. */
extern volatile uint32_t hashtable_seed;
volatile uint32_t hashtable_seed;

void json_object_seed(size_t seed)
{
    uint64_t now = seed != 0 ? seed : wp_now_ns();
    uint32_t folded = (uint32_t)(now ^ now >> 32);
    hashtable_seed = folded != 0 ? folded : 1;
}
#endif
