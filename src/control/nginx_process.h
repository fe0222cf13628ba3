/* control/nginx_process.h - the nginx master as a process: start, find again, watch, stop.
 *
 * nginx runs in a session of its own, so that it and its workers outlive a control process that dies, and a
 * signal from the terminal reaches only the control process, which knows how to stop nginx.  A new control
 * process finds the running one by its pid file.  It is watched by a pidfd, which works whoever its parent
 * is. */
#ifndef CONTROL_NGINX_PROCESS_H
#define CONTROL_NGINX_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"
#include "weir/status.h"

enum { NGINX_WORKERS_MAX = 1024 };

struct nginx_process {
    const char *program;                  /* nginx's binary */
    const char *state_dir;                /* with nginx.conf, nginx.pid, logs/, status.sock */
    const char *preload;                  /* a sanitizer's runtime that the module needs, or NULL */
    pid_t pid;                            /* 0: none */
    int pidfd;                            /* readable when it has ended; -1: none */
    pid_t old_workers[NGINX_WORKERS_MAX]; /* those of before nginx_process_reload */
    size_t nold;
};

void nginx_process_init(struct nginx_process *p, const char *program, const char *state_dir,
                        const char *preload);

/* Find the nginx of this state folder, started by a control process before.  False: there is none. */
bool nginx_process_find(struct nginx_process *p);
/* Start nginx.  WEIR_E_IO: it cannot be started at all; whether it stays is seen by its pidfd. */
weir_status nginx_process_start(struct nginx_process *p, struct weir_report *rep);
/* Have a running nginx read its configuration anew: it starts workers with it and tells the old ones to
 * finish. */
void nginx_process_reload(struct nginx_process *p);
/* Do workers of before the reload still take connections? */
bool nginx_process_old_workers_serve(const struct nginx_process *p);
/* How many workers take connections. */
size_t nginx_process_nworkers(const struct nginx_process *p);
/* Send the master a signal. */
void nginx_process_signal(const struct nginx_process *p, int signal_number);
/* The master has ended: forget it, and have workers that it left behind finish their requests and go.
 * `wait_status` as of waitpid, 0 if it is not our child. */
void nginx_process_ended(struct nginx_process *p, int *wait_status);

/* What a worker says of itself (JSON), appended to `out`.  False: none answers yet.  Waits up to a second. */
bool nginx_process_status(const struct nginx_process *p, struct strbuf *out);

#endif
