/* cli/symbolize.c - `weir symbolize`: functions and source lines of a module's offsets, as traps show them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "control/symbolizer.h"

static const char *debug, *program;

static const struct cli_option options[] = {
    {.name = "debug",
     .kind = CLI_TEXT,
     .value = &debug,
     .arg = "FILE",
     .help = "the file with the module's DWARF, instead of the one the module names"},
    {.name = "symbolizer",
     .kind = CLI_TEXT,
     .value = &program,
     .arg = "PROGRAM",
     .help = "instead of llvm-symbolizer-19"},
};

static const struct cli_exit_code exits[] = {
    {0, "every offset is in a function; where there are no source lines, standard error says why"},
    {1, "the module cannot be read, or an offset is in no function"},
};

static const struct cli_usage usage = {
    .synopsis = "symbolize MODULE.wasm OFFSET... [--debug FILE]",
    .about =
        "Say which function, file and line offsets of a module are (0x1a2b or decimal, counted from the\n"
        "module's first byte, as traps and `weir crashes` show them).  An offset is one line, with a\n"
        "further indented line for each function it was inlined into.  The DWARF is the module's own, or\n"
        "that of the file which its section external_debug_info names, below the module's folder.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .min_operands = 2,
    .max_operands = SYMBOLIZER_MOST_OFFSETS + 1,
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

struct printer {
    const uint32_t *offsets;
    size_t next; /* the first of which nothing was printed */
    bool outside;
};

/* A name is anybody's bytes, and this goes to a terminal. */
static void print_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        putchar((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f ? '?' : s.at[i]);
    }
}

static void print_line(void *ctx, size_t i, struct str function, struct str place)
{
    struct printer *p = ctx;

    if (i < p->next) {
        printf("    inlined into ");
    } else {
        printf("0x%x ", p->offsets[i]);
    }
    p->next = i + 1;
    if (function.len == 0) {
        printf("is in no function");
        p->outside = true;
    }
    print_text(function);
    if (place.len != 0) {
        putchar(' ');
        print_text(place);
    }
    putchar('\n');
}

static int run(int argc, char **argv)
{
    struct cli_operands operands;
    struct weir_report rep;
    char text[1024];
    uint32_t offsets[SYMBOLIZER_MOST_OFFSETS];
    struct printer printer = {.offsets = offsets};
    int code = cli_parse(&usage, argc, argv, &operands);

    if (code != CLI_GO_ON) {
        return code;
    }
    size_t n = operands.len - 1;
    for (size_t i = 0; i < n; i++) {
        char *end;
        errno = 0;
        unsigned long long v = strtoull(operands.at[i + 1], &end, 0);
        if (end == operands.at[i + 1] || *end != '\0' || errno != 0 || v > UINT32_MAX) {
            return cli_usage_error(&usage, "'%s' is no offset; write it like 0x1a2b", operands.at[i + 1]);
        }
        offsets[i] = (uint32_t)v;
    }
    struct symbolizer_options opt = {.program = program, .debug = debug};
    weir_report_init(&rep);
    weir_status st = symbolizer_run(operands.at[0], &opt, offsets, n, print_line, &printer, &rep);
    fflush(stdout);
    if (rep.message[0] != '\0') {
        weir_report_format(&rep, text, sizeof text);
        cli_fail("%s", text);
    }
    return st != WEIR_OK || printer.outside ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}

const struct cli_verb cli_verb_symbolize = {"symbolize", "name functions and lines of a module's offsets",
                                            run};
