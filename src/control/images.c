/* control/images.c - the modules that want images, and what has been said of them. */
#include "control/images.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "control/compiler.h"
#include "weir/engine.h"

enum {
    COMPILE_MEMORY_BYTES_GIB = 4,
    MODULE_BYTES_MAX = 256 << 20,
    MOST_REFUSALS = 1, /* of one module's images; after that the plugin stays interpreted */
};

struct wanted {
    char hex[HASH_SHA256_HEX];
    char *plugin; /* the first that uses it, for messages */
    unsigned refusals;
};

struct images {
    struct store *store;
    struct compiler *compiler;
    struct channel *channel;
    channel_on_message *listener; /* NULL: none */
    void *listener_ctx;
    struct crashes *crashes;
    uint64_t nresults;
    VEC(struct wanted) wanted;
};

static struct wanted *find(struct images *im, struct str hex)
{
    for (size_t i = 0; i < im->wanted.len; i++) {
        if (str_eq(str_of(im->wanted.at[i].hex), hex)) {
            return &im->wanted.at[i];
        }
    }
    return NULL;
}

/* A worker that has just come may have started before an image was there. */
static void greet(struct images *im, struct channel_client *worker)
{
    for (size_t i = 0; i < im->wanted.len; i++) {
        if (store_has_image(im->store, im->wanted.at[i].hex, weir_image_key())) {
            channel_send(im->channel, worker, "image %s", im->wanted.at[i].hex);
        }
    }
}

static void ask(struct images *im, const struct wanted *w)
{
    if (compiler_want(im->compiler, w->hex) != COMPILER_GAVE_UP) {
        return;
    }
    char *why = store_failure(im->store, w->hex, weir_image_key());
    log_line(LOG_WARN, "plugin %s stays interpreted: it did not compile before: %s", w->plugin,
             why != NULL ? why : "no reason is known");
    mem_free(why);
}

/* Every worker refuses a bad image; only the first word counts, until it has been made anew. */
static void refused(struct images *im, struct str words)
{
    struct str hex = str_cut(&words, ' ');
    struct wanted *w = find(im, hex);

    if (w == NULL || !store_has_image(im->store, w->hex, weir_image_key())) {
        return;
    }
    log_line(LOG_WARN, "the image of plugin %s was refused: %.*s", w->plugin, STR_ARG(words));
    store_drop_image(im->store, w->hex, weir_image_key());
    if (w->refusals++ < MOST_REFUSALS) {
        ask(im, w);
    } else {
        log_line(LOG_ERROR, "plugin %s stays interpreted: its images are refused", w->plugin);
    }
}

static void on_message(void *ctx, struct channel_client *from, struct str text)
{
    struct images *im = ctx;
    struct str rest = text, verb = str_cut(&rest, ' ');

    if (str_eq(verb, STR("refused"))) {
        refused(im, rest);
        return;
    }
    if (str_eq(verb, STR("crash"))) {
        crashes_take(im->crashes, from->pid, rest);
        return;
    }
    bool hello = str_eq(verb, STR("hello"));
    if (hello) {
        greet(im, from);
    }
    if (im->listener != NULL) {
        im->listener(im->listener_ctx, from, text);
    } else if (!hello) {
        log_line(LOG_WARN, "worker %d said something unknown: %.*s", (int)from->pid, STR_ARG(text));
    }
}

weir_status images_new(struct store *store, const struct images_options *options, struct images **out,
                       struct weir_report *rep)
{
    struct images *im = mem_zalloc(sizeof *im);
    struct compiler_options opt = {
        .weirc = options->weirc,
        .key = weir_image_key(),
        .memory_limit_bytes = (uint64_t)COMPILE_MEMORY_BYTES_GIB << 30,
        .time_limit_s = options->time_limit_s,
        .change_user = options->change_user,
        .uid = options->uid,
        .gid = options->gid,
    };

    weir_status st = options->change_user ? store_make_compile_dir(store, options->uid, options->gid, rep)
                                          : store_make_compile_dir(store, (uid_t)-1, (gid_t)-1, rep);
    if (st == WEIR_OK) {
        st = channel_open(options->socket, on_message, im, &im->channel, rep);
    }
    if (st != WEIR_OK) {
        mem_free(im);
        return st;
    }
    im->store = store;
    im->crashes = options->crashes;
    im->compiler = compiler_new(store, &opt);
    *out = im;
    return WEIR_OK;
}

void images_set_listener(struct images *im, channel_on_message *listener, void *ctx)
{
    im->listener = listener;
    im->listener_ctx = ctx;
}

struct channel *images_channel(struct images *im)
{
    return im->channel;
}

void images_free(struct images *im)
{
    if (im == NULL) {
        return;
    }
    compiler_free(im->compiler);
    channel_close(im->channel);
    for (size_t i = 0; i < im->wanted.len; i++) {
        mem_free(im->wanted.at[i].plugin);
    }
    vec_fini(&im->wanted);
    mem_free(im);
}

/* The hash in the name of a file of the store; an empty string for any other. */
static struct str hex_of(const struct gw_plugin *p)
{
    struct str path;
    if (!gw_plugin_file(p, &path) || !str_ends_with(path, STR(".wasm")) ||
        path.len < HASH_SHA256_HEX - 1 + 5) {
        return STR("");
    }
    return str_slice(path, path.len - 5 - (HASH_SHA256_HEX - 1), path.len - 5);
}

/* Can the plugin run on the image inside of its module?  Workers find the same and then use that one. */
static bool has_own_image(const struct images *im, const struct gw_plugin *p, const char *hex)
{
    struct weir_module *m;
    struct weir_report rep;
    uint8_t *bytes;
    size_t len;

    if (!p->allow_precompiled) {
        return false;
    }
    weir_report_init(&rep);
    char *path = store_module_path(im->store, hex);
    weir_status st = store_read_file(path, MODULE_BYTES_MAX, &bytes, &len, &rep);
    mem_free(path);
    if (st != WEIR_OK) {
        return false;
    }
    st = weir_module_new(bytes, len, WEIR_FEATURES_ALL, &m, &rep);
    mem_free(bytes);
    if (st != WEIR_OK) {
        return false;
    }
    st = weir_module_load_own_image(m, &rep);
    weir_module_unref(m);
    if (st != WEIR_OK && st != WEIR_E_NOT_FOUND) {
        log_line(LOG_WARN, "plugin %.*s: the image inside of its module is refused, it is compiled anew: %s",
                 STR_ARG(p->name), rep.message);
    }
    return st == WEIR_OK;
}

void images_want_one(struct images *im, const struct gw_plugin *p)
{
    struct str hex = hex_of(p);
    struct wanted w = {.refusals = 0};

    if (p->runtime == GW_RUNTIME_INTERP || hex.len == 0 || find(im, hex) != NULL) {
        return;
    }
    memcpy(w.hex, hex.at, hex.len);
    if (has_own_image(im, p, w.hex)) {
        return;
    }
    w.plugin = mem_strndup(p->name.at, p->name.len);
    vec_push(&im->wanted, w);
    ask(im, &w);
}

void images_want(struct images *im, const struct gw_config *config)
{
    for (uint32_t i = 0; i < config->nplugins; i++) {
        images_want_one(im, &config->plugins[i]);
    }
}

void images_forget(struct images *im, const char *hex)
{
    struct wanted *w = find(im, str_of(hex));

    if (w != NULL) {
        mem_free(w->plugin);
        *w = im->wanted.at[--im->wanted.len];
    }
}

char *images_failure(struct images *im, const struct gw_plugin *p)
{
    const struct wanted *w = find(im, hex_of(p));

    if (w == NULL || store_has_image(im->store, w->hex, weir_image_key())) {
        return NULL;
    }
    return w->refusals > MOST_REFUSALS ? mem_strndup("its images are refused", 22)
                                       : store_failure(im->store, w->hex, weir_image_key());
}

uint64_t images_nresults(const struct images *im)
{
    return im->nresults;
}

bool images_awaited(struct images *im, const struct gw_plugin *p)
{
    const struct wanted *w = find(im, hex_of(p));

    if (w == NULL || w->refusals > MOST_REFUSALS || store_has_image(im->store, w->hex, weir_image_key())) {
        return false;
    }
    char *why = store_failure(im->store, w->hex, weir_image_key());
    mem_free(why);
    return why == NULL;
}

char *images_path(struct images *im, const struct gw_plugin *p)
{
    struct str s = hex_of(p);
    char hex[HASH_SHA256_HEX] = "";

    if (s.len == 0 || p->runtime == GW_RUNTIME_INTERP) {
        return NULL;
    }
    memcpy(hex, s.at, s.len);
    return store_has_image(im->store, hex, weir_image_key())
               ? store_image_path(im->store, hex, weir_image_key())
               : NULL;
}

size_t images_poll_fds(const struct images *im, struct pollfd *fds)
{
    return channel_poll_fds(im->channel, fds);
}

void images_polled(struct images *im, const struct pollfd *fds, size_t n)
{
    channel_polled(im->channel, fds, n);
}

bool images_busy(const struct images *im)
{
    return compiler_busy(im->compiler);
}

void images_step(struct images *im)
{
    struct compiler_result result;

    while (compiler_step(im->compiler, &result)) {
        struct wanted *w = find(im, str_of(result.hex));
        const char *plugin = w == NULL ? result.hex : w->plugin;
        im->nresults++;
        if (result.outcome == COMPILER_MADE) {
            log_line(LOG_INFO, "plugin %s is compiled (%.1f s)", plugin, result.seconds);
            channel_broadcast(im->channel, "image %s", result.hex);
        } else {
            log_line(LOG_WARN, "plugin %s stays interpreted: it does not compile: %s", plugin, result.why);
        }
    }
}
