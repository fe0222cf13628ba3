/* abi.h - the imports as they are on the wire, Proxy-Wasm 0.2.1 and Higress's, for the SDK's own files.
 *
 * In a guest every function is imported from module "env".  In a native build (unit tests, benches) the same
 * names are ordinary functions that a fake host defines.  Pointers and sizes are the guest's own.
 * A function imported by no linked object does not appear in the module, so a plugin needs
 * from its host only what it uses. */
#ifndef WEIR_SDK_ABI_H
#define WEIR_SDK_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define WP_IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#else
#define WP_IMPORT(name)
#endif

WP_IMPORT(proxy_log)
uint32_t proxy_log(uint32_t level, const char *line, size_t line_len);
WP_IMPORT(proxy_get_log_level)
uint32_t proxy_get_log_level(uint32_t *level);

WP_IMPORT(proxy_get_current_time_nanoseconds)
uint32_t proxy_get_current_time_nanoseconds(uint64_t *ns);
WP_IMPORT(proxy_set_tick_period_milliseconds)
uint32_t proxy_set_tick_period_milliseconds(uint32_t period_ms);

WP_IMPORT(proxy_get_property)
uint32_t proxy_get_property(const char *path, size_t path_len, char **value, size_t *value_len);
WP_IMPORT(proxy_set_property)
uint32_t proxy_set_property(const char *path, size_t path_len, const char *value, size_t value_len);

WP_IMPORT(proxy_get_header_map_value)
uint32_t proxy_get_header_map_value(uint32_t map, const char *name, size_t name_len, char **value,
                                    size_t *value_len);
WP_IMPORT(proxy_add_header_map_value)
uint32_t proxy_add_header_map_value(uint32_t map, const char *name, size_t name_len, const char *value,
                                    size_t value_len);
WP_IMPORT(proxy_replace_header_map_value)
uint32_t proxy_replace_header_map_value(uint32_t map, const char *name, size_t name_len, const char *value,
                                        size_t value_len);
WP_IMPORT(proxy_remove_header_map_value)
uint32_t proxy_remove_header_map_value(uint32_t map, const char *name, size_t name_len);
WP_IMPORT(proxy_get_header_map_pairs)
uint32_t proxy_get_header_map_pairs(uint32_t map, char **data, size_t *data_len);
WP_IMPORT(proxy_set_header_map_pairs)
uint32_t proxy_set_header_map_pairs(uint32_t map, const char *data, size_t data_len);

WP_IMPORT(proxy_get_buffer_bytes)
uint32_t proxy_get_buffer_bytes(uint32_t buffer, size_t start, size_t max_len, char **data, size_t *data_len);
WP_IMPORT(proxy_set_buffer_bytes)
uint32_t proxy_set_buffer_bytes(uint32_t buffer, size_t start, size_t len, const char *data, size_t data_len);

WP_IMPORT(proxy_send_local_response)
uint32_t proxy_send_local_response(uint32_t status, const char *details, size_t details_len, const char *body,
                                   size_t body_len, const char *headers, size_t headers_len,
                                   int32_t grpc_status);
WP_IMPORT(proxy_continue_stream)
uint32_t proxy_continue_stream(uint32_t stream_type);
WP_IMPORT(proxy_close_stream)
uint32_t proxy_close_stream(uint32_t stream_type);

WP_IMPORT(proxy_http_call)
uint32_t proxy_http_call(const char *service, size_t service_len, const char *headers, size_t headers_len,
                         const char *body, size_t body_len, const char *trailers, size_t trailers_len,
                         uint32_t timeout_ms, uint32_t *token);
WP_IMPORT(proxy_get_status)
uint32_t proxy_get_status(uint32_t *code, char **message, size_t *message_len);

WP_IMPORT(proxy_get_shared_data)
uint32_t proxy_get_shared_data(const char *key, size_t key_len, char **value, size_t *value_len,
                               uint32_t *version);
WP_IMPORT(proxy_set_shared_data)
uint32_t proxy_set_shared_data(const char *key, size_t key_len, const char *value, size_t value_len,
                               uint32_t version);
WP_IMPORT(proxy_register_shared_queue)
uint32_t proxy_register_shared_queue(const char *name, size_t name_len, uint32_t *queue);
WP_IMPORT(proxy_resolve_shared_queue)
uint32_t proxy_resolve_shared_queue(const char *vm_id, size_t vm_id_len, const char *name, size_t name_len,
                                    uint32_t *queue);
WP_IMPORT(proxy_enqueue_shared_queue)
uint32_t proxy_enqueue_shared_queue(uint32_t queue, const char *data, size_t data_len);
WP_IMPORT(proxy_dequeue_shared_queue)
uint32_t proxy_dequeue_shared_queue(uint32_t queue, char **data, size_t *data_len);

WP_IMPORT(proxy_define_metric)
uint32_t proxy_define_metric(uint32_t type, const char *name, size_t name_len, uint32_t *metric);
WP_IMPORT(proxy_increment_metric)
uint32_t proxy_increment_metric(uint32_t metric, int64_t delta);
WP_IMPORT(proxy_record_metric)
uint32_t proxy_record_metric(uint32_t metric, uint64_t value);
WP_IMPORT(proxy_get_metric)
uint32_t proxy_get_metric(uint32_t metric, uint64_t *value);

/* Higress's. */
WP_IMPORT(proxy_redis_init)
uint32_t proxy_redis_init(const char *service, size_t service_len, const char *username, size_t username_len,
                          const char *password, size_t password_len, uint32_t timeout_ms);
WP_IMPORT(proxy_redis_call)
uint32_t proxy_redis_call(const char *service, size_t service_len, const char *query, size_t query_len,
                          uint32_t *token);

WP_IMPORT(proxy_set_effective_context)
uint32_t proxy_set_effective_context(uint32_t id);

#endif
