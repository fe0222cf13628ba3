/* pw/hostcalls.h - what every host call needs: the caller, guest memory, results.
 *
 * Guest addresses are checked before anything happens; a host pointer into guest memory is never kept
 * across pw_vm_guest_alloc, which runs guest code. */
#ifndef PW_HOSTCALLS_H
#define PW_HOSTCALLS_H

#include "base/bytes.h"
#include "pw/abi.h"
#include "pw/plugin.h"
#include "pw/stream.h"
#include "pw/vm.h"

extern uint64_t pw_host_calls; /* made so far */

/* The first line of every host call. */
static inline struct pw_vm *pw_enter(struct weir_instance *inst)
{
    struct pw_vm *vm = inst->host;

    pw_host_calls++;
    vm->inst = inst; /* not known otherwise while the module's own start function runs */
    return vm;
}

/* A string of the guest; false: it is not all inside memory. */
static inline bool pw_guest_str(const struct weir_instance *inst, uint32_t addr, uint32_t len,
                                struct str *out)
{
    const void *at = weir_memory_at(inst, addr, len);
    if (len == 0) { /* any address goes with an empty string */
        *out = (struct str){"", 0};
        return true;
    }
    *out = (struct str){at, len};
    return at != NULL;
}

/* Can 32 (64) bits be stored there? */
static inline bool pw_guest_has_u32(const struct weir_instance *inst, uint32_t addr)
{
    return weir_memory_at(inst, addr, 4) != NULL;
}

static inline bool pw_guest_has_u64(const struct weir_instance *inst, uint32_t addr)
{
    return weir_memory_at(inst, addr, 8) != NULL;
}

static inline void pw_guest_put_u32(const struct weir_instance *inst, uint32_t addr, uint32_t v)
{
    bytes_put_u32(inst->memory + addr, v);
}

static inline void pw_guest_put_u64(const struct weir_instance *inst, uint32_t addr, uint64_t v)
{
    bytes_put_u64(inst->memory + addr, v);
}

/* Where a result goes: the addresses of its address and of its size. */
struct pw_result {
    uint32_t addr_at, size_at;
};

static inline bool pw_result_valid(const struct weir_instance *inst, struct pw_result r)
{
    return pw_guest_has_u32(inst, r.addr_at) && pw_guest_has_u32(inst, r.size_at);
}

/* Guest memory for `bytes` bytes, announced in the result.  NULL with *status set: empty (OK, address 0, size
 * 0), or the allocator failed. */
void *pw_result_alloc(struct pw_vm *vm, struct pw_result r, uint64_t bytes, enum pw_status *status);
/* Copy `data` there. */
enum pw_status pw_result_put(struct pw_vm *vm, struct pw_result r, struct str data);
/* Move vm->result there: the VM owns it meanwhile, because the guest's allocator may trap.  An allocator that
 * makes such a call itself takes the outer one's result away: INTERNAL_FAILURE. */
enum pw_status pw_result_put_own(struct pw_vm *vm, struct pw_result r);
/* The entries of a stream's header map as pairs; none are an empty result. */
enum pw_status pw_result_put_map(struct pw_vm *vm, struct pw_result r, struct pw_stream *s, enum pw_map map);

/* Lower-case `name` into buf[PW_NAME_MAX]; false if it is no legal header name or pseudo-header. */
enum { PW_NAME_MAX = 1024 };
bool pw_header_name(struct str name, char *buf, struct str *out);
/* No NUL, CR or LF: nothing that ends a header line. */
bool pw_header_value_legal(struct str value);

/* Maps 4 to 7, of the callout whose callback runs (hostcalls_call.c). */
uint32_t pw_delivery_get_value(struct pw_vm *vm, uint32_t map, struct str name, struct pw_result r);
uint32_t pw_delivery_get_pairs(struct pw_vm *vm, uint32_t map, struct pw_result r);

/* The property built into host and server, and what set_property stored (property.c). */
enum pw_property_kind { PW_PROPERTY_NONE, PW_PROPERTY_VALUE, PW_PROPERTY_MAP };
enum pw_property_kind pw_property_find(struct pw_context *ctx, struct str path, struct pw_value *value,
                                       enum pw_map *map);

#endif
