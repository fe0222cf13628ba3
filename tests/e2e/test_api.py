"""The administration API: parts, conditions, writers at the same time, a control process killed in each step."""
import http.client
import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import threading
import urllib.parse

import jsonschema
import pytest
import yaml

from conftest import PATIENCE_S, ROOT, Gateway, free_port, wait_for
from test_reload import both, broken, key_auth, mark, route, weir, write


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("weir", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, r):
        self.status, self.etag, self.json = r.status, r.getheader("ETag"), json.loads(r.read())


def ask(g, method, path, body=None, connection=None, **headers):
    c = connection or Unix(g.state + "/admin.sock")
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    c.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
    answer = Answer(c.getresponse())
    c.close()
    return answer


def part(mark_, **rest):
    return {"match": {"path": {"prefix": "/"}}, "service": "echo", "rewrite": {"host": mark_}, **rest}


# The document.

def document():
    with open(os.path.join(ROOT, "docs/openapi.yaml"), encoding="utf-8") as f:
        return yaml.safe_load(f)


def nullable(validator, types, instance, schema):
    """OpenAPI 3.0 says `nullable`, which JSON Schema does not know."""
    if not (schema.get("nullable") and instance is None):
        yield from jsonschema.Draft4Validator.VALIDATORS["type"](validator, types, instance, schema)


NULLABLE = jsonschema.validators.extend(jsonschema.Draft4Validator, {"type": nullable})


class Checked:
    """Asks, and holds each answer against the document."""

    def __init__(self, g):
        self.g, self.doc, self.seen = g, document(), set()

    def resolve(self, node):
        while "$ref" in node:
            target = self.doc
            for step in node["$ref"].split("/")[1:]:
                target = target[step]
            node = target
        return node

    def template(self, path):
        path = path.split("?")[0]
        if path in self.doc["paths"]:
            return path
        return "/v1/{kind}/{name}" if path.count("/") > 2 else "/v1/{kind}"

    def __call__(self, method, path, body=None, status=200, **headers):
        a = ask(self.g, method, path, body, **headers)
        assert a.status == status, (method, path, a.status, a.json)
        self.check(method, path, str(status), a.json)
        return a

    def check(self, method, path, status, answer):
        template = self.template(path)
        operation = self.doc["paths"][template].get(method.lower())
        if operation is None:  # every path says no to other methods in the same way
            operation = {"responses": {"405": {"$ref": "#/components/responses/Error"}}}
        else:
            self.seen.add((template, method.lower(), status))
        schema = self.resolve(operation["responses"][status])["content"]["application/json"]["schema"]
        jsonschema.validate(answer, {**schema, "components": self.doc["components"]}, cls=NULLABLE)

    def never_seen(self):
        for template, operations in self.doc["paths"].items():
            for method, operation in operations.items():
                for status in operation["responses"] if method != "parameters" else ():
                    if (template, method, status) not in self.seen:
                        yield template, method, status


def test_every_answer_is_as_the_document_says(gateway, echo, tmp_path):
    g = gateway(route(echo, "first", [key_auth("k1")]), "--workers", "2")
    both(g)
    api = Checked(g)
    api("GET", "/v1/status")
    for path in ("/v1/status", "/v1/generations", "/v1/workers", "/v1/endpoints", "/metrics", "/v1/crashes"):
        assert ask(g, "DELETE", path).status == 405
    api("GET", "/v1/apply", status=405)
    api("GET", "/v1/drain", status=405)
    api("POST", "/v1/routes", {}, status=405)
    api("POST", "/v1/routes/all", {}, status=405)
    assert ask(g, "GET", "/v2").status == 404 and ask(g, "GET", "/v1/status?x=1").status == 400
    assert api("POST", "/v1/apply").json["changed"] is False
    assert api("POST", "/v1/apply?dryRun=true").json["changes"] == []
    api("POST", "/v1/apply", [], status=400)
    api("POST", "/v1/apply", {"config": "relative.yaml"}, status=400)
    (tmp_path / "bad.yaml").write_text("routes: [{name: x}]\n")
    problems = api("POST", "/v1/apply", {"config": str(tmp_path / "bad.yaml")}, status=422).json["problems"]
    assert any(p["file"].endswith("bad.yaml") and p["line"] == 1 and p["field"].startswith("routes[0]") for p in problems)

    names = [i["name"] for i in api("GET", "/v1/routes").json["items"]]
    assert names == ["all"]
    listener = api("GET", "/v1/listeners").json["items"][0]
    assert listener["name"] == f"127.0.0.1:{g.port}" and listener["origin"] == "file"
    api("GET", "/v1/listeners/" + listener["name"])
    api("GET", "/v1/nothing", status=404)
    api("GET", "/v1/routes/nobody", status=404)
    api("GET", "/v1/routes/%zz", status=400)
    first = api("GET", "/v1/routes/all")
    api("PUT", "/v1/routes/all", part("second"), If_Match='"0000000000000000"', status=412)
    api("PUT", "/v1/routes/all", part("second"), If_None_Match="*", status=412)
    api("PUT", "/v1/routes/all", [1], status=400)
    api("PUT", "/v1/routes/all", part("second", name="other"), status=400)
    wrong = api("PUT", "/v1/routes/all", {"service": "nowhere"}, status=422)
    assert "nowhere" in wrong.json["problems"][0]["message"] and wrong.json["problems"][0]["file"] == "parts.json"
    dry = api("PUT", "/v1/routes/all?dryRun=true", part("second"))
    assert dry.json["changes"] == [{"change": "changed", "kind": "routes", "name": "all"}]
    assert mark(g, headers={"x-k": "k1"}) == "first"
    second = api("PUT", "/v1/routes/all", part("second"), If_Match=first.etag)
    assert second.etag == api("GET", "/v1/routes/all").etag != first.etag
    assert all(mark(g, headers={"x-k": "k1"}) == "second" for _ in range(20)), "answered when all workers have it"
    odd = "outbound|80||new.static"
    api("PUT", "/v1/services/" + urllib.parse.quote(odd, safe=""), {"endpoints": [echo.address]}, status=201)
    assert any(s["name"] == odd and s["origin"] == "api" for s in api("GET", "/v1/services").json["items"])
    api("DELETE", "/v1/routes/nobody", status=404)
    api("DELETE", "/v1/services/echo", status=409)
    api("DELETE", "/v1/routes/all", If_Match=first.etag, status=412)
    api("PUT", "/v1/routes/all", part("second", service=odd))
    api("DELETE", "/v1/services/" + urllib.parse.quote(odd, safe=""), status=422)
    assert api("DELETE", "/v1/routes/all?dryRun=true").json["changes"][0]["change"] == "changed"
    api("DELETE", "/v1/routes/all")
    assert all(mark(g, headers={"x-k": "k1"}) == "first" for _ in range(20)), "the file's own is back"
    assert api("GET", "/v1/routes/all").etag == first.etag

    kept = api("PUT", "/v1/plugins/key-auth", {"url": "file:nowhere.wasm"})
    state = next(p for p in kept.json["plugins"] if p["name"] == "key-auth")
    assert state["kept"] and "nowhere.wasm" in state["cause"]
    past = api("GET", "/v1/generations").json["items"]
    assert past[0]["inForce"] and len(past) > 2 and set(past[0]["workers"]) == set(g.workers())
    api("DELETE", "/v1/plugins/key-auth")
    assert {i["pid"] for i in api("GET", "/v1/workers").json["items"]} == set(g.workers())
    api("GET", "/v1/endpoints")
    api.seen.add(("/metrics", "get", "200"))  # test_metrics.py
    api("GET", "/v1/crashes")

    a_full_disk(g, api)
    no_more_descriptors(g, api, tmp_path, echo)
    a_worker_that_is_stopped(g, api)
    while_it_ends(g, api)
    assert not list(api.never_seen())


def a_full_disk(g, api):
    """As it looks to the control process: what it wants to write or read is in the way."""
    api("PUT", "/v1/services/extra", {"endpoints": ["127.0.0.1:1"]}, status=201)
    os.remove(g.state + "/parts.json")
    os.makedirs(g.state + "/parts.json/in-the-way")
    assert "parts.json" in api("PUT", "/v1/services/more", {"endpoints": ["127.0.0.1:1"]}, status=500).json["error"]
    api("DELETE", "/v1/services/extra", status=500)
    api("GET", "/v1/services/extra")
    api("GET", "/v1/services/more", status=404)
    os.rmdir(g.state + "/parts.json/in-the-way")
    os.rmdir(g.state + "/parts.json")
    api("DELETE", "/v1/services/extra")
    os.rename(g.state + "/crashes", g.state + "/crashes-away")
    with open(g.state + "/crashes", "w", encoding="utf-8"):
        pass
    api("GET", "/v1/crashes", status=500)
    os.remove(g.state + "/crashes")
    os.rename(g.state + "/crashes-away", g.state + "/crashes")


def no_more_descriptors(g, api, tmp_path, echo):
    """Another configuration that cannot be watched is not taken."""
    other = tmp_path / "other.yaml"
    config = route(echo, "other", [key_auth("k1")])
    config["listeners"] = [f"127.0.0.1:{g.port}"]
    other.write_text(json.dumps(config))
    idle = [Unix(g.state + "/admin.sock") for _ in range(28)]  # poll() wants as many descriptors as it has places
    for c in idle:
        c.connect()
    with socket.socket(socket.AF_UNIX) as last:  # accepted after those, and gone when this says so
        last.settimeout(PATIENCE_S)
        last.connect(g.state + "/admin.sock")
        last.sendall(b"GET /v1/generations HTTP/1.1\r\n\r\n")
        while last.recv(65536):
            pass
    used = {int(fd) for fd in os.listdir(f"/proc/{g.child.pid}/fd")}
    limits = resource.prlimit(g.child.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(g.child.pid, resource.RLIMIT_NOFILE, (min(set(range(2000)) - used), limits[1]))
    body = json.dumps({"config": str(other)})
    c.sock.sendall(f"POST /v1/apply HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    answer = http.client.HTTPResponse(c.sock)
    answer.begin()
    found = json.loads(answer.read())
    resource.prlimit(g.child.pid, resource.RLIMIT_NOFILE, limits)
    for one in idle:
        one.close()
    assert answer.status == 500 and "nothing changed" in found["error"]
    api.check("POST", "/v1/apply", "500", found)
    assert api("GET", "/v1/status").json["config"] == g.config


def a_worker_that_is_stopped(g, api):
    pid = g.workers()[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        api("PUT", "/v1/services/late?timeout=1", {"endpoints": ["127.0.0.1:1"]}, status=504)
        api("DELETE", "/v1/services/late?timeout=1", status=504)
        api("POST", "/v1/apply?timeout=1", status=504)
    finally:
        os.kill(pid, signal.SIGCONT)
    for wrong in ("0", "301", "x", ""):
        assert ask(g, "POST", f"/v1/apply?timeout={wrong}").status == 400
    wait_for("all workers", lambda: api("GET", "/v1/status").json["ready"])


def while_it_ends(g, api):
    """A request under way keeps it for a while: nothing is changed any more."""
    api("PUT", "/v1/services/mine", {"endpoints": ["127.0.0.1:1"]}, status=201)
    with g.connect() as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nx-k: k1\r\nContent-Length: 10\r\n\r\n")
        wait_for("the request", lambda: any(i["report"]["live"]["requests"] for i in api("GET", "/v1/workers").json["items"]))
        api("POST", "/v1/drain", status=202)
        for method, path, body in (("POST", "/v1/apply", None), ("PUT", "/v1/services/x", {"endpoints": ["127.0.0.1:1"]}), ("DELETE", "/v1/services/mine", None)):
            api(method, path, body, status=503)
        s.sendall(b"0123456789")
        assert s.recv(100).startswith(b"HTTP/1.1 200")
    assert g.child.wait(PATIENCE_S) == 0


def test_crashes_are_listed(gateway, echo, trapper_module):
    g = gateway(route(echo, "first", [{"name": "trapper", "url": trapper_module}]), "--workers", "1")
    g.allowed = [r"trap", r"failed"]
    g.send(headers={"x-trap": "unreachable"})
    found = wait_for("the report", lambda: ask(g, "GET", "/v1/crashes").json["items"])
    for _ in range(10):
        g.send(headers={"x-trap": "unreachable"})
    assert ask(g, "GET", "/v1/status").json["plugins"][0]["state"] == "healing"
    assert found[0]["plugin"] == "trapper" and "unreachable" in found[0]["trap"] and found[0]["count"] >= 1


# What is kept.

def test_parts_are_kept_over_the_file(gateway, echo):
    g = gateway(route(echo, "first"), "--workers", "2")
    both(g)
    assert ask(g, "PUT", "/v1/routes/all", part("api")).status == 200
    assert ask(g, "PUT", "/v1/routes/more", part("more", match={"path": {"prefix": "/more"}})).status == 201
    write(g, route(echo, "changed"))
    wait_for("the file", lambda: ask(g, "GET", "/v1/status").json["ready"])
    assert mark(g) == "api" and mark(g, path="/more") == "more"
    config = json.loads(open(g.config, encoding="utf-8").read())
    g.child.kill()
    g.child.wait()
    again = gateway(config, "--workers", "2", state=g.state)
    assert mark(again) == "api" and mark(again, path="/more") == "more"
    # A file with an error does not stand in the way of a part.
    write(again, {"routes": 5})
    wait_for("the refusal", lambda: "the change was refused" in again.output())
    assert ask(again, "DELETE", "/v1/routes/all").status == 200
    assert all(mark(again) == "changed" for _ in range(10))


def test_private_keys_are_not_shown(gateway, echo, tmp_path):
    key = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                          "-subj", "/CN=x", "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")],
                         capture_output=True, check=False)
    assert key.returncode == 0
    g = gateway(route(echo, "first"), "--workers", "1")
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    assert ask(g, "PUT", "/v1/services/secret", {"endpoints": [echo.address], "tls": tls}).status == 201
    shown = ask(g, "GET", "/v1/services/secret").json["tls"]
    assert "not shown" in shown["key"] and "BEGIN CERTIFICATE" in shown["certificate"]
    assert "PRIVATE KEY" not in json.dumps(ask(g, "GET", "/v1/services").json)


# Over TCP.

def test_a_token_over_tcp(gateway, echo, tmp_path):
    token, port = "correct-horse-battery", free_port()
    (tmp_path / "token").write_text(token + "\n")
    g = gateway(route(echo, "first"), "--workers", "1", "--admin", f"127.0.0.1:{port}", "--admin-token-file", str(tmp_path / "token"))

    def over_tcp(**headers):
        return ask(g, "GET", "/v1/status", connection=http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S), **headers).status
    assert over_tcp() == 401
    for wrong in (token[:-1], token + "x", "x" + token[1:], "", token * 2):
        assert over_tcp(Authorization=f"Bearer {wrong}") == 401
    assert over_tcp(Authorization=f"Bearer {token}") == 200
    assert over_tcp(Authorization=f"Basic {token}") == 401
    # Who says nothing keeps nobody out.
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    assert over_tcp(Authorization=f"Bearer {token}") == 200 and ask(g, "GET", "/v1/status").status == 200
    for s in idle:
        s.close()


@pytest.mark.parametrize("options,said", [(["--admin", "0.0.0.0:1"], "not loopback"), (["--admin", "127.0.0.1:1"], "token-file"),
                                          (["--admin", "nonsense"], "IPv4")])
def test_an_open_door_is_refused(tmp_path, echo, options, said):
    g = Gateway(route(echo, "first"), tmp_path, options)
    assert g.child.wait(PATIENCE_S) == 1 and said in g.output()
    g.stop()


# Several at a time.

def test_ten_writers_lose_nothing(gateway, echo):
    g = gateway(route(echo, "first"), "--workers", "2")
    both(g)
    assert ask(g, "PUT", "/v1/routes/count", part("n-0", match={"path": {"prefix": "/count"}})).status == 201
    won, errors = [], []

    def writer(me):
        try:
            for _ in range(5):
                while True:
                    now = ask(g, "GET", "/v1/routes/count")
                    n = int(now.json["rewrite"]["host"].split("-")[1])
                    a = ask(g, "PUT", "/v1/routes/count", part(f"n-{n + 1}", match={"path": {"prefix": "/count"}}), If_Match=now.etag)
                    if a.status == 200:
                        won.append((me, n + 1))
                        break
                    assert a.status == 412, a.json
        except Exception as e:  # noqa: BLE001 - shown below
            errors.append(e)
    threads = [threading.Thread(target=writer, args=(i,)) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert sorted(n for _, n in won) == list(range(1, 51)), "each number was written once"
    assert ask(g, "GET", "/v1/routes/count").json["rewrite"]["host"] == "n-50"
    assert all(mark(g, path="/count") == "n-50" for _ in range(20))
    # Without conditions the last one counts, for all workers.
    threads = [threading.Thread(target=ask, args=(g, "PUT", "/v1/routes/count", part(f"w-{i}", match={"path": {"prefix": "/count"}})))
               for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    final = ask(g, "GET", "/v1/routes/count").json["rewrite"]["host"]
    assert final in [f"w-{i}" for i in range(10)] and all(mark(g, path="/count") == final for _ in range(20))


def test_a_plugin_that_hangs_holds_nobody_up(gateway, echo, tmp_path):
    g = gateway(route(echo, "first", [key_auth("k1")]), "--workers", "2")
    both(g)
    hanging = broken("hangs", tmp_path)
    answers = []
    t = threading.Thread(target=lambda: answers.append(ask(g, "PUT", "/v1/plugins/key-auth", {k: v for k, v in hanging.items() if k != "name"})))
    t.start()
    wait_for("the change to be under way", lambda: not ask(g, "GET", "/v1/status").json["ready"])
    for i in range(3):
        assert ask(g, "PUT", "/v1/routes/all", part(f"meanwhile-{i}")).status == 200
        assert mark(g, headers={"x-k": "k1"}) == f"meanwhile-{i}", "the old plugin, the new route"
    assert t.is_alive(), "the plugin is still being started"
    t.join()
    state = answers[0].json["plugins"][0]
    assert answers[0].status == 200 and state["kept"] and "loop for ever" in state["cause"]


# A control process that is killed.

@pytest.fixture(name="kill_at", scope="module")
def fixture_kill_at(tmp_path_factory):
    out = str(tmp_path_factory.mktemp("kill") / "kill_at.so")
    subprocess.run(["clang-19", "-shared", "-fPIC", "-O1", os.path.join(ROOT, "tests/e2e/kill_at.c"), "-o", out, "-ldl"], check=True)
    return out


def test_killed_in_each_step(gateway, echo, tmp_path, monkeypatch, kill_at):
    """Whatever was done when it died, workers agree on one whole generation, and the next control process goes on."""
    armed = tmp_path / "armed"
    monkeypatch.setenv("KILL_AT_ARMED", str(armed))
    g, last, died, results = None, "first", 0, set()
    for step in range(1, 60):
        monkeypatch.setenv("KILL_AT", str(step))
        monkeypatch.setenv("LD_PRELOAD", kill_at)
        config = json.loads(open(g.config, encoding="utf-8").read()) if g else route(echo, "first", [key_auth("k1")])
        g = gateway(config, "--workers", "2", state=g.state if g else None)
        monkeypatch.delenv("LD_PRELOAD")
        workers = both(g)
        wait_for("all workers", lambda: ask(g, "GET", "/v1/status").json["ready"])
        assert all(mark(g, headers={"x-k": "k1"}) == last for _ in range(10))
        armed.write_text("")
        try:
            answered = ask(g, "PUT", "/v1/routes/all", part(f"step-{step}")).status == 200
        except (OSError, http.client.HTTPException):
            answered = False
        armed.unlink()
        if g.child.poll() is None and answered:
            last = f"step-{step}"
            break
        assert g.child.wait(PATIENCE_S) == -signal.SIGKILL
        died += 1
        in_force = {mark(g, headers={"x-k": "k1"}) for _ in range(10)}
        assert in_force <= {last, f"step-{step}"}, in_force
        link = os.readlink(g.state + "/current")
        json.loads(g.read(link))
        # Now without being killed: what it was asked for is there as a whole, or not at all.
        kept = g.read("parts.json")
        last = f"step-{step}" if f"step-{step}" in kept else last
        results.add(last == f"step-{step}")
        assert g.workers() == workers
    assert died >= 8 and results == {True, False}, (died, results)
    g.stop()


# The commands.

def test_the_commands(gateway, echo, tmp_path):
    g = gateway(route(echo, "first", [key_auth("k1")]), "--workers", "1")
    state = ["--state", g.state]
    code, out = weir("diff", *state)
    assert code == 0 and out == ""
    other = tmp_path / "other.yaml"
    config = {"listeners": [f"127.0.0.1:{g.port}"], **route(echo, "second", [key_auth("k2")])}
    config["routes"].append({"name": "more", "match": {"hosts": ["more.example"]}, "service": "echo"})
    other.write_text(json.dumps(config, indent=1))
    code, out = weir("diff", "-c", str(other), *state)
    assert code == 3 and out.splitlines() == ["~ routes all", "+ routes more", "~ plugins key-auth (new VM)"], out
    assert mark(g, headers={"x-k": "k1"}) == "first"
    assert json.loads(weir("diff", "-c", str(other), "--json", *state)[1])["dryRun"]
    assert weir("apply", "-c", str(other), *state)[0] == 0
    code, out = weir("routes", *state)
    assert code == 0 and re.search(rf"more +more\.example +prefix:/ +echo +{other}:\d+", out), out
    assert len(json.loads(weir("routes", "--json", *state)[1])["items"]) == 2
    code, out = weir("plugins", *state)
    assert code == 0 and re.search(r"key-auth +(ready|compiling)", out), out
    assert json.loads(weir("plugins", "--json", *state)[1])[0]["name"] == "key-auth"
    assert json.loads(weir("status", "--json", *state)[1])["workers"]
    assert json.loads(weir("apply", "--json", *state)[1])["changed"] is False
    ask(g, "PUT", "/v1/routes/api", part("api", match={"hosts": ["a.example"]}))
    assert re.search(r"api +a\.example .* api$", weir("routes", *state)[1], re.M)
    (tmp_path / "bad.yaml").write_text("routes: [{name: x}]\n")
    code, out = weir("diff", "-c", str(tmp_path / "bad.yaml"), *state)
    assert code == 1 and "bad.yaml:1: routes[0]" in out
    for verb in ("diff", "plugins", "routes", "status", "apply"):
        assert weir(verb, "--help")[0] == 0 and weir(verb, "--state", str(tmp_path))[0] == 4


def test_a_certificate_by_the_api(gateway, echo, tmp_path):
    def make(name):
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                               "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:shop.example",
                               "-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.pem")],
                              capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return {"certificate": str(tmp_path / f"{name}.pem"), "key": str(tmp_path / f"{name}.key")}
    port = free_port()
    config = {**route(echo, "first"), "certificates": [make("one")]}
    config["listeners"] = [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "protocol": "https"}]
    g = gateway(config, "--workers", "2")

    def shown():
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s:
            with context.wrap_socket(s, server_hostname="shop.example") as t:
                return t.getpeercert(True)
    items = ask(g, "GET", "/v1/certificates").json["items"]
    assert [i["name"] for i in items] == ["shop.example-ec"] and "not shown" in items[0]["part"]["key"]
    before, master = shown(), g.master()
    assert ask(g, "PUT", "/v1/certificates/shop.example-ec", make("two")).status in (200, 201)
    after = {shown() for _ in range(10)}
    assert len(after) == 1 and before not in after and g.master() == master
    assert ask(g, "DELETE", "/v1/certificates/shop.example-ec").status == 200
    assert {shown() for _ in range(10)} == {before}
