/* wasi/wasi.c - WASI preview 1 without a file system (weir/wasi.h).
 *
 * The functions hold no state: what they know comes from the struct weir_wasi behind inst->host.  Every guest
 * address is checked before anything is written; FAULT leaves guest memory as it was. */
#include "weir/wasi.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/bytes.h"
#include "weir/host_thunk.h"

enum wasi_errno {
    SUCCESS = 0,
    BADF = 8,
    EXIST = 20,
    FAULT = 21,
    INVAL = 28,
    IO = 29,
    NOENT = 44,
    NOSYS = 52,
    NOTSUP = 58,
};

enum {
    RANDOM_MOST_BYTES = 64 * 1024,
    IOVECS_MOST = 1024,
    IOVEC_BYTES = 8,
    FDSTAT_BYTES = 24,
    FDSTAT_RIGHTS_BASE = 8,
    RIGHT_FD_WRITE = 64,
    CLOCK_REALTIME_ID = 0,
    CLOCK_MONOTONIC_ID = 1,
};

static const struct weir_wasi *wasi_of(const struct weir_instance *inst)
{
    return *(struct weir_wasi *const *)inst->host;
}

static bool is_stdio(uint32_t fd)
{
    return fd == 1 || fd == 2;
}

static uint32_t put_u32(struct weir_instance *inst, uint32_t addr, uint32_t v)
{
    void *at = weir_memory_at(inst, addr, sizeof v);
    if (at == NULL) {
        return FAULT;
    }
    bytes_put_u32(at, v);
    return SUCCESS;
}

static uint32_t put_u64(struct weir_instance *inst, uint32_t addr, uint64_t v)
{
    void *at = weir_memory_at(inst, addr, sizeof v);
    if (at == NULL) {
        return FAULT;
    }
    bytes_put_u64(at, v);
    return SUCCESS;
}

/* ---- arguments and environment: lists of NUL-terminated strings -------------------------------- */

static uint64_t strings_bytes(const struct str *list, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += list[i].len + 1;
    }
    return bytes;
}

static uint32_t put_sizes(struct weir_instance *inst, const struct str *list, size_t n, uint32_t count_at,
                          uint32_t bytes_at)
{
    if (weir_memory_at(inst, count_at, 4) == NULL || weir_memory_at(inst, bytes_at, 4) == NULL) {
        return FAULT;
    }
    put_u32(inst, count_at, (uint32_t)n);
    return put_u32(inst, bytes_at, (uint32_t)strings_bytes(list, n));
}

static uint32_t put_strings(struct weir_instance *inst, const struct str *list, size_t n,
                            uint32_t pointers_at, uint32_t text_at)
{
    uint64_t bytes = strings_bytes(list, n);
    if (n > UINT32_MAX / 4 || bytes > UINT32_MAX ||
        weir_memory_at(inst, pointers_at, (uint32_t)n * 4) == NULL ||
        weir_memory_at(inst, text_at, (uint32_t)bytes) == NULL) {
        return FAULT;
    }
    for (size_t i = 0; i < n; i++) {
        put_u32(inst, pointers_at + (uint32_t)i * 4, text_at);
        if (list[i].len != 0) {
            memcpy(inst->memory + text_at, list[i].at, list[i].len);
        }
        inst->memory[text_at + list[i].len] = 0;
        text_at += (uint32_t)list[i].len + 1;
    }
    return SUCCESS;
}

static uint32_t wasi_args_sizes_get(struct weir_instance *inst, uint32_t count_at, uint32_t bytes_at)
{
    const struct weir_wasi *w = wasi_of(inst);
    return put_sizes(inst, w->args, w->nargs, count_at, bytes_at);
}

static uint32_t wasi_args_get(struct weir_instance *inst, uint32_t pointers_at, uint32_t text_at)
{
    const struct weir_wasi *w = wasi_of(inst);
    return put_strings(inst, w->args, w->nargs, pointers_at, text_at);
}

static uint32_t wasi_environ_sizes_get(struct weir_instance *inst, uint32_t count_at, uint32_t bytes_at)
{
    const struct weir_wasi *w = wasi_of(inst);
    return put_sizes(inst, w->env, w->nenv, count_at, bytes_at);
}

static uint32_t wasi_environ_get(struct weir_instance *inst, uint32_t pointers_at, uint32_t text_at)
{
    const struct weir_wasi *w = wasi_of(inst);
    return put_strings(inst, w->env, w->nenv, pointers_at, text_at);
}

/* ---- clocks, random, exit ------------------------------------------------------------------------ */

static uint64_t system_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t wasi_clock_res_get(struct weir_instance *inst, uint32_t id, uint32_t at)
{
    (void)id;
    return put_u64(inst, at, 1);
}

static uint32_t wasi_clock_time_get(struct weir_instance *inst, uint32_t id, uint64_t precision_ns,
                                    uint32_t at)
{
    const struct weir_wasi *w = wasi_of(inst);
    (void)precision_ns;
    if (id == CLOCK_REALTIME_ID) {
        return put_u64(inst, at, w->now_ns != NULL ? w->now_ns(w->data) : system_ns(CLOCK_REALTIME));
    }
    if (id == CLOCK_MONOTONIC_ID) {
        return put_u64(inst, at,
                       w->monotonic_ns != NULL ? w->monotonic_ns(w->data) : system_ns(CLOCK_MONOTONIC));
    }
    return NOTSUP;
}

static bool system_random(char *at, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = getrandom(at, bytes, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

static uint32_t wasi_random_get(struct weir_instance *inst, uint32_t addr, uint32_t len)
{
    const struct weir_wasi *w = wasi_of(inst);
    void *at = weir_memory_at(inst, addr, len);
    if (len > RANDOM_MOST_BYTES) {
        return INVAL;
    }
    if (at == NULL) {
        return FAULT;
    }
    bool ok = w->random != NULL ? w->random(w->data, at, len) : system_random(at, len);
    return ok ? SUCCESS : IO;
}

static void wasi_proc_exit(struct weir_instance *inst, uint32_t code)
{
    weir_trap_exit(inst, (int32_t)code);
}

static uint32_t wasi_sched_yield(struct weir_instance *inst)
{
    (void)inst;
    return SUCCESS;
}

static uint32_t wasi_poll_oneoff(struct weir_instance *inst, uint32_t in, uint32_t out, uint32_t n,
                                 uint32_t nevents_at)
{
    (void)in, (void)out, (void)n;
    return put_u32(inst, nevents_at, 0);
}

/* ---- file descriptors ---------------------------------------------------------------------------- */

static uint32_t wasi_fd_write(struct weir_instance *inst, uint32_t fd, uint32_t iovecs_at, uint32_t n,
                              uint32_t written_at)
{
    const struct weir_wasi *w = wasi_of(inst);
    uint64_t total = 0;
    if (!is_stdio(fd)) {
        return BADF;
    }
    if (n > IOVECS_MOST) {
        return INVAL;
    }
    if (weir_memory_at(inst, iovecs_at, n * IOVEC_BYTES) == NULL ||
        weir_memory_at(inst, written_at, 4) == NULL) {
        return FAULT;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *iovec = inst->memory + iovecs_at + i * IOVEC_BYTES;
        uint32_t len = bytes_get_u32(iovec + 4);
        if (weir_memory_at(inst, bytes_get_u32(iovec), len) == NULL) {
            return FAULT;
        }
        total += len;
    }
    if (total > UINT32_MAX) {
        return INVAL;
    }
    for (uint32_t i = 0; i < n && w->write != NULL; i++) {
        const uint8_t *iovec = inst->memory + iovecs_at + i * IOVEC_BYTES;
        uint32_t len = bytes_get_u32(iovec + 4);
        if (len != 0) {
            w->write(w->data, inst, (int)fd,
                     (struct str){(const char *)inst->memory + bytes_get_u32(iovec), len});
        }
    }
    return put_u32(inst, written_at, (uint32_t)total);
}

static uint32_t wasi_fd_pwrite(struct weir_instance *inst, uint32_t fd, uint32_t iovecs_at, uint32_t n,
                               uint64_t offset, uint32_t written_at)
{
    (void)offset;
    return wasi_fd_write(inst, fd, iovecs_at, n, written_at);
}

static uint32_t wasi_fd_seek(struct weir_instance *inst, uint32_t fd, uint64_t offset, uint32_t whence,
                             uint32_t at)
{
    (void)fd, (void)offset, (void)whence;
    return put_u64(inst, at, 0);
}

static uint32_t wasi_fd_tell(struct weir_instance *inst, uint32_t fd, uint32_t at)
{
    (void)fd;
    return put_u64(inst, at, 0);
}

static uint32_t wasi_fd_fdstat_get(struct weir_instance *inst, uint32_t fd, uint32_t at)
{
    uint8_t *stat = weir_memory_at(inst, at, FDSTAT_BYTES);
    if (!is_stdio(fd)) {
        return BADF;
    }
    if (stat == NULL) {
        return FAULT;
    }
    memset(stat, 0, FDSTAT_BYTES);
    bytes_put_u64(stat + FDSTAT_RIGHTS_BASE, RIGHT_FD_WRITE);
    return SUCCESS;
}

static uint32_t wasi_fd_readdir(struct weir_instance *inst, uint32_t fd, uint32_t at, uint32_t len,
                                uint64_t cookie, uint32_t used_at)
{
    (void)fd, (void)at, (void)len, (void)cookie;
    uint32_t st = put_u32(inst, used_at, 0);
    return st == SUCCESS ? EXIST : st;
}

/* ---- the functions that only answer -------------------------------------------------------------- */

#define C_i uint32_t
#define C_I uint64_t
#define PARAMS_1(a, r) C_##a p1
#define PARAMS_2(a, b, r) C_##a p1, C_##b p2
#define PARAMS_3(a, b, c, r) C_##a p1, C_##b p2, C_##c p3
#define PARAMS_4(a, b, c, d, r) C_##a p1, C_##b p2, C_##c p3, C_##d p4
#define PARAMS_5(a, b, c, d, e, r) PARAMS_4(a, b, c, d, r), C_##e p5
#define PARAMS_6(a, b, c, d, e, f, r) PARAMS_5(a, b, c, d, e, r), C_##f p6
#define PARAMS_7(a, b, c, d, e, f, g, r) PARAMS_6(a, b, c, d, e, f, r), C_##g p7
#define PARAMS_9(a, b, c, d, e, f, g, h, i, r) PARAMS_7(a, b, c, d, e, f, g, r), C_##h p8, C_##i p9

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-parameter"
#define WASI_FUNC(...)
#define WASI_STUB(n, name, type, on_stdio, on_other, ...)                                                    \
    static uint32_t wasi_##name(struct weir_instance *inst, PARAMS_##n(__VA_ARGS__))                         \
    {                                                                                                        \
        return is_stdio((uint32_t)p1) ? on_stdio : on_other;                                                 \
    }
#include "wasi/wasi.def"
#undef WASI_FUNC
#undef WASI_STUB
#pragma clang diagnostic pop

#define WASI_FUNC(n, name, type, ...) WEIR_HOST_THUNK##n(wasi_##name, __VA_ARGS__)
#define WASI_STUB(n, name, type, on_stdio, on_other, ...) WEIR_HOST_THUNK##n(wasi_##name, __VA_ARGS__)
#include "wasi/wasi.def"
#undef WASI_FUNC
#undef WASI_STUB

#define WASI_STUB(n, name, type, on_stdio, on_other, ...) WASI_FUNC(n, name, type, __VA_ARGS__)
static const struct weir_host_func table[] = {
#define WASI_FUNC(n, name, type, ...) WEIR_HOST_FUNC("wasi_snapshot_preview1", #name, type, wasi_##name),
#include "wasi/wasi.def"
#undef WASI_FUNC
#define WASI_FUNC(n, name, type, ...) WEIR_HOST_FUNC("wasi_unstable", #name, type, wasi_##name),
#include "wasi/wasi.def"
#undef WASI_FUNC
};

void weir_wasi_link(struct weir_linker *l)
{
    weir_linker_add_funcs(l, table, sizeof table / sizeof table[0]);
}
