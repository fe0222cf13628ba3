"""End-to-end tests: a real gateway (`weir run`, hence a real nginx) before a real upstream (`weir echo`).

`gateway(config)` starts one on free ports with a state folder of its own and waits until it is ready; a test that
ends looks into every log of every gateway it started: an [alert], an [emerg] or a sanitizer's report fails it."""
import glob
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("WEIR_BUILD", "build"))
WEIR = os.path.join(BUILD, "weir")
GUESTS = os.path.join(ROOT, "build/guests")
SANITIZED = "san" in os.path.basename(BUILD)
PATIENCE_S = 60 if SANITIZED else 20
BAD = re.compile(r"\[alert\]|\[emerg\]|bug:|AddressSanitizer|runtime error:|assertion", re.I)


def free_port(given=set()):
    """One that this run of the tests has not been given before: the system may name a port again that nobody listens on yet."""
    while True:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in given:
            given.add(port)
            return port


def wait_for(what, condition, patience_s=PATIENCE_S):
    """Poll until condition() is true; what it returned. What it looks for may not be there yet: a LookupError is false."""
    end = time.monotonic() + patience_s
    while True:
        missing = None
        try:
            value = condition()
        except LookupError as e:
            value, missing = None, e
        if value:
            return value
        assert time.monotonic() < end, f"waited {patience_s} s for {what}" + (f": {missing!r}" if missing else "")
        select.select([], [], [], 0.01)


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        """The first value, None if there is none."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode()

    @property
    def seen(self):
        """What the echo upstream saw."""
        return json.loads(self.body)

    def seen_header(self, name):
        return next((v for k, v in self.seen["headers"] if k.lower() == name.lower()), None)

    def seen_all(self, name):
        return [v for k, v in self.seen["headers"] if k.lower() == name.lower()]


def send(port, path="/", method="GET", headers=(), body=None, connection=None):
    """One request; headers are pairs, Host among them if it matters."""
    c = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    c.putrequest(method, path, skip_host=any(k.lower() == "host" for k, _ in pairs), skip_accept_encoding=True)
    for name, value in pairs:
        c.putheader(name, value)
    if body is not None and not any(k.lower() in ("content-length", "transfer-encoding") for k, _ in pairs):
        c.putheader("Content-Length", str(len(body)))
    c.endheaders(body)
    r = c.getresponse()
    response = Response(r.status, r.getheaders(), r.read())
    if connection is None:
        c.close()
    return response


class Process:
    """A child with its output in files."""

    def __init__(self, command, log, cwd=ROOT):
        self.log = log
        self.out = open(log, "ab")
        self.child = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out)

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self, how=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(how)
        code = self.child.wait(PATIENCE_S)
        self.out.close()
        return code


class Gateway(Process):
    def __init__(self, config, state, options=()):
        self.state = str(state)
        os.makedirs(self.state, exist_ok=True)
        self.config = os.path.join(self.state, "gateway.yaml")
        if isinstance(config, dict):
            config.setdefault("listeners", [f"127.0.0.1:{free_port()}"])
            first = config["listeners"][0]
            self.port = int((first if isinstance(first, str) else first["address"]).rsplit(":", 1)[1])
            config = json.dumps(config, indent=1)
        else:
            self.port = int(re.search(r"address: 127\.0\.0\.1:(\d+)", config).group(1))
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config)
        super().__init__([WEIR, "run", "-c", self.config, "--state", self.state, *options],
                         os.path.join(self.state, f"run-{len(glob.glob(self.state + '/run-*.log'))}.log"))

    def wait_ready(self, times=1):
        def ready():
            assert self.child.poll() is None, f"weir run ended with {self.child.returncode}: {self.output()}"
            return self.output().count("weir: ready") >= times
        wait_for("the gateway to be ready", ready)
        wait_for("all workers", lambda: len(self.workers()) >= self.wanted_workers())  # ready is when the first one is
        return self

    def send(self, path="/", *args, **kwargs):
        return send(self.port, path, *args, **kwargs)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def raw(self, data, until_close=False):
        """Send bytes, return what comes until the end of the connection or a first read."""
        with self.connect() as s:
            s.sendall(data)
            got = s.recv(65536)
            while until_close and (more := s.recv(65536)):
                got += more
            return got

    def read(self, name):
        try:
            with open(os.path.join(self.state, name), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    @property
    def error_log(self):
        return self.read("logs/error.log")

    def wait_log(self, text):
        wait_for(f"{text!r} in the error log", lambda: text in self.error_log)

    def access(self, **fields):
        """The access log's line with these fields; it is flushed once a second."""
        def find():
            for line in self.read("logs/access.log").splitlines():
                entry = json.loads(line)
                if all(entry.get(k) == v for k, v in fields.items()):
                    return entry
            return None
        return wait_for(f"an access log line with {fields}", find)

    def master(self):
        return int(self.read("nginx.pid") or 0)

    def workers(self):
        """Live workers' pids."""
        master = self.master()
        try:
            with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as f:
                pids = f.read().split()
        except OSError:
            return []
        return [int(p) for p in pids if "worker process" in title(p) and "shutting down" not in title(p)]

    def wait_replaced(self, *gone):
        """Until as many workers as nginx.conf wants are there, and none of `gone` (which may be nobody); the workers of that moment."""
        def replaced():
            now = self.workers()
            return now if len(now) == self.wanted_workers() and not set(now) & set(gone) else None
        return wait_for(f"workers in the place of {gone}", replaced)

    def wanted_workers(self):
        return int(re.search(r"^worker_processes (\d+);", self.read("nginx.conf"), re.M).group(1))

    def worker_status(self, path="/"):
        """The state as one of the workers tells the control process; "/services": what it knows of services."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE_S)
            s.connect(os.path.join(self.state, "status.sock"))
            s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            text = b""
            while more := s.recv(65536):
                text += more
        return json.loads(text.split(b"\r\n\r\n", 1)[1])

    def bad_lines(self):
        found = []
        for path in glob.glob(self.state + "/logs/*") + [self.log]:
            if "access.log" not in path:
                with open(path, encoding="utf-8", errors="replace") as f:
                    found += [line for line in f if BAD.search(line)]
        return found


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class Echo(Process):
    def __init__(self, log, port=None):
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        super().__init__([WEIR, "echo", "--listen", self.address], log)
        wait_for("the echo upstream", lambda: "listens" in self.output())


@pytest.fixture(name="echo", scope="session")
def fixture_echo(tmp_path_factory):
    echo = Echo(str(tmp_path_factory.mktemp("echo") / "echo.log"))
    yield echo
    assert echo.stop() == 0


@pytest.fixture(name="gateways", scope="module")
def fixture_gateways(tmp_path_factory):
    """start(config, *options): a gateway that lives as long as the module."""
    yield from gateway_factory(tmp_path_factory)


@pytest.fixture(name="gateway")
def fixture_gateway(tmp_path_factory):
    """start(config, *options): a gateway for one test."""
    yield from gateway_factory(tmp_path_factory)


def gateway_factory(tmp_path_factory):
    started = []

    def start(config, *options, state=None, ready=True):
        g = Gateway(config, state or tmp_path_factory.mktemp("gateway"), options)
        g.allowed = []
        started.append(g)
        return g.wait_ready() if ready else g

    yield start
    problems = []
    for g in started:
        was_running = g.child.poll() is None
        code = g.stop()
        if was_running and code != 0:
            problems.append(f"weir run ended with {code}: {g.output()}")
        problems += [line for line in g.bad_lines() if not any(re.search(a, line) for a in g.allowed)]
    assert not problems, "".join(problems)


def make(*targets):
    done = subprocess.run(["make", "-s", *targets], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode == 0, done.stderr


@pytest.fixture(name="probe_module", scope="session")
def fixture_probe_module():
    return "file:" + os.path.join(GUESTS, "host/probe-0_2_1.wasm")


@pytest.fixture(name="trapper_module", scope="session")
def fixture_trapper_module():
    ok, why = make("build/guests/trapper.wasm")
    assert ok, why
    return "file:" + os.path.join(GUESTS, "trapper.wasm")


def example(echo):
    """examples/gateway.yaml with another port, this upstream, and this build's plugin."""
    with open(os.path.join(ROOT, "examples/gateway.yaml"), encoding="utf-8") as f:
        text = f.read()
    text = text.replace("127.0.0.1:10000", f"127.0.0.1:{free_port()}").replace("127.0.0.1:10080", echo.address)
    return text.replace("file:build", f"file:{ROOT}/build")


KEY_AUTH = "file:" + os.path.join(ROOT, "build/plugins/key-auth.wasm")
