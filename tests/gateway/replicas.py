"""Stand-ins for a replica: they record what reaches them and answer as they are told."""

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

from tests.stack.ports import free_ports

# What stands for a status of HTTP in gRPC.
STATUSES = {500: grpc.StatusCode.INTERNAL, 503: grpc.StatusCode.UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived; `port` is the replica's own: 8080, 8000 or 8001."""

    port: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Replica:
    """A replica at an address of the cluster; `places` says where it really listens."""

    address: str
    places: dict[tuple[str, int], str]
    seen: list[Seen] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    held: threading.Event | None = None  # an answer waits for it, after its first byte or, `silent`, before it
    silent: bool = False

    @property
    def paths(self) -> set[str]:
        return {request.path for request in self.seen}


@contextmanager
def replica(address: str) -> Iterator[Replica]:
    """Run a stand-in on all three ports until the block ends."""
    frontend, http, grpc_port = free_ports(3)
    listening = {8080: frontend, 8000: http, 8001: grpc_port}
    made = Replica(address, {(address, port): f"127.0.0.1:{number}" for port, number in listening.items()})
    servers = [_http_server(made, port, listening[port]) for port in (8080, 8000)]
    service = _grpc_server(made, grpc_port)
    try:
        yield made
    finally:
        if made.held is not None:
            made.held.set()
        service.stop(grace=None).wait()
        for server in servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that was cut, which some tests do."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _http_server(made: Replica, port: int, number: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_anything(self) -> None:
            body = _body(self)
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.seen.append(Seen(port, self.command, self.path, headers, body))
            if made.held is not None and made.silent:
                made.held.wait(60)
            self.send_response(made.status)
            answer = json.dumps({"replica": made.address}).encode()
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[:1])
            if made.held is not None:
                self.wfile.flush()
                made.held.wait(60)
            self.wfile.write(answer[1:])

        do_GET = do_POST = do_PUT = do_DELETE = do_anything  # noqa: N815 (the names that the server looks for)

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", number), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def _body(request: BaseHTTPRequestHandler) -> bytes:
    """Return a body of a given length, or one in chunks."""
    if request.headers.get("transfer-encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("content-length") or 0))
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return body


class _Recorder(grpc.GenericRpcHandler):
    """Answers every method of every service with an empty message for each that comes in."""

    def __init__(self, made: Replica) -> None:
        self._made = made

    def service(self, call: Any) -> Any:
        metadata = {name: str(value) for name, value in call.invocation_metadata}

        def answer(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            for body in requests:
                self._made.seen.append(Seen(8001, "POST", call.method, metadata, body))
                if self._made.status != 200:
                    context.abort(STATUSES[self._made.status], "told to")
                yield b""

        return grpc.stream_stream_rpc_method_handler(answer)


def _grpc_server(made: Replica, number: int) -> Any:
    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(ThreadPoolExecutor(16), options=options)
    server.add_generic_rpc_handlers([_Recorder(made)])
    server.add_insecure_port(f"127.0.0.1:{number}")
    server.start()
    return server
