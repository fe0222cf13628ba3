/* probe_body - probe with the callbacks of bodies and trailers. */
#define PROBE_BODY
#include "probe.c"
