/* base/log.h - one log line at a time, to whoever the program says.
 *
 * Libraries report; only the caller that decides logs, once. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_CRITICAL };

/* Static lower-case name, "info". */
const char *log_level_name(enum log_level level);

/* Where lines go from now on; without one they go to standard error. */
typedef void log_sink(enum log_level level, const char *line, void *ctx);
void log_set_sink(log_sink *sink, void *ctx);
void log_set_level(enum log_level least); /* default LOG_INFO */

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
