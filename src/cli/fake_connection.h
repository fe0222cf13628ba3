/* cli/fake_connection.h - a TCP connection on the fake server: a list of events through the steps. */
#ifndef CLI_FAKE_CONNECTION_H
#define CLI_FAKE_CONNECTION_H

#include "cli/fake_server.h"

/* f->request's events, one after the other, until they or the connection are over.  What the upstream sends
 * before the chain lets the connection through is lost.  f->out and f->ended: what came out for the upstream
 * (PW_REQUEST) and the client.  FAKE_PAUSED: the chain never let the connection through. */
enum fake_action fake_serve_connection(struct fake_stream *f, const struct pw_step *steps, size_t nsteps,
                                       uint64_t now_ns);

#endif
