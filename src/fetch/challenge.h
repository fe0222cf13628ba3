/* fetch/challenge.h - what a registry wants to see: the WWW-Authenticate header (RFC 9110, 11.6.1), as far as
 * registries use it. */
#ifndef FETCH_CHALLENGE_H
#define FETCH_CHALLENGE_H

#include <stdbool.h>

#include "base/str.h"

enum fetch_challenge_kind { FETCH_NO_CHALLENGE, FETCH_BASIC, FETCH_BEARER };

struct fetch_challenge {
    enum fetch_challenge_kind kind;
    char realm[1024]; /* BEARER: the URL that gives tokens */
    char service[256];
    char scope[512];
};

/* Read the value of one header; the first challenge in it counts.  False, with *out untouched: it is neither
 * a Basic nor a Bearer challenge, or malformed, or too long. */
bool fetch_challenge_parse(struct str header, struct fetch_challenge *out);

#endif
