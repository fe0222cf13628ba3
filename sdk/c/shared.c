/* shared.c - data and queues that all VMs of a host share. */
#include "internal.h"

bool wp_shared_get(struct wp_str key, struct wp_str *value, uint32_t *version)
{
    char *at = NULL;
    size_t len = 0;
    *version = 0;
    bool found = proxy_get_shared_data(key.at, key.len, &at, &len, version) == WP_OK;
    *value = found ? wp_host_str(at, len) : WP_STR("");
    return found;
}

enum wp_status wp_shared_set(struct wp_str key, struct wp_str value, uint32_t version)
{
    return (enum wp_status)proxy_set_shared_data(key.at, key.len, value.at, value.len, version);
}

enum wp_status wp_shared_update(struct wp_str key, wp_shared_fn *fn, void *data)
{
    enum wp_status status = WP_CAS_MISMATCH;
    for (int tries = 0; status == WP_CAS_MISMATCH && tries < WP_SHARED_TRIES; tries++) {
        struct wp_str value;
        uint32_t version;
        bool found = wp_shared_get(key, &value, &version);
        struct wp_str next = value;
        if (!fn(found, value, &next, data)) {
            return WP_OK;
        }
        status = wp_shared_set(key, next, version);
    }
    return status;
}

enum wp_status wp_queue_register(struct wp_str name, uint32_t *queue)
{
    return (enum wp_status)proxy_register_shared_queue(name.at, name.len, queue);
}

enum wp_status wp_queue_find(struct wp_str vm_id, struct wp_str name, uint32_t *queue)
{
    return (enum wp_status)proxy_resolve_shared_queue(vm_id.at, vm_id.len, name.at, name.len, queue);
}

enum wp_status wp_queue_push(uint32_t queue, struct wp_str data)
{
    return (enum wp_status)proxy_enqueue_shared_queue(queue, data.at, data.len);
}

bool wp_queue_pop(uint32_t queue, struct wp_str *data)
{
    char *at = NULL;
    size_t len = 0;
    bool taken = proxy_dequeue_shared_queue(queue, &at, &len) == WP_OK;
    *data = taken ? wp_host_str(at, len) : WP_STR("");
    return taken;
}
