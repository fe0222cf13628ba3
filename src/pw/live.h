/* pw/live.h - what plugins of this process have at the moment, counted where it comes and goes.
 *
 * One thread runs plugins, so these are plain numbers. */
#ifndef PW_LIVE_H
#define PW_LIVE_H

#include "weir/proxy_wasm.h"

extern struct pw_live pw_live;

#endif
