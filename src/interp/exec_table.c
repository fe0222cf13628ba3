/* interp/exec_table.c - the table of handlers, and the trap exits they share. */
#include "interp/exec.h"

interp_handler *const interp_handlers[H_COUNT] = {
#define X(name) [H_##name] = interp_h_##name,
    INTERP_HANDLERS(X)
#undef X
};

#define X(name, text)                                                                                        \
    HANDLER_ATTRIBUTES void interp_trap_##name(INTERP_PARAMS)                                                \
    {                                                                                                        \
        (void)mem, (void)acc, (void)facc, (void)dacc;                                                        \
        SAVE();                                                                                              \
        rt_trap_raise(inst, WEIR_TRAP_##name, NULL);                                                         \
    }
WEIR_TRAP_KINDS(X)
#undef X
