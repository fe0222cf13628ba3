/* weirc/weirc.h - the compiler's options and the steps from a module to an image.
 *
 * main.c reads options; compile.c decodes, validates and runs one unit per partition (in forked children when
 * there is more than one); link.c turns objects into an ELF shared object with lld; image.c reads addresses and lines
 * back out of it and appends the tables of weir/image.h. */
#ifndef WEIRC_WEIRC_H
#define WEIRC_WEIRC_H

#include <stdbool.h>
#include <stdio.h>

#include "base/str.h"
#include "base/vec.h"
#include "wasm/module.h"
#include "weir/status.h"

struct weirc_options {
    const char *input, *output, *append;
    const char *cpu;     /* "native", "x86-64-v2", ... as given */
    bool aarch64;
    int level;           /* 0..3 */
    unsigned jobs;
    bool segue, emit_llvm, emit_asm, stats, verify, quiet;
    const char *passes;  /* overrides the pipeline of the level; for experiments */
    /* from `cpu` (cpu.c) */
    const char *triple;
    const char *base_cpu, *tune_cpu; /* LLVM's names */
    char *features;      /* LLVM's feature string */
    uint64_t needs;      /* bits of enum cpu_feature the image needs */
};

/* What all units need to know of the whole module. */
struct weirc_names {
    char **symbols;      /* per function index: "w12.parse_header" */
    struct str *names;   /* per function index, length 0 if it has none */
    bool tail_calls;     /* some function has return_call or return_call_indirect */
};

/* Fill in the fields that follow from `cpu`, `aarch64` and `segue`.  WEIR_E_CONFIG: no such CPU. */
weir_status weirc_cpu_resolve(struct weirc_options *opt, struct weir_report *rep);

/* Compile opt->input (or these bytes of it) to opt->output. */
weir_status weirc_compile(const struct weirc_options *opt, struct weir_report *rep);

/* objs: paths.  Runs lld. */
weir_status weirc_link(const struct weirc_options *opt, char *const *objs, size_t nobjs, const char *out,
                       struct weir_report *rep);

/* Read the linked file at `path`, append the image tables and write `opt->output` (atomically: by rename). */
weir_status weirc_image_write(const struct weirc_options *opt, const struct wasm_module *m, bool tail_calls,
                              const char *elf_path, struct weir_report *rep);

/* Write opt->input with opt->append as its custom section to opt->output. */
weir_status weirc_append(const struct weirc_options *opt, struct weir_report *rep);

/* Whole files. WEIR_E_IO. */
weir_status weirc_read_file(const char *path, struct strbuf *out, struct weir_report *rep);
weir_status weirc_write_file(const char *path, const void *at, size_t len, struct weir_report *rep);

#endif
