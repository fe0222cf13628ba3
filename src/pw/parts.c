/* pw/parts.c - a plugin whose configurations have VMs of their own.
 *
 * It has no VM itself: each configuration is a plugin of one configuration, with the same name, options and
 * quotas; streams go to these.  What is asked about the whole is the sum, or the worst, of its parts. */
#include "base/mem.h"
#include "pw/plugin.h"

void pw_parts_new(struct pw_plugin *p)
{
    struct pw_plugin_options opt = p->opt;
    struct pw_env *env = mem_zalloc_array(p->opt.nenv, sizeof *env);

    for (size_t i = 0; i < p->opt.nenv; i++) {
        struct str rest = p->wasi_env[i];
        env[i].name = str_cut(&rest, '=');
        env[i].value = rest;
    }
    opt.env = env;
    opt.isolation = PW_ISOLATION_SHARED;
    opt.nconfigs = 1;
    p->parts = mem_zalloc_array(p->opt.nconfigs, sizeof(struct pw_plugin *));
    for (size_t i = 0; i < p->opt.nconfigs; i++) {
        opt.configs = p->opt.configs + i;
        weir_status st = pw_plugin_new(p->module, &opt, p->server, p->server_data, &p->parts[i], NULL);
        WEIR_ASSERT(st == WEIR_OK); /* the module was looked at before */
    }
    mem_free(env);
}

void pw_parts_free(struct pw_plugin *p)
{
    for (size_t i = 0; p->parts != NULL && i < p->opt.nconfigs; i++) {
        pw_plugin_free(p->parts[i]);
    }
    mem_free(p->parts);
    p->parts = NULL;
}

weir_status pw_parts_start(struct pw_plugin *p, struct weir_report *rep)
{
    weir_status st = WEIR_OK;

    for (size_t i = 0; st == WEIR_OK && i < p->opt.nconfigs; i++) {
        st = pw_plugin_start(p->parts[i], rep);
    }
    p->started |= st == WEIR_OK;
    return st;
}

/* The code is the same or an update: a part that does not take it keeps what it has, and the first failure is
 * told. */
weir_status pw_parts_replace_module(struct pw_plugin *p, struct weir_module *m, struct weir_report *rep)
{
    weir_status first = WEIR_OK;

    for (size_t i = 0; i < p->opt.nconfigs; i++) {
        weir_status st = pw_plugin_replace_module(p->parts[i], m, first == WEIR_OK ? rep : NULL);
        first = first == WEIR_OK ? st : first;
    }
    if (first == WEIR_OK) {
        weir_module_ref(m);
        weir_module_unref(p->module);
        p->module = m;
    }
    return first;
}
