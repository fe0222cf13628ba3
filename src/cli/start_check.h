/* cli/start_check.h - does a plugin start?
 *
 * It is tried as a gateway would start it, but in a child process with a time limit, so that a module that
 * hangs or crashes harms nobody.  Used by `weir check`, and by `weir run` before a change is published. */
#ifndef CLI_START_CHECK_H
#define CLI_START_CHECK_H

#include "base/str.h"
#include "gw/config.h"

enum start_outcome { START_OK, START_REFUSED, START_NO_MODULE, START_CRASHED, START_HUNG };

/* Start the module in `file` with `n` of the plugin's configurations, from `first` on; with the native image
 * at `image`, if that is not NULL and can be used.  Blocks until it is known, at most `timeout_s` seconds.
 * `why` is replaced: the cause, unless the outcome is START_OK. */
enum start_outcome start_check(const struct gw_plugin *p, struct str file, const char *image, uint32_t first,
                               uint32_t n, uint32_t timeout_s, struct strbuf *why);

/* ---- the same without blocking ---------------------------------------------------------------------------
 */

struct start_try; /* a child that tries */

/* NULL: no child can be had; `why` says so. */
struct start_try *start_try_new(const struct gw_plugin *p, struct str file, const char *image, uint32_t first,
                                uint32_t n, uint32_t timeout_s, struct strbuf *why);
void start_try_free(struct start_try *t); /* NULL is fine; ends the child */
int start_try_fd(
    const struct start_try *t); /* readable: call start_try_step; so, too, when its time is over */
uint64_t start_try_deadline_ms(const struct start_try *t); /* os_monotonic_ns() / 1000000 */
/* True: it is known; *outcome, and `why` as of start_check. */
bool start_try_step(struct start_try *t, enum start_outcome *outcome, struct strbuf *why);

#endif
