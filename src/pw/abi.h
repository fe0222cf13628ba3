/* pw/abi.h - the host calls as C functions, and the table about them.
 *
 * abi.def is the source of both.  A host call has the native signature of weir/engine.h: the instance, then
 * the guest's parameters. */
#ifndef PW_ABI_H
#define PW_ABI_H

#include <stddef.h>
#include <stdint.h>

#include "weir/engine.h"
#include "weir/pw_status.h"

enum pw_since { PW_SINCE_ANY, PW_SINCE_V010, PW_SINCE_V020, PW_SINCE_V021, PW_SINCE_HIGRESS, PW_SINCE_EXTRA };
enum pw_state { PW_STATE_DONE };

struct pw_call {
    const char *name, *type; /* type as in struct weir_host_func */
    const char *args, *names, *doc;
    enum pw_since since;
    enum pw_state state;
    enum pw_status bad_pointer;
};

/* Numbers of the calls, indices into pw_abi_calls. */
enum pw_call_id {
#define PW_CALL(name, sig, args, names, since, state, bad, doc) PW_CALL_##name,
#include "pw/abi.def"
    PW_CALL_COUNT,
};

extern const struct pw_call pw_abi_calls[PW_CALL_COUNT];

/* The link table, several entries for a call that is known with several types. */
const struct weir_host_func *pw_abi_funcs(size_t *n);

/* For each signature of abi.def: type, C result and parameters. */
#define PW_TYPE_i0 ":i"
#define PW_TYPE_i1 "i:i"
#define PW_TYPE_i2 "ii:i"
#define PW_TYPE_i3 "iii:i"
#define PW_TYPE_i4 "iiii:i"
#define PW_TYPE_i5 "iiiii:i"
#define PW_TYPE_i6 "iiiiii:i"
#define PW_TYPE_i7 "iiiiiii:i"
#define PW_TYPE_i8 "iiiiiiii:i"
#define PW_TYPE_i9 "iiiiiiiii:i"
#define PW_TYPE_i10 "iiiiiiiiii:i"
#define PW_TYPE_i12 "iiiiiiiiiiii:i"
#define PW_TYPE_iI "iI:i"
#define PW_TYPE_v0 ":"
#define PW_TYPE_v1 "i:"
#define PW_TYPE_v4 "iiii:"

#define PW_DECLARE_i0(fn) uint32_t fn(struct weir_instance *inst);
#define PW_DECLARE_i1(fn) uint32_t fn(struct weir_instance *inst, uint32_t);
#define PW_DECLARE_i2(fn) uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t);
#define PW_DECLARE_i3(fn) uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t);
#define PW_DECLARE_i4(fn) uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t);
#define PW_DECLARE_i5(fn)                                                                                    \
    uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
#define PW_DECLARE_i6(fn)                                                                                    \
    uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
#define PW_DECLARE_i7(fn)                                                                                    \
    uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t,      \
                uint32_t);
#define PW_DECLARE_i8(fn)                                                                                    \
    uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t,      \
                uint32_t, uint32_t);
#define PW_DECLARE_i9(fn)                                                                                    \
    uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t,      \
                uint32_t, uint32_t, uint32_t);
#define PW_DECLARE_i10(fn)                                                                                   \
    uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t,      \
                uint32_t, uint32_t, uint32_t, uint32_t);
#define PW_DECLARE_i12(fn)                                                                                   \
    uint32_t fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t,      \
                uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
#define PW_DECLARE_iI(fn) uint32_t fn(struct weir_instance *inst, uint32_t, uint64_t);
#define PW_DECLARE_v0(fn) void fn(struct weir_instance *inst);
#define PW_DECLARE_v1(fn) void fn(struct weir_instance *inst, uint32_t);
#define PW_DECLARE_v4(fn) void fn(struct weir_instance *inst, uint32_t, uint32_t, uint32_t, uint32_t);

#define PW_CALL(name, sig, args, names, since, state, bad, doc) PW_DECLARE_##sig(pw_call_##name)
#include "pw/abi.def"

#endif
