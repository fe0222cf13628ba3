/* gw/sources.c - a file, or those of a folder. */
#include "gw/sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "gw/yaml.h"

enum { MAX_FILES = 10000 };

static weir_status fail(struct gw_problems *problems, const char *path, int err, const char *what)
{
    gw_problems_add(problems, false, (struct gw_place){.file = path}, "", "%s: %s", what, strerror(err));
    return err == ENOENT ? WEIR_E_NOT_FOUND : WEIR_E_IO;
}

static weir_status read_file(struct gw_sources *s, const char *path, struct gw_problems *problems)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return fail(problems, path, errno, "cannot be opened");
    }
    size_t len = 0, room = (fstat(fd, &info) == 0 && info.st_size > 0 ? (size_t)info.st_size : 0) + 1;
    room =
        room > GW_YAML_MAX_BYTES ? GW_YAML_MAX_BYTES + 1 : room; /* a byte too many is enough to refuse it */
    char *text = mem_alloc(room);
    ssize_t n = 0;
    while (len < room && (n = read(fd, text + len, room - len)) > 0) {
        len += (size_t)n;
        if (len == room && room <= GW_YAML_MAX_BYTES) { /* it grows, or is no plain file */
            char *more = mem_alloc(2 * room);
            memcpy(more, text, len);
            mem_free(text);
            text = more;
            room *= 2;
        }
    }
    weir_status st = n < 0 ? fail(problems, path, errno, "cannot be read") : WEIR_OK;
    close(fd);
    if (st == WEIR_OK) {
        vec_push(&s->list, ((struct gw_source){mem_strndup(path, strlen(path)), str_make(text, len)}));
    } else {
        mem_free(text);
    }
    return st;
}

static int is_yaml(const struct dirent *e)
{
    struct str name = str_of(e->d_name);
    return name.at[0] != '.' && (str_ends_with(name, STR(".yaml")) || str_ends_with(name, STR(".yml")));
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static weir_status read_directory(struct gw_sources *s, const char *path, struct gw_problems *problems)
{
    struct dirent **entries;
    struct strbuf name = {0};
    weir_status st = WEIR_OK;
    int n = scandir(path, &entries, is_yaml, compare_entries);

    if (n < 0) {
        return fail(problems, path, errno, "cannot be read");
    }
    if (n == 0 || n > MAX_FILES) {
        gw_problems_add(problems, false, (struct gw_place){.file = path}, "", "%s",
                        n == 0 ? "has no *.yaml file; add one" : "has more than 10000 *.yaml files");
        st = WEIR_E_CONFIG;
    }
    for (int i = 0; i < n; i++) {
        if (n <= MAX_FILES) {
            name.len = 0;
            strbuf_printf(&name, "%s%s%s", path, str_ends_with(str_of(path), STR("/")) ? "" : "/",
                          entries[i]->d_name);
            weir_status one = read_file(s, name.at, problems);
            st = st == WEIR_OK ? one : st;
        }
        free(entries[i]);
    }
    free(entries);
    strbuf_fini(&name);
    return st;
}

weir_status gw_sources_read(const char *path, struct gw_sources *out, struct gw_problems *problems)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return fail(problems, path, errno, "cannot be opened");
    }
    return S_ISDIR(st.st_mode) ? read_directory(out, path, problems) : read_file(out, path, problems);
}

void gw_sources_fini(struct gw_sources *s)
{
    for (size_t i = 0; i < s->list.len; i++) {
        mem_free(s->list.at[i].name);
        mem_free((char *)(uintptr_t)s->list.at[i].text.at);
    }
    vec_fini(&s->list);
}
