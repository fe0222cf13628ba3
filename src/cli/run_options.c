/* cli/run_options.c - what `weir run` may be told on its command line: one row an option. */
#include "cli/run_options.h"

#ifdef WEIR_ASAN_RUNTIME
#define DEFAULT_USER "root" /* sanitizers write their reports to the log folder */
#define DEFAULT_COMPILE_USER "root"
#else
#define DEFAULT_USER "www-data"
#define DEFAULT_COMPILE_USER "nobody"
#endif

struct run_args run_args = {.state = ".weir",
                            .nginx = "/usr/sbin/nginx",
                            .user = DEFAULT_USER,
                            .compile_user = DEFAULT_COMPILE_USER,
                            .compile_seconds = 300,
                            .drain_seconds = 10,
                            .store_days = 30,
                            .plugin_log_level = -1,
                            .shared_mib = 16};

#define LEVELS "trace|debug|info|warn|error|critical"
static const char *const level_names[] = {"trace", "debug", "info", "warn", "error", "critical"};

static const struct cli_option options[] = {
    {.name = "config",
     .letter = 'c',
     .kind = CLI_TEXT,
     .value = &run_args.config,
     .arg = "FILE",
     .required = true,
     .help = "the configuration: a YAML file, or a folder of them"},
    {.name = "state",
     .kind = CLI_TEXT,
     .value = &run_args.state,
     .arg = "DIR",
     .help = "folder for sockets, logs and the store (default .weir); one gateway each"},
    {.name = "attach",
     .kind = CLI_FLAG,
     .value = &run_args.attach,
     .help = "start no nginx: prepare plugins for one that runs with `weir_state DIR;` (docs/nginx.md)"},
    {.name = "workers",
     .kind = CLI_NUMBER,
     .value = &run_args.workers,
     .arg = "N",
     .help = "nginx workers (default: one a processor)"},
    {.name = "nginx",
     .kind = CLI_TEXT,
     .value = &run_args.nginx,
     .arg = "PROGRAM",
     .help = "nginx's binary (default /usr/sbin/nginx)"},
    {.name = "shared-mib",
     .kind = CLI_NUMBER,
     .value = &run_args.shared_mib,
     .arg = "N",
     .help = "memory for what plugins share: data, queues, metrics (default 16, 1 to 4096)"},
    {.name = "plugin-mib",
     .kind = CLI_NUMBER,
     .value = &run_args.plugin_mib,
     .arg = "N",
     .help =
         "most memory of all plugins after their start, times the workers (default: half of the machine's)"},
    {.name = "weirc",
     .kind = CLI_TEXT,
     .value = &run_args.weirc,
     .arg = "PROGRAM",
     .help = "the compiler (default: weirc beside this program)"},
    {.name = "compile-seconds",
     .kind = CLI_NUMBER,
     .value = &run_args.compile_seconds,
     .arg = "N",
     .help = "how long compiling a plugin may take (default 300); then it stays interpreted"},
    {.name = "drain-timeout",
     .kind = CLI_NUMBER,
     .value = &run_args.drain_seconds,
     .arg = "SECONDS",
     .help = "how long requests under way may take to end when the gateway is told to stop (default 10); "
             "the configuration's drainTimeout takes its place"},
    {.name = "user",
     .kind = CLI_TEXT,
     .value = &run_args.user,
     .arg = "NAME",
     .help = "whom workers run as if root starts the gateway (default www-data)"},
    {.name = "resolver",
     .kind = CLI_TEXTS,
     .value = &run_args.resolvers,
     .arg = "ADDRESS",
     .help = "DNS server for names that plugins resolve, 10.0.0.2:53 or [::1]:53; given again: one more "
             "(default: those of /etc/resolv.conf)"},
    {.name = "compile-user",
     .kind = CLI_TEXT,
     .value = &run_args.compile_user,
     .arg = "NAME",
     .help = "whom the compiler runs as if root starts the gateway (default nobody)"},
    {.name = "admin",
     .kind = CLI_TEXT,
     .value = &run_args.admin,
     .arg = "ADDRESS",
     .help = "serve the administration API there, too, 127.0.0.1:9900; needs --admin-token-file"},
    {.name = "admin-token-file",
     .kind = CLI_TEXT,
     .value = &run_args.admin_token_file,
     .arg = "FILE",
     .help = "its first line is the token that requests to --admin must carry"},
    {.name = "admin-anywhere",
     .kind = CLI_FLAG,
     .value = &run_args.admin_anywhere,
     .help = "let --admin be an address that is not loopback; the token crosses the network in clear text"},
    {.name = "store-days",
     .kind = CLI_NUMBER,
     .value = &run_args.store_days,
     .arg = "N",
     .help = "how long modules and images stay in the store that nothing needs (default 30; 0: for ever)"},
    {.name = "store-mib",
     .kind = CLI_NUMBER,
     .value = &run_args.store_mib,
     .arg = "N",
     .help = "size of the store above which those go earlier, the oldest first (default: any)"},
    {.name = "plugin-log-level",
     .kind = CLI_CHOICE,
     .value = &run_args.plugin_log_level,
     .arg = "LEVEL",
     .choices = LEVELS,
     .help = "least level of plugins' lines in the error log (default info)"},
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK,
     "stopped by SIGTERM or SIGINT; requests under way were finished, or cut off by --drain-timeout"},
    {CLI_EXIT_FAILED, "the configuration or the state folder cannot be used; nothing was started"},
    {RUN_EXIT_NGINX, "nginx did not start (a port in use, for example); it says why"},
};

const struct cli_usage run_usage = {
    .synopsis = "run -c FILE",
    .about = "Serve a configuration in the foreground.  Logs are DIR/logs/access.log (JSON) and "
             "DIR/logs/error.log.\n"
             "Lines of the file that begin with `# try: ` are printed when the gateway is ready.\n"
             "If this process dies, nginx goes on; started again with the same DIR it takes over.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

const char *run_log_level(void)
{
    return run_args.plugin_log_level < 0 ? "info" : level_names[run_args.plugin_log_level];
}
