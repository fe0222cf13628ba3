/* spec/run.c - the WebAssembly test suite on one tier.
 *
 * Every file runs in a child process that reports each command through a pipe, so that a crash or a hang is a
 * failure of that file.  Failures are compared with a list of expected ones, lines `FILE:INDEX  feature` (the
 * command's index in its file) or `FILE:*  feature` (every failing command of a file that needs the feature
 * throughout): an expected failure that passes is a failure too.  The last line is `N passed, N failed, N
 * skipped`; expected failures count as skipped. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spec/script.h"

enum { EXPECTED_MOST = 20000, FILES_MOST = 1000, SECONDS_MOST = 120 };

static struct {
    char *text[EXPECTED_MOST]; /* "file.json:12" or "file.json:*" */
    bool used[EXPECTED_MOST];
    size_t n;
    unsigned passed, failed, skipped;
    bool list; /* print failures as lines of the list */
} run;

static void load_expected(const char *path)
{
    char line[512], key[256];
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "spec: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] != '#' && sscanf(line, "%255s", key) == 1 && run.n < EXPECTED_MOST) {
            run.text[run.n++] = strdup(key);
        }
    }
    fclose(f);
}

static long find_expected(const char *file, const char *index)
{
    char key[256];
    snprintf(key, sizeof key, "%s:%s", file, index);
    for (size_t i = 0; i < run.n; i++) {
        if (strcmp(run.text[i], key) == 0) {
            return (long)i;
        }
    }
    return -1;
}

static void judge(const char *file, unsigned index, bool ok, const char *why)
{
    char number[16];
    snprintf(number, sizeof number, "%u", index);
    long one = find_expected(file, number), all = find_expected(file, "*");
    if (ok && one < 0) {
        run.passed++;
        return;
    }
    if (!ok && (one >= 0 || all >= 0)) {
        run.used[one >= 0 ? one : all] = true;
        run.skipped++;
        return;
    }
    run.failed++;
    if (ok) {
        run.used[one] = true; /* said here, not again at the end */
    }
    printf(run.list ? "%s:%u  %s\n" : "FAIL %s:%u %s\n", file, index,
           ok ? "passes, but is listed as an expected failure" : why);
}

/* ---- the child ----------------------------------------------------------------------------- */

static void report(void *ctx, unsigned index, bool ok, const char *type, const char *reason,
                   const char *lacks)
{
    FILE *to = ctx;
    if (run.list) {
        fprintf(to, "%c %u %s%s\n", ok ? 'P' : 'F', index, lacks, lacks[0] != '\0' ? "" : reason);
    } else {
        fprintf(to, "%c %u %s: %s\n", ok ? 'P' : 'F', index, type, reason);
    }
    fflush(to);
}

static _Noreturn void child(const char *path, enum weir_tier tier, int fd)
{
    FILE *to = fdopen(fd, "w");
    alarm(SECONDS_MOST);
    bool ok = spec_script_run(path, tier, report, to);
    fclose(to);
    exit(ok ? 0 : 1);
}

static void run_file(const char *path, enum weir_tier tier)
{
    const char *file = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    int fds[2], status = 0;
    fflush(stdout);
    if (pipe(fds) != 0) {
        exit(2);
    }
    pid_t pid = fork();
    if (pid < 0) {
        exit(2);
    }
    if (pid == 0) {
        close(fds[0]);
        child(path, tier, fds[1]);
    }
    close(fds[1]);
    FILE *from = fdopen(fds[0], "r");
    char line[1024];
    unsigned next = 0;
    while (fgets(line, sizeof line, from) != NULL) {
        char verdict;
        int reason = 0;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%c %u %n", &verdict, &next, &reason) < 2) {
            continue;
        }
        judge(file, next++, verdict == 'P', line + reason);
    }
    fclose(from);
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    run.failed++;
    if (WIFSIGNALED(status)) {
        printf("FAIL %s:%u crashed: %s\n", file, next, strsignal(WTERMSIG(status)));
    } else {
        printf("FAIL %s:%u ended with exit code %d\n", file, next, WEXITSTATUS(status));
    }
}

/* ---- the suite ----------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list_files(const char *dir, char **files)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);
        if (len > 5 && strcmp(e->d_name + len - 5, ".json") == 0 && n < FILES_MOST &&
            asprintf(&files[n], "%s/%s", dir, e->d_name) > 0) {
            n++;
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    qsort(files, n, sizeof *files, by_name);
    return n;
}

static int usage(void)
{
    fputs("usage: run [--tier interp|aot] [--expected FILE] [--list] [DIR | FILE.json...]\n"
          "DIR is $WEIR_SPEC_DIR or ../shared/wasm-spec unless given; --list prints failures as lines for "
          "the list\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static char *files[FILES_MOST];
    enum weir_tier tier = WEIR_TIER_INTERP;
    const char *dir = getenv("WEIR_SPEC_DIR");
    size_t nfiles = 0;
    if (dir == NULL) {
        dir = "../shared/wasm-spec";
    }
    for (int i = 1; i < argc; i++) {
        size_t len = strlen(argv[i]);
        if (strcmp(argv[i], "--tier") == 0 && i + 1 < argc) {
            tier = strcmp(argv[++i], "aot") == 0 ? WEIR_TIER_AOT : WEIR_TIER_INTERP;
        } else if (strcmp(argv[i], "--expected") == 0 && i + 1 < argc) {
            load_expected(argv[++i]);
        } else if (strcmp(argv[i], "--list") == 0) {
            run.list = true;
        } else if (argv[i][0] == '-') {
            return usage();
        } else if (len > 5 && strcmp(argv[i] + len - 5, ".json") == 0 && nfiles < FILES_MOST) {
            files[nfiles++] = argv[i];
        } else {
            dir = argv[i];
        }
    }
    bool all = nfiles == 0;
    if (all) {
        nfiles = list_files(dir, files);
    }
    if (nfiles == 0) {
        printf("spec: no test suite at %s (set WEIR_SPEC_DIR): skipped\n0 passed, 0 failed, 1 skipped\n",
               dir);
        return 0;
    }
    for (size_t i = 0; i < nfiles; i++) {
        run_file(files[i], tier);
    }
    for (size_t i = 0; all && i < run.n; i++) {
        if (run.used[i]) {
            continue;
        }
        run.failed++;
        printf("FAIL %s is listed as an expected failure, but nothing failed\n", run.text[i]);
    }
    printf("%u passed, %u failed, %u skipped\n", run.passed, run.failed, run.skipped);
    return run.failed == 0 ? 0 : 1;
}
