/* control/crash_names.c - fork, symbolize, and a pipe. */
#include "control/crash_names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/symbolizer.h"
#include "os/os.h"

static uint64_t now_ms(void)
{
    return os_monotonic_ns() / 1000000;
}

/* ---- in the child ----------------------------------------------------------------------------------- */

struct namer {
    struct crash *crash;
    struct arena arena;
    size_t nlines; /* names with a source line */
};

static void take_name(void *ctx, size_t i, struct str function, struct str place)
{
    struct namer *n = ctx;
    struct crash *c = n->crash;

    n->nlines += place.len != 0;
    if (c->nnames < CRASH_MOST_NAMES) {
        function = str_slice(function, 0, CRASH_VALUE_BYTES / 2); /* a cut place would be a wrong one */
        if (place.len > CRASH_VALUE_BYTES) {
            place = str_slice(place, place.len - CRASH_VALUE_BYTES, place.len);
        }
        c->names[c->nnames++] = (struct crash_name){
            .frame = (uint32_t)i,
            .function = {arena_strndup(&n->arena, function.at, function.len), function.len},
            .place = {arena_strndup(&n->arena, place.at, place.len), place.len},
        };
    }
}

/* The file with the module's DWARF, into `path`: the module itself, or what a stripped one names beside the
 * file it came from. */
static void find_dwarf(const struct crash_names_options *o, const char *hex, const char *module,
                       char path[PATH_MAX])
{
    const char *origin = o->origin == NULL ? NULL : o->origin(o->origin_ctx, hex);

    if (origin == NULL || !symbolizer_debug_file(module, origin, path) || access(path, F_OK) != 0) {
        snprintf(path, PATH_MAX, "%s", module);
    }
}

/* Functions and lines of the frames.  The symbolizer's user reads a copy in the folder of compilations. */
static void name_frames(const struct crash_names_options *o, struct namer *n)
{
    char hex[HASH_SHA256_HEX], name[HASH_SHA256_HEX + 16], dwarf[PATH_MAX];
    struct strbuf lent = {0};
    struct weir_report rep;

    memcpy(hex, n->crash->sha256.at, HASH_SHA256_HEX - 1);
    hex[HASH_SHA256_HEX - 1] = '\0';
    snprintf(name, sizeof name, "%s-lines.wasm", hex);
    weir_report_init(&rep);
    char *module = store_module_path(o->store, hex);
    find_dwarf(o, hex, module, dwarf);
    strbuf_printf(&lent, "%s/%s", store_compile_dir(o->store), name);
    struct symbolizer_options opt = {
        .debug = lent.at,
        .debug_name = dwarf,
        .change_user = o->change_user,
        .uid = o->uid,
        .gid = o->gid,
    };
    weir_status st = store_lend_file(o->store, dwarf, name, &rep);
    if (st != WEIR_OK && strcmp(dwarf, module) != 0) { /* names are in the module at least */
        log_line(LOG_WARN, "%s, which has the lines of a crash, cannot be read: %s", dwarf, rep.message);
        weir_report_init(&rep);
        st = store_lend_module(o->store, hex, name, &rep);
    }
    if (st == WEIR_OK) {
        st = symbolizer_run(module, &opt, n->crash->offsets, n->crash->noffsets, take_name, n, &rep);
    }
    if (st != WEIR_OK) {
        log_line(LOG_WARN, "the frames of a crash have no names: %s", rep.message);
    } else if (n->nlines == 0 && rep.message[0] != '\0') {
        log_line(LOG_INFO, "the frames of a crash have no source lines: %s", rep.message);
    }
    unlink(lent.at);
    strbuf_fini(&lent);
    mem_free(module);
}

/* Sockets of the parent must close when it closes them, and its lock must end with it. */
static bool keep_only(int *fd)
{
    if (*fd != 3 && dup3(*fd, 3, O_CLOEXEC) < 0) {
        return false;
    }
    *fd = 3;
    return close_range(4, ~0U, 0) == 0;
}

static _Noreturn void child(const struct crash_names_options *o, struct crash *c, int fd, pid_t parent)
{
    struct namer namer = {.crash = c};
    struct strbuf text = {0};

    setpgid(0, 0); /* the symbolizer, too: both are ended at once */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || !keep_only(&fd)) {
        _exit(1);
    }
    arena_init(&namer.arena);
    name_frames(o, &namer);
    crash_write(c, CRASH_FILE_BYTES, &text);
    for (size_t done = 0; done < text.len;) {
        ssize_t n = write(fd, text.at + done, text.len - done);
        if (n <= 0) {
            _exit(1);
        }
        done += (size_t)n;
    }
    _exit(0);
}

/* ---- in the parent ------------------------------------------------------------------------------------ */

bool crash_names_start(struct crash_names *n, const struct crash_names_options *opt, const struct crash *c)
{
    int fds[2];
    pid_t parent = getpid();

    crash_names_stop(n);
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        static struct crash own;
        own = *c;
        child(opt, &own, fds[1], parent);
    }
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return false;
    }
    setpgid(pid, pid); /* whichever of the two comes first */
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    n->child = pid;
    n->fd = fds[0];
    n->deadline_ms = now_ms() + CRASH_NAMES_PATIENCE_MS;
    return true;
}

static void end_child(struct crash_names *n)
{
    kill(-n->child, SIGKILL); /* and what it started */
    while (waitpid(n->child, NULL, 0) < 0 && errno == EINTR) {
    }
    close(n->fd);
    n->child = 0;
}

bool crash_names_step(struct crash_names *n, struct crash *c)
{
    char chunk[16384];
    ssize_t got;

    while ((got = read(n->fd, chunk, sizeof chunk)) > 0 && n->said.len <= CRASH_FILE_BYTES) {
        strbuf_add_bytes(&n->said, chunk, (size_t)got);
    }
    if (got != 0 && n->said.len <= CRASH_FILE_BYTES && now_ms() < n->deadline_ms) {
        return false;
    }
    end_child(n);
    if (!crash_read(n->said.at == NULL ? STR("") : strbuf_str(&n->said), c)) {
        c->nnames = 0;
    }
    return true;
}

void crash_names_stop(struct crash_names *n)
{
    if (n->child != 0) {
        end_child(n);
    }
    strbuf_fini(&n->said);
    *n = (struct crash_names){0};
}
