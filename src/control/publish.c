/* control/publish.c - modules into the store, the model into a file. */
#include "control/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "gw/load.h"

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

static void publish_module(struct store *store, struct gw_config *config, struct gw_plugin *p,
                           struct gw_problems *problems)
{
    struct str file;
    struct weir_report rep;
    uint8_t *bytes;
    size_t len;
    char hex[HASH_SHA256_HEX];

    if (!gw_plugin_file(p, &file)) {
        gw_problems_add(problems, false, p->at, "url",
                        "only file: modules can be loaded so far; use file:PATH");
        return;
    }
    weir_report_init(&rep);
    const char *path = arena_strndup(&config->arena, file.at, file.len);
    if (store_read_file(path, MODULE_BYTES_MAX, &bytes, &len, &rep) != WEIR_OK) {
        gw_problems_add(problems, false, p->at, "url", "cannot read the module: %s", rep.message);
        return;
    }
    if (store_put_module(store, bytes, len, hex, &rep) != WEIR_OK) {
        gw_problems_add(problems, false, p->at, "url", "cannot keep the module: %s", rep.message);
    } else if (p->sha256.at != NULL && !str_eq(p->sha256, str_of(hex))) {
        gw_problems_add(problems, false, p->at, "sha256", "the module \"%s\" has %s; is it the right file?",
                        path, hex);
    } else {
        char *kept = store_module_path(store, hex);
        p->url = str_of(arena_printf(&config->arena, "file:%s", below_state(kept)));
        mem_free(kept);
    }
    mem_free(bytes);
}

/* nginx gives its workers no environment, and a later one could be another. */
static void look_up_env(struct gw_plugin *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->nenv; i++) {
        struct gw_env *e = &p->env[i];
        if (e->from == GW_ENV_HOST) {
            char *name = mem_strndup(e->name.at, e->name.len);
            const char *value = getenv(name);
            mem_free(name);
            if (value == NULL) {
                continue;
            }
            e->value = str_of(value);
            e->from = GW_ENV_INLINE;
        }
        p->env[n++] = *e;
    }
    p->nenv = n;
}

weir_status publish_generation(struct store *store, struct gw_config *config, const char *path,
                               struct gw_problems *problems, struct weir_report *rep)
{
    struct strbuf json = {0};

    for (uint32_t i = 0; i < config->nplugins; i++) {
        publish_module(store, config, &config->plugins[i], problems);
        look_up_env(&config->plugins[i]);
    }
    if (problems->nerrors != 0) {
        return WEIR_E_CONFIG;
    }
    gw_config_write(config, &json);
    weir_status st = publish_file(path, strbuf_str(&json), rep);
    strbuf_fini(&json);
    return st;
}

weir_status publish_file(const char *path, struct str text, struct weir_report *rep)
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
