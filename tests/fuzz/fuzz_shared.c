/* A shared block after any sequence of calls, and with its indexes lost in between: it agrees with itself. */
#include <stdlib.h>

#include "base/mem.h"
#include "pw/shared.h"

enum { BLOCK_BYTES = PW_SHARED_LEAST_BYTES, MOST_VALUE = 3000 };

static uint64_t take(const uint8_t **at, size_t *left, uint64_t below)
{
    uint64_t v = 0;

    for (int i = 0; i < 2 && *left != 0; i++, ++*at, --*left) {
        v = v << 8 | **at;
    }
    return v % below;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char value[MOST_VALUE];
    void *block = aligned_alloc(64, BLOCK_BYTES);
    struct strbuf out = {0};
    struct pw_shared_stats before, after;
    uint32_t id = 0, metric = 0, n;

    memset(block, 0, BLOCK_BYTES);
    WEIR_ASSERT(pw_shared_format(block, BLOCK_BYTES) == WEIR_OK);
    struct pw_shared *sh = pw_shared_open(block, 0);
    while (size != 0) {
        char key[2] = {(char)('a' + take(&data, &size, 20)), 0};
        const struct str k = {key, 1}, v = {value, take(&data, &size, MOST_VALUE)};
        switch (take(&data, &size, 7)) {
        case 0:
            (void)shared_data_set(sh, STR("v"), k, v, (uint32_t)take(&data, &size, 3));
            break;
        case 1:
            (void)shared_data_get(sh, STR("v"), k, &out, &n);
            break;
        case 2:
            (void)shared_queue_register(sh, STR("v"), k, NULL, &id);
            break;
        case 3:
            (void)shared_queue_enqueue(sh, id, v, &n);
            break;
        case 4:
            (void)shared_queue_dequeue(sh, id, &out);
            break;
        case 5:
            if (shared_metric_define(sh, (enum pw_metric_type)(v.len % 3), k, &metric) == PW_OK) {
                (void)shared_metric_record(sh, metric, v.len);
            }
            break;
        default:
            pw_shared_stats(sh, &before);
            shared_mend(sh->block);
            pw_shared_stats(sh, &after);
            WEIR_ASSERT(memcmp(&before, &after, sizeof before) == 0);
        }
    }
    strbuf_fini(&out);
    pw_shared_close(sh);
    free(block);
    return 0;
}
