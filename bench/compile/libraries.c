/* bench/compile/libraries.c - entries into Duktape and Zstandard, linked with SQLite into one large module.
 */
#include "duktape.h"
#include "zstd.h"

__attribute__((export_name("script"))) int script(const char *text)
{
    duk_context *ctx = duk_create_heap_default();
    int rc = duk_peval_string(ctx, text);
    duk_destroy_heap(ctx);
    return rc;
}

__attribute__((export_name("pack"))) unsigned long pack(void *to, unsigned long room, const void *from,
                                                        unsigned long len, int level)
{
    return ZSTD_compress(to, room, from, len, level);
}

__attribute__((export_name("unpack"))) unsigned long unpack(void *to, unsigned long room, const void *from,
                                                            unsigned long len)
{
    return ZSTD_decompress(to, room, from, len);
}
