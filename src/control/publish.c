/* control/publish.c - modules into the store, texts into files. */
#include "control/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { MODULE_BYTES_MAX = 256 << 20 };

/* Workers stand in the state folder, which may be below folders they cannot enter: "store/modules/X.wasm". */
static const char *below_state(const char *path)
{
    const char *at = path + strlen(path);
    for (int components = 0; at > path && components < 3; at--) {
        components += at[-1] == '/';
    }
    return *at == '/' ? at + 1 : at + (at != path);
}

weir_status publish_module(struct store *store, struct gw_config *config, struct gw_plugin *p,
                           const char **field, struct weir_report *rep)
{
    struct str file;
    uint8_t *bytes;
    size_t len;
    char hex[HASH_SHA256_HEX];
    weir_status st;

    *field = "url";
    if (!gw_plugin_file(p, &file)) {
        return weir_report_set(rep, WEIR_E_UNSUPPORTED, WEIR_NO_OFFSET, "",
                               "only file: modules can be loaded so far; use file:PATH");
    }
    const char *path = arena_strndup(&config->arena, file.at, file.len);
    st = store_read_file(path, MODULE_BYTES_MAX, &bytes, &len, rep);
    if (st != WEIR_OK) {
        return st;
    }
    st = store_put_module(store, bytes, len, hex, rep);
    mem_free(bytes);
    if (st != WEIR_OK) {
        return st;
    }
    if (p->sha256.at != NULL && !str_eq(p->sha256, str_of(hex))) {
        *field = "sha256";
        return weir_report_set(rep, WEIR_E_MISMATCH, WEIR_NO_OFFSET, "",
                               "the module \"%s\" has %s; is it the right file?", path, hex);
    }
    char *kept = store_module_path(store, hex);
    p->url = str_of(arena_printf(&config->arena, "file:%s", below_state(kept)));
    mem_free(kept);
    return WEIR_OK;
}

static weir_status write_file(const char *path, struct str text, bool durably, struct weir_report *rep)
{
    struct strbuf temp = {0};
    weir_status st = WEIR_OK;

    strbuf_printf(&temp, "%s.%d", path, (int)getpid());
    /* Started by root, workers are others, who read it by the group of the state folder. */
    int fd = open(temp.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, geteuid() == 0 ? 0640 : 0600);
    bool ok = fd >= 0;
    for (size_t done = 0; ok && done < text.len;) {
        ssize_t n = write(fd, text.at + done, text.len - done);
        ok = n > 0;
        done += ok ? (size_t)n : 0;
    }
    ok = ok && (!durably || fsync(fd) == 0);
    if (fd >= 0 && close(fd) != 0) {
        ok = false;
    }
    if (!ok || rename(temp.at, path) != 0) {
        st = weir_report_set(rep, WEIR_E_IO, WEIR_NO_OFFSET, "", "cannot write \"%s\": %s", path,
                             strerror(errno));
        unlink(temp.at);
    }
    strbuf_fini(&temp);
    return st;
}

weir_status publish_file(const char *path, struct str text, struct weir_report *rep)
{
    return write_file(path, text, false, rep);
}

weir_status publish_file_durably(const char *path, struct str text, struct weir_report *rep)
{
    return write_file(path, text, true, rep);
}
