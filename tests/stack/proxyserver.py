"""A forward proxy on loopback: CONNECT for https, whole URLs for http; it alone knows where its `hosts` are."""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_CHUNK_BYTES = 1 << 16


@dataclass
class Proxy:
    """Leads `host:port` to an address; `requests` are the request lines that it was sent."""

    hosts: Mapping[str, tuple[str, int]]
    requests: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(socketserver.StreamRequestHandler):
    proxy: Proxy

    def handle(self) -> None:
        """Answer one request and join the two connections until either ends."""
        line = self.rfile.readline().decode("latin-1").strip()
        headers = b"".join(iter(self.rfile.readline, b"\r\n"))
        self.proxy.requests.append(line)
        method, target, version = line.split()
        host, path = _place(method, target)
        if host not in self.proxy.hosts:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(self.proxy.hosts[host]) as upstream:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                # One request per connection: the next one may be for another host.
                closing = b"".join(
                    header
                    for header in headers.splitlines(keepends=True)
                    if not header.lower().startswith(b"connection")
                )
                upstream.sendall(f"{method} {path} {version}\r\nConnection: close\r\n".encode() + closing + b"\r\n")
            _join(self.connection, upstream)


def _place(method: str, target: str) -> tuple[str, str]:
    """Return `host:port` and the path of a request."""
    if method == "CONNECT":
        return target, ""
    url = urlsplit(target)
    return f"{url.hostname}:{url.port or 80}", target.removeprefix(f"http://{url.netloc}")


def _join(one: socket.socket, other: socket.socket) -> None:
    peers = {one: other, other: one}
    while True:
        readable, _, _ = select.select(list(peers), [], [], 30)
        if not readable:
            return
        for ready in readable:
            try:
                received = ready.recv(_CHUNK_BYTES)
                if not received:
                    return
                peers[ready].sendall(received)
            except OSError:
                # An end hung up; so does the other.
                return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def proxying(hosts: Mapping[str, tuple[str, int]]) -> Iterator[Proxy]:
    """Run a proxy on a free port until the block ends."""
    proxy = Proxy(hosts)
    with _Server(("127.0.0.1", 0), type("BoundHandler", (_Handler,), {"proxy": proxy})) as server:
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
