"""One scenario for each row of docs/proxy-wasm.md that no other test shows in both places.

tests/pw/test_conformance.py runs them through `weir try` on both tiers, tests/e2e/test_conformance.py through a real nginx over HTTP/1.1 and
HTTP/2; tools/proxy-wasm-docs.py reads the names. A scenario is request headers x-CALLBACK for the guest `probe_body` (tests/guests/host/probe.c)
with, for some of its commands, the outcome as a regular expression, and lines that its log must have. The request is POST /c/GUEST?q=1 with a body
"hello", the upstream's answer has one, too."""
import re

I64 = r"0 [0-9a-f]{16}"
PROBE = "probe_body-0_2_100"
TWICE = "probe_body-0_2_1"      # two steps of it are in a row


class Row:
    """scripts: {callback: script}; expect: {command: outcome}; lines: regexes of log lines; start: they come from the start of the plugin;
    nginx: why nginx cannot show it."""

    def __init__(self, scripts, expect=None, lines=(), guest=PROBE, start=False, nginx=None, **fake):
        self.scripts, self.expect, self.lines, self.guest, self.start, self.nginx = scripts, expect or {}, list(lines), guest, start, nginx
        self.fake = fake    # more fields of the request in the file of `weir try`, where nginx has them by itself

    def check(self, lines):
        """`lines`: the plugin's log without levels, trace lines with "trace: "."""
        said = dict(line.split(" = ", 1) for line in lines if " = " in line and not line.startswith("trace: "))
        for command, outcome in self.expect.items():
            assert command in said and re.fullmatch(outcome, said[command]), (command, outcome, lines)
        for line in self.lines:
            assert any(re.fullmatch(line, seen) for seen in lines), (line, lines)


def prop(name, outcome, **fake):
    command = "prop " + name.replace(".", "~")
    return Row({"log": command}, {command: outcome}, **fake)


def number(name, value=1):
    command = "prophex " + name.replace(".", "~")
    return Row({"log": command}, {command: I64}, properties={name: value})


def text(name, value, outcome):
    return prop(name, outcome, properties={name: value})


def foreign(name, outcome, arguments="_"):
    command = f"foreign {name} {arguments}"
    return Row({"request": command}, {command: outcome})


def once(name, pattern, scripts=None, **rest):
    return Row(scripts or {}, lines=[pattern], **rest)


STARTED = {"start": True}
# Filter state of path "k" and value "v", as hexadecimal digits of the protobuf message.
KEY_VALUE = "0a016b120176"

ROWS = {
    "proxy_log": Row({"request": "log 2 hello; log 6 no"}, {"log 2 hello": "0", "log 6 no": "2"}, ["hello"]),
    "proxy_get_log_level": Row({"request": "level"}, {"level": r"0 [0-5]"}),
    "proxy_get_current_time_nanoseconds": Row({"request": "time"}, {"time": r"0 [12]\d{18}"}),
    "proxy_get_status": Row({"request": "status"}, {"status": "0 0"}),
    "proxy_set_effective_context": Row({"request": "effective @; effective 999999"}, {"effective @": "0", "effective 999999": "2"}),
    "proxy_done": Row({"request": "done"}, {"done": "1"}),
    "proxy_set_tick_period_milliseconds": Row({"request": "tick 0"}, {"tick 0": "0"}),
    "proxy_on_tick": once("", r"trace: on_tick 1", {"request": "tick 20"}, guest="probe-0_2_1", later=True),
    "proxy_send_local_response": Row({"request": "local 418 d b -1"}, {"local 418 d b -1": "0"}, [r"trace: on_response_headers \d+ \d+ 0"]),
    "proxy_continue_stream": Row({"request": "continue 0; continue 3; ret 1"}, {"continue 0": "0", "continue 3": "12"},
                                 [r"trace: on_response_headers \d+ \d+ 0"]),
    "proxy_close_stream": Row({"request": "close 9; close 0"}, {"close 9": "2", "close 0": "0"}, [r"trace: on_delete \d+"]),
    "proxy_clear_route_cache": Row({"request": "clearroute"}, {"clearroute": "0"}),
    "proxy_http_call": Row({"request": "call echo / 5000 _ then; call nobody / 5000 _ _; ret 1", "then": "effective @; continue 0"},
                           {"call echo / 5000 _ then": r"0 \d+", "call nobody / 5000 _ _": "2 77"}, callouts=[{}, {"no_service": True}]),
    "proxy_get_shared_data": Row({"request": "sget nothing; sset some text 0; sget some"}, {"sget nothing": "1.*", "sget some": "0 text.*"}),
    "proxy_increment_metric": Row({"request": "mdef 0 c; minc 4 2; minc 99996 1"}, {"minc 4 2": "0", "minc 99996 1": "1"}),
    "proxy_record_metric": Row({"request": "mdef 1 r; mrec 5 7; mrec 99997 1"}, {"mrec 5 7": "0", "mrec 99997 1": "1"}),
    "proxy_get_upstream_hosts": Row({"request": "hosts"}, {"hosts": r"0 .*\d+\.\d+\.\d+\.\d+:\d+.*"}, upstream_hosts={"127.0.0.1:80": True}),
    "proxy_set_upstream_override_host": Row({"request": "override 127.0.0.9:1"}, {"override 127.0.0.9:1": "0"}),
    "foreign clear_route_cache": foreign("clear_route_cache", "0 "),
    "foreign compress": foreign("compress", "0 78.*", "hello"),
    "set clear_route_cache": Row({"request": "setprop clear_route_cache off"}, {"setprop clear_route_cache off": "0"}),
    "proxy_continue_request": Row({"request": "continue_request; ret 1"}, {"continue_request": "0"}, [r"trace: on_response_headers \d+ \d+ 0"]),
    "proxy_continue_response": Row({"response": "continue_response; ret 1"}, {"continue_response": "0"}, [r"trace: on_response_body \d+ \d+ 1"]),
    "proxy_get_header_map_value": Row({"request": "get 0 :path; get 0 none"}, {"get 0 :path": r"0 /c/.*\?q=1", "get 0 none": "1"}),
    "proxy_add_header_map_value": Row({"request": "add 0 x-new v; get 0 x-new"}, {"add 0 x-new v": "0", "get 0 x-new": "0 v"}),
    "proxy_replace_header_map_value": Row({"request": "add 0 x-n a; replace 0 x-n b; get 0 x-n"}, {"replace 0 x-n b": "0", "get 0 x-n": "0 b"}),
    "proxy_remove_header_map_value": Row({"request": "add 0 x-n a; remove 0 x-n; get 0 x-n"}, {"remove 0 x-n": "0", "get 0 x-n": "1"}),
    "proxy_get_header_map_pairs": Row({"request": "pairs 0"}, {"pairs 0": r"0 n=\d+ .*:path=/c/.*"}),
    "proxy_set_header_map_pairs": Row({"response": "setpairs 2 :status 203 x-only v; get 2 x-only; get 2 :status"},
                                      {"setpairs 2 :status 203 x-only v": "0", "get 2 x-only": "0 v", "get 2 :status": "0 203"}),
    "proxy_get_header_map_size": Row({"request": "size 0"}, {"size 0": r"0 \d+"}),
    "proxy_get_buffer_bytes": Row({"reqbody": "buf 0 1 3"}, {"buf 0 1 3": "0 ell"}),
    "proxy_get_buffer_status": Row({"reqbody": "bufstatus 0"}, {"bufstatus 0": "0 5 0"}),
    "proxy_set_buffer_bytes": Row({"reqbody": "setbuf 0 0 99 new; buf 0 0 9"}, {"setbuf 0 0 99 new": "0", "buf 0 0 9": "0 new"}),
    "proxy_get_configuration": Row({}, lines=[r"conf = 0 .*"], **STARTED),
    "proxy_get_property": Row({"request": "prop plugin_name; prop no~such"}, {"prop plugin_name": "0 .+", "prop no~such": "1"}),
    "proxy_set_property": Row({"request": "setprop a b; prop a"}, {"setprop a b": "0", "prop a": "0 b"}),
    "proxy_set_shared_data": Row({"request": "sset key value 0; sget key"}, {"sset key value 0": "0", "sget key": "0 value.*"}),
    "proxy_register_shared_queue": Row({"request": "qreg one"}, {"qreg one": r"0 \d+"}),
    "proxy_resolve_shared_queue": Row({"request": "qreg two; qres _ two; qres _ none"}, {"qres _ two": r"0 \d+", "qres _ none": "1.*"}),
    "proxy_dequeue_shared_queue": Row({"request": "deq 999999"}, {"deq 999999": "1.*"}),
    "proxy_define_metric": Row({"request": "mdef 0 m; mdef 3 m"}, {"mdef 0 m": r"0 \d+", "mdef 3 m": "2.*"}),
    "proxy_get_metric": Row({"request": "mdef 1 g; mget 5; mget 99997"}, {"mget 5": r"0 \d+", "mget 99997": "1.*"}),
    "proxy_call_foreign_function": Row({"request": "foreign nope x"}, {"foreign nope x": "1 "}),
    "pthread_equal": once("", "pthread_equal same=1", guest="bad_pointers"),
    "emscripten_notify_memory_growth": once("", "pthread_equal other=0", guest="bad_pointers"),
    "abort": once("", r".*oops.*a\.ts.*", guest="abort"),
    "malloc": Row({"request": "get 0 :path"}, {"get 0 :path": "0 /c/.*"}),
    "proxy_on_memory_allocate": once("", r"count=\d+", guest="old"),
    "proxy_on_context_create": once("", r"trace: on_context_create \d+ [1-9]\d*"),
    "proxy_on_vm_start": once("", r"trace: on_vm_start 1 \d+", **STARTED),
    "proxy_on_configure": once("", r"trace: on_configure 1 \d+", **STARTED),
    "proxy_on_request_headers": once("", r"trace: on_request_headers \d+ \d+ 0"),
    "proxy_on_response_headers": once("", r"trace: on_response_headers \d+ \d+ 0"),
    "proxy_on_request_body": once("", r"trace: on_request_body \d+ 5 [01]"),
    "proxy_on_response_body": once("", r"trace: on_response_body \d+ \d+ 1"),
    # nginx shows no trailers of upstreams, so one step makes them and the other sees them.
    "proxy_on_request_trailers": once("", r"trace: on_request_trailers \d+ 1", {"reqbody": "add 1 x-t v|add 1 x-t v"}, guest=TWICE,
                                      nginx="nginx takes no trailers from clients and sends none to upstreams"),
    "proxy_on_response_trailers": once("", r"trace: on_response_trailers \d+ 1", {"respbody": "add 3 x-t v|add 3 x-t v"}, guest=TWICE),
    "proxy_on_http_call_response": once("", r"trace: on_http_call_response 1 \d+ [1-9]\d* \d+ 0",
                                        {"request": "call echo / 5000 _ then; ret 1", "then": "effective @; continue 0"}, callouts=[{"body": "b"}]),
    "proxy_on_done": once("", r"trace: on_done \d+", {"done": "ret 0"}),
    "proxy_on_log": once("", r"trace: on_log \d+"),
    "proxy_on_delete": once("", r"trace: on_delete \d+"),
    "request.path": prop("request.path", r"0 /c/.*\?q=1"),
    "request.url_path": prop("request.url_path", r"0 /c/[^?]*"),
    "request.query": prop("request.query", "0 q=1"),
    "request.host": prop("request.host", "0 .+"),
    "request.scheme": prop("request.scheme", "0 http"),
    "request.method": prop("request.method", "0 POST"),
    "request.referer": prop("request.referer", "0 http://from.example/"),
    "request.useragent": prop("request.useragent", "0 agent"),
    "request.headers": Row({"log": "prop request~headers~user-agent"}, {"prop request~headers~user-agent": "0 agent"}),
    "response.headers": Row({"log": "prop response~headers~:status"}, {"prop response~headers~:status": "0 200"}),
    "request.id": text("request.id", "rid", "0 rid"),
    "x_request_id": text("x_request_id", "rid", "0 rid"),
    "request.trailers": prop("request.trailers", "1"),
    "response.trailers": prop("response.trailers", "1"),
    "request.protocol": text("request.protocol", "HTTP/1.1", r"0 HTTP/(1\.1|2)"),
    "response.code_details": text("response.code_details", "via_upstream", "0 via_upstream"),
    **{name: number(name) for name in [
        "request.time", "request.duration", "request.size", "request.total_size", "response.code", "response.flags", "response.size",
        "response.total_size", "source.port", "destination.port", "connection.id", "connection_id", "upstream.port", "xds.listener_direction",
        "listener_direction"]},
    **{name: text(name, "127.0.0.1:9", r"0 127\.0\.0\.1:\d+") for name in ["source.address", "destination.address", "upstream.address"]},
    "connection.mtls": Row({"log": "prophex connection~mtls"}, {"prophex connection~mtls": "0 00"}, properties={"connection.mtls": False}),
    "connection.requested_server_name": text("connection.requested_server_name", "", "0 (null)?"),
    "connection.tls_version": prop("connection.tls_version", "1"),
    **{f"connection.{name}": prop(f"connection.{name}", "1") for name in [
        "subject_peer_certificate", "subject_local_certificate", "dns_san_peer_certificate", "dns_san_local_certificate", "uri_san_peer_certificate",
        "uri_san_local_certificate", "sha256_peer_certificate_digest"]},
    **{name: text(name, "a-route", "0 a-route") for name in ["xds.route_name", "route_name"]},
    **{name: text(name, "outbound|80||echo.static", r"0 outbound\|\d+\|\|echo\.static") for name in ["xds.cluster_name", "cluster_name"]},
    "plugin_name": prop("plugin_name", "0 .+"),
    "plugin_root_id": prop("plugin_root_id", "0 ?(null)?"),
    "plugin_vm_id": prop("plugin_vm_id", "0 ?(null)?"),
    "plugin_vm_memory": Row({"log": "prophex plugin_vm_memory"}, {"prophex plugin_vm_memory": I64}),
    "filter_state": Row({"request": f"foreignhex set_envoy_filter_state {KEY_VALUE}; prop filter_state~k"}, {"prop filter_state~k": "0 v"}),
    "set any name": Row({"request": "setprop any~name v; prop any~name"}, {"prop any~name": "0 v"}),
    "set wasm_need_rebuild": Row({"request": "setprop wasm_need_rebuild true"}, {"setprop wasm_need_rebuild true": "0"}),
    "set custom_log, ai_log, trace_span_tag.NAME, x_request_id": Row({"request": "setprop custom_log v; prop custom_log"}, {"prop custom_log": "0 v"}),
    "foreign get_log_level": foreign("get_log_level", r"0 0[0-5]000000"),
    "foreign set_envoy_filter_state": Row({"request": f"foreignhex set_envoy_filter_state {KEY_VALUE}"},
                                          {"foreignhex set_envoy_filter_state": "0 "}),
    "foreign declare_property": foreign("declare_property", "0 "),
    "foreign set_global_max_requests_per_io_cycle": foreign("set_global_max_requests_per_io_cycle", "0 ", "12345678"),
    "foreign uncompress": foreign("uncompress", "3 ", "nonsense"),
    "foreign sign": foreign("sign", r"0 [0-9a-f]+"),
    "foreign verify_signature": foreign("verify_signature", r"0 [0-9a-f]+"),
    "foreign expr_create, expr_evaluate, expr_delete": foreign("expr_create", "1 "),
}
