/* weir/status.h - what a call of this library can come to, and the report that says why.
 *
 * Three kinds of failure never mix: refused input is a status with a report for
 * people; a guest fault is a trap (engine.h); our own bug is an assertion. */
#ifndef WEIR_STATUS_H
#define WEIR_STATUS_H

#include <stddef.h>
#include <stdint.h>

typedef enum weir_status {
    WEIR_OK = 0,
    WEIR_E_MALFORMED,   /* bytes that are no module, image, header map, ... */
    WEIR_E_INVALID,     /* a module that decodes but does not validate */
    WEIR_E_UNSUPPORTED, /* a WebAssembly feature this engine does not have, or has switched off */
    WEIR_E_LINK,        /* an import is missing or of another type */
    WEIR_E_TRAP,        /* the guest trapped; the trap says where */
    WEIR_E_EXIT,        /* the guest asked to end (WASI proc_exit) */
    WEIR_E_LIMIT,       /* a configured limit was reached */
    WEIR_E_NOMEM,       /* the system gave no memory */
    WEIR_E_NOT_FOUND,   /* no such file, export, ... */
    WEIR_E_MISMATCH,    /* made for another module, CPU or compiler */
    WEIR_E_IO,          /* the system refused a read or a write; errno's text is in the report */
    WEIR_E_CONFIG,      /* a configuration that a person must change */
} weir_status;

/* A short lower-case name, "malformed"; never NULL, static. */
const char *weir_status_name(weir_status st);

#define WEIR_NO_OFFSET UINT64_MAX

/* Why a call failed, for people.  The caller owns it and clears it with
 * weir_report_init; the first message wins, later ones are dropped, so that the
 * innermost cause survives its way up. */
struct weir_report {
    weir_status status;
    uint64_t offset;   /* byte offset in the input, or WEIR_NO_OFFSET */
    char section[24];  /* module section or configuration field, or "" */
    char function[96]; /* function the message is about, or "" */
    char message[256];
};

void weir_report_init(struct weir_report *rep);

/* Record a failure unless one is recorded already.  `rep` may be NULL.
 * Returns `st`, so that a caller can write `return weir_report_set(...)`. */
weir_status weir_report_set(struct weir_report *rep, weir_status st, uint64_t offset, const char *section,
                            const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* One line for people: "malformed: section code, offset 0x1f, function f: ...".
 * Writes at most `cap` bytes with the final NUL; returns the length it wanted. */
size_t weir_report_format(const struct weir_report *rep, char *dst, size_t cap);

#endif
