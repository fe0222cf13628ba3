/* pw/timer.h - the ticks of a VM's root contexts. */
#ifndef PW_TIMER_H
#define PW_TIMER_H

#include "pw/vm.h"

struct pw_tick { /* of one root */
    struct pw_timer timer;
    struct pw_context *root;
    uint32_t period_ms; /* 0: none */
};

/* One for each root, none running. */
void pw_ticks_init(struct pw_vm *vm);
/* The period of one root's ticks; 0: none.  False: the plugin has too many (limits.timers). */
bool pw_ticks_set(struct pw_vm *vm, uint32_t config, uint32_t period_ms);
void pw_ticks_clear(struct pw_vm *vm);
void pw_ticks_fini(struct pw_vm *vm);

#endif
