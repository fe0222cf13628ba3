/* base/report.c - statuses and reports of weir/status.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "weir/status.h"

const char *weir_status_name(weir_status st)
{
    static const char *const names[] = {
        [WEIR_OK] = "ok",
        [WEIR_E_MALFORMED] = "malformed",
        [WEIR_E_INVALID] = "invalid",
        [WEIR_E_UNSUPPORTED] = "unsupported",
        [WEIR_E_LINK] = "link",
        [WEIR_E_TRAP] = "trap",
        [WEIR_E_EXIT] = "exit",
        [WEIR_E_LIMIT] = "limit",
        [WEIR_E_NOMEM] = "out of memory",
        [WEIR_E_NOT_FOUND] = "not found",
        [WEIR_E_MISMATCH] = "mismatch",
        [WEIR_E_IO] = "io",
        [WEIR_E_CONFIG] = "configuration",
    };
    return (unsigned)st < sizeof names / sizeof *names ? names[st] : "unknown";
}

void weir_report_init(struct weir_report *rep)
{
    memset(rep, 0, sizeof *rep);
    rep->offset = WEIR_NO_OFFSET;
}

weir_status weir_report_set(struct weir_report *rep, weir_status st, uint64_t offset, const char *section,
                            const char *fmt, ...)
{
    if (rep == NULL || rep->status != WEIR_OK) {
        return st;
    }
    rep->status = st;
    rep->offset = offset;
    snprintf(rep->section, sizeof rep->section, "%s", section);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(rep->message, sizeof rep->message, fmt, ap);
    va_end(ap);
    return st;
}

size_t weir_report_format(const struct weir_report *rep, char *dst, size_t cap)
{
    char where[64] = "", in_section[48] = "", in_function[128] = "";

    if (rep->section[0] != '\0') {
        snprintf(in_section, sizeof in_section, "%s: ", rep->section);
    }
    if (rep->offset != WEIR_NO_OFFSET) {
        snprintf(where, sizeof where, "offset 0x%llx: ", (unsigned long long)rep->offset);
    }
    if (rep->function[0] != '\0') {
        snprintf(in_function, sizeof in_function, "function %s: ", rep->function);
    }
    return (size_t)snprintf(dst, cap, "%s: %s%s%s%s", weir_status_name(rep->status), in_section, where,
                            in_function, rep->message);
}
