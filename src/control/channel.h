/* control/channel.h - the line between the control process and the workers: a Unix socket in the state
 * folder.
 *
 * Workers connect when they start and whenever the line was lost; each message is one packet of text, a verb
 * and its words:
 *
 *     worker -> control   hello PID              first, once
 *                         refused SHA256 REASON  the store's image of this module cannot be used here
 *                         applied FILE           this generation is in force here
 *                         failed FILE N REASON   before that: its plugin N (from 0) does not run
 *                         declined FILE N REASON its plugin N does not start, and did before: not in force
 *                         holds N N ...          numbers of the generations that requests there still use
 *                         unusable FILE          it cannot be loaded; not in force
 *                         crash REPORT           a plugin trapped (observe/crash.h)
 *                         reported N             the file of request N is written (control/gather.h)
 *     control -> worker   image SHA256           the store has an image of this module
 *                         report N WHAT          with a file: write what this worker says of itself into it
 *                         generation FILE        the link to the generation in force may have changed; always
 *                                                answered
 *
 * The control process may come and go: workers keep what they have and connect again.  Nothing here blocks; a
 * worker that does not read is cut off and will connect again. */
#ifndef CONTROL_CHANNEL_H
#define CONTROL_CHANNEL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "weir/status.h"

enum { CHANNEL_MESSAGE_BYTES = 4096, CHANNEL_MAX_CLIENTS = 1024 };

struct channel_client {
    int fd;
    pid_t pid;        /* 0 before hello */
    unsigned applied; /* number of the generation in force there, 0: not known */
    unsigned refused; /* of one that could not be used there */
    char holds[128];  /* numbers of those it holds, as it said last */
};

struct channel;

/* A message of a worker; `text` lives until the function returns. */
typedef void channel_on_message(void *ctx, struct channel_client *from, struct str text);

/* Listen at `path`, replacing a socket that a dead control process left.  WEIR_E_IO: `rep` says why;
 * WEIR_E_CONFIG: another control process is alive there. */
weir_status channel_open(const char *path, channel_on_message *on_message, void *ctx, struct channel **out,
                         struct weir_report *rep);
void channel_close(struct channel *ch); /* NULL is fine; removes the socket */

/* Fill `fds` (room for CHANNEL_MAX_CLIENTS + 1) for poll; after it, hand the same array back. */
size_t channel_poll_fds(const struct channel *ch, struct pollfd *fds);
void channel_polled(struct channel *ch, const struct pollfd *fds, size_t n);

void channel_send(struct channel *ch, const struct channel_client *to, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with an open file, which stays the caller's. */
void channel_send_file(struct channel *ch, const struct channel_client *to, int file, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* To every worker that has said hello. */
void channel_broadcast(struct channel *ch, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

size_t channel_nclients(const struct channel *ch);
const struct channel_client *channel_client_at(const struct channel *ch, size_t i);

#endif
