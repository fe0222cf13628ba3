/* cli/new_plugin.c - `weir new-plugin`: a folder with a plugin that builds and passes its test.
 *
 * The folder gets a copy of the SDK, so that it can be moved, versioned and built where weir is not.  What is
 * copied is the table below; text files of the template have their @NAME@ replaced.  A folder that exists is
 * never touched. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

enum { MAX_NAME = 63, MAX_FILE_BYTES = 64 << 20 };

static const char *dir_option, *sdk_option;

static const struct cli_option options[] = {
    {.name = "dir",
     .kind = CLI_TEXT,
     .value = &dir_option,
     .arg = "DIR",
     .help = "the folder to make (default NAME)"},
    {.name = "sdk",
     .kind = CLI_TEXT,
     .value = &sdk_option,
     .arg = "DIR",
     .help = "the SDK to copy (default: the one built with this weir)"},
};

static const struct cli_exit_code exits[] = {
    {0, "the folder is there"},
    {1, "it exists already, or cannot be made"},
};

static const struct cli_usage usage = {
    .synopsis = "new-plugin NAME [--dir DIR]",
    .about =
        "Make a folder with a plugin in C, its README and schema, a native test and a Makefile, and a copy\n"
        "of the SDK.  `make`, `make test` and `make try` work in it, and it may be moved anywhere.\n"
        "NAME: small letters, digits and dashes, a letter first.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .min_operands = 1,
    .max_operands = 1,
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static const char *const folders[] = {"tests", "sdk", "sdk/include", "sdk/native"};

/* From the SDK's folder to the plugin's. */
static const struct {
    const char *from, *to;
    bool is_template;
} files[] = {
    {"template/plugin.c", "plugin.c", true},
    {"template/test_plugin.c", "tests/test_plugin.c", true},
    {"template/Makefile", "Makefile", true},
    {"template/README.md", "README.md", true},
    {"template/schema.json", "schema.json", true},
    {"template/config.json", "config.json", true},
    {"template/requests.json", "requests.json", true},
    {"template/gitignore", ".gitignore", true},
    {"include/weir_plugin.h", "sdk/include/weir_plugin.h", false},
    {"include/weir_json.h", "sdk/include/weir_json.h", false},
    {"include/weir_redis.h", "sdk/include/weir_redis.h", false},
    {"include/weir_crypto.h", "sdk/include/weir_crypto.h", false},
    {"include/weir_regex.h", "sdk/include/weir_regex.h", false},
    {"include/jansson.h", "sdk/include/jansson.h", false},
    {"include/jansson_config.h", "sdk/include/jansson_config.h", false},
    {"libweir_plugin.a", "sdk/libweir_plugin.a", false},
    {"libweir_json.a", "sdk/libweir_json.a", false},
    {"libweir_crypto.a", "sdk/libweir_crypto.a", false},
    {"libweir_regex.a", "sdk/libweir_regex.a", false},
    {"native/fake_host.h", "sdk/native/fake_host.h", false},
    {"native/plugin_test.h", "sdk/native/plugin_test.h", false},
    {"native/libweir_native.a", "sdk/native/libweir_native.a", false},
    {"native/libweir_crypto.a", "sdk/native/libweir_crypto.a", false},
    {"native/libweir_regex.a", "sdk/native/libweir_regex.a", false},
};

static bool is_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n != 0 && n <= MAX_NAME && s[n] == '\0' && s[0] >= 'a' && s[0] <= 'z' && s[n - 1] != '-';
}

/* Where an SDK may stand, seen from the program. */
static const char *const places[] = {"sdk", "../sdk", "../share/weir/sdk"};

static bool find_sdk(struct strbuf *out)
{
    if (sdk_option != NULL) {
        strbuf_printf(out, "%s", sdk_option);
        return true;
    }
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) {
        return false;
    }
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < CLI_COUNT(places); i++) {
        struct strbuf probe = {0};
        strbuf_printf(&probe, "%s/%s/template/plugin.c", self, places[i]);
        bool found = access(probe.at, R_OK) == 0;
        strbuf_fini(&probe);
        if (found) {
            strbuf_printf(out, "%s/%s", self, places[i]);
            return true;
        }
    }
    return false;
}

static void fill_in(struct strbuf *out, struct str text, const char *name)
{
    static const char mark[] = "@NAME@";
    const char *at = text.at, *end = text.at + text.len, *found;
    while ((found = memmem(at, (size_t)(end - at), mark, sizeof mark - 1)) != NULL) {
        strbuf_add_bytes(out, at, (size_t)(found - at));
        strbuf_add(out, str_of(name));
        at = found + sizeof mark - 1;
    }
    strbuf_add_bytes(out, at, (size_t)(end - at));
}

static bool write_file(const char *path, struct str text)
{
    FILE *f = fopen(path, "wx");
    bool ok = f != NULL && fwrite(text.at, 1, text.len, f) == text.len;
    if (f != NULL && fclose(f) != 0) {
        ok = false;
    }
    if (!ok) {
        cli_fail("%s: %s", path, strerror(errno));
    }
    return ok;
}

static bool copy_file(const char *from, const char *to, bool is_template, const char *name)
{
    size_t len;
    char *bytes = cli_read_file(from, MAX_FILE_BYTES, &len);
    if (bytes == NULL) {
        return false;
    }
    struct strbuf filled = {0};
    if (is_template) {
        fill_in(&filled, str_make(bytes, len), name);
    }
    bool ok = write_file(to, is_template ? strbuf_str(&filled) : str_make(bytes, len));
    strbuf_fini(&filled);
    mem_free(bytes);
    return ok;
}

static bool make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0) {
        return true;
    }
    if (errno == EEXIST) {
        cli_fail("%s exists already; nothing was changed, choose another with --dir", path);
    } else {
        cli_fail("%s: %s", path, strerror(errno));
    }
    return false;
}

static bool fill_folder(const char *dir, const char *sdk, const char *name)
{
    struct strbuf from = {0}, to = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < CLI_COUNT(folders); i++) {
        to.len = 0;
        strbuf_printf(&to, "%s/%s", dir, folders[i]);
        ok = make_folder(to.at);
    }
    for (size_t i = 0; ok && i < CLI_COUNT(files); i++) {
        from.len = to.len = 0;
        strbuf_printf(&from, "%s/%s", sdk, files[i].from);
        strbuf_printf(&to, "%s/%s", dir, files[i].to);
        ok = copy_file(from.at, to.at, files[i].is_template, name);
    }
    strbuf_fini(&from);
    strbuf_fini(&to);
    return ok;
}

static int new_plugin(int argc, char **argv)
{
    struct cli_operands operands;
    int code = cli_parse(&usage, argc, argv, &operands);
    if (code != CLI_GO_ON) {
        return code;
    }
    const char *name = operands.at[0];
    if (!is_name(name)) {
        return cli_usage_error(&usage, "'%s' is no name: small letters, digits and dashes, a letter first",
                               name);
    }
    const char *dir = dir_option != NULL ? dir_option : name;
    struct strbuf sdk = {0};
    if (!find_sdk(&sdk)) {
        code = cli_fail("there is no SDK beside this program; `make sdk` builds one, --sdk DIR names one");
    } else if (!make_folder(dir) || !fill_folder(dir, sdk.at, name)) {
        code = CLI_EXIT_FAILED;
    } else {
        printf("%s is there. In it, `make` builds %s.wasm, `make test` tests it, `make try` runs it.\n", dir,
               name);
        code = CLI_EXIT_OK;
    }
    strbuf_fini(&sdk);
    return code;
}

extern const struct cli_verb cli_verb_new_plugin;
const struct cli_verb cli_verb_new_plugin = {"new-plugin", "make a folder with a new plugin in C",
                                             new_plugin};
