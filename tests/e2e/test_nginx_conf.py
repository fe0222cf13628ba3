"""The chain of plugins in an nginx.conf that somebody wrote: `weir_state`, `weir_plugins`, `weir_route`.

nginx is started by the tests as its owner would start it; `weir run --attach` is beside it, or was, or comes later."""
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import BAD, BUILD, GUESTS, PATIENCE_S, SANITIZED, WEIR, Process, free_port, send, title, wait_for
from upstreams import Upstream, read_exactly, read_head

NGINX = "/usr/sbin/nginx"
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
RUNTIME = subprocess.run(["clang-19", "-print-file-name=libclang_rt.asan-x86_64.so"], capture_output=True, text=True, check=False).stdout.strip() \
    if SANITIZED else None

CONF = """
load_module {stream};
load_module {module};
user {user};
worker_processes 2;
env LD_PRELOAD; env ASAN_OPTIONS;
pid {dir}/nginx.pid;
error_log {dir}/error.log notice;
events {{ worker_connections 256; }}
http {{
    weir_state {state};
    weir_plugin_log_level trace;
    log_format w '$uri $status route=$weir_route service=$weir_service plugin=$weir_plugin details=$weir_details';
    access_log {dir}/access.log w;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    upstream theirs {{ server {echo}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        server_name _;
        root {dir}/www;
        location / {{ }}
        location /plain {{ proxy_pass http://theirs; }}
        location /one {{ weir_plugins on; weir_route one; proxy_pass http://theirs; }}
        location /two {{ weir_plugins on; weir_route two; weir_service orders; proxy_pass http://theirs; }}
        location /late {{ weir_plugins on; weir_route one; weir_phase access; deny all; }}
        location /files/ {{ weir_plugins on; weir_route one; }}
        location /tried {{ weir_plugins on; weir_route one; try_files /nothing /files/a.txt; }}
        location /fallback {{ weir_plugins on; weir_route one; try_files /nothing @named; }}
        location @named {{ weir_plugins on; weir_route two; proxy_pass http://theirs; }}
        location /return {{ weir_plugins on; weir_route one; return 200 "returned\\n"; }}
        location /failing {{ weir_plugins on; weir_route one; return 502 "their own page\\n"; }}
        location /down {{ weir_plugins on; weir_route one; proxy_pass http://127.0.0.1:{down}; error_page 502 /files/a.txt; }}
        location /status {{ weir_status; }}
        {more}
    }}
}}
"""


class Nginx:
    """An nginx of somebody's, with a folder of its own."""

    def __init__(self, folder, echo, state, more=""):
        self.dir, self.port, self.allowed = str(folder), free_port(), []
        os.chmod(folder, 0o755)
        os.makedirs(self.dir + "/www/files")
        with open(self.dir + "/www/files/a.txt", "w", encoding="ascii") as f:
            f.write("a file\n" * 1000)
        self.values = {"stream": STREAM, "module": os.path.join(BUILD, "ngx_http_weir_module.so"), "dir": self.dir, "state": state,
                       "user": "root" if SANITIZED else "www-data", "echo": echo.address, "port": self.port, "down": free_port()}
        self.write(more)
        self.command = [NGINX, "-p", self.dir, "-e", self.dir + "/error.log", "-c", self.dir + "/nginx.conf"]
        self.env = {**os.environ, "LD_PRELOAD": RUNTIME, "ASAN_OPTIONS": f"detect_leaks=0:log_path={self.dir}/sanitizer"} if SANITIZED else None

    def write(self, more=""):
        with open(self.dir + "/nginx.conf", "w", encoding="ascii") as f:
            f.write(CONF.format(more=more, **self.values))

    def run(self, *args):
        done = subprocess.run([*self.command, *args], cwd="/", env=self.env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stderr

    def start(self):
        code, text = self.run()
        assert code == 0, text
        wait_for("nginx", lambda: self.send("/").status)
        return self

    def send(self, path, *args, **kwargs):
        try:
            return send(self.port, path, *args, **kwargs)
        except ConnectionRefusedError:
            return type("none", (), {"status": 0})

    def read(self, name):
        try:
            with open(os.path.join(self.dir, name), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def master(self):
        return int(self.read("nginx.pid") or 0)

    def workers(self):
        with open(f"/proc/{self.master()}/task/{self.master()}/children", encoding="ascii") as f:
            return [p for p in f.read().split() if "worker process" in title(p) and "shutting" not in title(p)]

    def access(self, uri, text):
        wait_for(f"{text!r} for {uri}", lambda: any(line.startswith(uri + " ") and text in line for line in self.read("access.log").splitlines()))

    def logged(self, text, times=1):
        wait_for(f"{text!r} in the log", lambda: self.read("error.log").count(text) >= times)

    def stop(self):
        pid = self.master()
        if pid:
            os.kill(pid, signal.SIGQUIT)
            wait_for("nginx's end", lambda: not os.path.exists(f"/proc/{pid}"))
        bad = [line for line in (self.read("error.log") + "".join(self.read(f) for f in os.listdir(self.dir) if f.startswith("sanitizer"))).splitlines()
               if BAD.search(line) and not any(re.search(a, line) for a in self.allowed)]
        assert not bad, "\n".join(bad)


class Control(Process):
    """`weir run --attach`."""

    def __init__(self, state, config):
        self.state, self.config = str(state), os.path.join(str(state), "plugins.yaml")
        os.makedirs(self.state, exist_ok=True)
        self.write(config)
        super().__init__([WEIR, "run", "--attach", "-c", self.config, "--state", self.state], os.path.join(self.state, "run.log"))
        wait_for("weir run --attach", lambda: "weir: ready" in self.output() or self.child.poll() is not None)
        assert self.child.poll() is None, self.output()

    def write(self, config):
        with open(self.config + ".new", "w", encoding="utf-8") as f:
            json.dump(config, f)
        os.rename(self.config + ".new", self.config)

    def apply(self, config):
        self.write(config)
        done = subprocess.run([WEIR, "apply", "--state", self.state], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode in (0, 3), done.stdout + done.stderr


def plugins(echo, guest="probe_body-0_2_1.wasm"):
    """The guest on routes one and two; the service is for callouts."""
    return {"services": [{"name": "orders", "endpoints": [echo.address]}],
            "plugins": [{"name": "probe", "url": "file:" + os.path.join(GUESTS, "host", guest),
                         "matchRules": [{"route": ["one"], "config": {"which": "one"}},
                                        {"route": ["two"], "service": ["orders"], "config": {"which": "two"}}]}]}


@pytest.fixture(name="theirs")
def fixture_theirs(tmp_path, echo):
    """theirs(config or None): (nginx, control); None: no control process was ever there."""
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:3]:
        if os.stat(parent).st_uid == os.getuid() and str(parent).startswith("/tmp/"):
            os.chmod(parent, 0o755)
    started = []

    def start(config, more="", run=True):
        os.makedirs(tmp_path / "n")
        control = Control(tmp_path / "state", config) if config is not None else None
        nginx = Nginx(tmp_path / "n", echo, tmp_path / "state", more)
        started.extend([nginx, control])
        return (nginx.start() if run else nginx), control

    yield start
    nginx, control = started
    try:
        nginx.stop()
    finally:
        if control is not None and control.child.poll() is None:
            assert control.stop() == 0


SEEN = {"x-request": "add 0 x-by-plugin yes", "x-response": "add 2 x-on-response yes"}


def test_every_kind_of_content(theirs, echo):
    nginx, _ = theirs(plugins(echo))
    r = nginx.send("/one?q", headers=SEEN)
    assert (r.status, r.seen_header("x-by-plugin"), r.header("x-on-response")) == (200, "yes", "yes")
    assert r.seen_header("x-forwarded-for") is None and r.header("server").startswith("nginx"), "what nginx.conf does not say is not done"
    for path, body in (("/files/a.txt", "a file\n" * 1000), ("/tried", "a file\n" * 1000), ("/return", "returned\n")):
        r = nginx.send(path, headers=SEEN)
        assert (r.status, r.text, r.all("x-on-response")) == (200, body, ["yes"]), path
        r = nginx.send(path, headers={"x-request": "local 403 why no -1 x-own 1"})
        assert (r.status, r.text, r.header("x-own")) == (403, "no", "1"), path
    nginx.access("/return", "403 route=one service= plugin=probe details=why")
    r = nginx.send("/fallback", headers=SEEN)
    assert r.seen_all("x-by-plugin") == ["yes"] and r.all("x-on-response") == ["yes"], "once, whatever locations it comes by"
    r = nginx.send("/failing", headers=SEEN)
    assert (r.status, r.text, r.header("x-on-response")) == (502, "their own page\n", "yes")
    r = nginx.send("/down", headers=SEEN)
    assert (r.status, r.text, r.all("x-on-response")) == (502, "a file\n" * 1000, ["yes"])
    for path in ("/plain", "/", "/nothing"):
        assert nginx.send(path, headers=SEEN).header("x-on-response") is None, path
    assert nginx.send("/late", headers=SEEN).status == 403
    assert nginx.send("/files/a.txt", method="HEAD", headers=SEEN).header("x-on-response") == "yes"
    etag = nginx.send("/files/a.txt").header("etag")
    r = nginx.send("/files/a.txt", headers={**SEEN, "If-None-Match": etag})
    assert (r.status, r.header("x-on-response")) == (304, "yes")
    r = nginx.send("/files/a.txt", headers={**SEEN, "If-Match": '"other"'})
    assert (r.status, r.all("x-on-response")) == (412, ["yes"]), "nginx replaces the response: the chain has that one"


def test_routes_properties_and_callouts(theirs, echo):
    nginx, _ = theirs(plugins(echo))
    nginx.send("/two", headers={"x-log": "prop route_name; prop cluster_name; clearroute; log 2 end"})
    nginx.logged("plugin probe: log 2 end")
    text = nginx.read("error.log")
    assert "prop route_name = 0 two" in text and "prop cluster_name = 0 orders" in text
    nginx.access("/two", "200 route=two service=orders")
    r = nginx.send("/one", headers={"x-request": "call orders /asked 1000 _ answered; ret 1", "x-answered": "effective @; local 418 d from-answer -1"})
    assert (r.status, r.text) == (418, "from-answer"), nginx.read("error.log")[-2000:]


@pytest.mark.parametrize("size", [0, 1, 1000, 70000, 1 << 20])
@pytest.mark.parametrize("protocol", ["length", "chunked"])
def test_request_bodies(theirs, echo, size, protocol):
    nginx, _ = theirs(plugins(echo), more="location /spool { weir_plugins on; weir_route one; client_body_buffer_size 8k; client_max_body_size 0; "
                      "proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://theirs; }")
    body = bytes(i * 7 % 251 for i in range(size))
    framing = [("Transfer-Encoding", "chunked")] if protocol == "chunked" else []
    data = body if not framing else b"".join(b"%x\r\n" % len(body[i:i + 9000]) + body[i:i + 9000] + b"\r\n"
                                             for i in range(0, len(body), 9000)) + b"0\r\n\r\n"

    def check(scripts, length):
        r = nginx.send("/spool", "POST", headers=[*framing, *scripts.items()], body=data)
        assert r.status == 200, (scripts, nginx.read("error.log")[-1500:])
        assert (r.seen["body_bytes"], r.seen_header("content-length")) == (length, str(length) if size or length else r.seen_header("content-length")), scripts
        return r

    check({}, size)
    check({"x-reqbody": "hold 1"}, size)
    if size:
        check({"x-reqbody": "hold 1; setbuf 0 0 100000000 short"}, 5)
        check({"x-reqbody": "setbuf 0 0 100000000 x|setbuf 0 0 100000000 _"}, 1)
        assert nginx.send("/spool", "POST", headers=[*framing, ("x-reqbody", "local 413 d own -1")], body=data).text == "own"
        assert nginx.send("/return", "POST", headers=[*framing, ("x-reqbody", "hold 1")], body=data[:500000] if not framing else data).status in (200, 413)


def test_response_bodies(theirs, echo):
    nginx, _ = theirs(plugins(echo))
    for path in ("/files/a.txt", "/one?bytes=7000", "/return"):
        r = nginx.send(path, headers={"x-respbody": "hold 1; setbuf 1 0 100000000 changed"})
        assert (r.status, r.text) == (200, "changed"), path
        r = nginx.send(path, headers={"x-response": "local 409 d other -1"})
        assert (r.status, r.text) == (409, "other"), path
    r = nginx.send("/files/a.txt", headers={"x-respbody": "ret 0", "Range": "bytes=0-3"})
    assert (r.status, len(r.body)) in ((200, 7000), (206, 4))


def test_plugins_change_without_a_reload(theirs, echo):
    config = plugins(echo)
    nginx, control = theirs(config)
    workers = wait_for("both workers", lambda: len(now := nginx.workers()) == 2 and now)
    stop, failures = threading.Event(), []

    def traffic():
        while not stop.is_set():
            for path in ("/one", "/files/a.txt", "/plain"):
                if nginx.send(path).status != 200:
                    failures.append(path)

    thread = threading.Thread(target=traffic)
    thread.start()
    for i in range(6):
        config["plugins"][0]["matchRules"][0]["route"] = ["one" if i % 2 else "another"]
        control.apply(config)
        wanted = "yes" if i % 2 else None
        assert [nginx.send("/one", headers=SEEN).header("x-on-response") for _ in range(6)] == [wanted] * 6
        assert nginx.send("/two", headers=SEEN).header("x-on-response") == "yes"
    assert nginx.workers() == workers
    nginx.run("-s", "reload")
    wait_for("new workers", lambda: len(now := nginx.workers()) == 2 and not set(now) & set(workers))
    assert nginx.send("/one", headers=SEEN).header("x-on-response") == "yes"
    stop.set()
    thread.join()
    assert not failures
    control.apply({**config, "plugins": []})
    assert nginx.send("/one", headers={"x-request": "local 403 why no -1"}).status == 200


def test_without_a_control_process(theirs, echo):
    nginx, control = theirs(plugins(echo))
    control.child.kill()
    control.child.wait()
    assert nginx.send("/one", headers=SEEN).header("x-on-response") == "yes"
    before = nginx.workers()
    assert nginx.run("-s", "reload")[0] == 0
    wait_for("new workers", lambda: len(now := nginx.workers()) == 2 and not set(now) & set(before))
    assert nginx.send("/one", headers=SEEN).header("x-on-response") == "yes", "the last generation serves"
    again = Control(control.state, {"plugins": []})
    wait_for("the change", lambda: all(nginx.send("/one", headers=SEEN).header("x-on-response") is None for _ in range(10)))
    assert again.stop() == 0


def test_before_the_control_process(theirs, echo):
    nginx, _ = theirs(None)
    assert nginx.run("-t")[0] == 0
    assert [nginx.send(p).status for p in ("/one", "/return", "/files/a.txt", "/plain", "/")] == [503, 503, 503, 200, 403]
    nginx.logged("start `weir run --attach -c FILE --state ")
    assert nginx.send("/status").status == 200
    control = Control(nginx.values["state"], plugins(echo))
    wait_for("the plugins", lambda: all(nginx.send("/one", headers=SEEN).status == 200 for _ in range(10)))
    assert nginx.send("/one", headers=SEEN).header("x-on-response") == "yes"
    assert control.stop() == 0


def test_a_plugin_that_does_not_start_fails_by_its_policy(theirs, echo):
    config = plugins(echo, guest="no_marker.wasm")
    nginx, control = theirs(config)
    assert [nginx.send(p).status for p in ("/one", "/return", "/plain")] == [503, 503, 200]
    config["plugins"][0]["failStrategy"] = "FAIL_OPEN"
    control.apply(config)
    assert [nginx.send(p).status for p in ("/one", "/return", "/plain")] == [200, 200, 200]


def test_a_new_binary_takes_over(theirs, echo):
    nginx, _ = theirs(plugins(echo))
    old = nginx.master()
    os.kill(old, signal.SIGUSR2)
    wait_for("the new master", lambda: nginx.master() not in (0, old) and len(nginx.workers()) == 2)
    os.kill(old, signal.SIGQUIT)
    wait_for("the old one's end", lambda: not os.path.exists(f"/proc/{old}"))
    assert nginx.send("/one", headers=SEEN).header("x-on-response") == "yes"


def test_what_nginx_refuses(theirs, echo):
    nginx, _ = theirs(None, run=False)
    for line, why in (("location /x { weir_phase content; }", 'invalid value "content"'), ("weir_state /x;", "not allowed here")):
        nginx.write(line)
        code, text = nginx.run("-t")
        assert code != 0 and why in text, text
    with open(nginx.dir + "/nginx.conf", encoding="ascii") as f:
        conf = f.read()
    for change, why in (("", "needs"), (f"weir_state /{'x' * 120};", "too long")):
        with open(nginx.dir + "/nginx.conf", "w", encoding="ascii") as f:
            f.write(re.sub(r"    weir_state .*;", change, conf.replace("weir_state /x;", "")))
        code, text = nginx.run("-t")
        assert code != 0 and why in text, text
    nginx.write()
    nginx.allowed = [r"\[emerg\]"]



SLOW = """
        location /small {{ weir_plugins on; weir_route one; proxy_pass http://theirs; proxy_max_temp_file_size 0; }}
        location /unbuffered {{ weir_plugins on; weir_route one; proxy_buffering off; proxy_pass http://theirs; }}
"""


def cpu(pids):
    """Seconds of processor time that they have taken."""
    seconds = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            seconds += sum(int(ticks) for ticks in f.read().rsplit(") ", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")
    return seconds


@pytest.mark.parametrize("path", ["/small?bytes=50000000", "/unbuffered?bytes=50000000", "/files/large"])
def test_a_client_that_does_not_read(theirs, echo, path):
    """The worker's memory does not hold the response that a plugin changes; when the client reads, all of it comes."""
    nginx, _ = theirs(plugins(echo), more=SLOW.format())
    with open(nginx.dir + "/www/files/large", "wb") as f:
        f.write(b"x" * 50000000)

    def heap():
        return max(nginx.send("/status").seen["heap_bytes"] for _ in range(8))  # of the workers that answer

    def resting():
        """Nobody tries again and again what is held back."""
        before = cpu(nginx.workers())
        time.sleep(0.5)
        taken = cpu(nginx.workers()) - before
        assert taken < 0.25, f"the workers took {taken} s of 0.5"

    def ask(s):
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nx-respbody: setbuf 1 0 0 +\r\n\r\n".encode())
        s.settimeout(PATIENCE_S)
        s.recv(1)

    before = heap()
    with socket.create_connection(("127.0.0.1", nginx.port)) as s:
        ask(s)
        most = [heap() for _ in range(10)]
        resting()
        got, last = 1, b""
        while part := s.recv(1 << 20):
            got, last = got + len(part), (last + part)[-5:]
    assert got > 50000000 and last == b"0\r\n\r\n"
    assert max(most) - before < 6 << 20, most
    with socket.create_connection(("127.0.0.1", nginx.port)) as s:
        ask(s)
    resting()  # when it has gone in the middle


def fastcgi(_upstream, s):
    """A responder: the request's parameters that a test looks at, and a digest of its body, as JSON behind headers."""
    params, body, at_end = b"", b"", False
    while not at_end:
        head = read_exactly(s, 8)
        if len(head) < 8:
            return
        kind, request, length, padding = head[1], head[2:4], int.from_bytes(head[4:6], "big"), head[6]
        content = read_exactly(s, length)
        read_exactly(s, padding)
        params += content if kind == 4 else b""
        body += content if kind == 5 else b""
        at_end = kind == 5 and not length
    values, at = {}, 0
    while at < len(params):
        lengths = []
        for _ in range(2):
            n = params[at]
            size = 1 if n < 128 else 4
            lengths.append(int.from_bytes(params[at:at + size], "big") & 0x7fffffff)
            at += size
        name = params[at:at + lengths[0]].decode()
        values[name] = params[at + lengths[0]:at + sum(lengths)].decode()
        at += sum(lengths)
    text = json.dumps({"length": values.get("CONTENT_LENGTH"), "body": hashlib.sha256(body).hexdigest(), "added": values.get("HTTP_X_BY_PLUGIN")})
    out = f"Status: 201 Made\r\nContent-Type: application/json\r\nX-Own: php\r\n\r\n{text}".encode()
    s.sendall(b"".join(bytes([1, t]) + request + len(c).to_bytes(2, "big") + b"\0\0" + c for t, c in ((6, out), (6, b""), (3, b"\0" * 8))))


@pytest.mark.parametrize("size", [0, 1000, 300000])
def test_fastcgi(theirs, echo, size):
    """Headers and a body, with or without a change by the plugin, reach a FastCGI application; its answer passes the plugin."""
    app = Upstream(fastcgi)
    nginx, _ = theirs(plugins(echo), more=f"location /app {{ weir_plugins on; weir_route one; client_body_buffer_size 8k; fastcgi_pass {app.address}; "
                      "fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param REQUEST_METHOD $request_method; }")
    body = bytes(i * 7 % 251 for i in range(size))
    for scripts, wanted in (({}, body), ({"x-reqbody": "hold 1"}, body), ({"x-reqbody": "hold 1; setbuf 0 0 100000000 short"}, b"short" if size else b"")):
        r = nginx.send("/app/x", "POST", headers={**scripts, "x-request": "add 0 x-by-plugin yes", "x-response": "add 2 x-on-response yes",
                                                  "x-respbody": "hold 1; setbuf 1 0 0 _"}, body=body)
        assert (r.status, r.header("x-own"), r.header("x-on-response")) == (201, "php", "yes"), nginx.read("error.log")[-1500:]
        seen = json.loads(r.body.lstrip(b"_"))
        assert seen["added"] == "yes"
        if size:
            assert (seen["length"], seen["body"]) == (str(len(wanted)), hashlib.sha256(wanted).hexdigest()), scripts
    r = nginx.send("/app/x", "POST", headers={"x-request": "local 403 d own -1"}, body=body)
    assert (r.status, r.text) == (403, "own")
    app.close()


@pytest.mark.parametrize("size", [0, 1, 1000, 70000, 1 << 20])
def test_request_bodies_over_http2(theirs, echo, tmp_path, size):
    """With and without a length; kept in memory and in a temporary file."""
    port = free_port()
    nginx, _ = theirs(plugins(echo), more="location /spool { weir_plugins on; weir_route one; client_body_buffer_size 8k; client_max_body_size 0; "
                      "proxy_http_version 1.1; proxy_pass http://theirs; }} server { listen 127.0.0.1:%d http2; client_max_body_size 0; "
                      "location / { weir_plugins on; weir_route one; proxy_pass http://theirs; } location /spool { weir_plugins on; weir_route one; "
                      "client_body_buffer_size 8k; proxy_http_version 1.1; proxy_pass http://theirs; }" % port)
    (tmp_path / "body").write_bytes(bytes(i * 7 % 251 for i in range(size)))
    for path in ("/memory", "/spool"):
        for upload in (["--data-binary", f"@{tmp_path}/body"], ["-T", "-", "-X", "POST"]):
            for script, length in (("", size), ("hold 1", size), ("hold 1; setbuf 0 0 100000000 short", 5), ("ret 0|ret 0", size)):
                with open(tmp_path / "body", "rb") as f:
                    done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_S), "--http2-prior-knowledge", "-H", "Expect:", *upload,
                                           *(["-H", "x-reqbody: " + script] if script else []), f"http://127.0.0.1:{port}{path}"],
                                          stdin=f, capture_output=True, text=True, check=False)
                assert done.returncode == 0, (path, upload, script, done.stderr)
                assert json.loads(done.stdout)["body_bytes"] == length, (path, upload, script)


def test_the_client_is_who_nginx_says(theirs, echo):
    port = free_port()
    nginx, _ = theirs(plugins(echo), more="}} server {{ listen 127.0.0.1:{0}; set_real_ip_from 127.0.0.1; real_ip_header X-Real; location / {{ weir_plugins on; "
                      "weir_route one; return 204; }}".format(port))
    send(port, "/", headers={"X-Real": "203.0.113.9", "x-request": "prop source~address; log 4 done"})
    nginx.logged("log 4 done")
    assert "prop source~address = 0 203.0.113.9:" in nginx.read("error.log")


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2-prior-knowledge"])
def test_a_body_that_a_plugin_holds_has_no_timeout(theirs, echo, protocol):
    """The client's time is over when it has sent all of it."""
    port = free_port()
    slow = Upstream(lambda _u, s: (read_head(s), time.sleep(2.5), s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
    config = plugins(echo)
    config["services"].append({"name": "slow", "endpoints": [slow.address]})
    nginx, _ = theirs(config, more="}} server {{ listen 127.0.0.1:{0}{1}; client_body_timeout 1s; location / {{ weir_plugins on; weir_route one; "
                      "proxy_pass http://theirs; }}".format(port, " http2" if "2" in protocol else ""))
    done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_S), protocol, "-d", "hello", "-H", "x-answered: effective @; continue 0",
                           "-H", "x-reqbody: call slow / 10000 _ answered; ret 1", f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["body_bytes"] == 5, done.stdout + nginx.read("error.log")[-1000:]
    slow.close()
