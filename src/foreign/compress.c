/* foreign/compress.c - zlib streams. */
#include <zlib.h>

#include "foreign/foreign.h"

enum { CHUNK_BYTES = 64 << 10, MAX_BYTES = 64 << 20 /* uncompressed: a small stream may hold a lot */ };

/* Run the whole argument through; false: it is no complete stream, or holds too much. */
static bool run(z_stream *z, int (*step)(z_stream *, int), int flush, struct pw_output *out)
{
    static unsigned char chunk[CHUNK_BYTES]; /* one thread, and nothing calls back */
    size_t total = 0;
    int rc;

    do {
        z->next_out = chunk;
        z->avail_out = sizeof chunk;
        rc = step(z, flush);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            return false;
        }
        size_t n = sizeof chunk - z->avail_out;
        total += n;
        if (total > MAX_BYTES || (n == 0 && rc != Z_STREAM_END)) {
            return false;
        }
        out->write(out, chunk, n);
    } while (rc != Z_STREAM_END);
    return z->avail_in == 0;
}

enum pw_status foreign_compress(struct str arguments, struct pw_output *out)
{
    z_stream z = {.next_in = (unsigned char *)arguments.at, .avail_in = (unsigned)arguments.len};

    if (arguments.len > MAX_BYTES || deflateInit(&z, Z_DEFAULT_COMPRESSION) != Z_OK) {
        return PW_SERIALIZATION_FAILURE;
    }
    bool ok = run(&z, deflate, Z_FINISH, out);
    deflateEnd(&z);
    return ok ? PW_OK : PW_SERIALIZATION_FAILURE;
}

enum pw_status foreign_uncompress(struct str arguments, struct pw_output *out)
{
    z_stream z = {.next_in = (unsigned char *)arguments.at, .avail_in = (unsigned)arguments.len};

    if (arguments.len > MAX_BYTES || inflateInit(&z) != Z_OK) {
        return PW_SERIALIZATION_FAILURE;
    }
    bool ok = run(&z, inflate, Z_NO_FLUSH, out);
    inflateEnd(&z);
    return ok ? PW_OK : PW_SERIALIZATION_FAILURE;
}
