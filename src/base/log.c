/* base/log.c - formats a line and hands it to the sink. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static void to_stderr(enum log_level level, const char *line, void *ctx)
{
    (void)ctx;
    fprintf(stderr, "weir: %s: %s\n", log_level_name(level), line);
}

static log_sink *current_sink = to_stderr;
static void *current_ctx;
static enum log_level least_level = LOG_INFO;

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"trace", "debug", "info", "warn", "error", "critical"};
    return (unsigned)level < sizeof names / sizeof *names ? names[level] : "unknown";
}

void log_set_sink(log_sink *sink, void *ctx)
{
    current_sink = sink;
    current_ctx = ctx;
}

void log_set_level(enum log_level least)
{
    least_level = least;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char line[2048];
    va_list ap;

    if (level < least_level) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    current_sink(level, line, current_ctx);
}
