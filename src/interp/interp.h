/* interp/interp.h - the interpreter, as src/engine sees it: one executor. */
#ifndef INTERP_INTERP_H
#define INTERP_INTERP_H

#include "rt/executor.h"

extern const struct rt_executor interp_executor;

#endif
