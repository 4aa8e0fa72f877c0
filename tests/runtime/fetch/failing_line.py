"""A line to a server that fails: it passes so many bytes down, over all connections together, and no more."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class FailingLine:
    """After so many bytes the line is cut, is dead, or lets a byte through now and then."""

    cut_at: int | None = None
    hang_at: int | None = None
    drip_at: int | None = None
    refuse: bool = False

    @property
    def limit(self) -> int:
        """How many bytes pass before it fails."""
        return self.cut_at or self.hang_at or self.drip_at or 0


@contextmanager
def failing_line(upstream: str, fault: FailingLine) -> Iterator[str]:
    """Give the URL by which the upstream is reached over such a line, until the block ends."""
    target = urlsplit(upstream)
    address = target.hostname or "", target.port or 80
    closing = threading.Event()
    threads: list[threading.Thread] = []
    rest = _Rest(fault.limit)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while not closing.is_set():
                client, _ = listener.accept()
                threads.append(threading.Thread(target=_serve, args=(client, address, fault, rest, closing)))
                threads[-1].start()

    threads.append(threading.Thread(target=accept))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if fault.refuse:
        listener.close()
    threads[0].start()
    try:
        yield url
    finally:
        closing.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join()


@dataclass
class _Rest:
    """How many bytes still pass."""

    count: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, wanted: int) -> int:
        with self.lock:
            taken = min(wanted, self.count)
            self.count -= taken
            return taken


def _serve(
    client: socket.socket, address: tuple[str, int], fault: FailingLine, rest: _Rest, closing: threading.Event
) -> None:
    with client, socket.create_connection(address) as server:
        up = threading.Thread(target=_pass_up, args=(client, server))
        up.start()
        with suppress(OSError):
            _pass_down(server, client, rest)
            _fail(server, client, fault, closing)
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        up.join()


def _pass_up(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while chunk := client.recv(65536):
            server.sendall(chunk)
        server.shutdown(socket.SHUT_WR)


def _pass_down(server: socket.socket, client: socket.socket, rest: _Rest) -> None:
    while chunk := server.recv(65536):
        taken = rest.take(len(chunk))
        client.sendall(chunk[:taken])
        if taken < len(chunk):
            return


def _fail(server: socket.socket, client: socket.socket, fault: FailingLine, closing: threading.Event) -> None:
    if fault.cut_at:
        return
    while not closing.wait(0.05):
        if fault.drip_at:
            client.sendall(server.recv(1))
