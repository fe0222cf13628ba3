/* gw/same.c - comparing what makes a plugin's VM. */
#include "gw/same.h"

#include "base/hash.h"

static bool same_env(const struct gw_plugin *a, const struct gw_plugin *b)
{
    if (a->nenv != b->nenv) {
        return false;
    }
    for (uint32_t i = 0; i < a->nenv; i++) {
        if (!str_eq(a->env[i].name, b->env[i].name) || !str_eq(a->env[i].value, b->env[i].value) ||
            a->env[i].from != b->env[i].from) {
            return false;
        }
    }
    return true;
}

/* Mostly the configurations are in the same place: no search then. */
static uint32_t find_config(const struct gw_plugin *p, struct str config, uint32_t guess)
{
    if (guess < p->nconfigs && str_eq(p->configs[guess], config)) {
        return guess;
    }
    for (uint32_t i = 0; i < p->nconfigs; i++) {
        if (str_eq(p->configs[i], config)) {
            return i;
        }
    }
    return GW_NONE;
}

static bool same_quotas(const struct gw_quotas *a, const struct gw_quotas *b)
{
    return true
#define PW_QUOTA(id, name, ...) &&a->name == b->name
#include "weir/pw_quota.def"
        ;
}

bool gw_plugin_same_vm(const struct gw_plugin *before, const struct gw_plugin *now, uint32_t *indices)
{
    const struct gw_plugin *a = before, *b = now;

    if (!str_eq(a->name, b->name) || !str_eq(a->url, b->url) || !str_eq(a->plugin_name, b->plugin_name) ||
        a->type != b->type || a->fail_strategy != b->fail_strategy || a->runtime != b->runtime ||
        a->allow_precompiled != b->allow_precompiled || a->memory_limit_bytes != b->memory_limit_bytes ||
        a->body_limit_bytes != b->body_limit_bytes || a->cpu_limit_ms != b->cpu_limit_ms ||
        a->isolation != b->isolation || a->growth_bytes != b->growth_bytes ||
        a->vm_requests != b->vm_requests || !same_quotas(&a->quotas, &b->quotas) ||
        a->start_cpu_limit_ms != b->start_cpu_limit_ms || a->nconfigs != b->nconfigs || !same_env(a, b)) {
        return false;
    }
    for (uint32_t i = 0; i < b->nconfigs; i++) {
        indices[i] = find_config(a, b->configs[i], i);
        if (indices[i] == GW_NONE) {
            return false;
        }
    }
    return true;
}

static void mix(uint64_t *h, struct str s)
{
    *h = (*h ^ hash_bytes(s.at, s.len, s.len)) * UINT64_C(0x9e3779b97f4a7c15);
    *h ^= *h >> 29;
}

static void mix_number(uint64_t *h, uint64_t n)
{
    mix(h, str_make((const char *)&n, sizeof n));
}

uint64_t gw_plugin_vm_hash(const struct gw_plugin *p)
{
    uint64_t h = 0;

    mix(&h, p->name);
    mix(&h, p->url);
    mix(&h, p->plugin_name);
    for (uint32_t i = 0; i < p->nenv; i++) {
        mix(&h, p->env[i].name);
        mix(&h, p->env[i].value);
    }
    for (uint32_t i = 0; i < p->nconfigs; i++) {
        mix(&h, p->configs[i]);
    }
    mix_number(&h, p->nenv);
    mix_number(&h, (uint64_t)p->type << 32 | (uint64_t)p->runtime << 16 | (uint64_t)p->fail_strategy << 8 |
                       p->allow_precompiled);
    mix_number(&h, p->memory_limit_bytes);
    mix_number(&h, p->body_limit_bytes);
    mix_number(&h, p->cpu_limit_ms);
    mix_number(&h, p->growth_bytes);
    mix_number(&h, (uint64_t)p->isolation << 32 | p->vm_requests);
#define PW_QUOTA(id, name, ...) mix_number(&h, p->quotas.name);
#include "weir/pw_quota.def"
    mix_number(&h, p->start_cpu_limit_ms);
    return h;
}
