/* control/images.h - sees to it that every plugin gets its native image, and that workers hear of it.
 *
 * Ties the compiler (control/compiler.h) to the line to the workers (control/channel.h).  Serving waits for
 * nothing here: workers interpret until told of an image.  An image a worker refuses is dropped and compiled
 * once more. */
#ifndef CONTROL_IMAGES_H
#define CONTROL_IMAGES_H

#include <poll.h>

#include "control/channel.h"
#include "control/crashes.h"
#include "control/store.h"
#include "gw/config.h"

enum { IMAGES_MAX_FDS = CHANNEL_MAX_CLIENTS + 1, IMAGES_STEP_MS = 500 };

struct images;

struct images_options {
    const char *weirc;     /* the compiler's path */
    const char *socket;    /* where workers connect */
    uint32_t time_limit_s; /* of one compilation */
    bool change_user;      /* compile as this user; takes root */
    uid_t uid;
    gid_t gid;
    struct crashes *crashes; /* takes what workers tell of traps */
};

/* The strings of `options` and `store` must outlive it.  WEIR_E_IO, WEIR_E_CONFIG: the socket or the folder
 * for compilations cannot be had, `rep` says why. */
weir_status images_new(struct store *store, const struct images_options *options, struct images **out,
                       struct weir_report *rep);
/* Who hears of the workers' other messages, and of "hello". */
void images_set_listener(struct images *im, channel_on_message *listener, void *ctx);
struct channel *images_channel(struct images *im);
void images_free(struct images *im); /* NULL is fine; a running compilation is ended */

/* Compile what the plugins of a published configuration (their URLs are files of the store) have no image of.
 * A plugin that may use the image its module carries, and can, needs none. */
void images_want(struct images *im, const struct gw_config *config);
/* The module, or its image, has left the store: if a plugin wants it again, so does this. */
void images_forget(struct images *im, const char *hex);
/* The same of one plugin that is not published yet. */
void images_want_one(struct images *im, const struct gw_plugin *p);
/* Is the plugin's image still to be made? */
bool images_awaited(struct images *im, const struct gw_plugin *p);
/* Why there is none and will be none; NULL: there is one, it is still to be made, or none is wanted.  The
 * caller frees it. */
char *images_failure(struct images *im, const struct gw_plugin *p);
/* Grows with every compilation that ended, well or not. */
uint64_t images_nresults(const struct images *im);
/* The path of the image that is there; NULL: there is none.  The caller frees it. */
char *images_path(struct images *im, const struct gw_plugin *p);

/* For the control process's poll loop: descriptors to wait for, and what to do with them. */
size_t images_poll_fds(const struct images *im, struct pollfd *fds);
void images_polled(struct images *im, const struct pollfd *fds, size_t n);
/* Call it after SIGCHLD and every IMAGES_STEP_MS while images_busy. */
void images_step(struct images *im);
bool images_busy(const struct images *im);

#endif
