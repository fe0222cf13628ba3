"""Clients that keep asking while Redis goes and comes back: what the tests of plugins with Redis share.

A plugin whose Redis is away must answer every request by its policy, within the deadline of a command, and find back by itself."""
import http.client
import signal
import threading
import time

from conftest import PATIENCE_S, SANITIZED, send, wait_for

SLOW = 4 if SANITIZED else 1
CLIENTS = 8


class Answer:
    def __init__(self, began, took, response):
        self.began, self.took, self.status, self.text = began, took, response.status, response.text
        self.response = response


def ask_all(gateways, count, headers=(), path="/", clients=CLIENTS):
    """`count` requests of each of the clients, who take the gateways in turn; the answers."""
    answers = []

    def run(n):
        g = gateways[n % len(gateways)]
        connection = http.client.HTTPConnection("127.0.0.1", g.port, timeout=PATIENCE_S)
        for _ in range(count):
            began = time.monotonic()
            response = send(g.port, path, headers=headers, connection=connection)
            answers.append(Answer(began, time.monotonic() - began, response))
        connection.close()
    threads = [threading.Thread(target=run, args=(n,)) for n in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(answers) == count * clients
    return answers


class Load:
    """Clients until the end of the block; no request may break off."""

    def __init__(self, gateways, headers=(), path="/", clients=CLIENTS):
        self.gateways, self.headers, self.path = gateways, headers, path
        self.answers, self.failures, self.over = [], [], threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(clients)]

    def run(self, n):
        g = self.gateways[n % len(self.gateways)]
        try:
            while not self.over.is_set():
                began = time.monotonic()
                self.answers.append(Answer(began, time.monotonic() - began, send(g.port, self.path, headers=self.headers)))
                self.answers[-1].took = time.monotonic() - began
                time.sleep(0.002)
        except Exception as e:  # pylint: disable=broad-except
            self.failures.append(e)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()
        assert not self.failures, self.failures

    def between(self, begin, end):
        return [a for a in list(self.answers) if begin <= a.began < end]

    def statuses(self, begin, end):
        return {a.status for a in self.between(begin, end)}


AWAY = {"stop": (lambda redis: redis.signal(signal.SIGSTOP), lambda redis: redis.signal(signal.SIGCONT)),
        "kill": (lambda redis: redis.kill(), lambda redis: redis.start())}


def outage(load, redis, how, timeout_s, away_s=1.2):
    """Redis goes and comes back under load; (answers while it is away, answers from a second after it is back).
    Every answer comes within the deadline."""
    leave, return_ = AWAY[how]
    wait_for("load", lambda: len(load.answers) > 20)
    leave(redis)
    gone = time.monotonic()
    time.sleep(away_s)
    end = time.monotonic()
    return_(redis)
    back = time.monotonic()
    time.sleep(1.0 * SLOW)
    recovered = time.monotonic()
    time.sleep(0.5)
    done = time.monotonic()
    slow = [a.took for a in load.between(gone - 1, done) if a.took > timeout_s + 0.5 * SLOW]
    assert not slow, (max(slow), len(slow))
    assert back - end < 1 * SLOW
    # What was under way when it went may have been answered.
    return load.between(gone + 0.05, end - timeout_s), load.between(recovered, done)


def settled(gateways, redis=None):
    """Nothing is left behind: no stream, no command, no call of a plugin, in any worker; and, as `redis` sees it, one connection of each at most."""
    workers = sum(g.wanted_workers() for g in gateways)
    if redis:
        wait_for("no more connections than workers", lambda: len(redis.ask("CLIENT", "LIST").splitlines()) <= workers + 1)   # and that of ask()
    for g in gateways:
        def calm(g=g):
            status = g.worker_status()
            return status["live"]["streams"] == 0 and status["redis"]["commands"] == 0 and not any(p["callouts"] for p in status["plugins"])
        wait_for("all streams and commands to end", calm)
