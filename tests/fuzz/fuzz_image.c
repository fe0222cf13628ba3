/* Any bytes as an image of a fixed module: what is checked before dlopen reads nothing outside of the file,
 * and what passes can be looked up.  The first byte says which parts of the footer are put right, so that the
 * checks behind them are reached; the digest is always put right. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "aot/image.h"
#include "base/hash.h"
#include "base/mem.h"
#include "unit/aot/module.h"

static struct wasm_module *module;
static uint8_t module_sha[HASH_SHA256_BYTES];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    WEIR_ASSERT(wasm_module_decode(aot_module, sizeof aot_module, WASM_FEATURES_ALL, &module, NULL) ==
                WEIR_OK);
    hash_sha256_of(aot_module, sizeof aot_module, module_sha);
    return 0;
}

static void put_right(uint8_t *file, size_t len, uint8_t what)
{
    struct weir_image_footer f;
    struct hash_sha256 h;
    const char *key = aot_image_key();

    memcpy(&f, file + len - sizeof f, sizeof f);
    memcpy(f.magic, WEIR_IMAGE_MAGIC, sizeof f.magic);
    memset(f.compiler, 0, sizeof f.compiler);
    memcpy(f.compiler, key, (size_t)(strrchr(key, '-') - key));
    memcpy(f.module_sha256, module_sha, sizeof module_sha);
    f.version = WEIR_IMAGE_VERSION;
    f.vm_abi = WEIR_VM_ABI;
    f.file_bytes = len;
    f.cpu_needs = 0;
    if ((what & 1) != 0) {
        f.nfuncs = module->nfuncs - module->nimported_funcs;
        f.nstubs = module->nimported_funcs;
        f.ntramps = module->ntypes;
    }
    if ((what & 2) != 0) {
        f.elf_bytes %= len;
    }
    if ((what & 4) != 0) {
        f.rows_bytes %= (uint32_t)len;
    }
    memset(f.digest, 0, sizeof f.digest);
    hash_sha256_init(&h);
    hash_sha256_add(&h, file, len - sizeof f);
    hash_sha256_add(&h, &f, sizeof f);
    hash_sha256_end(&h, f.digest);
    memcpy(file + len - sizeof f, &f, sizeof f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0) {
        return 0;
    }
    uint8_t what = *bytes++,
            *file = mem_alloc(--len); /* a block of its own: aligned, and its ends are watched */
    struct aot_image im = {.file = file, .file_bytes = len};
    struct weir_report rep;

    if (len > 0) {
        memcpy(file, bytes, len);
    }
    if (len >= sizeof(struct weir_image_footer) && (what & 8) != 0) {
        put_right(file, len, what);
    }
    weir_report_init(&rep);
    weir_status st = aot_image_check(&im, module, module_sha, &rep);
    WEIR_ASSERT((st == WEIR_OK) == (rep.message[0] == '\0'));
    if (st == WEIR_OK) {
        for (uintptr_t pc = im.text; pc < im.text_end && pc < im.text + 4096; pc++) {
            uint32_t func = aot_image_find_func(&im, pc);
            if (func != UINT32_MAX) {
                aot_image_find_offset(&im, func, pc);
            }
        }
    }
    mem_free(file);
    return 0;
}
