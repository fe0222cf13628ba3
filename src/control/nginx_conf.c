/* control/nginx_conf.c - nginx.conf as one text with a few holes.
 *
 * What it sets and why:
 *   - everything nginx writes goes below the state folder, as any user; what workers open themselves is named
 *     relative to it, because they may not be able to enter the folders above;
 *   - requests and responses are not buffered whole, so streams stream;
 *   - the upstream's headers pass as they are, nginx's own meanings of X-Accel-* do not apply;
 *   - a request goes to another endpoint only if the first could not be reached or broke off, never twice if
 * it is not idempotent (nginx's default). */
#include "control/nginx_conf.h"

#include <inttypes.h>
#include <string.h>

/* $S: state folder. */
static const char head[] = "daemon off;\n"
                           "pid \"$S/nginx.pid\";\n"
                           "error_log \"$S/logs/error.log\" notice;\n"
                           "pcre_jit on;\n";

static const char http_head[] =
    "    log_format weir escape=none '$weir_log';\n"
    "    access_log \"$S/logs/access.log\" weir buffer=64k flush=1s;\n"
    "    client_body_temp_path \"/proc/self/cwd/tmp/body\";\n"
    "    proxy_temp_path \"/proc/self/cwd/tmp/proxy\";\n"
    "    fastcgi_temp_path \"/proc/self/cwd/tmp/fastcgi\";\n"
    "    uwsgi_temp_path \"/proc/self/cwd/tmp/uwsgi\";\n"
    "    scgi_temp_path \"/proc/self/cwd/tmp/scgi\";\n"
    "    server_tokens off;\n"
    "    absolute_redirect off;\n"
    "    underscores_in_headers on;\n"
    "    default_type \"\";\n"
    "    types { }\n"
    "    tcp_nodelay on;\n"
    "    reset_timedout_connection on;\n"
    "    keepalive_requests 1000000;\n"
    "    client_max_body_size 0;\n"
    "    client_header_buffer_size 4k;\n"
    "    large_client_header_buffers 8 32k;\n"
    "    http2_max_concurrent_streams 256;\n"
    "\n"
    "    upstream weir {\n"
    "        server 0.0.0.0:1;\n" /* nginx wants one; the balancer picks the real ones */
    "        weir_balancer;\n"
    "    }\n"
    "\n"
    "    proxy_http_version 1.1;\n"
    "    proxy_set_header Host $weir_host;\n"
    "    proxy_set_header Connection $weir_connection;\n"
    "    proxy_set_header Upgrade $weir_upgrade;\n"
    "    proxy_redirect off;\n"
    "    proxy_request_buffering off;\n"
    "    proxy_buffering off;\n"
    "    proxy_buffer_size 32k;\n"
    "    proxy_buffers 8 32k;\n"
    "    proxy_socket_keepalive on;\n"
    "    proxy_next_upstream error timeout;\n"
    "    proxy_pass_header Date;\n"
    "    proxy_pass_header Server;\n"
    "    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering\n"
    "        X-Accel-Charset Expires Cache-Control Set-Cookie Vary;\n"
    "\n"
    "    grpc_set_header Host \"\";\n" /* so that it writes no :authority of its own */
    "    grpc_set_header :authority $weir_host;\n"
    "    grpc_set_header Content-Length $weir_length;\n"
    "    grpc_buffer_size 32k;\n"
    "    grpc_socket_keepalive on;\n"
    "    grpc_next_upstream error timeout;\n"
    "    grpc_pass_header Date;\n"
    "    grpc_pass_header Server;\n"
    "    grpc_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering\n"
    "        X-Accel-Charset;\n";

/* Two ways to proxy in one location: which one a request takes, weir says. */
static const char proxy_location[] = "        location / {\n"
                                     "            weir;\n"
                                     "            grpc_pass grpc://weir;\n"
                                     "            weir_http2_upstream;\n"
                                     "            proxy_pass http://weir;\n"
                                     "        }\n";

/* nginx has no certificate: the module shows those of the generation.  Of the versions a connection takes as
 * many as its listener says. */
static const char tls_server[] = "        ssl_reject_handshake on;\n"
                                 "        ssl_protocols TLSv1.2 TLSv1.3;\n"
                                 "        ssl_session_timeout 1h;\n";

/* Only the control process talks to it; the folder keeps others out. */
static const char status_server[] = "    server {\n"
                                    "        listen unix:status.sock;\n"
                                    "        access_log off;\n"
                                    "        location / {\n"
                                    "            weir_status;\n"
                                    "        }\n"
                                    "    }\n";

static const char stream_head[] = "    log_format weir escape=none '$weir_log';\n"
                                  "    access_log \"$S/logs/tcp.log\" weir buffer=64k flush=1s;\n";

bool nginx_conf_path_ok(const char *path)
{
    for (; *path != '\0'; path++) {
        if ((unsigned char)*path < ' ' || strchr("\"\\$", *path) != NULL) {
            return false;
        }
    }
    return true;
}

/* The text with every $S in its place. */
static void add_text(struct strbuf *out, const char *text, const char *state_dir)
{
    for (const char *at; (at = strstr(text, "$S/")) != NULL; text = at + 2) {
        strbuf_add_bytes(out, text, (size_t)(at - text));
        strbuf_printf(out, "%s", state_dir);
    }
    strbuf_printf(out, "%s", text);
}

static const char *const listen_words[] = {
    [GW_HTTP] = "", [GW_HTTPS] = " ssl", [GW_TCP] = " so_keepalive=on"};

static void add_listeners(struct strbuf *out, const struct gw_config *config, enum gw_protocol protocol)
{
    for (uint32_t i = 0; i < config->nlisteners; i++) {
        const struct gw_listener *l = &config->listeners[i];
        if (l->protocol != protocol) {
            continue;
        }
        strbuf_printf(out, "\n    server {\n        listen %.*s backlog=4096%s%s%s;\n", STR_ARG(l->text),
                      listen_words[protocol], protocol == GW_HTTPS && l->http2 ? " http2" : "",
                      l->proxy_protocol ? " proxy_protocol" : "");
        if (protocol == GW_HTTPS) {
            strbuf_printf(out, "        weir_tls %.*s;\n%s%s    }\n", STR_ARG(l->text), tls_server,
                          proxy_location);
        } else if (protocol == GW_TCP) {
            strbuf_printf(out, "        weir_tcp %.*s;\n    }\n", STR_ARG(l->text));
        } else {
            strbuf_printf(out, "        weir_http2 %s;\n%s    }\n", l->http2 ? "on" : "off", proxy_location);
        }
    }
}

static bool has_tcp(const struct gw_config *config)
{
    for (uint32_t i = 0; i < config->nlisteners; i++) {
        if (config->listeners[i].protocol == GW_TCP) {
            return true;
        }
    }
    return false;
}

void nginx_conf_write(const struct nginx_conf_options *opt, const struct gw_config *config,
                      struct strbuf *out)
{
    strbuf_printf(out, "# Written by `weir run`; changes here are lost.\n");
    add_text(out, head, opt->state_dir);
    strbuf_printf(out, "load_module \"%s\";\nload_module \"%s\";\n", opt->stream_module, opt->module);
    if (opt->user != NULL) {
        strbuf_printf(out, "user \"%s\" \"%s\";\n", opt->user, opt->group);
    }
    strbuf_printf(out, "worker_processes %u;\nworker_shutdown_timeout %us;\n", opt->workers, opt->drain_s);
    strbuf_printf(out, "\nevents {\n    worker_connections %u;\n}\n", opt->worker_connections);
    strbuf_printf(out,
                  "\nhttp {\n    weir_generation \"%s\";\n    weir_store store;\n    weir_control "
                  "control.sock;\n"
                  "    weir_plugin_log_level %s;\n    weir_shared_size %" PRIu64 ";\n"
                  "    weir_plugin_memory %" PRIu64 ";\n",
                  opt->generation, opt->plugin_log_level, opt->shared_bytes, opt->plugin_bytes);
    if (opt->resolvers.len != 0) {
        strbuf_printf(out, "    resolver%.*s;\n", STR_ARG(opt->resolvers));
    }
    add_text(out, http_head, opt->state_dir);
    add_listeners(out, config, GW_HTTP);
    add_listeners(out, config, GW_HTTPS);
    strbuf_printf(out, "\n%s}\n", status_server);
    if (has_tcp(config)) {
        strbuf_printf(out, "\nstream {\n");
        add_text(out, stream_head, opt->state_dir);
        add_listeners(out, config, GW_TCP);
        strbuf_printf(out, "}\n");
    }
}
