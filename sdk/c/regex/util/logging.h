/* util/logging.h - RE2's log and checks, in the place of its own header, which would link the C++ streams
 * and their locales into the module.  Errors reach the caller as results; a check that fails is a bug of ours
 * or RE2's, and traps. */
#ifndef UTIL_LOGGING_H_
#define UTIL_LOGGING_H_

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/util.h"

struct NoLog {
    template <class T> NoLog &operator<<(const T &)
    {
        return *this;
    }
};

struct FatalLog : NoLog {
    ~FatalLog()
    {
        __builtin_trap();
    }
};

#define LOG_INFO NoLog()
#define LOG_WARNING NoLog()
#define LOG_ERROR NoLog()
#define LOG_DFATAL NoLog()
#define LOG_FATAL FatalLog()
#define LOG(severity) LOG_##severity

#define CHECK(condition)                                                                                     \
    if (condition) {                                                                                         \
    } else                                                                                                   \
        FatalLog()
#define CHECK_EQ(a, b) CHECK((a) == (b))
#define CHECK_NE(a, b) CHECK((a) != (b))
#define CHECK_LT(a, b) CHECK((a) < (b))
#define CHECK_LE(a, b) CHECK((a) <= (b))
#define CHECK_GT(a, b) CHECK((a) > (b))
#define CHECK_GE(a, b) CHECK((a) >= (b))

#define DCHECK(condition) assert(condition)
#define DCHECK_EQ(a, b) assert((a) == (b))
#define DCHECK_NE(a, b) assert((a) != (b))
#define DCHECK_LT(a, b) assert((a) < (b))
#define DCHECK_LE(a, b) assert((a) <= (b))
#define DCHECK_GT(a, b) assert((a) > (b))
#define DCHECK_GE(a, b) assert((a) >= (b))

#endif
