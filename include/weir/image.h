/* weir/image.h - the file weirc writes and src/aot maps.
 *
 * An image is an ELF shared object with tables behind it:
 *
 *     ELF bytes ... | tables | struct weir_image_footer (the last bytes of the file)
 *
 * The ELF part holds code and constants only: no relocations against other objects, no constructors, no
 * exported symbols.  Addresses in the tables are relative to where the object is loaded.  Everything is
 * little-endian.  Tables, in order, each 4-byte aligned:
 *
 *     funcs:   struct weir_image_range per function defined in the module: its code, in ascending order
 *     stubs:   u32 per imported function: its import stub (weir/vmctx.h calls host functions of many
 *              parameters and functions of other instances by it), 0: there is none
 *     tramps:  u32 per type: the trampoline (code, vmctx, cells) from the host, 0: there is none
 *     lines:   for each of funcs in order, a u32 offset into `rows` where its rows start; one more for the
 * end rows:    LEB128 pairs (bytes of code since the last row, signed change of the module offset), which
 *              start at the function's start and at offset 0: code from there on is of that instruction
 *
 * `digest` is the SHA-256 of the file up to the footer followed by the footer with `digest` zeroed. */
#ifndef WEIR_IMAGE_H
#define WEIR_IMAGE_H

#include <stdint.h>

#define WEIR_IMAGE_MAGIC "WEIRAOT\n"
/* Custom section of a module that carries its image. */
#define WEIR_IMAGE_SECTION "weir.aot"

enum {
    WEIR_IMAGE_VERSION = 1,
    WEIR_IMAGE_MACHINE_X86_64 = 62, /* ELF's numbers */
    WEIR_IMAGE_MACHINE_AARCH64 = 183,
};

/* Flags. */
enum {
    WEIR_IMAGE_SEGUE = 1 << 0, /* memory 0 is addressed by the GS base */
    WEIR_IMAGE_STUBS =
        1 << 1, /* all imports are called by their stubs: the code's calling convention is not C's */
    WEIR_IMAGE_CLOSED = 1 << 2, /* compiled code relies on nobody importing the module's tables */
};

struct weir_image_range {
    uint32_t start, bytes;
};

struct weir_image_footer {
    char magic[8];
    uint32_t version, vm_abi; /* WEIR_IMAGE_VERSION, WEIR_VM_ABI */
    uint32_t machine, flags;
    uint64_t elf_bytes;  /* the tables start there, rounded up to 4 */
    uint64_t file_bytes; /* of the whole file, footer included */
    uint64_t cpu_needs;  /* bits of enum cpu_feature */
    uint32_t nfuncs, nstubs, ntramps, rows_bytes;
    char compiler[64]; /* build id of the compiler, NUL-padded */
    char cpu[32];      /* what --cpu said, for people */
    uint8_t module_sha256[32];
    uint8_t digest[32];
};

_Static_assert(sizeof(struct weir_image_footer) == 224, "the footer has no padding");

#endif
