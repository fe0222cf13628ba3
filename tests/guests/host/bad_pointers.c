/* bad_pointers - every host call with each of its pointers outside memory, and the calls without a feature
 * yet with good ones: the rows of src/pw/abi.def, one line for each pointer (tests/pw/test_misc.py counts).
 * Logs "call=status"; nothing may be written anywhere. */
#include "guest.h"

#define BAD ((void *)0xfffffffcu)
#define WHERE ((void **)0xfffffffdu)
#define WORD ((u32 *)0xfffffffeu)
#define LONG ((u64 *)0xfffffff9u)

static void *at;
static u32 len, word;

static void done_calls(void)
{
    say_status("log", proxy_log(2, BAD, 8));
    say_status("get_log_level", proxy_get_log_level(WORD));
    say_status("time", proxy_get_current_time_nanoseconds(LONG));
    say_status("status.1", proxy_get_status(WORD, &at, &len));
    say_status("status.2", proxy_get_status(&word, WHERE, &len));
    say_status("status.3", proxy_get_status(&word, &at, WORD));
    say_status("local.1", proxy_send_local_response(200, BAD, 8, "", 0, "", 0, -1u));
    say_status("local.2", proxy_send_local_response(200, "", 0, BAD, 8, "", 0, -1u));
    say_status("local.3", proxy_send_local_response(200, "", 0, "", 0, BAD, 8, -1u));
    say_status("get.1", proxy_get_header_map_value(0, BAD, 8, &at, &len));
    say_status("get.2", proxy_get_header_map_value(0, ":path", 5, WHERE, &len));
    say_status("get.3", proxy_get_header_map_value(0, ":path", 5, &at, WORD));
    say_status("add.1", proxy_add_header_map_value(0, BAD, 8, "v", 1));
    say_status("add.2", proxy_add_header_map_value(0, "k", 1, BAD, 8));
    say_status("replace.1", proxy_replace_header_map_value(0, BAD, 8, "v", 1));
    say_status("replace.2", proxy_replace_header_map_value(0, "k", 1, BAD, 8));
    say_status("remove", proxy_remove_header_map_value(0, BAD, 8));
    say_status("pairs.1", proxy_get_header_map_pairs(0, WHERE, &len));
    say_status("pairs.2", proxy_get_header_map_pairs(0, &at, WORD));
    say_status("set_pairs", proxy_set_header_map_pairs(0, BAD, 8));
    say_status("size", proxy_get_header_map_size(0, WORD));
    say_status("buffer.1", proxy_get_buffer_bytes(6, 0, 1, WHERE, &len));
    say_status("buffer.2", proxy_get_buffer_bytes(6, 0, 1, &at, WORD));
    say_status("buffer_status.1", proxy_get_buffer_status(6, WORD, &word));
    say_status("buffer_status.2", proxy_get_buffer_status(6, &word, WORD));
    say_status("set_buffer", proxy_set_buffer_bytes(6, 0, 0, BAD, 8));
    say_status("configuration.1", proxy_get_configuration(WHERE, &len));
    say_status("configuration.2", proxy_get_configuration(&at, WORD));
    say_status("get_property.1", proxy_get_property(BAD, 8, &at, &len));
    say_status("get_property.2", proxy_get_property("plugin_name", 11, WHERE, &len));
    say_status("get_property.3", proxy_get_property("plugin_name", 11, &at, WORD));
    say_status("set_property.1", proxy_set_property(BAD, 8, "v", 1));
    say_status("set_property.2", proxy_set_property("k", 1, BAD, 8));
    say_status("foreign.1", proxy_call_foreign_function(BAD, 8, "", 0, &at, &len));
    say_status("foreign.2", proxy_call_foreign_function("get_log_level", 13, BAD, 8, &at, &len));
    say_status("foreign.3", proxy_call_foreign_function("get_log_level", 13, "", 0, WHERE, &len));
    say_status("foreign.4", proxy_call_foreign_function("get_log_level", 13, "", 0, &at, WORD));
}

static void other_calls(void)
{
    say_status("http_call.1", proxy_http_call(BAD, 8, "", 0, "", 0, "", 0, 1, &word));
    say_status("http_call.2", proxy_http_call("", 0, BAD, 8, "", 0, "", 0, 1, &word));
    say_status("http_call.3", proxy_http_call("", 0, "", 0, BAD, 8, "", 0, 1, &word));
    say_status("http_call.4", proxy_http_call("", 0, "", 0, "", 0, BAD, 8, 1, &word));
    say_status("http_call.5", proxy_http_call("", 0, "", 0, "", 0, "", 0, 1, WORD));
    say_status("grpc_call.1", proxy_grpc_call(BAD, 8, "", 0, "", 0, "", 0, "", 0, 1, &word));
    say_status("grpc_call.2", proxy_grpc_call("", 0, BAD, 8, "", 0, "", 0, "", 0, 1, &word));
    say_status("grpc_call.3", proxy_grpc_call("", 0, "", 0, BAD, 8, "", 0, "", 0, 1, &word));
    say_status("grpc_call.4", proxy_grpc_call("", 0, "", 0, "", 0, BAD, 8, "", 0, 1, &word));
    say_status("grpc_call.5", proxy_grpc_call("", 0, "", 0, "", 0, "", 0, BAD, 8, 1, &word));
    say_status("grpc_call.6", proxy_grpc_call("", 0, "", 0, "", 0, "", 0, "", 0, 1, WORD));
    say_status("grpc_stream.1", proxy_grpc_stream(BAD, 8, "", 0, "", 0, "", 0, &word));
    say_status("grpc_stream.2", proxy_grpc_stream("", 0, BAD, 8, "", 0, "", 0, &word));
    say_status("grpc_stream.3", proxy_grpc_stream("", 0, "", 0, BAD, 8, "", 0, &word));
    say_status("grpc_stream.4", proxy_grpc_stream("", 0, "", 0, "", 0, BAD, 8, &word));
    say_status("grpc_stream.5", proxy_grpc_stream("", 0, "", 0, "", 0, "", 0, WORD));
    say_status("grpc_send", proxy_grpc_send(1, BAD, 8, 0));
    say_status("get_shared.1", proxy_get_shared_data(BAD, 8, &at, &len, &word));
    say_status("get_shared.2", proxy_get_shared_data("", 0, WHERE, &len, &word));
    say_status("get_shared.3", proxy_get_shared_data("", 0, &at, WORD, &word));
    say_status("get_shared.4", proxy_get_shared_data("", 0, &at, &len, WORD));
    say_status("set_shared.1", proxy_set_shared_data(BAD, 8, "", 0, 0));
    say_status("set_shared.2", proxy_set_shared_data("", 0, BAD, 8, 0));
    say_status("register_queue.1", proxy_register_shared_queue(BAD, 8, &word));
    say_status("register_queue.2", proxy_register_shared_queue("", 0, WORD));
    say_status("resolve_queue.1", proxy_resolve_shared_queue(BAD, 8, "", 0, &word));
    say_status("resolve_queue.2", proxy_resolve_shared_queue("", 0, BAD, 8, &word));
    say_status("resolve_queue.3", proxy_resolve_shared_queue("", 0, "", 0, WORD));
    say_status("dequeue.1", proxy_dequeue_shared_queue(1, WHERE, &len));
    say_status("dequeue.2", proxy_dequeue_shared_queue(1, &at, WORD));
    say_status("enqueue", proxy_enqueue_shared_queue(1, BAD, 8));
    say_status("define_metric.1", proxy_define_metric(0, BAD, 8, &word));
    say_status("define_metric.2", proxy_define_metric(0, "m", 1, WORD));
    say_status("get_metric", proxy_get_metric(1, LONG));
    say_status("redis_init.1", proxy_redis_init(BAD, 8, "", 0, "", 0, 1));
    say_status("redis_init.2", proxy_redis_init("svc", 3, BAD, 8, "", 0, 1));
    say_status("redis_init.3", proxy_redis_init("svc", 3, "", 0, BAD, 8, 1));
    say_status("redis_call.1", proxy_redis_call(BAD, 8, "*1\r\n$4\r\nPING\r\n", 14, &word));
    say_status("redis_call.2", proxy_redis_call("svc", 3, BAD, 8, &word));
    say_status("redis_call.3", proxy_redis_call("svc", 3, "*1\r\n$4\r\nPING\r\n", 14, WORD));
    say_status("inject", proxy_inject_encoded_data_to_filter_chain(BAD, 8, 0));
    say_status("upstream_hosts.1", proxy_get_upstream_hosts(WHERE, &len));
    say_status("upstream_hosts.2", proxy_get_upstream_hosts(&at, WORD));
    say_status("override_host", proxy_set_upstream_override_host(BAD, 8));
    say_status("resolve_dns.1", envoy_resolve_dns(BAD, 8, &word));
    say_status("resolve_dns.2", envoy_resolve_dns("", 0, WORD));
}

EXPORT(proxy_on_request_headers) u32 on_request_headers(u32 ctx, u32 n, u32 end)
{
    (void)ctx;
    (void)n;
    (void)end;
    done_calls();
    other_calls();
    say_status("inject nothing", proxy_inject_encoded_data_to_filter_chain("", 0, 0));
    say_status("resolve nothing", envoy_resolve_dns("", 0, &word));
    say_status("empty log", proxy_log(2, BAD, 0)); /* an empty string may be anywhere */
    say_status("pthread_equal same", pthread_equal(7, 7));
    say_status("pthread_equal other", pthread_equal(7, 8));
    emscripten_notify_memory_growth(0);
    return 0;
}
