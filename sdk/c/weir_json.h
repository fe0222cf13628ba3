/* weir_json.h - reading a JSON configuration.
 *
 * The reader is Jansson (strict: RFC 8259, UTF-8 checked, duplicate keys refused, 64-bit integers); this
 * header adds what configurations need: fields with defaults, the coercions Higress accepts, and messages
 * that name the field. In a module, objects may nest at most 64 deep.
 *
 * `where` is the place of the object in the configuration for messages, "" for its root, "consumers[2]".
 * Each field function returns false, having logged what is wrong, only if the field is there and of another
 * type; a missing field leaves *out as it was.  Strings are copied into `arena`. */
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

#include <jansson.h>

#include "weir_plugin.h"

/* The value, to be released with json_decref; NULL after logging line and column of the error. */
json_t *wp_json_parse(struct wp_str text);

struct wp_strs {
    struct wp_str *at;
    size_t n;
};

/* A string; an unsigned integer is read as its digits. */
bool wp_json_str(const json_t *object, const char *where, const char *key, struct wp_arena *arena,
                 struct wp_str *out);
/* An array of them. */
bool wp_json_strs(const json_t *object, const char *where, const char *key, struct wp_arena *arena,
                  struct wp_strs *out);
/* true or false; also "true" and "false". */
bool wp_json_bool(const json_t *object, const char *where, const char *key, bool *out);
/* An integer; also as a string of digits. */
bool wp_json_int(const json_t *object, const char *where, const char *key, int64_t *out);

/* Log at error level: "configuration: consumers[2].name: must be a string". */
void wp_json_complain(const char *where, const char *key, const char *what);

#endif
