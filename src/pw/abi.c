/* pw/abi.c - the link table: native entries and interpreter thunks of every host call. */
#include "pw/abi.h"

#include "weir/host_thunk.h"

#define PW_THUNK_i0(fn) WEIR_HOST_THUNK0(fn, i)
#define PW_THUNK_i1(fn) WEIR_HOST_THUNK1(fn, i, i)
#define PW_THUNK_i2(fn) WEIR_HOST_THUNK2(fn, i, i, i)
#define PW_THUNK_i3(fn) WEIR_HOST_THUNK3(fn, i, i, i, i)
#define PW_THUNK_i4(fn) WEIR_HOST_THUNK4(fn, i, i, i, i, i)
#define PW_THUNK_i5(fn) WEIR_HOST_THUNK5(fn, i, i, i, i, i, i)
#define PW_THUNK_i6(fn) WEIR_HOST_THUNK6(fn, i, i, i, i, i, i, i)
#define PW_THUNK_i7(fn) WEIR_HOST_THUNK7(fn, i, i, i, i, i, i, i, i)
#define PW_THUNK_i8(fn) WEIR_HOST_THUNK8(fn, i, i, i, i, i, i, i, i, i)
#define PW_THUNK_i9(fn) WEIR_HOST_THUNK9(fn, i, i, i, i, i, i, i, i, i, i)
#define PW_THUNK_i10(fn) WEIR_HOST_THUNK10(fn, i, i, i, i, i, i, i, i, i, i, i)
#define PW_THUNK_i12(fn) WEIR_HOST_THUNK12(fn, i, i, i, i, i, i, i, i, i, i, i, i, i)
#define PW_THUNK_iI(fn) WEIR_HOST_THUNK2(fn, i, I, i)
#define PW_THUNK_v0(fn) WEIR_HOST_THUNK0(fn, n)
#define PW_THUNK_v1(fn) WEIR_HOST_THUNK1(fn, i, n)
#define PW_THUNK_v4(fn) WEIR_HOST_THUNK4(fn, i, i, i, i, n)

#define PW_CALL(name, sig, args, names, since, state, bad, doc) PW_THUNK_##sig(pw_call_##name)
#include "pw/abi.def"

/* The same calls under their second types: a wrapper that drops the result. */
#define PW_CALL(name, sig, args, names, since, state, bad, doc)
#define PW_ALSO(name, sig)                                                                                   \
    static void pw_also_##name(struct weir_instance *inst)                                                   \
    {                                                                                                        \
        (void)pw_call_##name(inst);                                                                          \
    }                                                                                                        \
    PW_THUNK_##sig(pw_also_##name)
#include "pw/abi.def"

const struct pw_call pw_abi_calls[PW_CALL_COUNT] = {
#define PW_CALL(name, sig, args, names, since, state, bad, doc)                                              \
    {#name, PW_TYPE_##sig, args, names, doc, PW_SINCE_##since, PW_STATE_##state, PW_##bad},
#include "pw/abi.def"
};

static const struct weir_host_func funcs[] = {
#define PW_CALL(name, sig, args, names, since, state, bad, doc)                                              \
    WEIR_HOST_FUNC("env", #name, PW_TYPE_##sig, pw_call_##name),
#define PW_ALSO(name, sig) WEIR_HOST_FUNC("env", #name, PW_TYPE_##sig, pw_also_##name),
#include "pw/abi.def"
};

const struct weir_host_func *pw_abi_funcs(size_t *n)
{
    *n = sizeof funcs / sizeof *funcs;
    return funcs;
}
