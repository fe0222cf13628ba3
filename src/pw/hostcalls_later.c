/* pw/hostcalls_later.c - host calls whose feature does not exist yet.
 *
 * Modules that import them load; the calls check their pointers by the letters of abi.def and answer
 * UNIMPLEMENTED.  A feature that comes takes its calls away from here by saying DONE there. */
#include "pw/hostcalls.h"

/* One letter of `args` takes one or two parameters (abi.def). */
static uint32_t later(struct weir_instance *inst, enum pw_call_id id, const uint32_t *v)
{
    const struct pw_call *call = &pw_abi_calls[id];
    struct str s;
    bool valid = true;

    pw_enter(inst);
    for (const char *letter = call->args; *letter != '\0'; letter++) {
        switch (*letter) {
        case 'd':
            valid = valid && pw_guest_str(inst, v[0], v[1], &s);
            v += 2;
            break;
        case 'r':
            valid = valid && pw_result_valid(inst, (struct pw_result){v[0], v[1]});
            v += 2;
            break;
        case 'o':
            valid = valid && pw_guest_has_u32(inst, *v++);
            break;
        case 'O':
            valid = valid && pw_guest_has_u64(inst, *v++);
            break;
        default:
            v++;
        }
    }
    return valid ? PW_UNIMPLEMENTED : call->bad_pointer;
}

/* Bodies by signature, for the rows of state LATER. */
#define PW_LATER_i1(name)                                                                                    \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a)                                          \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a});                                           \
    }
#define PW_LATER_i2(name)                                                                                    \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint32_t b)                              \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, b});                                        \
    }
#define PW_LATER_i3(name)                                                                                    \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint32_t b, uint32_t c)                  \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, b, c});                                     \
    }
#define PW_LATER_i4(name)                                                                                    \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint32_t b, uint32_t c, uint32_t d)      \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, b, c, d});                                  \
    }
#define PW_LATER_i5(name)                                                                                    \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint32_t b, uint32_t c, uint32_t d,      \
                            uint32_t e)                                                                      \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, b, c, d, e});                               \
    }
#define PW_LATER_i7(name)                                                                                    \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint32_t b, uint32_t c, uint32_t d,      \
                            uint32_t e, uint32_t f, uint32_t g)                                              \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, b, c, d, e, f, g});                         \
    }
#define PW_LATER_i9(name)                                                                                    \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint32_t b, uint32_t c, uint32_t d,      \
                            uint32_t e, uint32_t f, uint32_t g, uint32_t h, uint32_t i)                      \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, b, c, d, e, f, g, h, i});                   \
    }
#define PW_LATER_i10(name)                                                                                   \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint32_t b, uint32_t c, uint32_t d,      \
                            uint32_t e, uint32_t f, uint32_t g, uint32_t h, uint32_t i, uint32_t j)          \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, b, c, d, e, f, g, h, i, j});                \
    }
#define PW_LATER_i12(name)                                                                                   \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint32_t b, uint32_t c, uint32_t d,      \
                            uint32_t e, uint32_t f, uint32_t g, uint32_t h, uint32_t i, uint32_t j,          \
                            uint32_t k, uint32_t l)                                                          \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, b, c, d, e, f, g, h, i, j, k, l});          \
    }
#define PW_LATER_iI(name)                                                                                    \
    uint32_t pw_call_##name(struct weir_instance *inst, uint32_t a, uint64_t b)                              \
    {                                                                                                        \
        return later(inst, PW_CALL_##name, (const uint32_t[]){a, (uint32_t)b});                              \
    }

#define PW_BODY_DONE(sig, name)
#define PW_BODY_LATER(sig, name) PW_LATER_##sig(name)
#define PW_CALL(name, sig, args, names, since, state, bad, doc) PW_BODY_##state(sig, name)
#include "pw/abi.def"
