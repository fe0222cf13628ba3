/* A crash report from any bytes: what is taken for one is written and read again as the same. */
#include "base/mem.h"
#include "observe/crash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crash c, d;
    struct strbuf b = {0};
    char x[CRASH_ID_DIGITS + 1], y[CRASH_ID_DIGITS + 1];

    if (!crash_read(str_make(data, size), &c)) {
        return 0;
    }
    WEIR_ASSERT(c.noffsets <= WEIR_TRAP_FRAMES && c.nlines <= CRASH_MOST_LINES &&
                c.nnames <= CRASH_MOST_NAMES);
    for (size_t i = 0; i < c.nnames; i++) {
        WEIR_ASSERT(c.names[i].frame < c.noffsets);
    }
    crash_write(&c, SIZE_MAX, &b);
    WEIR_ASSERT(crash_read(strbuf_str(&b), &d));
    WEIR_ASSERT(d.nlines == c.nlines && d.nnames == c.nnames && d.count == c.count);
    crash_id(&c, x);
    crash_id(&d, y);
    WEIR_ASSERT(memcmp(x, y, sizeof x) == 0);
    strbuf_fini(&b);
    return 0;
}
