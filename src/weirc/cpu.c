/* weirc/cpu.c - what --cpu and --target mean to LLVM and to the loader.
 *
 * LLVM gets the base architecture and a list of features; the features' bits go into the image, and the
 * loader checks them with the same table (base/cpu.h).  "native" also tunes for this machine's model. */
#include "weirc/weirc.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "base/cpu.h"
#include "base/mem.h"

void weirc_cpu_fini(struct weirc_options *opt)
{
    if (opt->tune_cpu != NULL) {
        LLVMDisposeMessage(opt->tune_cpu);
    }
    mem_free(opt->features);
    opt->tune_cpu = opt->features = NULL;
}

static uint64_t level_features(int level)
{
    uint64_t bits = 0;
    for (int f = 0; f < CPU_FSGSBASE; f++) {
        if (cpu_feature_level((enum cpu_feature)f) <= level) {
            bits |= 1ull << f;
        }
    }
    return bits;
}

static weir_status resolve_x86(struct weirc_options *opt, struct weir_report *rep)
{
    opt->triple = "x86_64-unknown-linux-gnu";
    opt->base_cpu = "x86-64";
    uint64_t host = cpu_host_features(), fsgsbase = CPU_BIT(FSGSBASE);
    if (strcmp(opt->cpu, "native") == 0) {
        opt->needs = host & ~fsgsbase;
        opt->tune_cpu = LLVMGetHostCPUName();
        if (strcmp(opt->tune_cpu, "generic") == 0) {
            weirc_cpu_fini(opt);
        }
        opt->segue = opt->segue && (host & fsgsbase) != 0;
        if ((level_features(2) & ~host) != 0) {
            return weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "cpu",
                                   "this machine is older than x86-64-v2");
        }
    } else if (strncmp(opt->cpu, "x86-64-v", 8) == 0 && opt->cpu[8] >= '2' && opt->cpu[8] <= '4' &&
               opt->cpu[9] == '\0') {
        opt->needs = level_features(opt->cpu[8] - '0');
    } else {
        return weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "cpu",
                               "unknown CPU \"%s\": native, x86-64-v2, x86-64-v3 or x86-64-v4", opt->cpu);
    }
    struct strbuf b = {0};
    for (int f = 0; f < CPU_FSGSBASE; f++) {
        if (opt->needs >> f & 1) {
            strbuf_printf(&b, "%s+%s", b.len == 0 ? "" : ",", cpu_feature_name((enum cpu_feature)f));
        }
    }
    /* A way of tuning: an indirect call loads its target by an instruction of its own.  On Zen 4 calls
     * through an array of addresses take 1.4 times as long when the call itself loads. */
    strbuf_printf(&b, ",+slow-two-mem-ops");
    opt->features = b.at;
    if (opt->segue) {
        opt->needs |= fsgsbase;
    }
    return WEIR_OK;
}

weir_status weirc_cpu_resolve(struct weirc_options *opt, struct weir_report *rep)
{
    if (!opt->aarch64) {
        return resolve_x86(opt, rep);
    }
    opt->triple = "aarch64-unknown-linux-gnu";
    opt->base_cpu = "generic";
    opt->features = mem_strndup("+neon", 5);
    opt->needs = 0;
    opt->segue = false;
    if (strcmp(opt->cpu, "native") != 0 && strcmp(opt->cpu, "generic") != 0) {
        return weir_report_set(rep, WEIR_E_CONFIG, WEIR_NO_OFFSET, "cpu", "aarch64 has only --cpu generic");
    }
    return WEIR_OK;
}
