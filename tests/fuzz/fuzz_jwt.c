/* A token's JSON reader against Jansson, and tokens of any bytes.
 *
 * Input: taken as JSON, both readers accept it, with the same members, or both refuse it (but for Jansson's
 * wider bounds); taken as a token, it parses or not; and as the payload of a token signed here it verifies,
 * and does not once a byte is changed. */
#include <jansson.h>
#include <stdlib.h>

#include "bare_plugin.h"
#include "jwt.h"

static const enum claim_kind kinds[] = {
    [JSON_OBJECT] = CLAIM_OBJECT,   [JSON_ARRAY] = CLAIM_ARRAY, [JSON_STRING] = CLAIM_STRING,
    [JSON_INTEGER] = CLAIM_INTEGER, [JSON_REAL] = CLAIM_REAL,   [JSON_TRUE] = CLAIM_TRUE,
    [JSON_FALSE] = CLAIM_FALSE,     [JSON_NULL] = CLAIM_NULL,
};

static void compare(const struct claims *c, json_t *object)
{
    if (c->n != json_object_size(object)) {
        abort();
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct claim *claim = &c->at[i];
        const json_t *v = json_object_getn(object, claim->name.at, claim->name.len);
        if (!v || kinds[json_typeof(v)] != claim->kind) {
            abort();
        }
        struct wp_str text = {json_string_value(v), json_string_length(v)};
        if (claim->kind == CLAIM_STRING && !wp_str_eq(claim->text, text)) {
            abort();
        }
        if (claim->kind == CLAIM_INTEGER && claim->integer != json_integer_value(v)) {
            abort();
        }
    }
}

static bool within_bounds(const json_t *v, unsigned depth)
{
    const char *key;
    json_t *member;
    size_t index;
    if (depth > CLAIMS_MAX_DEPTH && (json_is_object(v) || json_is_array(v))) {
        return false;
    }
    if (json_is_object(v)) {
        if (json_object_size(v) > CLAIMS_MAX) {
            return false;
        }
        json_object_foreach((json_t *)(uintptr_t)v, key, member)
        {
            if (!within_bounds(member, depth + 1)) {
                return false;
            }
        }
    }
    json_array_foreach(v, index, member)
    {
        if (!within_bounds(member, depth + 1)) {
            return false;
        }
    }
    return true;
}

static void read_as_json(struct wp_str text)
{
    struct claims c;
    json_error_t error;
    bool ours = claims_parse(text, &c);
    json_t *theirs = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, &error);
    if (ours && theirs) {
        compare(&c, theirs);
    } else if (ours) {
        /* A real number over the range of doubles is one for us. */
        if (json_error_code(&error) != json_error_numeric_overflow) {
            abort();
        }
    } else if (theirs && json_is_object(theirs) && within_bounds(theirs, 1) && wp_str_find(text, '\0') < 0) {
        abort(); /* (Jansson passes over a NUL behind a number.) */
    }
    json_decref(theirs);
}

static void sign_and_verify(struct wp_str payload)
{
    static struct wp_hmac_key hmac;
    static struct wp_arena arena;
    static struct jwt_key key;
    static bool ready;
    if (!ready) {
        wp_hmac_key_init(&hmac, WP_SHA256, WP_STR("secret"));
        jwt_key_init_hmac(&key, WP_STR("secret"), NULL, &arena);
        ready = true;
    }
    struct jwt jwt;
    struct wp_str token = jwt_sign_hs256(WP_STR("{\"alg\":\"HS256\"}"), payload, &hmac);
    if (jwt_parse(token, &jwt) != JWT_OK) {
        return;
    }
    if (!jwt_verify(&jwt, &key)) {
        abort();
    }
    jwt_check_time(&jwt.claims, 1700000000, 60, true);
    char *changed = (char *)wp_arena_dup(wp_callback_arena(), token).at;
    size_t at = payload.len * 7 % token.len;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    if (jwt_parse((struct wp_str){changed, token.len}, &jwt) == JWT_OK && jwt_verify(&jwt, &key)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_str text = {(const char *)data, size};
    struct jwt jwt;
    proxy_on_context_create(1, 0); /* empties the callback's arena */
    read_as_json(text);
    jwt_parse(text, &jwt);
    sign_and_verify(text);
    return 0;
}
