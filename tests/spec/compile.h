/* spec/compile.h - native images for the modules of a script. */
#ifndef SPEC_COMPILE_H
#define SPEC_COMPILE_H

#include "weir/engine.h"

/* Compile the module, if it has no image yet, with `weirc --batch` ($WEIRC, default build/weirc), which this
 * process keeps running until it ends. */
weir_status spec_compile(struct weir_module *m, struct weir_report *rep);

#endif
