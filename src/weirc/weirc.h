/* weirc/weirc.h - the compiler's options and the steps from a module to an image.
 *
 * main.c reads options; compile.c decodes, validates and runs one unit per partition (in forked children when
 * there is more than one); link.c turns objects into an ELF shared object with lld; image.c reads addresses
 * and lines back out of it and appends the tables of weir/image.h. */
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
    const char *cpu; /* "native", "x86-64-v2", ... as given */
    bool aarch64;
    int level; /* 0..3 */
    unsigned jobs;
    bool open; /* other modules may import its tables */
    bool segue, emit_llvm, emit_asm, stats, verify, quiet;
    const char *passes; /* overrides the pipeline of the level; for experiments */
    /* from `cpu` (cpu.c) */
    const char *triple;
    const char *base_cpu;      /* LLVM's name */
    char *tune_cpu, *features; /* LLVM's name, LLVM's feature string; weirc_cpu_fini frees them */
    uint64_t needs;            /* bits of enum cpu_feature the image needs */
};

struct weirc_table {
    bool fixed; /* nothing can change it: */
    uint32_t len;
    uint32_t *funcs; /* function indices, UINT32_MAX: null; NULL unless it is fixed */
};

/* Calls of one type through one table: where the functions of that type are in it, if it is fixed. */
struct weirc_fixed_call {
    uint32_t table, type; /* the type as canonical[] has it */
    uint32_t first, n;    /* elements [first, first + n) hold all of them; n 0: there are none */
};

/* What all units need to know of the whole module. */
struct weirc_facts {
    char **symbols;      /* per function index: "w12.parse_header" */
    struct str *names;   /* per function index, length 0 if it has none */
    bool tail_calls;     /* some function has return_call or return_call_indirect */
    uint32_t *canonical; /* per type: the first type equal to it */
    struct weirc_table *tables;
    uint32_t ntables;
    struct weirc_fixed_call *calls;
    size_t ncalls;
};

void weirc_facts_init(struct weirc_facts *f, const struct wasm_module *m, const struct weirc_options *opt);
void weirc_facts_fini(struct weirc_facts *f, const struct wasm_module *m);

/* Fill in the fields that follow from `cpu`, `aarch64` and `segue`.  WEIR_E_CONFIG: no such CPU. */
weir_status weirc_cpu_resolve(struct weirc_options *opt, struct weir_report *rep);
void weirc_cpu_fini(struct weirc_options *opt);

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
