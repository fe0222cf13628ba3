/* Writing small modules by hand: a buffer of bytes, sections around parts of it, and what nearly every test
 * needs of decoding and validation. */
#ifndef TESTS_UNIT_WASM_BUILD_H
#define TESTS_UNIT_WASM_BUILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "wasm/module.h"

enum { BUILD_BYTES = 1 << 16 };

struct build {
    uint8_t at[BUILD_BYTES];
    size_t len;
};

static inline void build_bytes(struct build *b, const void *at, size_t len)
{
    assert_true(len <= BUILD_BYTES - b->len);
    if (len != 0) {
        memcpy(b->at + b->len, at, len);
    }
    b->len += len;
}

static inline void build_u32(struct build *b, uint32_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        build_bytes(b, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static inline void build_start(struct build *b)
{
    b->len = 0;
    build_bytes(b, "\0asm\1\0\0\0", 8);
}

static inline void build_section(struct build *b, uint8_t id, const void *at, size_t len)
{
    build_bytes(b, &id, 1);
    build_u32(b, (uint32_t)len);
    build_bytes(b, at, len);
}

/* A section of the bytes that follow: SECTION(&b, 1, 0x01, 0x60, 0x00, 0x00). */
#define SECTION(b, id, ...)                                                                                  \
    build_section((b), (id), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* A code section of one function: its locals and instructions. */
static inline void build_code(struct build *b, const void *body, size_t len)
{
    static struct build section;

    section.len = 0;
    build_u32(&section, 1);
    build_u32(&section, (uint32_t)len);
    build_bytes(&section, body, len);
    build_section(b, 10, section.at, section.len);
}

#define CODE(b, ...) build_code((b), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Decode and validate; *m may be NULL. */
static inline weir_status build_check(const struct build *b, uint32_t features, struct wasm_module **m,
                                      struct weir_report *rep)
{
    struct wasm_module *made = NULL;

    weir_report_init(rep);
    weir_status st = wasm_module_decode(b->at, b->len, features, &made, rep);
    if (st == WEIR_OK) {
        st = wasm_module_validate(made, rep);
    }
    assert_int_equal(st, rep->status);
    if (m != NULL && st == WEIR_OK) {
        *m = made;
    } else {
        wasm_module_free(made);
    }
    return st;
}

/* It must be refused like this, with a message that begins so. */
static inline void build_expect(const struct build *b, uint32_t features, weir_status want,
                                const char *message)
{
    struct weir_report rep;

    build_check(b, features, NULL, &rep);
    if (rep.status != want || strncmp(rep.message, message, strlen(message)) != 0) {
        fail_msg("want %s \"%s\", got %s \"%s\"", weir_status_name(want), message,
                 weir_status_name(rep.status), rep.message);
    }
}

#endif
