/* Tables, redirections and commands of Redis Cluster from any bytes: slots are slots, texts lie inside, and
 * a table that is refused has told nothing. */
#include "redis/cluster.h"

#include "base/mem.h"
#include "base/resp.h"

static struct str whole;

static bool is_inside(struct str s)
{
    return s.len == 0 || (s.at >= whole.at && s.at + s.len <= whole.at + whole.len);
}

static void check_range(void *data, const struct redis_range *r)
{
    WEIR_ASSERT(r->first <= r->last && r->last < REDIS_SLOTS && r->port <= UINT16_MAX && is_inside(r->host));
    ++*(size_t *)data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_redirect r;
    struct str key;
    size_t ranges = 0;

    whole = (struct str){(const char *)data, size};
    bool table = redis_slots_read(whole, check_range, &ranges);
    WEIR_ASSERT((table || ranges == 0) && ranges <= REDIS_SLOTS);
    if (redis_redirect_read(whole, &r)) {
        WEIR_ASSERT(r.slot < REDIS_SLOTS && r.port != 0 && r.port <= UINT16_MAX && is_inside(r.host));
    }
    if (resp_is_command(whole) && redis_command_key(whole, &key)) {
        WEIR_ASSERT(is_inside(key) && redis_slot(key) < REDIS_SLOTS);
    }
    return 0;
}
