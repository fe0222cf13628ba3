/* regex.cc - see weir_regex.h: RE2's sets behind C functions.
 *
 * The module has no exceptions: where the C++ library would throw for lack of memory or for a length that
 * cannot be, it traps, as the rest of the SDK does. */
#include <algorithm>
#include <new>
#include <stdlib.h>
#include <string>
#include <vector>

#include "re2/re2.h"
#include "re2/set.h"

extern "C" {
#include "weir_regex.h"
}

struct wp_regex_set {
    re2::RE2::Set patterns;
    int count;
    mutable std::vector<int> found; /* keeps its memory from one text to the next */
};

static re2::RE2::Options options()
{
    re2::RE2::Options o;
    o.set_encoding(re2::RE2::Options::EncodingLatin1);
    o.set_log_errors(false);
    o.set_max_mem(WP_REGEX_MEMORY_BYTES);
    return o;
}

static re2::StringPiece piece(struct wp_str s)
{
    return re2::StringPiece(s.at, s.len);
}

/* Matching fails only for lack of room for a handful of states, which compiling has tried. */
static bool match(const struct wp_regex_set *set, struct wp_str text, std::vector<int> *found)
{
    re2::RE2::Set::ErrorInfo info;
    if (set->patterns.Match(piece(text), found, &info)) {
        return true;
    }
    if (info.kind != re2::RE2::Set::kNoError) {
        __builtin_trap();
    }
    return false;
}

struct wp_regex_set *wp_regex_set_new(enum wp_regex_mode mode)
{
    re2::RE2::Anchor anchor = mode == WP_REGEX_WHOLE ? re2::RE2::ANCHOR_BOTH : re2::RE2::UNANCHORED;
    return new wp_regex_set{re2::RE2::Set(options(), anchor), 0, {}};
}

void wp_regex_set_free(struct wp_regex_set *set)
{
    delete set;
}

bool wp_regex_set_add(struct wp_regex_set *set, struct wp_str pattern, struct wp_str *error)
{
    std::string why;
    if (set->patterns.Add(piece(pattern), &why) < 0) {
        *error = wp_format("%s", why.c_str());
        return false;
    }
    set->count++;
    return true;
}

bool wp_regex_set_compile(struct wp_regex_set *set, struct wp_str *error)
{
    re2::RE2::Set::ErrorInfo info = {re2::RE2::Set::kNoError};
    bool ok = set->patterns.Compile();
    if (ok && set->count != 0) {
        set->patterns.Match(re2::StringPiece(""), nullptr, &info);
    }
    if (!ok || info.kind != re2::RE2::Set::kNoError) {
        *error = wp_format("the patterns are too large together");
        return false;
    }
    return true;
}

bool wp_regex_set_matches(const struct wp_regex_set *set, struct wp_str text)
{
    return set->count != 0 && match(set, text, nullptr);
}

int wp_regex_set_find(const struct wp_regex_set *set, struct wp_str text)
{
    if (set->count == 0 || !match(set, text, &set->found)) {
        return -1;
    }
    return *std::min_element(set->found.begin(), set->found.end());
}

#ifdef __wasm__
/* The C++ library's own would print before they end the program, and take stdio along. */
void *operator new(size_t size)
{
    void *p = malloc(size != 0 ? size : 1);
    if (!p) {
        __builtin_trap();
    }
    return p;
}

void *operator new[](size_t size)
{
    return operator new(size);
}

void operator delete(void *p) noexcept
{
    free(p);
}

void operator delete[](void *p) noexcept
{
    free(p);
}

void operator delete(void *p, size_t) noexcept
{
    free(p);
}

void operator delete[](void *p, size_t) noexcept
{
    free(p);
}

extern "C" void __cxa_pure_virtual(void)
{
    __builtin_trap();
}

_LIBCPP_BEGIN_NAMESPACE_STD
void __libcpp_verbose_abort(const char *, ...)
{
    __builtin_trap();
}
_LIBCPP_END_NAMESPACE_STD
#endif
