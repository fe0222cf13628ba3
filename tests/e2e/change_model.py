"""A gateway's configuration that changes at random, and what must be seen of each change from outside.

Model: one change is of one kind, drawn from a seed; beside it the host that requests are rewritten to gets the change's number, so
that a request tells whether a change is in force where it went.  Modules are copies of the guest `stamp` that differ in eight bytes, so each is
compiled anew.  A change that `breaks` leaves the plugin `stamp` at its last good version; what it was to become holds again
with the next change."""
import json
import os
import random

from conftest import GUESTS, KEY_AUTH
from storm_load import KEY, NAME

ROUTES = [{}, {"methods": ["GET", "POST"]}, {"headers": [{"name": "x-k", "present": True}]}, {"hosts": [NAME, "127.0.0.1"]}]
BREAKS = ["bad module", "trap in configure", "configuration refused", "missing file"]


class Model:
    KINDS = ["routes", "endpoints", "certificates", "plugin configuration", "plugin binary"]

    def __init__(self, folder, ports, upstreams, certificates, seed):
        """upstreams: {"echo": addresses, "ws": address, "rpc": address}; certificates: {"main": pairs for NAME, "more": pairs of other names}"""
        self.rnd, self.folder, self.ports, self.upstreams, self.certificates = random.Random(seed), str(folder), ports, upstreams, certificates
        with open(os.path.join(GUESTS, "host/stamp.wasm"), "rb") as f:
            self.stamp = f.read()
        with open(self.path("junk.wasm"), "wb") as f:
            f.write(b"junk")
        self.number = 0
        self.routes, self.weights = {}, {a: 1 for a in upstreams["echo"]}
        self.main, self.more, self.mark, self.module = 0, [], "c0", "00000000"
        self.module_before = None
        self.consumer, self.consumer_before = "other-0", "nobody"
        self.in_force = (self.module, self.mark)  # of the plugin stamp
        self.write_module()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_module(self):
        assert self.stamp.count(b"module=00000000") == 1
        with open(self.path(f"{self.module}.wasm"), "wb") as f:
            f.write(self.stamp.replace(b"module=00000000", b"module=" + self.module.encode()))

    # ---- the kinds of changes

    def change_routes(self):
        name = f"r{self.rnd.randrange(12)}"
        if name in self.routes and self.rnd.random() < 0.4:
            del self.routes[name]
        else:
            self.routes[name] = {"host": f"route-{self.number}", "match": self.rnd.choice(ROUTES), "split": self.rnd.random() < 0.3}

    def change_endpoints(self):
        chosen = self.rnd.sample(self.upstreams["echo"], self.rnd.randrange(1, len(self.upstreams["echo"]) + 1))
        self.weights = {a: self.rnd.randrange(1, 6) for a in chosen}

    def change_certificates(self):
        self.main = (self.main + self.rnd.randrange(1, len(self.certificates["main"]))) % len(self.certificates["main"])
        self.more = [p for p in self.certificates["more"] if self.rnd.random() < 0.5]

    def change_plugin_configuration(self):
        if self.rnd.random() < 0.5:
            self.mark = f"c{self.number}"
        else:
            self.consumer_before, self.consumer = self.consumer, f"other-{self.number}"

    def change_plugin_binary(self):
        """The file before stays until the next such change: what is in force names it."""
        if self.module_before:
            os.remove(self.path(f"{self.module_before}.wasm"))
        self.module_before, self.module = self.module, f"{self.number:08d}"
        self.write_module()

    def change(self, broken=None):
        """The next configuration; broken: one of BREAKS.  Returns (what kind it was, the configuration)."""
        self.number += 1
        kind = self.rnd.choice(self.KINDS)
        getattr(self, "change_" + kind.replace(" ", "_"))()
        if broken is None:
            self.in_force = self.module, self.mark
        return kind, self.configuration(broken)

    # ---- the configuration

    def stamp_plugin(self, broken):
        url = {"bad module": "junk.wasm", "missing file": "nowhere.wasm"}.get(broken, f"{self.module}.wasm")
        mark = {"trap in configure": "trap", "configuration refused": "refuse"}.get(broken, self.mark)
        return {"name": "stamp", "url": f"file:{self.path(url)}", "defaultConfig": {"mark": mark}}

    def key_auth_plugin(self):
        consumers = [{"name": "a", "credential": KEY}, {"name": "b", "credential": self.consumer}]
        return {"name": "key-auth", "url": KEY_AUTH, "phase": "AUTHN", "defaultConfig": {"consumers": consumers, "keys": ["x-k"], "in_header": True},
                "matchRules": [{"route": ["ws", "rpc"], "configDisable": True}]}

    def route(self, name, r):
        way = {"services": [{"name": "echo", "weight": 3}, {"name": "echo-2", "weight": 1}]} if r["split"] else {"service": "echo"}
        return {"name": name, "match": {"path": {"prefix": "/" + name}, **r["match"]}, "rewrite": {"host": r["host"]}, **way}

    def configuration(self, broken=None):
        pairs = [self.certificates["main"][self.main], *self.more]
        return {"listeners": [f"127.0.0.1:{self.ports['http']}", {"address": f"127.0.0.1:{self.ports['https']}", "protocol": "https"}],
                "certificates": [{"certificate": c, "key": k} for c, k in pairs],
                "services": [{"name": "echo", "endpoints": [{"address": a, "weight": w} for a, w in self.weights.items()]},
                             {"name": "echo-2", "endpoints": self.upstreams["echo"]},
                             {"name": "ws", "endpoints": [self.upstreams["ws"]], "readTimeout": "1h", "sendTimeout": "1h"},
                             {"name": "rpc", "endpoints": [self.upstreams["rpc"]], "protocol": "grpc", "readTimeout": "1h", "sendTimeout": "1h"}],
                "routes": [{"name": "ws", "match": {"hosts": ["ws"]}, "service": "ws"},
                           {"name": "rpc", "match": {"path": {"prefix": "/weir.Test"}}, "service": "rpc"},
                           {"name": "all", "match": {}, "service": "echo", "rewrite": {"host": f"mark-{self.number}"}},
                           *(self.route(name, r) for name, r in self.routes.items())],
                "plugins": [self.stamp_plugin(broken), self.key_auth_plugin()]}

    def text(self, configuration):
        return json.dumps(configuration, indent=1)

    # ---- what must be seen of it

    def expected_host(self, name):
        """Where a GET of /NAME/x with the key goes, sent to 127.0.0.1"""
        return self.routes[name]["host"] if name in self.routes else f"mark-{self.number}"

    def expected_stamp(self):
        return "/".join(self.in_force)
