/* pw/body.c - growing at both ends, moving without copies. */
#include "pw/body.h"

#include "base/mem.h"
#include "pw/live.h"

enum { LEAST_ROOM = 4096 };

/* The block is gone, or another one is to be. */
static void free_block(const struct pw_body *b)
{
    if (b->block != NULL) {
        pw_live.bodies--;
        pw_live.body_bytes -= b->room;
        mem_free(b->block);
    }
}

void pw_body_fini(struct pw_body *b)
{
    free_block(b);
    *b = (struct pw_body){0};
}

/* A block of its own with `before` free bytes at its beginning and `after` behind the contents. */
static void rebuild(struct pw_body *b, size_t drain, size_t before, size_t after)
{
    size_t len = b->len - drain, room = before + len + after;
    room = room < LEAST_ROOM ? LEAST_ROOM : room;
    char *block = mem_alloc(room);

    if (len != 0) {
        memcpy(block + before, b->at + drain, len);
    }
    free_block(b);
    *b = (struct pw_body){block + before, len, block, room};
    pw_live.bodies++;
    pw_live.body_bytes += room;
}

void pw_body_own(struct pw_body *b)
{
    if (b->block == NULL && b->len != 0) {
        rebuild(b, 0, 0, 0);
    }
}

void pw_body_append(struct pw_body *b, struct str s)
{
    if (s.len == 0) {
        return;
    }
    size_t used = b->block == NULL ? 0 : (size_t)(b->at - b->block) + b->len;
    if (b->block == NULL || b->room - used < s.len) {
        rebuild(b, 0, 0, s.len + (b->len != 0 ? b->len : 0)); /* twice as much, when it grows */
        used = b->len;
    }
    memcpy(b->block + used, s.at, s.len);
    b->len += s.len;
}

void pw_body_prepend(struct pw_body *b, size_t drain, struct str s)
{
    drain = drain < b->len ? drain : b->len;
    if (s.len == 0) {
        b->at = drain == 0 ? b->at : b->at + drain; /* an empty body has no address */
        b->len -= drain;
        return;
    }
    if (b->block == NULL || (size_t)(b->at - b->block) + drain < s.len) {
        rebuild(b, drain, s.len, 0);
        drain = 0;
    }
    b->at = b->at + drain - s.len;
    b->len = b->len - drain + s.len;
    memcpy(b->block + (b->at - b->block), s.at, s.len);
}

void pw_body_move(struct pw_body *to, struct pw_body *from)
{
    if (to->len == 0) {
        pw_body_fini(to);
        *to = *from;
        *from = (struct pw_body){0};
        return;
    }
    pw_body_append(to, pw_body_str(from));
    pw_body_fini(from);
}
