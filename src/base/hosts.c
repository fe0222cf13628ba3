/* base/hosts.c - one line at a time; '#' begins a comment. */
#include "base/hosts.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line; empty at its end. */
static struct str next_word(struct str *line)
{
    size_t from = 0, to;

    while (from < line->len && is_blank(line->at[from])) {
        from++;
    }
    for (to = from; to < line->len && !is_blank(line->at[to]); to++) {
    }
    struct str word = str_slice(*line, from, to);
    *line = str_slice(*line, to, line->len);
    return word;
}

bool hosts_next(struct str *rest, struct str name, struct str *address)
{
    while (rest->len != 0) {
        struct str line = str_cut(rest, '\n');
        line.len = str_find_char(line, '#');
        struct str first = next_word(&line), word;
        while ((word = next_word(&line)).len != 0) {
            if (str_ieq(word, name)) {
                *address = first;
                return true;
            }
        }
    }
    return false;
}
