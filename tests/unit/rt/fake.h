/* rt/fake.h - an executor for tests of src/rt: functions are C functions chosen by index.
 *
 * Module A, `a_wasm`:
 *     (memory (export "m") 1 3) (table (export "t") 2 5 funcref) (global (export "g") (mut i32) (i32.const
 * 7)) (func $f0 (export "f0")) (func $f1 (export "f1") (param i32) (result i32) ...) (elem (i32.const 1) $f0)
 * (elem func $f0 $f1) (data (i32.const 8) "hello") (data "passive") Module B, `b_wasm`; its data segment is
 * out of bounds, so it does not start: (import "a" "m" (memory 1 3)) (import "a" "t" (table 1 funcref)) (func
 * $own (export "own")) (elem (i32.const 0) $own) (data (i32.const 65536) "out") */
#ifndef RT_FAKE_H
#define RT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rt/executor.h"

static const uint8_t a_wasm[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x09, 0x02, 0x60, 0x00, 0x00, 0x60, 0x01, 0x7f,
    0x01, 0x7f, 0x03, 0x03, 0x02, 0x00, 0x01, 0x04, 0x05, 0x01, 0x70, 0x01, 0x02, 0x05, 0x05, 0x04, 0x01,
    0x01, 0x01, 0x03, 0x06, 0x06, 0x01, 0x7f, 0x01, 0x41, 0x07, 0x0b, 0x07, 0x17, 0x05, 0x01, 0x6d, 0x02,
    0x00, 0x01, 0x74, 0x01, 0x00, 0x01, 0x67, 0x03, 0x00, 0x02, 0x66, 0x30, 0x00, 0x00, 0x02, 0x66, 0x31,
    0x00, 0x01, 0x09, 0x0c, 0x02, 0x00, 0x41, 0x01, 0x0b, 0x01, 0x00, 0x01, 0x00, 0x02, 0x00, 0x01, 0x0a,
    0x09, 0x02, 0x02, 0x00, 0x0b, 0x04, 0x00, 0x20, 0x00, 0x0b, 0x0b, 0x14, 0x02, 0x00, 0x41, 0x08, 0x0b,
    0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x01, 0x07, 0x70, 0x61, 0x73, 0x73, 0x69, 0x76, 0x65};
static const uint8_t b_wasm[] = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00,
                                 0x00, 0x02, 0x11, 0x02, 0x01, 0x61, 0x01, 0x6d, 0x02, 0x01, 0x01, 0x03, 0x01,
                                 0x61, 0x01, 0x74, 0x01, 0x70, 0x00, 0x01, 0x03, 0x02, 0x01, 0x00, 0x07, 0x07,
                                 0x01, 0x03, 0x6f, 0x77, 0x6e, 0x00, 0x00, 0x09, 0x07, 0x01, 0x00, 0x41, 0x00,
                                 0x0b, 0x01, 0x00, 0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b, 0x0b, 0x0b, 0x01, 0x00,
                                 0x41, 0x80, 0x80, 0x04, 0x0b, 0x03, 0x6f, 0x75, 0x74};

typedef void fake_body(struct rt_func *f, uint64_t *cells);
static fake_body *fake_bodies[8]; /* by function index; the test sets them */

static void fake_invoke(struct rt_func *f, uint64_t *cells)
{
    fake_bodies[f->funcidx](f, cells);
}

static weir_status fake_prepare(const struct rt_module *m, void **out, struct weir_report *rep)
{
    (void)m, (void)rep;
    *out = NULL;
    return WEIR_OK;
}

static void fake_free(void *exec_module)
{
    (void)exec_module;
}

static weir_status fake_init(struct rt_instance *inst, struct weir_report *rep)
{
    (void)rep;
    for (uint32_t s = inst->module->wasm->nimported_funcs; s < inst->module->nfunc_slots; s++) {
        rt_slot_at(inst, s)->invoke = fake_invoke;
    }
    return WEIR_OK;
}

static void fake_fini(struct rt_instance *inst)
{
    (void)inst;
}

static void fake_backtrace(struct rt_call *call, const struct os_fault *fault)
{
    (void)fault;
    for (uint32_t i = 0; i < WEIR_TRAP_FRAMES + 3; i++) {
        rt_trap_add_frame(call, call->inst, 1, 100 + i);
    }
}

static const struct rt_executor fake_executor = {
    .name = "fake",
    .tier = WEIR_TIER_INTERP,
    .module_prepare = fake_prepare,
    .module_free = fake_free,
    .instance_init = fake_init,
    .instance_fini = fake_fini,
    .backtrace = fake_backtrace,
};

struct fake_module {
    struct wasm_module *wasm;
    struct rt_module rt;
};

static void fake_load(struct fake_module *m, const uint8_t *bytes, size_t len)
{
    assert_int_equal(wasm_module_decode(bytes, len, WASM_FEATURES_ALL, &m->wasm, NULL), WEIR_OK);
    assert_int_equal(wasm_module_validate(m->wasm, NULL), WEIR_OK);
    rt_module_init(&m->rt, m->wasm, NULL);
}

static void fake_unload(struct fake_module *m)
{
    rt_module_fini(&m->rt);
    wasm_module_free(m->wasm);
}

static struct rt_instance *fake_instance(struct fake_module *m, uint64_t memory_limit_bytes)
{
    struct weir_instance_options opt = {.memory_limit_bytes = memory_limit_bytes};
    struct rt_instance *inst = NULL;
    assert_int_equal(rt_instance_new(&m->rt, NULL, &fake_executor, NULL, &opt, &inst, NULL, NULL), WEIR_OK);
    return inst;
}

#endif
