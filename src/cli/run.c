/* cli/run.c - `weir run`: the control process.
 *
 * It checks and publishes the configuration (cli/deploy.h), writes nginx.conf, starts nginx or takes over one
 * that an earlier control process left, and watches both until it is told to stop.  Changes go to the workers
 * that run; nginx is only reloaded, gracefully, when nginx.conf is another one: that is, when listeners or
 * options changed.  Everything it keeps is below the state folder, which a lock gives to one control process
 * at a time.  If it dies, nginx goes on serving; the next `weir run` with the same folder goes on with that
 * nginx. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <arpa/inet.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/deploy.h"
#include "cli/run_options.h"
#include "control/admin.h"
#include "control/alerts.h"
#include "control/images.h"
#include "control/nginx_conf.h"
#include "control/nginx_process.h"
#include "control/publish.h"
#include "control/resolvers.h"
#include "control/watch.h"
#include "control/sweep.h"
#include "os/os.h"
#include "weir/engine.h"

#define STREAM_MODULE "/usr/lib/nginx/modules/ngx_stream_module.so" /* where Debian has it */

enum {
    READY_POLL_MS = 20,
    APPLY_POLL_MS = 2,
    READY_PATIENCE_MS =
        15000, /* a running nginx that does not take the generation in this time keeps its own */
    BACKOFF_FIRST_MS = 200,
    BACKOFF_MAX_MS = 10000,
    STABLE_MS = 30000, /* having run this long, a crash starts the back-off anew */
    SWEEP_AGAIN_MS = 1000,
    QUIT_EXTRA_MS = 2000, /* for nginx to end by itself when the time of --drain-timeout is over */
    TERM_PATIENCE_MS = 3000,
    NOFILE_WANTED = 65536,
    CONNECTIONS_MAX = 16384,
};

/* ---- the state folder ------------------------------------------------------------------------- */

struct run {
    struct deploy deploy;
    struct watch *watch;
    struct sources *sources;
    unsigned reads_watched; /* deploy.nreads of the modules that are watched */
    bool torn;              /* what was read last was being written */
    struct store *store;
    char state_dir[PATH_MAX];
    char module[PATH_MAX], weirc[PATH_MAX];
    struct api api;
    char *crashes_dir;
    bool conf_changed; /* since the nginx that may run read nginx.conf */
    char control_sock[64], admin_sock[64];
    struct admin *admin;
    struct crashes *crashes;
    struct alerts *alerts;
    struct images *images;
    int lock;
    const char *user;
    char *group;              /* of the workers; NULL: as this process */
    gid_t gid;                /* of `group`, or -1 */
    bool change_compile_user; /* to: */
    uid_t compile_uid;
    gid_t compile_gid;
    struct nginx_process nginx;

    bool ready, was_ready, adopted, stopping;
    unsigned signals;                             /* to stop, so far */
    uint64_t started_ms, restart_ms, deadline_ms; /* 0: not set */
    uint64_t backoff_ms;
    uint64_t sweep_ms; /* when the store is swept next */
};

static uint64_t now_ms(void)
{
    return os_monotonic_ns() / 1000000;
}

/* DIR/NAME; the caller frees it. */
static char *state_path(const struct run *run, const char *name)
{
    struct strbuf b = {0};
    strbuf_printf(&b, "%s/%s", run->state_dir, name);
    return b.at;
}

static bool make_dirs(const char *path)
{
    char *copy = mem_strndup(path, strlen(path));
    bool ok = true;

    for (char *at = copy + 1; ok; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        char was = *at;
        *at = '\0';
        ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
        *at = was;
        if (was == '\0') {
            break;
        }
    }
    mem_free(copy);
    return ok;
}

/* Workers of root are another user: it owns nothing, and its group reads what it must.  The compiler is a
 * third one: it owns the folder it works in. */
static int find_user(struct run *run)
{
    run->gid = (gid_t)-1;
    if (geteuid() != 0) {
        return CLI_GO_ON;
    }
    const struct passwd *user = getpwnam(run_args.user);
    const struct group *group = user == NULL ? NULL : getgrgid(user->pw_gid);
    if (group == NULL) {
        return cli_fail("there is no user \"%s\" with a group for the workers; name another with --user",
                        run_args.user);
    }
    run->user = run_args.user;
    run->group = mem_strndup(group->gr_name, strlen(group->gr_name));
    run->gid = group->gr_gid;
    user = getpwnam(run_args.compile_user);
    if (user == NULL) {
        return cli_fail("there is no user \"%s\" for the compiler; name another with --compile-user",
                        run_args.compile_user);
    }
    run->change_compile_user = user->pw_uid != 0;
    run->compile_uid = user->pw_uid;
    run->compile_gid = user->pw_gid;
    return CLI_GO_ON;
}

/* A folder that workers may enter, not list; what is made in it is of their group. */
static bool let_workers_in(const struct run *run, const char *path)
{
    return run->gid == (gid_t)-1 || (chown(path, (uid_t)-1, run->gid) == 0 && chmod(path, 02710) == 0);
}

static int open_state(struct run *run)
{
    static const char *const folders[] = {"logs", "tmp"};
    struct weir_report rep;

    if (run_args.state[0] == '\0' || !make_dirs(run_args.state) ||
        realpath(run_args.state, run->state_dir) == NULL || !let_workers_in(run, run->state_dir)) {
        return cli_fail("cannot use the state folder \"%s\": %s", run_args.state, strerror(errno));
    }
    if (!nginx_conf_path_ok(run->state_dir)) {
        return cli_fail("nginx cannot have the folder \"%s\": no quotes, '$' or '\\' in its name, please",
                        run->state_dir);
    }
    for (size_t i = 0; i < CLI_COUNT(folders); i++) {
        char *path = state_path(run, folders[i]);
        bool ok = make_dirs(path) && let_workers_in(run, path);
        mem_free(path);
        if (!ok) {
            return cli_fail("cannot make folders in \"%s\": %s", run->state_dir, strerror(errno));
        }
    }

    char *lock = state_path(run, "lock");
    run->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    mem_free(lock);
    if (run->lock < 0 || flock(run->lock, LOCK_EX | LOCK_NB) != 0) {
        return cli_fail(run->lock >= 0 && errno == EWOULDBLOCK
                            ? "another `weir run` uses the state folder \"%s\"; name another with --state"
                            : "cannot lock the state folder \"%s\"",
                        run->state_dir);
    }

    weir_report_init(&rep);
    char *dir = state_path(run, "store");
    weir_status st = store_open(dir, run->gid, &run->store, &rep);
    mem_free(dir);
    return st == WEIR_OK ? CLI_GO_ON : cli_fail("%s", rep.message);
}

/* What stands beside this program; "" if the system does not say where that is. */
static void find_beside(const char *name, char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        snprintf(slash + 1, PATH_MAX - (size_t)(slash + 1 - path), "%s", name);
    }
}

static int find_programs(struct run *run)
{
    if (run_args.weirc != NULL) {
        snprintf(run->weirc, sizeof run->weirc, "%s", run_args.weirc);
    } else {
        find_beside("weirc", run->weirc);
    }
    find_beside("ngx_http_weir_module.so", run->module);
    if (!run_args.attach && access(run->module, R_OK) != 0) {
        return cli_fail("nginx's module is not there: %s", run->module);
    }
    if (!run_args.attach && access(STREAM_MODULE, R_OK) != 0) {
        return cli_fail("nginx's stream module is not there: " STREAM_MODULE
                        "; install the package libnginx-mod-stream");
    }
    if (access(run->weirc, X_OK) != 0) {
        return cli_fail("the compiler is not there: %s", run->weirc);
    }
    return nginx_conf_path_ok(run->module) ? CLI_GO_ON : cli_fail("nginx cannot load \"%s\"", run->module);
}

/* ---- configuration -------------------------------------------------------------------------------- */

static void print_problems(struct gw_problems *problems)
{
    gw_problems_sort(problems);
    for (size_t i = 0; i < problems->list.len; i++) {
        struct strbuf line = {0};
        gw_problem_format(&problems->list.at[i], &line);
        fprintf(stderr, "%s\n", line.at);
        strbuf_fini(&line);
    }
}

static uint32_t connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 512;
    }
    rlim_t want =
        limit.rlim_max == RLIM_INFINITY || limit.rlim_max > NOFILE_WANTED ? NOFILE_WANTED : limit.rlim_max;
    if (limit.rlim_cur < want) {
        limit.rlim_cur = want;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return want / 2 < CONNECTIONS_MAX ? (uint32_t)(want / 2) : CONNECTIONS_MAX;
}

/* Is it what the file holds? */
static bool same_text(const char *path, struct str text)
{
    uint8_t *bytes;
    size_t len;

    if (store_read_file(path, text.len + 1, &bytes, &len, NULL) != WEIR_OK) {
        return false;
    }
    bool same = str_eq(str_make((const char *)bytes, len), text);
    mem_free(bytes);
    return same;
}

/* nginx.conf for the generation in force.  *changed: it is another one than before. */
static weir_status write_conf(struct run *run, bool *changed, struct weir_report *rep)
{
    struct strbuf conf = {0}, resolvers = {0};
    weir_status st = WEIR_OK;
    if (run_args.attach) {
        *changed = false; /* nginx.conf is somebody else's */
        return WEIR_OK;
    }
    struct nginx_conf_options opt = {
        .state_dir = run->state_dir,
        .stream_module = STREAM_MODULE,
        .module = run->module,
        .generation = GENERATIONS_LINK,
        .user = run->user,
        .group = run->group,
        .plugin_log_level = run_log_level(),
        .workers =
            run_args.workers != 0 ? (uint32_t)run_args.workers : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
        .plugin_bytes = run_args.plugin_mib != 0
                            ? run_args.plugin_mib << 20
                            : (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2,
        .worker_connections = connections(),
        .drain_s = (uint32_t)run_args.drain_seconds,
        .shared_bytes = (run_args.shared_mib == 0     ? 1
                         : run_args.shared_mib > 4096 ? 4096
                                                      : run_args.shared_mib)
                        << 20,
    };

    for (size_t i = 0; i < run_args.resolvers.len; i++) {
        strbuf_printf(&resolvers, " %s", run_args.resolvers.at[i]);
    }
    if (run_args.resolvers.len == 0) {
        resolvers_of_system(&resolvers);
    }
    opt.resolvers = strbuf_str(&resolvers);
    char *path = state_path(run, "nginx.conf");
    nginx_conf_write(&opt, run->deploy.published, &conf);
    *changed = !same_text(path, strbuf_str(&conf));
    if (*changed) {
        st = publish_file(path, strbuf_str(&conf), rep);
    }
    mem_free(path);
    strbuf_fini(&conf);
    strbuf_fini(&resolvers);
    return st;
}

/* ---- changes -------------------------------------------------------------------------------- */

/* Do all workers have the generation in force, and nginx.conf? */
static bool all_have_it(void *ctx)
{
    const struct run *run = ctx;
    if (run_args.attach) { /* who is not here now takes it when it comes */
        return deploy_napplied(&run->deploy) >= channel_nclients(images_channel(run->images));
    }
    size_t n = nginx_process_nworkers(&run->nginx);
    return n != 0 && deploy_napplied(&run->deploy) >= n && !nginx_process_old_workers_serve(&run->nginx);
}

/* Files of modules and certificates are watched besides the configuration. */
static void watch_modules(struct run *run)
{
    run->reads_watched = run->deploy.nreads;
    watch_also(run->watch, run->deploy.files_read.at, run->deploy.files_read.len);
}

/* A change was refused: a file that it names may be what is wrong, so it is watched, too. */
static void watch_refused(struct run *run, const struct gw_problems *problems)
{
    VEC(const char *) all = {0};

    for (size_t i = 0; i < run->deploy.files_read.len; i++) {
        vec_push(&all, run->deploy.files_read.at[i]);
    }
    for (size_t i = 0; i < problems->files.len; i++) {
        vec_push(&all, problems->files.at[i]);
    }
    watch_also(run->watch, all.at, all.len);
    vec_fini(&all);
}

/* Another path than before; false: it cannot be watched. */
static bool set_watch(void *ctx, const char *path)
{
    struct run *run = ctx;
    struct watch *watch;

    if (watch_new(path, &watch, NULL) != WEIR_OK) {
        return false;
    }
    watch_free(run->watch);
    run->watch = watch;
    watch_modules(run);
    return true;
}

static bool half_written(void *ctx)
{
    struct run *run = ctx;

    watch_read(run->watch, now_ms());
    run->torn = watch_writing(run->watch, now_ms());
    return run->torn;
}

/* Read the configuration; what is wrong is on standard error, and what was in force stays. */
static weir_status read_change(struct run *run, bool again)
{
    struct gw_problems problems;

    gw_problems_init(&problems);
    weir_status st = api_read(&run->api, run->api.config, again, &problems);
    if (st != WEIR_OK && run->torn && run->deploy.published != NULL) {
        watch_again(run->watch, now_ms()); /* due when the writer is done */
        gw_problems_fini(&problems);
        return st;
    }
    print_problems(&problems);
    if (st != WEIR_OK && run->deploy.published != NULL) {
        watch_refused(run, &problems);
    }
    gw_problems_fini(&problems);
    if (st != WEIR_OK && run->deploy.published != NULL) {
        fprintf(stderr, "weir: the change was refused; %s stays in force\n", run->deploy.files.name);
    }
    return st;
}

/* Publish what can be, and have nginx know of it.  *changed: there is another generation. */
static weir_status go_on(struct run *run, bool *changed)
{
    bool reload = false;
    struct weir_report rep;

    weir_report_init(&rep);
    if (run->reads_watched != run->deploy.nreads) {
        watch_modules(run);
        alerts_set(run->alerts, run->deploy.wanted);
    }
    weir_status st = deploy_step(&run->deploy, changed, &rep);
    if (st == WEIR_OK && *changed) {
        st = write_conf(run, &reload, &rep);
    }
    if (st != WEIR_OK) {
        fprintf(stderr, "weir: %s\n", rep.message);
    }
    run->conf_changed = run->conf_changed || reload;
    if (*changed || reload) {
        fprintf(stderr, "weir: %s is in force%s\n", run->deploy.files.name,
                reload && run->nginx.pid != 0 ? "; listeners changed, nginx is reloaded" : "");
    }
    if (reload && run->nginx.pid != 0) {
        run->ready = false;
        run->adopted = true;
        run->started_ms = now_ms();
        nginx_process_reload(&run->nginx);
    }
    return st;
}

static void drain(void *ctx);

static int start_publishing(struct run *run)
{
    static struct api_host host = {all_have_it, set_watch, drain, half_written, NULL};
    struct weir_report rep;
    bool changed;

    weir_report_init(&rep);
    host.ctx = run;
    struct confined_options how = {
        .program = "/proc/self/exe",
        .work_dir = store_work_dir(run->store),
        .change_user = run->change_compile_user,
        .uid = run->compile_uid,
        .gid = run->compile_gid,
    };
    run->sources = sources_new(run->store, &how);
    run->alerts = alerts_new(&how);
    deploy_init(&run->deploy, run->store, run->sources, run->state_dir);
    if (api_init(&run->api, &run->deploy, run->state_dir, run_args.config, &host, &rep) != WEIR_OK ||
        watch_new(run_args.config, &run->watch, &rep) != WEIR_OK) {
        return cli_fail("%s", rep.message);
    }
    if (read_change(run, true) != WEIR_OK) {
        return CLI_EXIT_FAILED;
    }
    while (!deploy_settled(&run->deploy)) {
        struct pollfd fds[DEPLOY_MAX_TRIES];
        if (go_on(run, &changed) != WEIR_OK) {
            return CLI_EXIT_FAILED;
        }
        poll(fds, deploy_poll_fds(&run->deploy, fds), deploy_settled(&run->deploy) ? 0 : READY_POLL_MS);
    }
    weir_report_init(&rep);
    return write_conf(run, &changed, &rep) == WEIR_OK ? (run->conf_changed |= changed, CLI_GO_ON)
                                                      : cli_fail("%s", rep.message);
}

/* The administration API over TCP: loopback, unless told otherwise, and never without a token. */
static int listen_admin(struct run *run)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    struct weir_report rep;
    struct str text = str_of(run_args.admin), host = str_cut(&text, ':');
    char name[64];
    uint64_t port;
    size_t len;

    snprintf(name, sizeof name, "%.*s", STR_ARG(host));
    if (inet_pton(AF_INET, name, &addr.sin_addr) != 1 || !str_to_u64(text, &port) || port == 0 ||
        port > 65535) {
        return cli_fail("--admin: an IPv4 address and a port, like 127.0.0.1:9900");
    }
    addr.sin_port = htons((uint16_t)port);
    if (!run_args.admin_anywhere && ntohl(addr.sin_addr.s_addr) >> 24 != 127) {
        return cli_fail("--admin: %s is not loopback; say --admin-anywhere if others are to reach it", name);
    }
    if (run_args.admin_token_file == NULL) {
        return cli_fail("--admin needs --admin-token-file");
    }
    char *token = cli_read_file(run_args.admin_token_file, 4096, &len);
    if (token == NULL) {
        return CLI_EXIT_FAILED;
    }
    struct str rest = str_make(token, len), line = str_trim(str_cut(&rest, '\n'));
    weir_report_init(&rep);
    int code = line.len < 16 ? cli_fail("%s: the first line must be a token of 16 characters at least",
                                        run_args.admin_token_file)
               : admin_listen(run->admin, (struct sockaddr *)&addr, sizeof addr, line, &rep) != WEIR_OK
                   ? cli_fail("%s: %s", run_args.admin, rep.message)
                   : CLI_GO_ON;
    mem_free(token);
    return code;
}

/* Images are compiled while nginx serves; workers connect to hear of them.  Sockets have short paths, so the
 * folder is named by its descriptor. */
static int open_images(struct run *run)
{
    struct weir_report rep;
    int dir = open(run->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC); /* for as long as this process lives */

    struct images_options how = {
        .weirc = run->weirc,
        .socket = run->control_sock,
        .time_limit_s = (uint32_t)run_args.compile_seconds,
        .change_user = run->change_compile_user,
        .uid = run->compile_uid,
        .gid = run->compile_gid,
    };
    weir_report_init(&rep);
    run->crashes_dir = state_path(run, "crashes");
    run->api.crashes_dir = run->crashes_dir;
    struct crashes_options kept = {
        .dir = run->crashes_dir,
        .store = run->store,
        .change_user = run->change_compile_user,
        .uid = run->compile_uid,
        .gid = run->compile_gid,
        .origin = deploy_module_origin,
        .origin_ctx = &run->deploy,
        .on_crash = alerts_crash,
        .on_crash_ctx = run->alerts,
    };
    weir_status st = crashes_open(&kept, &run->crashes, &rep);
    if (st != WEIR_OK) {
        return cli_fail("%s", rep.message);
    }
    how.crashes = run->crashes;
    snprintf(run->control_sock, sizeof run->control_sock, "/proc/self/fd/%d/control.sock", dir);
    if (dir < 0 || images_new(run->store, &how, &run->images, &rep) != WEIR_OK) {
        return cli_fail("%s", dir < 0 ? strerror(errno) : rep.message);
    }
    deploy_connect(&run->deploy, run->images);
    snprintf(run->admin_sock, sizeof run->admin_sock, "/proc/self/fd/%d/" ADMIN_SOCKET, dir);
    if (admin_open(run->admin_sock, api_request, &run->api, &run->admin, &rep) != WEIR_OK) {
        return cli_fail("%s", rep.message);
    }
    run->api.admin = run->admin;
    return run_args.admin == NULL ? CLI_GO_ON : listen_admin(run);
}

/* ---- being ready ------------------------------------------------------------------------------------ */

static void print_tries(const struct run *run)
{
    char line[4096];
    FILE *f = fopen(run->api.config, "re");

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "# try: ", 7) == 0) {
            printf("  %s", line + 7);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
}

static void print_ready(struct run *run, const json_t *status)
{
    const struct gw_config *c = run->deploy.published;
    size_t i;
    json_t *plugin;

    json_array_foreach(json_object_get(status, "plugins"), i, plugin)
    {
        const char *error = json_string_value(json_object_get(plugin, "error"));
        if (error != NULL && error[0] != '\0') {
            fprintf(stderr, "weir: plugin %s does not run: %s\n",
                    json_string_value(json_object_get(plugin, "name")), error);
        }
    }
    printf("weir: ready, serving %u route%s and %u plugin%s on", c->nroutes, c->nroutes == 1 ? "" : "s",
           c->nplugins, c->nplugins == 1 ? "" : "s");
    for (uint32_t l = 0; l < c->nlisteners; l++) {
        printf(" %.*s:%u", STR_ARG(c->listeners[l].address.host), c->listeners[l].address.port);
    }
    printf("; logs in %s/logs\n", run_args.state);
    if (!run->was_ready) {
        print_tries(run);
    }
    fflush(stdout);
}

/* Is the gateway what it should be? */
static void check_ready(struct run *run)
{
    struct strbuf text = {0};

    if (nginx_process_status(&run->nginx, &text)) {
        json_t *status = json_loadb(text.at, text.len, 0, NULL);
        const char *file = json_string_value(json_object_get(status, "generation"));
        if (file != NULL && strcmp(file, run->deploy.files.name) == 0 && all_have_it(run)) {
            run->ready = true;
            print_ready(run, status);
            run->was_ready = true;
        }
        json_decref(status);
    }
    strbuf_fini(&text);
    if (!run->ready && run->adopted && now_ms() - run->started_ms > READY_PATIENCE_MS) {
        fprintf(stderr, "weir: the running nginx keeps its old configuration; %s/logs/error.log says why\n",
                run->state_dir);
        run->ready = true;
    }
}

/* ---- supervision ----------------------------------------------------------------------------------------
 */

static void start_nginx(struct run *run)
{
    struct weir_report rep;

    weir_report_init(&rep);
    run->restart_ms = 0;
    run->started_ms = now_ms();
    run->ready = run->adopted = false;
    if (nginx_process_start(&run->nginx, &rep) != WEIR_OK) {
        fprintf(stderr, "weir: %s\n", rep.message);
        run->restart_ms = now_ms() + run->backoff_ms;
    }
}

/* CLI_GO_ON, or the code to leave with. */
static int nginx_ended(struct run *run)
{
    int status;

    nginx_process_ended(&run->nginx, &status);
    if (run->stopping) {
        return CLI_EXIT_OK;
    }
    if (!run->was_ready) {
        return cli_fail("nginx did not start; %s/logs/error.log may say more", run->state_dir),
               RUN_EXIT_NGINX;
    }
    if (now_ms() - run->started_ms > STABLE_MS) {
        run->backoff_ms = BACKOFF_FIRST_MS;
    }
    fprintf(stderr, "weir: nginx ended (%s %d); starting it again in %llu ms\n",
            WIFSIGNALED(status) ? "signal" : "code",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
            (unsigned long long)run->backoff_ms);
    run->ready = false;
    run->restart_ms = now_ms() + run->backoff_ms;
    run->backoff_ms = run->backoff_ms * 2 < BACKOFF_MAX_MS ? run->backoff_ms * 2 : BACKOFF_MAX_MS;
    return CLI_GO_ON;
}

/* As the generation in force says, and its workers have it, or the option. */
static uint64_t drain_ms(const struct run *run)
{
    const struct gw_config *c = run->deploy.published;

    return c != NULL && c->drain_timeout_ms != 0 ? c->drain_timeout_ms : run_args.drain_seconds * 1000;
}

/* The first signal lets requests finish, each further one, or waiting in vain, is less patient. */
static int stop_harder(struct run *run)
{
    static const int how[] = {SIGQUIT, SIGTERM, SIGKILL};
    const uint64_t patience_ms[] = {drain_ms(run) + QUIT_EXTRA_MS, TERM_PATIENCE_MS, TERM_PATIENCE_MS};

    if (run->nginx.pid == 0) {
        return CLI_EXIT_OK;
    }
    unsigned step = run->signals < CLI_COUNT(how) ? run->signals : CLI_COUNT(how) - 1;
    run->stopping = run->api.stopping = true;
    run->signals++;
    run->deadline_ms = now_ms() + patience_ms[step];
    if (how[step] == SIGKILL) {
        kill(-run->nginx.pid, SIGKILL);
    } else {
        nginx_process_signal(&run->nginx, how[step]);
    }
    return CLI_GO_ON;
}

static void drain(void *ctx)
{
    stop_harder(ctx);
}

static void on_gone(void *ctx, const char *hex)
{
    images_forget(ctx, hex);
}

/* What nothing refers to leaves the store: not this process, no generation that a worker may yet read, and no
 * other gateway. */
static void sweep_store(struct run *run)
{
    struct sweep_refs refs = {0};
    const struct sweep_options how = {.keep_s = run_args.store_days * 86400,
                                      .most_bytes = run_args.store_mib << 20,
                                      .key = weir_image_key()};

    if (now_ms() < run->sweep_ms || run->deploy.published == NULL || !deploy_settled(&run->deploy)) {
        return;
    }
    deploy_refer(&run->deploy, &refs);
    bool known = sweep_refs_add_generations(&refs, run->state_dir);
    size_t n = known ? sweep_run(run->store, &refs, &how, time(NULL), on_gone, run->images) : 0;
    if (n != 0) {
        fprintf(stderr, "weir: %zu file%s that nothing needs left the store\n", n, n == 1 ? "" : "s");
    }
    run->sweep_ms = now_ms() + (n == SWEEP_MOST ? SWEEP_AGAIN_MS : SWEEP_EVERY_MS);
    sweep_refs_fini(&refs);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static int wait_ms(const struct run *run)
{
    uint64_t next = 0, now = now_ms();

    if (run->nginx.pid != 0 && !run->ready && !run->stopping) {
        return READY_POLL_MS;
    }
    if (api_waiting(&run->api) && deploy_settled(&run->deploy)) {
        return APPLY_POLL_MS;
    }
    next = run->stopping ? run->deadline_ms : run->restart_ms;
    next = sooner(next, run->stopping ? 0 : watch_when_ms(run->watch));
    next = sooner(next, run->stopping ? 0 : sources_when_ms(run->sources, now));
    next = sooner(next, run->stopping ? 0 : alerts_when_ms(run->alerts, now));
    next = sooner(next, run->stopping || !deploy_settled(&run->deploy) ? 0 : run->sweep_ms);
    next = sooner(next, crashes_when_ms(run->crashes));
    next = sooner(next, deploy_when_ms(&run->deploy));
    next = sooner(next, api_when_ms(&run->api));
    if (images_busy(run->images) && (next == 0 || next > now + IMAGES_STEP_MS)) {
        next = now + IMAGES_STEP_MS;
    }
    if (next == 0) {
        return -1;
    }
    return next > now ? (int)(next - now) : 0;
}

static int supervise(struct run *run, int signals)
{
    enum { SIGNALS, NGINX, WATCH, ADMIN, IMAGES = ADMIN + ADMIN_MAX_FDS };
    static struct pollfd fds[IMAGES + IMAGES_MAX_FDS + DEPLOY_MAX_TRIES + 1];
    int code = CLI_GO_ON;

    while (code == CLI_GO_ON) {
        struct signalfd_siginfo info;

        fds[SIGNALS] = (struct pollfd){.fd = signals, .events = POLLIN};
        fds[NGINX] = (struct pollfd){.fd = run->nginx.pidfd, .events = POLLIN};
        fds[WATCH] = (struct pollfd){.fd = watch_fd(run->watch), .events = POLLIN};
        size_t nadmin = admin_poll_fds(run->admin, fds + ADMIN);
        size_t nimages = images_poll_fds(run->images, fds + IMAGES);
        size_t ntries = deploy_poll_fds(&run->deploy, fds + IMAGES + nimages);
        size_t nfds = IMAGES + nimages + ntries;
        if (crashes_fd(run->crashes) >= 0) { /* not always: poll wants as many descriptors as it has places */
            fds[nfds++] = (struct pollfd){.fd = crashes_fd(run->crashes), .events = POLLIN};
        }
        if (poll(fds, nfds, wait_ms(run)) < 0) {
            if (errno != EINTR) {
                return cli_fail("poll: %s", strerror(errno));
            }
            continue;
        }
        images_polled(run->images, fds + IMAGES, nimages);
        images_step(run->images);
        crashes_step(run->crashes);
        if (!run->stopping) {
            alerts_step(run->alerts, now_ms());
        }
        if (!run->stopping && sources_step(run->sources, now_ms())) {
            deploy_fetched(&run->deploy);
        }
        watch_read(run->watch, now_ms()); /* just before, so that a file is not read half written */
        if (!run->stopping && watch_due(run->watch, now_ms())) {
            read_change(run, false);
        }
        admin_polled(run->admin, fds + ADMIN, nadmin);
        bool changed = false;
        if (!run->stopping) {
            go_on(run, &changed);
        }
        api_step(&run->api, changed);
        if (!run->stopping) {
            sweep_store(run);
        }
        if (fds[NGINX].revents != 0) {
            code = nginx_ended(run);
        }
        if (code == CLI_GO_ON && fds[SIGNALS].revents != 0 &&
            read(signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD) {
            code = stop_harder(run);
        }
        if (code != CLI_GO_ON) {
            break;
        }
        if (run->stopping) {
            if (now_ms() >= run->deadline_ms) {
                code = stop_harder(run);
            }
        } else if (!run_args.attach && run->nginx.pid == 0 && now_ms() >= run->restart_ms) {
            start_nginx(run);
        } else if (run->nginx.pid != 0 && !run->ready) {
            check_ready(run);
        }
    }
    return code;
}

static int take_over_or_start(struct run *run)
{
    struct weir_report rep;

    if (run_args.attach) {
        const struct gw_config *c = run->deploy.published;
        if (c->nlisteners != 0) {
            fprintf(stderr, "weir: listeners and routes of the configuration mean nothing with --attach\n");
        }
        printf("weir: ready, %u plugin%s for an nginx with `weir_state %s;`\n", c->nplugins,
               c->nplugins == 1 ? "" : "s", run->state_dir);
        fflush(stdout);
        return CLI_GO_ON;
    }
    weir_report_init(&rep);
    if (nginx_process_find(&run->nginx)) {
        printf("weir: taking over the nginx that runs here (process %d)\n", (int)run->nginx.pid);
        run->started_ms = now_ms();
        run->adopted = true;
        if (run->conf_changed) {
            nginx_process_reload(&run->nginx);
        }
        return CLI_GO_ON;
    }
    start_nginx(run);
    return run->nginx.pid != 0 ? CLI_GO_ON : RUN_EXIT_NGINX;
}

static int run_gateway(int argc, char **argv)
{
    static struct run run = {.lock = -1, .backoff_ms = BACKOFF_FIRST_MS, .sweep_ms = 1};
    const char *preload = NULL;
    sigset_t set;

#ifdef WEIR_ASAN_RUNTIME
    preload = WEIR_ASAN_RUNTIME;
#endif
    int code = cli_parse(&run_usage, argc, argv, NULL);
    if (code == CLI_GO_ON && run_args.workers > 1024) {
        code = cli_usage_error(&run_usage, "--workers: at most 1024");
    }
    for (size_t i = 0; code == CLI_GO_ON && i < run_args.resolvers.len; i++) {
        if (!resolver_ok(run_args.resolvers.at[i])) {
            code =
                cli_usage_error(&run_usage, "--resolver: an address like 10.0.0.2, 10.0.0.2:53 or [::1]:53");
        }
    }
    if (code == CLI_GO_ON && (run_args.compile_seconds == 0 || run_args.compile_seconds > 86400)) {
        code = cli_usage_error(&run_usage, "--compile-seconds: 1 to 86400");
    }
    if (code == CLI_GO_ON && (run_args.store_days > 36500 || run_args.store_mib > (UINT64_C(1) << 40))) {
        code = cli_usage_error(&run_usage, "--store-days: at most 36500; --store-mib: at most 2^40");
    }
    if (code == CLI_GO_ON && (run_args.drain_seconds == 0 || run_args.drain_seconds > 86400)) {
        code = cli_usage_error(&run_usage, "--drain-timeout: 1 to 86400");
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);

    if (code == CLI_GO_ON) {
        code = find_user(&run);
    }
    if (code == CLI_GO_ON) {
        code = open_state(&run);
    }
    if (code == CLI_GO_ON) {
        code = find_programs(&run);
    }
    if (code == CLI_GO_ON) {
        code = start_publishing(&run);
    }
    if (code == CLI_GO_ON) {
        code = open_images(&run);
    }
    if (code == CLI_GO_ON) {
        nginx_process_init(&run.nginx, run_args.nginx, run.state_dir, preload);
        code = take_over_or_start(&run);
    }
    if (code == CLI_GO_ON) {
        code = supervise(&run, signals);
    }
    admin_close(run.admin);
    images_free(run.images);
    crashes_close(run.crashes);
    alerts_free(run.alerts);
    api_fini(&run.api);
    deploy_fini(&run.deploy);
    sources_free(run.sources);
    watch_free(run.watch);
    store_close(run.store);
    mem_free(run.crashes_dir);
    mem_free(run.group);
    return code;
}

const struct cli_verb cli_verb_run = {
    .name = "run",
    .summary = "serve a configuration",
    .run = run_gateway,
};
