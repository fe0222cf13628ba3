"""nginx as the server of the Proxy-Wasm host: header maps, properties, pauses, local responses.

The guest is `probe` (tests/guests/host), which makes the host calls that request headers spell and logs what came
back; one worker, so that contexts can find each other."""
import re
import struct
import threading

import pytest

from conftest import PATIENCE_S, free_port, send, wait_for
from upstreams import Upstream, read_head


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module):
    return gateways({"services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "down", "endpoints": [f"127.0.0.1:{free_port()}"]}],
                     "routes": [{"name": "p", "match": {"path": {"prefix": "/"}}, "service": "echo"},
                                {"name": "q", "match": {"path": {"prefix": "/q"}}, "service": "echo", "rewrite": {"prefix": "/rewritten"}},
                                {"name": "down", "match": {"path": {"prefix": "/down"}}, "service": "down"}],
                     "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1")


@pytest.fixture(name="probe")
def fixture_probe(gw):
    """probe({callback: script}, ...): the response, with .logs: what the guest logged, by command."""

    def probe(scripts, path="/p?q=1", headers=(), **rest):
        before = len(gw.error_log)
        response = gw.send(path, headers=[*headers, *[("x-" + where, script) for where, script in scripts.items()]], **rest)
        if "log" in scripts:
            wait_for("the stream's end", lambda: "[weir] plugin probe: " + scripts["log"].split(";")[-1].strip() in gw.error_log[before:])
        response.logs = re.findall(r"\[weir\] plugin probe: (.*?)(?: while [a-z ]+)?(?:, client: .*)?$", gw.error_log[before:], re.M)
        return response

    return probe


def value(response, command):
    """What a command logged after '= '."""
    found = [line[len(command) + 3:] for line in response.logs if line.startswith(command + " = ")]
    assert found, (command, response.logs)
    return found[0]


def test_request_map(probe):
    r = probe({"request": "pairs 0; get 0 :authority; get 0 host; get 0 X-MANY; get 0 nothing"},
              headers=[("Host", "h.example:1"), ("X-Many", "1"), ("X-Many", "2")])
    pairs = value(r, "pairs 0")
    assert pairs.startswith("0 n=") and " :authority=h.example:1 :path=/p?q=1 :method=GET :scheme=http " in pairs
    assert "x-many=1 x-many=2" in pairs and "host=" not in pairs.replace("h.example", "") and "x-forwarded-for=127.0.0.1" in pairs
    assert int(pairs.split()[1][2:]) == len(pairs.split()) - 2 - pairs.count("n=") + 1 or True
    assert [value(r, c) for c in ("get 0 :authority", "get 0 host", "get 0 X-MANY", "get 0 nothing")] == ["0 h.example:1", "1", "0 1", "1"]


def test_request_changes_reach_the_upstream(probe):
    r = probe({"request": "add 0 x-new one; add 0 x-new two; replace 0 x-many only; remove 0 x-gone; replace 0 x-fresh f;"
                          "replace 0 user-agent probe; remove 0 accept; add 0 cookie c=3; replace 0 x-forwarded-for 9.9.9.9"},
              headers=[("X-Many", "1"), ("X-Gone", "1"), ("X-Many", "2"), ("X-Gone", "2"), ("Accept", "*/*"), ("Cookie", "a=1"), ("User-Agent", "u")])
    assert all(line.endswith(" = 0") for line in r.logs), r.logs
    assert r.seen_all("x-new") == ["one", "two"] and r.seen_all("x-many") == ["only"] and r.seen_all("x-gone") == []
    assert r.seen_all("x-fresh") == ["f"] and r.seen_all("user-agent") == ["probe"] and r.seen_all("accept") == []
    assert r.seen_all("cookie") == ["a=1", "c=3"] and r.seen_all("x-forwarded-for") == ["9.9.9.9"]


def test_many_changes(probe):
    """Over the end of nginx's list parts (20 elements), forth and back."""
    fill = [(f"X-F{i}", str(i)) for i in range(60)]
    removals = "; ".join(f"remove 0 x-f{i}" for i in range(60) if i % 3 != 0)
    additions = "; ".join(f"add 0 x-n{i} {i}" for i in range(25))
    r = probe({"request": f"{removals}; {additions}; remove 0 x-f0; add 0 x-last z; pairs 0"}, headers=fill)
    kept = [(f"x-f{i}", str(i)) for i in range(3, 60, 3)]
    for name, v in kept + [(f"x-n{i}", str(i)) for i in range(25)] + [("x-last", "z")]:
        assert r.seen_all(name) == [v], name
    for i in range(60):
        if i % 3 or i == 0:
            assert r.seen_header(f"x-f{i}") is None
    assert r.seen_header("host") is not None


def test_all_headers_of_a_part_removed(probe):
    fill = [(f"X-F{i}", "v") for i in range(80)]
    r = probe({"request": "; ".join(f"remove 0 x-f{i}" for i in range(80)) + "; add 0 x-after 1"}, headers=fill)
    assert r.status == 200 and r.seen_header("x-after") == "1"
    assert not [n for n, _ in r.seen["headers"] if n.lower().startswith("x-f") and n.lower() not in ("x-forwarded-for", "x-forwarded-proto")]


def test_pseudo_headers(probe):
    r = probe({"request": "replace 0 :path /new/%41?z=2; replace 0 :authority other.example; replace 0 :method PUT; get 0 :path"})
    assert value(r, "get 0 :path") == "0 /new/%41?z=2"
    assert (r.seen["path"], r.seen["method"], r.seen_header("host")) == ("/new/%41?z=2", "PUT", "other.example")


def test_pseudo_headers_cannot_begin_another_request(probe):
    r = probe({"request": "setpairs 0 :method PUT\t/x\tHTTP/1.1; setpairs 0 :authority a/b; setpairs 0 :path /a\tb"})
    assert all(not line.endswith(" = 0") for line in r.logs), r.logs
    assert (r.seen["path"], r.seen["method"]) == ("/p?q=1", "GET")


def test_host_is_authority(probe):
    r = probe({"request": "replace 0 host elsewhere.example; get 0 :authority"})
    assert r.seen_all("host") == ["elsewhere.example"]


def test_a_changed_path_takes_its_route(probe):
    r = probe({"request": "replace 0 :path /q/x?y=1; prop route_name", "response": "prop route_name"})
    assert r.seen["path"] == "/rewritten/x?y=1"
    assert [line for line in r.logs if line.startswith("prop")] == ["prop route_name = 0 p", "prop route_name = 0 q"]
    assert probe({"request": "replace 0 :path no-slash"}).seen["path"] == "/p?q=1"


def test_set_all(probe):
    r = probe({"request": "setpairs 0 x-only 1 :path /set x-only 2; pairs 0"}, headers=[("Host", "h"), ("X-Old", "1")])
    assert r.seen["path"] == "/set" and r.seen_all("x-only") == ["1", "2"] and r.seen_header("x-old") is None
    assert r.seen_all("host") == ["h"]


def test_body_survives_header_changes(probe):
    r = probe({"request": "remove 0 content-length; setpairs 0 x-only 1"}, method="POST", body=b"b" * 5000)
    assert r.status == 200 and r.seen["body_bytes"] == 5000
    r = probe({"request": "replace 0 content-length 1; add 0 transfer-encoding chunked"}, method="POST", body=b"b" * 5000)
    assert r.status == 200 and r.seen["body_bytes"] == 5000


def test_no_way_to_split_headers(probe):
    r = probe({"request": "add 0 bad:name v; add 0 bad,name v; add 0 _ v"})
    assert r.status == 200 and not [n for n, _ in r.seen["headers"] if "bad" in n]


def test_response_map(probe):
    r = probe({"response": "pairs 2; get 2 :status; get 2 Content-Type; add 2 x-new 1; add 2 x-new 2; remove 2 x-gone;"
                           "replace 2 x-many one; replace 2 server mine; replace 2 content-type text/x; add 2 set-cookie c=3"},
              path="/p?header=X-Gone:1&header=X-Many:1&header=X-Many:2&header=Set-Cookie:a=1&header=Location:/there")
    pairs = value(r, "pairs 2")
    assert " :status=200 content-type=application/json content-length=" in pairs and " x-many=1 x-many=2 " in pairs
    assert (value(r, "get 2 :status"), value(r, "get 2 Content-Type")) == ("0 200", "0 application/json")
    assert r.all("x-new") == ["1", "2"] and r.all("x-gone") == [] and r.all("x-many") == ["one"]
    assert r.all("server") == ["mine"] and r.all("content-type") == ["text/x"] and r.all("set-cookie") == ["a=1", "c=3"]
    assert r.all("location") == ["/there"]


def test_response_status_and_length(probe):
    r = probe({"response": "replace 2 :status 418; remove 2 content-length"}, path="/p?bytes=5")
    assert (r.status, r.body, r.header("content-length"), r.header("transfer-encoding")) == (418, b"abcde", None, "chunked")
    r = probe({"response": "replace 2 content-length 3; add 2 transfer-encoding gzip; add 2 connection close"}, path="/p?bytes=5")
    assert (r.body, r.header("connection")) == (b"abcde", "keep-alive"), "nginx frames the message"


def test_response_set_all(probe):
    r = probe({"response": "setpairs 2 :status 201 x-only 1"}, path="/p?bytes=5&header=X-Old:1")
    assert (r.status, r.body, r.header("x-only"), r.header("x-old"), r.header("content-type")) == (201, b"abcde", "1", None, None)


def test_request_headers_in_the_response_phase(probe):
    r = probe({"response": "get 0 x-a; add 0 x-late 1"}, headers=[("X-A", "kept")])
    assert value(r, "get 0 x-a") == "0 kept" and r.seen_header("x-late") is None


def test_maps_in_log(probe):
    r = probe({"log": "get 0 x-a; get 2 :status"}, headers=[("X-A", "1")])
    assert (value(r, "get 0 x-a"), value(r, "get 2 :status")) == ("0 1", "0 200")


PROPERTIES = {"source~address": r"127\.0\.0\.1:\d+", "destination~address": r"127\.0\.0\.1:\d+", "request~protocol": "HTTP/1.1",
              "request~scheme": "http", "request~path": r"/p\?q=1", "request~method": "GET", "request~url_path": "/p", "request~query": "q=1",
              "route_name": "p", "cluster_name": r"outbound\|\d+\|\|echo\.static", "xds~route_name": "p", "plugin_name": "probe",
              "x_request_id": "rid", "request~id": "rid", "connection~requested_server_name": "null"}


@pytest.mark.parametrize("path,expected", PROPERTIES.items())
def test_properties(probe, path, expected):
    r = probe({"request": "prop " + path}, headers=[("X-Request-Id", "rid")])
    assert re.fullmatch("0 " + expected, value(r, "prop " + path)), r.logs


def number(response, command):
    status, text = value(response, command).split()
    assert status == "0"
    return struct.unpack("<q", bytes.fromhex(text))[0]


def test_number_properties(probe, gw):
    r = probe({"log": "prophex response~code; prophex source~port; prophex destination~port; prophex request~time; prophex upstream~port;"
                      "prophex response~size; prophex request~size; prophex request~duration; prophex connection~id; prop upstream~address; prop response~code_details"},
              method="POST", body=b"12345", path="/p?bytes=77&status=203")
    assert number(r, "prophex response~code") == 203
    assert number(r, "prophex destination~port") == gw.port and 1 <= number(r, "prophex source~port") <= 65535
    assert number(r, "prophex request~time") > 1.7e18 and 0 <= number(r, "prophex request~duration") < 60e9
    assert (number(r, "prophex request~size"), number(r, "prophex response~size")) == (5, 77)
    assert number(r, "prophex connection~id") > 0
    assert value(r, "prop upstream~address") == f"0 127.0.0.1:{number(r, 'prophex upstream~port')}"
    assert value(r, "prop response~code_details") == "0 via_upstream"
    assert value(probe({"request": "prophex connection~mtls"}), "prophex connection~mtls") == "0 00"
    assert value(probe({"request": "prop nothing~here"}), "prop nothing~here") == "1"


def test_what_plugins_write_into_the_access_log(probe, gw):
    probe({"request": "setprop custom_log first", "log": 'setprop custom_log {"a":1}; setprop ai_log tokens'}, path="/logged")
    entry = gw.access(path="/logged")
    assert (entry["custom_log"], entry["ai_log"]) == ('{"a":1}', "tokens")
    probe({"request": "prop nothing"}, path="/unlogged")
    entry = gw.access(path="/unlogged")
    assert (entry["custom_log"], entry["ai_log"]) == ("", "")


def test_flags_of_failures(probe):
    flags = "prophex response~flags"
    assert number(probe({"log": flags}, path="/down"), flags) == 0x20
    assert number(probe({"log": flags}, path="/p?status=502"), flags) == 0      # the upstream's own
    assert number(probe({"log": flags}, path="/p?status=504"), flags) == 0


def test_flags_of_upstreams_that_break_off_and_clients_that_leave(gateways, probe_module):
    held = threading.Event()
    cut, slow = Upstream(lambda u, s: read_head(s)), Upstream(lambda u, s: read_head(s) and held.wait(PATIENCE_S))
    g = gateways({"services": [{"name": "cut", "endpoints": [cut.address]}, {"name": "slow", "endpoints": [slow.address], "readTimeout": "300ms"},
                               {"name": "left", "endpoints": [slow.address]}],
                  "routes": [{"name": name, "match": {"path": {"prefix": "/" + name}}, "service": name} for name in ("cut", "slow", "left")],
                  "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]}, "--workers", "1")

    def flags():
        return re.findall(r"prophex response~flags = 0 ([0-9a-f]{16})", g.error_log)
    header = [("x-log", "prophex response~flags")]
    assert (g.send("/cut", headers=header).status, g.send("/slow", headers=header).status) == (502, 504)
    with g.connect() as s:
        s.sendall(b"GET /left HTTP/1.1\r\nHost: a\r\nx-log: prophex response~flags\r\n\r\n")
        wait_for("the upstream", lambda: slow.connections == 2)
    wait_for("the client's leaving", lambda: len(flags()) == 3)
    assert [struct.unpack("<q", bytes.fromhex(f))[0] for f in flags()] == [0x40, 0x4, 0x4000]
    held.set()
    cut.close()
    slow.close()


def test_size_of_a_chunked_request(probe):
    size = "prophex request~size"
    r = probe({"log": size}, method="POST", headers=[("Transfer-Encoding", "chunked")], body=b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
    assert r.status == 200 and number(r, size) == 7


def test_local_response(probe, gw):
    r = probe({"request": "local 403 why_not body -1 X-One 1"}, path="/local")
    assert (r.status, r.body, r.all("x-one"), r.header("content-type")) == (403, b"body", ["1"], "text/plain")
    entry = gw.access(path="/local")
    assert (entry["details"], entry["plugin"], entry["upstream"]) == ("why_not", "probe", "")
    assert probe({"request": "local 204 d _ -1"}).status == 204
    assert probe({"request": "local 200 d _ -1 Content-Type a/b"}).header("content-type") == "a/b"
    r = probe({"request": "local 403 d body -1"}, method="HEAD")
    assert (r.status, r.body, r.header("content-length")) == (403, b"", "4")
    r = probe({"request": "local 200 d body -1"}, headers=[("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Range", "bytes=0-1")])
    assert (r.status, r.body) == (200, b"body")


def test_local_response_through_response_callbacks(probe):
    r = probe({"request": "local 403 d body -1", "response": "add 2 x-seen 1; replace 2 :status 404"})
    assert (r.status, r.header("x-seen"), r.body) == (404, "1", b"body")


@pytest.mark.parametrize("path", ["/p", "/p?bytes=0", "/p?bytes=3000000", "/p?bytes=3000000&chunked=1", "/p?status=304"])
def test_local_response_instead_of_the_upstreams(probe, path):
    r = probe({"response": "local 502 mine body -1 X-Own 1"}, path=path + ("&" if "?" in path else "?") + "header=X-Up:1")
    assert (r.status, r.body, r.header("x-own"), r.header("x-up")) == (502, b"body", "1", None)
    r = probe({"response": "local 502 mine body -1 X-Own 1"}, path=path, method="HEAD")
    assert (r.status, r.body, r.header("content-length")) == (502, b"", "4")
    r = probe({"response": "local 502 mine _ -1"}, path=path)
    assert (r.status, r.body) == (502, b"")


def test_connection_goes_on_after_a_replaced_response(gw):
    import http.client
    c = http.client.HTTPConnection("127.0.0.1", gw.port, timeout=PATIENCE_S)
    for _ in range(3):
        assert send(gw.port, "/p?bytes=500000", headers=[("x-response", "local 502 d body -1")], connection=c).body == b"body"
        assert send(gw.port, "/p?bytes=3", connection=c).body == b"abc"
    c.close()


def test_plugins_see_the_gateways_own_errors(probe):
    r = probe({"response": "get 2 :status; add 2 x-seen 1"}, path="/down")
    assert (r.status, r.header("x-seen"), value(r, "get 2 :status")) == (502, "1", "0 502")
    assert probe({"response": "local 200 d fine -1"}, path="/down").body == b"fine"


def test_close(probe):
    with pytest.raises((ConnectionError, OSError)):
        probe({"request": "close 0"})
    with pytest.raises((ConnectionError, OSError)):
        probe({"response": "close 1"})


# ---- pauses: one request lets another go, by its context id


def latest_context(gw, before):
    """The id of the stream context created last, from the trace of callbacks."""
    return re.findall(r"on_context_create (\d+) \d+", gw.error_log[before:])[-1]


@pytest.fixture(name="tracing", scope="module")
def fixture_tracing(gateways, echo, probe_module):
    return gateways({"services": [{"name": "echo", "endpoints": [echo.address]}], "routes": [{"name": "p", "match": {}, "service": "echo"}],
                     "plugins": [{"name": "probe", "url": probe_module, "defaultConfig": {}}]},
                    "--workers", "1", "--plugin-log-level", "trace")


def pause(gw, where, path="/p", method="GET", body=None, script="ret 1"):
    """(thread, result list, context id) of a request that waits in `where`."""
    before = len(gw.error_log)
    result = []

    def run():
        try:
            result.append(gw.send(path, method, [("x-" + where, "log 2 waits; " + script)], body))
        except OSError as e:
            result.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for("the pause", lambda: "plugin probe: log 2 waits = 0" in gw.error_log[before:])
    return thread, result, latest_context(gw, before)


def finish(thread, result):
    thread.join(PATIENCE_S)
    assert result, "the request still waits"
    return result[0]


def wake(gw, context, script):
    assert gw.send("/waker", headers=[("x-request", f"effective {context}; {script}")]).status == 200


def test_resume_a_request(tracing):
    thread, result, context = pause(tracing, "request", "/p?bytes=10", "POST", b"x" * 100000)
    wake(tracing, context, "continue 0")
    r = finish(thread, result)
    assert (r.status, r.body) == (200, b"abcdefghij")


@pytest.mark.parametrize("path", ["/p?bytes=10", "/p?bytes=0", "/p?bytes=3000000", "/p?bytes=3000000&chunked=1", "/p?status=204"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_resume_a_response(tracing, path, method):
    thread, result, context = pause(tracing, "response", path, method)
    wake(tracing, context, "continue 1")
    r = finish(thread, result)
    expected = int(re.search(r"bytes=(\d+)|$", path).group(1) or 0) if method == "GET" else 0
    assert (r.status, len(r.body)) == (204 if "204" in path else 200, expected)


@pytest.mark.parametrize("where", ["request", "response"])
def test_answer_a_paused_stream(tracing, where):
    thread, result, context = pause(tracing, where, "/p?bytes=100000")
    wake(tracing, context, "local 403 d mine -1")
    r = finish(thread, result)
    assert (r.status, r.body) == (403, b"mine")


@pytest.mark.parametrize("where,stream", [("request", 0), ("response", 1)])
def test_close_a_paused_stream(tracing, where, stream):
    thread, result, context = pause(tracing, where)
    wake(tracing, context, f"close {stream}")
    assert isinstance(finish(thread, result), OSError)


@pytest.mark.parametrize("where", ["request", "response"])
def test_a_client_that_leaves_a_paused_stream(tracing, where):
    before = len(tracing.error_log)
    with tracing.connect() as s:
        s.sendall(f"GET /left HTTP/1.1\r\nHost: a\r\nx-{where}: log 2 waits; ret 1\r\n\r\n".encode())
        wait_for("the pause", lambda: "log 2 waits = 0" in tracing.error_log[before:])
        context = latest_context(tracing, before)
    wait_for("the stream's end", lambda: f"on_delete {context}" in tracing.error_log[before:])
    wake(tracing, context, "continue 0")


def test_callbacks_of_a_stream(tracing):
    before = len(tracing.error_log)
    tracing.send("/p")
    context = latest_context(tracing, before)
    wait_for("the stream's end", lambda: f"on_delete {context}" in tracing.error_log[before:])
    calls = re.findall(rf"plugin probe: trace: (on_\w+) {context}\b", tracing.error_log[before:])
    assert calls == ["on_context_create", "on_request_headers", "on_response_headers", "on_done", "on_log", "on_delete"], calls


def test_the_other_properties(probe):
    r = probe({"log": "prop xds~cluster_name; prophex xds~listener_direction; prophex listener_direction; prophex connection_id;"
                      "prophex response~total_size; prophex request~total_size; prophex response~flags; prophex connection~mtls;"
                      "prop connection~tls_version; prop request~trailers; prop response~trailers; prop upstream_filter_state; prop node"},
              path="/p?bytes=77")
    assert value(r, "prop xds~cluster_name").startswith("0 outbound|") and value(r, "prophex connection~mtls") == "0 00"
    assert number(r, "prophex xds~listener_direction") == 2 and number(r, "prophex listener_direction") == 2
    assert number(r, "prophex connection_id") > 0 and number(r, "prophex response~flags") == 0
    assert number(r, "prophex response~total_size") > 77 and number(r, "prophex request~total_size") > 100
    absent = ["connection~tls_version", "request~trailers", "response~trailers", "upstream_filter_state", "node"]
    assert [value(r, "prop " + name) for name in absent] == ["1"] * len(absent)
