/* cli/options.c - options from a table, help from the same table. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

static int verb_len(const struct cli_usage *u)
{
    return (int)strcspn(u->synopsis, " ");
}

int cli_usage_error(const struct cli_usage *u, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "weir %.*s: ", verb_len(u), u->synopsis);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "; see `weir %.*s --help`\n", verb_len(u), u->synopsis);
    va_end(ap);
    return CLI_EXIT_USAGE;
}

int cli_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("weir: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return CLI_EXIT_FAILED;
}

static void print_option(const struct cli_option *o)
{
    char left[96];
    char letter[8] = "    ";
    if (o->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    }
    snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name, o->arg == NULL ? "" : " ",
             o->arg == NULL ? "" : o->arg);
    printf("%-30s %s", left, o->help);
    if (o->kind == CLI_CHOICE) {
        printf(" (%s)", o->choices);
    }
    puts(o->required ? " (required)" : "");
}

static void print_help(const struct cli_usage *u)
{
    printf("usage: weir %s\n\n%s\nOptions:\n", u->synopsis, u->about);
    for (size_t i = 0; i < u->noptions; i++) {
        print_option(&u->options[i]);
    }
    print_option(&(struct cli_option){.name = "help", .letter = 'h', .help = "this text"});
    puts("\nExit codes:");
    for (size_t i = 0; i < u->nexits; i++) {
        printf("  %-3d %s\n", u->exits[i].code, u->exits[i].meaning);
    }
    printf("  %-3d the command line is wrong\n", CLI_EXIT_USAGE);
}

static const struct cli_option *find_long(const struct cli_usage *u, struct str name)
{
    for (size_t i = 0; i < u->noptions; i++) {
        if (str_eq(str_of(u->options[i].name), name)) {
            return &u->options[i];
        }
    }
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_usage *u, char letter)
{
    for (size_t i = 0; i < u->noptions; i++) {
        if (u->options[i].letter == letter && letter != 0) {
            return &u->options[i];
        }
    }
    return NULL;
}

static int set_choice(const struct cli_usage *u, const struct cli_option *o, const char *arg)
{
    struct str rest = str_of(o->choices);
    for (int i = 0; rest.len != 0; i++) {
        if (str_eq(str_cut(&rest, '|'), str_of(arg))) {
            *(int *)o->value = i;
            return CLI_GO_ON;
        }
    }
    return cli_usage_error(u, "--%s takes one of %s, not '%s'", o->name, o->choices, arg);
}

static int set_value(const struct cli_usage *u, const struct cli_option *o, const char *arg, int argc)
{
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->value = true;
        return CLI_GO_ON;
    case CLI_TEXT:
        *(const char **)o->value = arg;
        return CLI_GO_ON;
    case CLI_TEXTS: {
        struct cli_texts *t = o->value;
        if (t->at == NULL) {
            t->at = mem_zalloc_array((size_t)argc, sizeof *t->at);
        }
        t->at[t->len++] = arg;
        return CLI_GO_ON;
    }
    case CLI_NUMBER:
        if (!str_to_u64(str_of(arg), o->value)) {
            return cli_usage_error(u, "--%s takes a number from 0 up, not '%s'", o->name, arg);
        }
        return CLI_GO_ON;
    case CLI_CHOICE:
        return set_choice(u, o, arg);
    }
    return CLI_GO_ON;
}

/* "-", "-5" and "-.5" are operands like any other word without a dash. */
static bool is_operand(const char *arg)
{
    return arg[0] != '-' || arg[1] == '\0' || arg[1] == '.' || (arg[1] >= '0' && arg[1] <= '9');
}

/* The option at argv[*i], with its argument; *i moves to the last word used. */
static int parse_option(const struct cli_usage *u, int argc, char **argv, int *i, bool *given)
{
    const char *word = argv[*i], *arg = NULL;
    const struct cli_option *o;

    if (word[1] == '-') {
        const char *eq = strchr(word, '=');
        struct str name = eq == NULL ? str_of(word + 2) : str_make(word + 2, (size_t)(eq - word) - 2);
        o = find_long(u, name);
        arg = eq == NULL ? NULL : eq + 1;
    } else {
        o = find_letter(u, word[1]);
        arg = word[2] == '\0' ? NULL : word + 2;
    }
    if (o == NULL) {
        return cli_usage_error(u, "no option '%s'", word);
    }
    if (o->kind == CLI_FLAG && arg != NULL) {
        return cli_usage_error(u, "--%s takes no value", o->name);
    }
    if (o->kind != CLI_FLAG && arg == NULL) {
        if (*i + 1 >= argc) {
            return cli_usage_error(u, "--%s needs a value: %s", o->name, o->arg);
        }
        arg = argv[++*i];
    }
    given[o - u->options] = true;
    return set_value(u, o, arg, argc);
}

static int check_given(const struct cli_usage *u, const bool *given, size_t noperands)
{
    for (size_t i = 0; i < u->noptions; i++) {
        if (u->options[i].required && !given[i]) {
            return cli_usage_error(u, "--%s %s is missing", u->options[i].name,
                                   u->options[i].arg == NULL ? "" : u->options[i].arg);
        }
    }
    if (noperands < u->min_operands) {
        return cli_usage_error(u, "too few arguments: weir %s", u->synopsis);
    }
    if (noperands > u->max_operands) {
        return cli_usage_error(u, "too many arguments: weir %s", u->synopsis);
    }
    return CLI_GO_ON;
}

int cli_parse(const struct cli_usage *u, int argc, char **argv, struct cli_operands *operands)
{
    size_t noperands = 0;
    bool ended = false;
    int rc = CLI_GO_ON;
    bool *given = mem_zalloc(u->noptions + 1);

    for (int i = 1; i < argc && rc == CLI_GO_ON; i++) {
        if (ended || is_operand(argv[i])) {
            argv[1 + noperands++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            ended = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(u);
            rc = CLI_EXIT_OK;
        } else {
            rc = parse_option(u, argc, argv, &i, given);
        }
    }
    if (rc == CLI_GO_ON) {
        rc = check_given(u, given, noperands);
    }
    if (rc == CLI_GO_ON && operands != NULL) {
        *operands = (struct cli_operands){argv + 1, noperands};
    }
    mem_free(given);
    return rc;
}

char *cli_read_file(const char *path, size_t max_bytes, size_t *len)
{
    struct strbuf b = {0};
    FILE *f = fopen(path, "rb");
    char chunk[65536];
    size_t n;

    if (f == NULL) {
        cli_fail("%s: %s", path, strerror(errno));
        return NULL;
    }
    while ((n = fread(chunk, 1, sizeof chunk, f)) != 0 && b.len + n <= max_bytes) {
        strbuf_add_bytes(&b, chunk, n);
    }
    if (ferror(f)) {
        cli_fail("%s: %s", path, strerror(errno));
    } else if (n != 0) {
        cli_fail("%s: larger than %zu bytes", path, max_bytes);
    } else {
        fclose(f);
        *len = b.len;
        strbuf_add_bytes(&b, "", 0);
        return b.at == NULL ? mem_zalloc(1) : b.at;
    }
    fclose(f);
    strbuf_fini(&b);
    return NULL;
}
