/* bare_plugin.h - a plugin without callbacks, for tests of what plugins are made of: its library wants one.
 *
 * Included once, by the test's only file. */
#ifndef WEIR_SDK_BARE_PLUGIN_H
#define WEIR_SDK_BARE_PLUGIN_H

#include "fake_host.h"

struct root {
    struct wp_root wp;
};
struct stream {
    struct wp_stream wp;
};
WP_PLUGIN(struct root, struct stream)

#define COUNT(table) (sizeof(table) / sizeof *(table))

#endif
