"""A gRPC server and client of Debian's grpcio, with methods on bytes instead of generated code.

Service /weir.Test/: Echo (unary), Down (N messages for one), Up (one for many), Both (each message comes back), Wait (unary, until
the test lets it go), Fail (a status of its own), Meta (says the metadata it got)."""
import json
import threading
import time
from concurrent import futures

import grpc

PLAIN = {"request_serializer": None, "response_deserializer": None}


class Server:
    """`credentials`: of a TLS server, or None."""

    def __init__(self, credentials=None, max_streams=None):
        self.release, self.cancelled, self.calls = threading.Event(), threading.Event(), 0
        options = [("grpc.so_reuseport", 0)] + ([("grpc.max_concurrent_streams", max_streams)] if max_streams else [])
        self.server = grpc.server(futures.ThreadPoolExecutor(80), options=options)
        unary, down, up, both = (grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler,
                                 grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("weir.Test", {
            "Echo": unary(self.echo), "Down": down(self.down), "Up": up(self.up), "Both": both(self.both),
            "Wait": unary(self.wait), "Fail": unary(self.fail), "Meta": unary(self.meta)}),))
        add = self.server.add_secure_port if credentials else self.server.add_insecure_port
        self.port = add("127.0.0.1:0", *([credentials] if credentials else []))
        self.address = f"127.0.0.1:{self.port}"
        self.server.start()

    def close(self):
        self.release.set()
        self.server.stop(0).wait(10)

    def echo(self, message, context):
        self.calls += 1
        context.send_initial_metadata((("x-initial", "i"),))
        context.set_trailing_metadata((("x-trailing", "t"),))
        return message

    def down(self, message, context):
        for i in range(int(message)):
            yield b"%d" % i
        context.set_trailing_metadata((("x-trailing", "t"),))

    def up(self, messages, _context):
        return b"%d" % sum(len(m) for m in messages)

    def both(self, messages, context):
        context.send_initial_metadata(())
        for m in messages:
            yield m
        context.set_trailing_metadata((("x-trailing", "t"),))

    def wait(self, message, context):
        context.add_callback(self.cancelled.set)
        end = time.monotonic() + 60
        while context.is_active() and not self.release.is_set() and time.monotonic() < end:
            self.release.wait(0.02)
        return message

    def fail(self, message, context):
        context.abort(grpc.StatusCode(next(c.value for c in grpc.StatusCode if c.value[0] == int(message))), "no é %")

    def meta(self, _message, context):
        return json.dumps([list(p) for p in context.invocation_metadata() if isinstance(p[1], str)] + [["deadline", context.time_remaining()]]
                          + [["authority", context._rpc_event.call_details.host.decode()]]).encode()  # pylint: disable=protected-access


class Client:
    def __init__(self, port, *options):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0), *options])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def unary(self, method, message=b"", service="weir.Test", **kwargs):
        """(answer, call); an error is raised as grpc.RpcError."""
        return self.channel.unary_unary(f"/{service}/{method}", **PLAIN).with_call(message, **{"timeout": 30, **kwargs})

    def down(self, method, message, **kwargs):
        return self.channel.unary_stream(f"/weir.Test/{method}", **PLAIN)(message, **{"timeout": 30, **kwargs})

    def up(self, method, messages, **kwargs):
        return self.channel.stream_unary(f"/weir.Test/{method}", **PLAIN)(messages, **{"timeout": 30, **kwargs})

    def both(self, method, messages, **kwargs):
        return self.channel.stream_stream(f"/weir.Test/{method}", **PLAIN)(messages, **{"timeout": 30, **kwargs})
