/* control/admin.h - the administration API's server: HTTP over a Unix socket in the state folder, and over
 * TCP for who knows the token.
 *
 * Each connection carries one request and its answer, JSON both ways.  The socket is its owner's alone, who
 * may do everything; over TCP each request carries the token (Authorization: Bearer TOKEN).  Nothing blocks:
 * an answer may be given later.  When all places are taken, the client that is longest about its request
 * goes.
 */
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

#include <poll.h>
#include <sys/socket.h>

#include "base/str.h"
#include "http/request.h"
#include "weir/status.h"

#define ADMIN_SOCKET "admin.sock"

enum { ADMIN_MAX_CLIENTS = 32, ADMIN_MAX_FDS = ADMIN_MAX_CLIENTS + 2 };

struct admin;

/* `client` names who asked until admin_answer; it may be gone by then, which is no error. */
typedef void admin_on_request(void *ctx, uint64_t client, const struct http_request *r);

/* Listen at `path`, replacing a socket that is there: the lock of the state folder says that it is nobody's.
 * WEIR_E_IO: `rep` says why. */
weir_status admin_open(const char *path, admin_on_request *on_request, void *ctx, struct admin **out,
                       struct weir_report *rep);
/* Listen on an IP address as well.  `token` is copied.  WEIR_E_IO: `rep` says why. */
weir_status admin_listen(struct admin *a, const struct sockaddr *addr, socklen_t len, struct str token,
                         struct weir_report *rep);
void admin_close(struct admin *a); /* NULL is fine; removes the socket */

/* Fill `fds` (room for ADMIN_MAX_FDS) for poll; after it, hand the same array back. */
size_t admin_poll_fds(const struct admin *a, struct pollfd *fds);
void admin_polled(struct admin *a, const struct pollfd *fds, size_t n);

/* `headers`: further lines, each with its end, or "". */
void admin_answer_as(struct admin *a, uint64_t client, unsigned status, const char *type, const char *headers,
                     struct str body);
/* The same with JSON. */
void admin_answer(struct admin *a, uint64_t client, unsigned status, const char *headers, struct str json);

#endif
