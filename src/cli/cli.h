/* cli/cli.h - the frame of the `weir` command: verbs, and one way to read options.
 *
 * A verb is one file that defines `const struct cli_verb cli_verb_NAME`; main.c lists them.  Each verb
 * describes itself in a struct cli_usage, from which options are parsed and `--help` is printed, so the two
 * cannot differ. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_VERSION "0.1.0"

/* Exit codes that mean the same for every verb. */
enum { CLI_EXIT_OK = 0, CLI_EXIT_FAILED = 1, CLI_EXIT_USAGE = 2 };

struct cli_verb {
    const char *name;
    const char *summary;               /* one line */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit code */
};

enum cli_kind {
    CLI_FLAG,   /* bool: true when given */
    CLI_TEXT,   /* const char *: the argument */
    CLI_TEXTS,  /* struct cli_texts: the arguments, in order; may be given often */
    CLI_NUMBER, /* uint64_t: decimal */
    CLI_CHOICE, /* int: position of the argument in `choices` */
};

struct cli_texts {
    const char **at; /* room for argc entries is made by the parser; the process owns it */
    size_t len;
};

struct cli_option {
    const char *name; /* long name without dashes */
    char letter;      /* short name, or 0 */
    enum cli_kind kind;
    void *value;         /* of the kind's type; untouched when the option is not given */
    const char *arg;     /* what the help calls the argument, "FILE"; NULL for flags */
    const char *help;    /* one line */
    const char *choices; /* CLI_CHOICE: "interp|aot|auto" */
    bool required;
};

struct cli_exit_code {
    int code;
    const char *meaning;
};

struct cli_usage {
    const char *synopsis; /* "check -c FILE", after "weir " */
    const char *about;    /* a paragraph, lines broken, ends with a newline */
    const struct cli_option *options;
    size_t noptions;
    size_t min_operands, max_operands; /* arguments that are no options; SIZE_MAX: any number */
    const struct cli_exit_code *exits; /* beside 2, usage, which every verb has */
    size_t nexits;
};

struct cli_operands {
    char **at;
    size_t len;
};

enum { CLI_GO_ON = -1 };

/* Read the arguments after argv[0].  Long options as `--name VALUE` or `--name=VALUE`, short ones as `-c
 * VALUE` or `-cVALUE`; "--" ends options; "-" and negative numbers are operands; options and operands may
 * mix. CLI_GO_ON: all values are set; `operands` (may be NULL where there are none) points into argv, which
 * is permuted.  Otherwise the exit code to leave with: --help was answered on stdout, or what is wrong was
 * said on stderr. */
int cli_parse(const struct cli_usage *u, int argc, char **argv, struct cli_operands *operands);

/* An error in how the verb was called: "weir VERB: message" and a pointer to --help on stderr.
 * Returns CLI_EXIT_USAGE. */
int cli_usage_error(const struct cli_usage *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "weir: message" on stderr; returns CLI_EXIT_FAILED. */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The whole file, NUL added after it; the caller frees it with mem_free.  NULL: why was said on stderr.  At
 * most `max_bytes`. */
char *cli_read_file(const char *path, size_t max_bytes, size_t *len);

#define CLI_COUNT(table) (sizeof(table) / sizeof(table)[0])

#endif
