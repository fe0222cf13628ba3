/* control/sweep.h - what nobody needs any more leaves the store.
 *
 * A module, an image or what a URL gave last is needed while something refers to it; who sweeps says what
 * that is.  What is needed is given the time of now as its own, so the time of a file says when it was needed
 * last, whoever needed it: two gateways with one store do not take each other's files.  What was not needed
 * for a while goes; what is needed never does, and what was needed within SWEEP_GRACE_S neither.  Each file
 * goes by one unlink, so a sweep that is killed leaves a store that is whole.  A module that goes and is
 * wanted again is copied or fetched and compiled again. */
#ifndef CONTROL_SWEEP_H
#define CONTROL_SWEEP_H

#include "base/str.h"
#include "base/vec.h"
#include "control/store.h"

enum {
    SWEEP_GRACE_S = 3600,
    SWEEP_EVERY_MS = 20 * 60 * 1000, /* well within it: what is needed stays young */
    SWEEP_MOST = 200,                /* files that go at a time */
};

struct sweep_name {
    char hex[HASH_SHA256_HEX];
};

/* Hashes of modules, and of URLs; zeroed: none. */
struct sweep_refs {
    VEC(struct sweep_name) list;
};

void sweep_refs_fini(struct sweep_refs *r);
/* `hex`: 64 hexadecimal digits; anything else refers to nothing. */
void sweep_refs_add(struct sweep_refs *r, struct str hex);
/* Each store/modules/SHA256.wasm in a text. */
void sweep_refs_add_text(struct sweep_refs *r, struct str text);
/* Those in the generation files of a state folder.  False: one of them cannot be read, so it is not known
 * what it needs. */
bool sweep_refs_add_generations(struct sweep_refs *r, const char *state_dir);

struct sweep_options {
    uint64_t keep_s;     /* so long a file stays that is not needed; 0: for ever */
    uint64_t most_bytes; /* of modules and images: above it, what is not needed goes, oldest first; 0: any */
    const char *key;     /* of images that can be used here (weir/image.h) */
};

/* Returns how many files went; SWEEP_MOST: there may be more.  `on_gone` is told of each module whose bytes,
 * or image, went.  Sorts `refs`.  Does nothing while another process sweeps. */
size_t sweep_run(struct store *s, struct sweep_refs *refs, const struct sweep_options *o, int64_t now_s,
                 void (*on_gone)(void *ctx, const char *hex), void *ctx);

#endif
