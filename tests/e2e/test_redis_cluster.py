"""Redis Cluster from plugins: three real nodes; MOVED and ASK followed, the table learnt, nodes that go."""
import signal

import pytest

from conftest import wait_for
from redis_server import Cluster, Pretender
from test_redis import GO, SLOW, ask, get, settled, start, state


@pytest.fixture(name="cluster", scope="module")
def fixture_cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("cluster"))
    yield c
    c.kill()


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo, probe_module, cluster):
    return start(gateways, echo, probe_module, {"redis": cluster.nodes[0].address})


def test_moved(gw, cluster):
    """The first key elsewhere costs a detour and brings the table; afterwards every command goes where it belongs."""
    elsewhere = next(k for k in ("a", "b", "c", "d", "e", "f") if cluster.owner(k) != 0)
    assert get(gw, "redis", "SET", elsewhere, "1")[:2] == (0, "+OK")
    wait_for("the table", lambda: state(gw, "redis")["slots_read"] == 1)
    assert state(gw, "redis")["moved"] == 1
    owners = set()
    for i in range(40):
        key = f"key{i}"
        owners.add(cluster.owner(key))
        assert get(gw, "redis", "SET", key, str(i))[:2] == (0, "+OK")
        assert cluster.nodes[cluster.owner(key)].ask("GET", key) == str(i)
    s = state(gw, "redis")
    assert owners == {0, 1, 2} and s["moved"] == 1 and s["nodes"] == 3 and s["connects"] <= 4
    settled(gw)


def test_order_of_one_key(gw, cluster):
    ask(gw, "redis redis _ DEL list; ret 0")
    _, said, _ = ask(gw, "redis redis _ RPUSH list 1; redis redis _ RPUSH list 2; redis redis then LRANGE list 0 -1; ret 1", "buf 9 0 99; " + GO)
    assert said["buf 9 0 99"] == "0 *2  $1  1  $1  2"


def test_errors_pass_through(gw, cluster):
    assert get(gw, "redis", "MGET", "a", "b", "c", "d", "e")[1].startswith("-CROSSSLOT")
    assert get(gw, "redis", "MSET", "{t}1", "x", "{t}2", "y")[:2] == (0, "+OK")
    assert get(gw, "redis", "MGET", "{t}1", "{t}2")[1] == "*2  $1  x  $1  y"
    assert get(gw, "redis", "EVAL", "return{KEYS[1],ARGV[1]}", "1", "key7", "v")[1] == "*2  $4  key7  $1  v"
    assert get(gw, "redis", "PING")[:2] == (0, "+PONG")
    settled(gw)


def test_a_slot_on_its_way(gw, cluster):
    """ASK: while a slot migrates, a key that is at its new place already is found there; then MOVED, once."""
    key = next(f"migrant{i}" for i in range(100) if cluster.owner(f"migrant{i}") == 1)
    slot = cluster.nodes[0].ask("CLUSTER", "KEYSLOT", key)
    assert get(gw, "redis", "SET", key, "old")[0] == 0
    cluster.nodes[2].ask("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.ids[1])
    cluster.nodes[1].ask("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.ids[2])
    assert get(gw, "redis", "GET", key)[:2] == (0, "$3  old")
    cluster.nodes[1].ask("MIGRATE", "127.0.0.1", cluster.nodes[2].port, key, 0, 5000)
    before = state(gw, "redis")
    for _ in range(3):
        assert get(gw, "redis", "GET", key)[:2] == (0, "$3  old")
    after = state(gw, "redis")
    assert after["asked"] == before["asked"] + 3 and after["moved"] == before["moved"]
    for node in (2, 1, 0):
        cluster.nodes[node].ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.ids[2])
    for _ in range(3):
        assert get(gw, "redis", "GET", key)[:2] == (0, "$3  old")
    assert state(gw, "redis")["moved"] == before["moved"] + 1
    settled(gw)


def test_a_node_that_goes(gw, cluster):
    """kill -9 of one of three: keys of the others go on being served; the lost ones fail, and are served again when it is back."""
    mine, others = ([k for k in (f"n{i}" for i in range(100)) if (cluster.owner(k) == 1) == lost][:3] for lost in (True, False))
    cluster.nodes[1].ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
    for node in cluster.nodes:
        node.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
    for k in mine + others:
        assert get(gw, "redis", "SET", k, "1")[0] == 0
    cluster.nodes[1].kill()
    for _ in range(3):
        for k in others:
            assert get(gw, "redis", "GET", k)[:2] == (0, "$1  1")
        for k in mine:
            status, why, took = get(gw, "redis", "GET", k)
            assert (status == 1 or why.startswith("-CLUSTERDOWN")) and took < 1.2 * SLOW
    cluster.nodes[1].start()
    wait_for("the node's keys", lambda: all(get(gw, "redis", "SET", k, "2")[:2] == (0, "+OK") for k in mine))
    settled(gw)


def test_a_node_that_stops(gw, cluster):
    mine = next(k for k in (f"s{i}" for i in range(100)) if cluster.owner(k) == 2)
    other = next(k for k in (f"s{i}" for i in range(100)) if cluster.owner(k) == 0)
    assert get(gw, "redis", "SET", mine, "1")[0] == 0
    cluster.nodes[2].signal(signal.SIGSTOP)
    try:
        ask(gw, "rinit redis _ _ 300")
        assert get(gw, "redis", "GET", mine)[:2] == (1, "11 timeout")
        assert get(gw, "redis", "SET", other, "1")[0] == 0
    finally:
        cluster.nodes[2].signal(signal.SIGCONT)
        ask(gw, "rinit redis _ _ 1000")
    wait_for("recovery", lambda: get(gw, "redis", "GET", mine)[:2] == (0, "$1  1"))
    settled(gw)


@pytest.mark.parametrize("where", ["here", "nowhere", "name.example:6379", "127.0.0.1:0", "127.0.0.1:70000", ":port"])
@pytest.mark.parametrize("word", ["MOVED", "ASK"])
def test_redirections_that_lead_nowhere(gateway, echo, probe_module, word, where):
    """In circles, to no address: after five hops, or at once, the redirection is the reply."""
    p = Pretender(None)
    target = {"here": p.address, "nowhere": "127.0.0.1", ":port": f":{p.port}"}.get(where, where)
    text = f"-{word} 5 {target}\r\n".encode()

    def serve(_self, s):
        while data := s.recv(65536):
            s.sendall(b"".join(b"-ERR no\r\n" if b"SLOTS" in part else b"+OK\r\n" if b"ASKING" in part else text
                               for part in data.split(b"*")[1:]))
    p.serve = serve
    g = start(gateway, echo, probe_module, {"redis": p.address})
    status, reply, _ = get(g, "redis", "GET", "a")
    assert status == 0 and reply == f"-{word} 5 {target}"
    s = settled(g) and state(g, "redis")
    assert s["moved"] + s["asked"] == (5 if where in ("here", ":port") else 0) and s["error_replies"] == 1
    p.close()


@pytest.mark.parametrize("slots", [b"*1\r\n*2\r\n:0\r\n:1\r\n", b"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$9\r\n127.0.0.1\r\n:1\r\n", b"+OK\r\n", b"$-1\r\n",
                                   b"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$4\r\nname\r\n:1\r\n"])
def test_tables_that_are_none(gateway, echo, probe_module, slots):
    p, q = Pretender(None), Pretender(None)

    def serve(self, s):
        while data := s.recv(65536):
            for part in data.split(b"*")[1:]:
                s.sendall(slots if b"SLOTS" in part else b"+OK\r\n" if self is q else b"-MOVED 5 %s\r\n" % q.address.encode())
    p.serve = q.serve = serve
    g = start(gateway, echo, probe_module, {"redis": p.address})
    for _ in range(3):
        assert get(g, "redis", "GET", "a")[:2] == (0, "+OK")
    settled(g)
    p.close()
    q.close()
