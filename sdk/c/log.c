/* log.c - log lines, filtered here so that what nobody reads is never formatted. */
#include "internal.h"

static int host_level = -1; /* -1: not asked in this callback */

void wp_log_level_forget(void)
{
    host_level = -1;
}

bool wp_log_enabled(enum wp_log_level level)
{
    if (host_level < 0) {
        uint32_t answer;
        host_level = proxy_get_log_level(&answer) == WP_OK && answer <= WP_LOG_CRITICAL ? (int)answer : 0;
    }
    return (int)level >= host_level;
}

void wp_log_line(enum wp_log_level level, struct wp_str line)
{
    proxy_log(level, line.at, line.len);
}

void wp_log_write(enum wp_log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int len = wp_vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    wp_log_line(level, (struct wp_str){line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1});
}
