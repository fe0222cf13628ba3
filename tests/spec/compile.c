#include "spec/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    FILE *to, *from;
    char dir[32];
    unsigned count;
} batch;

static void remove_dir(void)
{
    rmdir(batch.dir);
}

static bool start(void)
{
    int in[2], out[2];
    strcpy(batch.dir, "/tmp/weir-spec-XXXXXX");
    if (mkdtemp(batch.dir) == NULL || pipe(in) != 0 || pipe(out) != 0) {
        return false;
    }
    atexit(remove_dir);
    const char *weirc = getenv("WEIRC"), *level = getenv("WEIRC_LEVEL");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl(weirc != NULL ? weirc : "build/weirc", "weirc", "--batch", "--jobs", "1", "--verify", "--open",
              level != NULL ? level : "-O1", NULL);
        perror("weirc");
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    batch.to = fdopen(in[1], "w");
    batch.from = fdopen(out[0], "r");
    return pid > 0;
}

weir_status spec_compile(struct weir_module *m, struct weir_report *rep)
{
    if (weir_module_has_image(m)) {
        return WEIR_OK;
    }
    if (batch.to == NULL && !start()) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "weirc does not start");
    }
    char wasm[64], image[64], answer[600] = "";
    snprintf(wasm, sizeof wasm, "%s/%u.wasm", batch.dir, batch.count);
    snprintf(image, sizeof image, "%s/%u.aot", batch.dir, batch.count++);
    size_t len;
    const uint8_t *bytes = weir_module_bytes(m, &len);
    FILE *f = fopen(wasm, "w");
    if (f == NULL || fwrite(bytes, 1, len, f) != len || fclose(f) != 0) {
        return weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "%s", wasm);
    }
    fprintf(batch.to, "%s\t%s\n", wasm, image);
    fflush(batch.to);
    if (fgets(answer, sizeof answer, batch.from) == NULL) {
        strcpy(answer, "weirc died");
    }
    answer[strcspn(answer, "\n")] = '\0';
    weir_status st = WEIR_OK;
    if (strcmp(answer, "ok") != 0) {
        st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "weirc: %.200s", answer);
    }
    if (st == WEIR_OK) {
        st = weir_module_load_image(m, image, rep);
    }
    unlink(wasm);
    unlink(image);
    return st;
}
