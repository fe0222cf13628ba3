/* gw/check.h - the last part of loading: what holds between the parts of a configuration. */
#ifndef GW_CHECK_H
#define GW_CHECK_H

#include "gw/problems.h"

/* Resolve names, find what is there twice or missing, and fill in what follows from the fields. */
void gw_check_config(struct gw_config *c, struct gw_problems *problems);

/* Before that, if parts have pieces in them: copy what gw_check_config fills in below a part, so that pieces
 * stay as they are. */
void gw_check_unshare(struct gw_config *c);

/* Fill in the plugin's configs, default_index, ignore_rules and its rules' config_index. */
void gw_plugin_set_configs(struct gw_config *c, struct gw_plugin *p);

#endif
