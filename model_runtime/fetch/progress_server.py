"""GET /progress while `prepare` runs: how far the fetch is, as JSON, for the operator. Started by prepare.py.

It only looks on: a port that is taken, or a client that misbehaves, costs a line in the log and nothing of the fetch.
"""

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from model_runtime.fetch.progress import Progress, Reading

PATH = "/progress"
_CLIENT_SECONDS = 2.0
_POLL_SECONDS = 0.1


@contextlib.contextmanager
def serving_progress(progress: Progress, port: int | None, say: Callable[[str], None]) -> Iterator[int | None]:
    """Serve the progress on all addresses while the block runs; give the port, None where it is not served."""
    server = _bind(progress, port, say) if port is not None else None
    if server is None:
        yield None
        return
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="progress", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def as_json(reading: Reading) -> bytes:
    """Return the reading in the form of the contract; rates and times in whole numbers."""
    left = reading.seconds_left
    return json.dumps(
        {
            "phase": reading.phase,
            "bytesDone": reading.bytes_done,
            "bytesTotal": reading.bytes_total,
            "bytesPerSecond": round(reading.bytes_per_second),
            "secondsLeft": None if left is None else round(left),
        }
    ).encode()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread per client, none of which keeps the process from ending."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, family: socket.AddressFamily, port: int, progress: Progress, say: Callable[[str], None]) -> None:
        self.address_family = family
        self.progress = progress
        self.say = say
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        """Take IPv4 clients on the IPv6 socket too, so that it does not matter what addresses the cluster gives."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 (socketserver's signature)
        """Say in one line that a client was not answered."""
        self.say(f"a request for the progress from {client_address} was not answered")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answer one request; 503 while the source is being listed."""
        if self.path != PATH:
            self._answer(HTTPStatus.NOT_FOUND, b"{}")
            return
        reading = self.server.progress.reading()
        if reading is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"{}")
            return
        self._answer(HTTPStatus.OK, as_json(reading))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Write nothing: the operator asks every two seconds."""

    def _answer(self, status: HTTPStatus, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _bind(progress: Progress, port: int, say: Callable[[str], None]) -> _Server | None:
    problem: OSError | None = None
    for family in (socket.AF_INET6, socket.AF_INET):
        try:
            return _Server(family, port, progress, say)
        except OSError as error:
            problem = error
    say(f"the progress is not served on port {port}: {problem}")
    return None
