#!/usr/bin/python3
"""A storm through three plugins that pause at random until callouts with random delays are answered.

  [WEIR_BUILD=build/san] chain_storm.py [--requests 100000] [--clients 64] [--workers 2] [--seed 1]

Bodies of 0 to 1 MiB, mostly small; HTTP/1.1 with and without Content-Length and HTTP/2 with several streams a connection; upstreams that
answer at the end and while they read; a tenth of the clients leave somewhere, some requests are answered by a plugin.  Ends with
a line of figures and exits 1 unless: every answer is exact to the byte, no counter of the workers (requests, streams, contexts,
callouts, bodies) is left above zero, their memory and descriptors are flat, none was replaced, and the logs have nothing to say."""
import argparse
import asyncio
import multiprocessing
import os
import random
import re
import sys
import tempfile

import h2.config
import h2.connection
import h2.events
import h2.exceptions

import conftest
from storm_kit import descriptors, rss_kb, statuses

BLOB = random.Random(20).randbytes(4 << 20)
MIB = 1 << 20
ROUNDS = 10  # memory is looked at after each; the first warms up
HEAP_BYTES = 512 << 10  # kept connections come and go
DESCRIPTORS = 40 + 2 * 32  # the worker's own, and the connections it keeps to each service


# ---- the upstream and the service with the delays


async def read_request(reader):
    """(path, what reads the body piece by piece), None at the end of the connection"""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
    except (asyncio.IncompleteReadError, OSError):
        return None
    length = re.search(rb"content-length: (\d+)", head)

    async def body():
        if b"transfer-encoding: chunked" in head:
            while n := int(await reader.readline(), 16):
                yield await reader.readexactly(n)
                await reader.readexactly(2)
            await reader.readexactly(2)
        elif length:
            left = int(length[1])
            while left:
                part = await reader.read(min(left, 65536))
                if not part:
                    raise ConnectionError("cut off")
                left -= len(part)
                yield part

    return head.split(b" ")[1].decode(), body()


async def mirror(reader, writer):
    """Gives bodies back: /whole with their length, /stream piece by piece while it reads, in chunks."""
    try:
        while request := await read_request(reader):
            path, body = request
            if path == "/whole":
                data = b"".join([part async for part in body])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                async for part in body:
                    writer.write(b"%x\r\n" % len(part) + part + b"\r\n")
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
            await writer.drain()
    except (OSError, ValueError, asyncio.IncompleteReadError):
        pass  # the gateway let go of it
    writer.close()


async def delay(reader, writer):
    """Answers after 0 to 20 ms, now and then after 200."""
    rnd = random.Random()
    try:
        while await read_request(reader):
            await asyncio.sleep(rnd.random() * 0.02 if rnd.random() < 0.98 else 0.2)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except OSError:
        pass
    writer.close()


def serve_upstreams(ports):
    async def main():
        servers = [await asyncio.start_server(f, "127.0.0.1", 0, limit=MIB, backlog=1024) for f in (mirror, delay)]
        ports.send([s.sockets[0].getsockname()[1] for s in servers])
        await asyncio.Event().wait()
    asyncio.run(main())


# ---- clients


class Plan:
    """One request and what must come of it."""

    def __init__(self, rnd):
        self.size = 0 if rnd.random() < 0.1 else int(2 ** (rnd.random() * 20))
        start = rnd.randrange(len(BLOB) - self.size)
        self.body = BLOB[start:start + self.size]
        self.path = rnd.choice(["/whole", "/stream"])
        self.chunked = rnd.random() < 0.5
        self.answerer = rnd.choice("ABCabc") if rnd.random() < 0.08 else ""
        if self.answerer.islower():
            self.path = "/whole"  # this upstream answers nothing before the plugin does
        self.leaves = rnd.random() if rnd.random() < 0.1 else None  # how far it sends, or waits if over 0.5
        self.pieces = rnd.randrange(1, 5)
        self.id = f"storm-{rnd.getrandbits(64):x}"
        self.has_body = True

    def expected(self):
        """[(status, body)]: each plugin puts its letter around what there is, requests in order, responses in reverse; an answer passes
        those that saw the request."""
        sent = wrap(self.body, "ABC") if self.has_body else b""
        normal = 200, b"" if self.path == "/whole" and not sent else wrap(sent, "CBA")
        if not self.answerer:
            return [normal]
        least = "ABC".index(self.answerer.upper()) + 1
        answers = [(418, wrap(b"answer", "ABC"[:n][::-1])) for n in range(least, 4)]
        return answers[:1] if self.answerer.isupper() else [normal, *answers]

    def parts(self):
        step = max(1, -(-self.size // self.pieces))
        return [self.body[i:i + step] for i in range(0, self.size, step)]


def wrap(body, letters):
    text = letters.encode()
    return text[::-1] + body + text


class Tally:
    def __init__(self):
        self.done = self.left = self.answered = self.bytes = 0
        self.wrong = []

    def check(self, plan, status, body, protocol):
        self.done += 1
        self.bytes += plan.size + len(body)
        want = plan.expected()
        self.answered += status == 418
        if (status, body) not in want:
            want = want[0]
            at = next((i for i, (a, b) in enumerate(zip(body, want[1])) if a != b), min(len(body), len(want[1])))
            self.wrong.append(f"{plan.id} {protocol} {plan.path} size {plan.size} chunked {plan.chunked} answerer {plan.answerer!r}: "
                              f"{status} and {len(body)} bytes, not {want[0]} and {len(want[1])}; they differ at {at}: {body[:40]!r}")


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ")[1])
    if b"transfer-encoding: chunked" in head:
        body = []
        while n := int(await reader.readline(), 16):
            body.append(await reader.readexactly(n))
            await reader.readexactly(2)
        await reader.readexactly(2)
        body = b"".join(body)
    else:
        body = await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
    return status, body, b"connection: close" in head


async def send_http1(writer, plan):
    framing = b"Transfer-Encoding: chunked" if plan.chunked else b"Content-Length: %d" % plan.size
    extra = f"x-request-id: {plan.id}\r\n".encode() + (f"x-storm: {plan.answerer}\r\n".encode() if plan.answerer else b"")
    writer.write(b"POST " + plan.path.encode() + b" HTTP/1.1\r\nHost: storm\r\n" + extra + framing + b"\r\n\r\n")
    parts = plan.parts()
    for i, part in enumerate(parts):
        if plan.leaves is not None and plan.leaves * 2 * len(parts) < i:
            return
        writer.write(b"%x\r\n" % len(part) + part + b"\r\n" if plan.chunked else part)
        await writer.drain()
    if plan.chunked:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


async def http1(port, rnd, budget, tally):
    """Requests one after the other, on one connection as long as that lives."""
    reader = writer = None
    while next(budget, None) is not None:
        plan = Plan(rnd)
        plan.has_body = plan.chunked or plan.size > 0
        if writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MIB)
        sender = asyncio.ensure_future(send_http1(writer, plan))
        try:
            if plan.leaves is not None:
                await asyncio.wait([sender], timeout=plan.leaves * 0.05)
                writer.transport.abort()
                tally.left += 1
                reader = writer = None
                continue
            status, body, close = await asyncio.wait_for(read_answer(reader), 60)
            tally.check(plan, status, body, "HTTP/1.1")
        except (OSError, ValueError, TypeError, asyncio.IncompleteReadError, asyncio.TimeoutError) as e:
            tally.wrong.append(f"{plan.id} HTTP/1.1 {plan.path} size {plan.size} chunked {plan.chunked} answerer {plan.answerer!r}: {e!r}")
            close = True
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        if close or plan.answerer:  # an early answer may end the connection
            writer.close()
            reader = writer = None
    if writer is not None:
        writer.close()


class Http2:
    """A connection with a few streams at once."""

    def __init__(self, rnd, budget, tally):
        self.c = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.rnd, self.budget, self.tally = rnd, budget, tally
        self.streams = {}  # id: [plan, bytes sent, status, parts of the answer]

    def begin(self):
        if next(self.budget, None) is None:
            return False
        plan = Plan(self.rnd)
        sid = self.c.get_next_available_stream_id()
        headers = [(":method", "POST"), (":path", plan.path), (":scheme", "http"), (":authority", "storm"), ("x-request-id", plan.id)]
        headers += [("x-storm", plan.answerer)] if plan.answerer else []
        headers += [] if plan.chunked else [("content-length", str(plan.size))]
        plan.has_body = not (plan.size == 0 and self.rnd.random() < 0.5)
        self.c.send_headers(sid, headers, end_stream=not plan.has_body)
        self.streams[sid] = [plan, 0 if plan.has_body else -1, 0, []]
        return True

    def pump(self):
        for sid, stream in list(self.streams.items()):
            plan = stream[0]
            sent = plan.size if stream[1] < 0 else stream[1]
            if plan.leaves is not None and sent >= plan.leaves * plan.size:
                self.c.reset_stream(sid, 8)
                del self.streams[sid]
                self.tally.left += 1
                continue
            while stream[1] >= 0:
                n = min(self.c.local_flow_control_window(sid), self.c.max_outbound_frame_size, plan.size - stream[1])
                if n == 0 and stream[1] < plan.size:
                    break
                last = stream[1] + n == plan.size
                self.c.send_data(sid, plan.body[stream[1]:stream[1] + n], end_stream=last)
                stream[1] = -1 if last else stream[1] + n

    def take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.DataReceived):
            self.c.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream[2] = int(dict(event.headers)[":status"])
        elif isinstance(event, h2.events.DataReceived):
            stream[3].append(event.data)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            if isinstance(event, h2.events.StreamReset):
                stream[3].append(b"(reset %d)" % event.error_code)
            self.tally.check(stream[0], stream[2], b"".join(stream[3]), "HTTP/2")
            del self.streams[event.stream_id]

    async def run(self, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MIB)
        self.c.initiate_connection()
        more = True
        while more or self.streams:
            while more and len(self.streams) < 4:
                more = self.begin()
            self.pump()
            writer.write(self.c.data_to_send())
            await writer.drain()
            if not self.streams:
                continue
            data = await asyncio.wait_for(reader.read(65536), 60)
            if not data:
                raise ConnectionError("the gateway closed an HTTP/2 connection")
            for event in self.c.receive_data(data):
                self.take(event)
        writer.close()


async def http2(port, rnd, budget, tally):
    while True:
        connection = Http2(rnd, budget, tally)
        try:
            return await connection.run(port)
        except (OSError, asyncio.TimeoutError, h2.exceptions.ProtocolError) as e:
            left = [(sid, s[0].path, s[0].size, s[1], s[2]) for sid, s in connection.streams.items()]
            tally.wrong.append(f"HTTP/2 connection: {e!r}, streams (id, path, size, sent, status) {left}")


async def round_of_clients(port, requests, clients, seed):
    """Three quarters HTTP/1.1 connections, a quarter HTTP/2."""
    tally = Tally()
    budget = iter(range(requests))
    await asyncio.gather(*[(http2 if i % 4 == 3 else http1)(port, random.Random(seed * 1000 + i), budget, tally) for i in range(clients)])
    return tally


# ---- the whole


def drained(gateway, workers):
    """Wait until no counter is above zero; what is left if that never comes."""
    def live():
        return {w: s["live"] for w, s in statuses(gateway, workers).items()}
    try:
        conftest.wait_for("counters to be zero", lambda: not any(any(c.values()) for c in live().values()))
        return {}
    except AssertionError:
        return live()


def ends(samples):
    """(three rounds at the beginning, the very first left out, three at the end) of each worker"""
    return zip(zip(*samples[1:4]), zip(*samples[-3:]))


def not_flat(memory, heap):
    """What grew.  The heap in use tells a leak by the byte; of what malloc keeps and the kernel counts, more differs from round to round."""
    wrong = []
    if any(max(end) > min(begin) + HEAP_BYTES for begin, end in ends(heap)):
        wrong.append(f"the heap grows (bytes): {heap}")
    if any(max(end) > max(begin) * 1.25 + 4096 for begin, end in ends(memory)):
        wrong.append(f"memory grows (kB): {memory}")
    return wrong


def storm(gateway, nworkers, requests, clients=64, seed=1):
    """Figures and a list of what was wrong."""
    workers = conftest.wait_for("all workers", lambda: len(gateway.workers()) == nworkers and gateway.workers())
    total, memory, heap, files = Tally(), [], [], []
    for i in range(ROUNDS):
        tally = asyncio.run(round_of_clients(gateway.port, requests // ROUNDS, clients, seed + i))
        for name in ("done", "left", "answered", "bytes", "wrong"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
        left = drained(gateway, workers)
        if left:
            total.wrong.append(f"round {i}: left over {left}")
        heap.append([s["heap_bytes"] for s in statuses(gateway, workers).values()])
        memory.append([rss_kb(w) for w in workers if os.path.exists(f"/proc/{w}")])
        files.append([descriptors(w) for w in workers if os.path.exists(f"/proc/{w}")])
    wrong = total.wrong[:20]
    conftest.wait_for("the access log", lambda: gateway.access(request_id=wrong[0].split(" ")[0]) if wrong and wrong[0].startswith("storm-") else True)
    wrong += [line for line in gateway.read("logs/access.log").splitlines() if any(w.split(" ")[0] in line for w in wrong)][:20]
    if gateway.workers() != workers:
        wrong.append(f"workers were replaced: {workers}, then {gateway.workers()}")
    elif not conftest.SANITIZED:  # a sanitizer keeps freed memory for a while
        wrong += not_flat(memory, heap)
    if any(n > DESCRIPTORS for n in files[-1]):
        wrong.append(f"descriptors stay open: {files}")
    wrong += gateway.bad_lines()[:10]
    wrong += [line for line in gateway.error_log.splitlines() if "[crit]" in line or "[error]" in line or "staller: " in line][:5]
    return (f"{total.done} requests answered ({total.answered} by a plugin), {total.left} clients left, {total.bytes / 1e9:.2f} GB of bodies, {len(total.wrong)} wrong; "
            f"after each round: worker RSS {memory} kB, heap in use {heap} bytes, descriptors {files}"), wrong


def config(mirror_port, delay_port):
    plugins = [{"name": f"p{c}", "url": "file:" + os.path.join(conftest.GUESTS, "host/staller.wasm"), "defaultConfig": {"letter": f"{c}{often}"},
                "limits": {"body": "4MiB"}, "priority": 10 - i} for i, (c, often) in enumerate(zip("ABC", "325"))]
    return {"services": [{"name": "mirror", "endpoints": [f"127.0.0.1:{mirror_port}"]}, {"name": "delay", "endpoints": [f"127.0.0.1:{delay_port}"]}],
            "routes": [{"name": "all", "match": {"path": {"prefix": "/"}}, "service": "mirror"}], "plugins": plugins}


class Upstreams:
    """The mirror and the delays in a process of their own."""

    def __init__(self):
        self.ports, theirs = multiprocessing.Pipe()
        self.child = multiprocessing.get_context("fork").Process(target=serve_upstreams, args=(theirs,), daemon=True)
        self.child.start()
        self.mirror, self.delay = self.ports.recv()

    def close(self):
        self.child.terminate()
        self.child.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    upstreams = Upstreams()
    with tempfile.TemporaryDirectory() as folder:
        gateway = conftest.Gateway(config(upstreams.mirror, upstreams.delay), os.path.join(folder, "state"), ["--workers", str(args.workers)])
        try:
            figures, wrong = storm(gateway.wait_ready(), args.workers, args.requests, args.clients, args.seed)
        finally:
            gateway.stop()
            upstreams.close()
        wrong += [line for line in gateway.bad_lines() if line not in wrong]
    print("\n".join(wrong + [figures]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
