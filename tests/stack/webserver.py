"""A web server that serves a mapping of files with ranges, and fails in the ways that real ones do.

It needs nothing but Python: tests/stack/hub.py runs it in the cluster too.
"""

import mmap
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Content = bytes | mmap.mmap


@dataclass
class Fault:
    """What goes wrong with one path."""

    status: int | None = None
    flip_byte: int | None = None
    # The connection breaks there.
    cut_at: int | None = None
    # The file ends there, as far as GET is concerned; HEAD tells of all of it.
    truncate_at: int | None = None
    # From there on nothing comes, or a byte now and then, until the server's end.
    hang_at: int | None = None
    drip_at: int | None = None
    times: int = 1_000_000
    ignore_ranges: bool = False
    append: bytes = b""
    redirect: str | None = None
    redirect_status: int = 302
    no_length: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class WebServer:
    files: Mapping[str, Content]
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    # What is said of the content that is served now, by path: its ETag.
    versions: dict[str, str] = field(default_factory=dict)
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take_fault(self, path: str) -> Fault:
        """Return the fault of the path for a GET, counting down how often it happens."""
        fault = self.faults.get(path, Fault())
        if fault.times <= 0:
            return Fault()
        fault.times -= 1
        return fault


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: WebServer

    def do_HEAD(self) -> None:
        self._record()
        fault = self.web.faults.get(self.path, Fault())
        content = self.web.files.get(self.path)
        if fault.status or content is None:
            self._answer(fault.status or 404, b"", dict(fault.headers))
        elif fault.no_length:
            self._answer(200, b"", {"Transfer-Encoding": "chunked"})
        else:
            self._answer(200, b"", {"Content-Length": str(len(content))})

    def do_GET(self) -> None:
        self._record()
        fault = self.web.take_fault(self.path)
        content = self.web.files.get(self.path)
        if fault.redirect:
            self._answer(fault.redirect_status, b"", {"Location": fault.redirect, "Content-Length": "0"})
        elif fault.status or content is None:
            self._answer(fault.status or 404, b"", {"Content-Length": "0", **fault.headers})
        else:
            self._send(_spoilt(content, fault), fault)

    def _send(self, content: Content, fault: Fault) -> None:
        begin, end, headers, status = 0, len(content), {}, 200
        wanted = self.headers.get("Range")
        if wanted and not fault.ignore_ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last) + 1, len(content)) if last else len(content)
            if begin >= end:
                self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
                return
            headers = {"Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"}
            status = 206
        body = memoryview(content)[begin:end]
        headers["Content-Length"] = str(len(body))
        if self.path in self.web.versions:
            headers["ETag"] = f'"{self.web.versions[self.path]}"'
        if fault.cut_at is not None:
            body = body[: max(0, fault.cut_at - begin)]
            self.close_connection = True
        stay_at = fault.drip_at if fault.hang_at is None else fault.hang_at
        if stay_at is None:
            self._answer(status, body, headers)
            return
        self._answer(status, body[: max(0, stay_at - begin)], headers)
        self._stay(b"" if fault.drip_at is None else b"x")

    def _stay(self, drop: bytes) -> None:
        """Hold the connection open, with a drop of bytes now and then, until the server ends or the client goes."""
        self.close_connection = True
        while not self.web.closing.wait(0.05):
            try:
                self.wfile.write(drop)
            except OSError:
                return

    def _answer(self, status: int, body: bytes | memoryview, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            # The client read what it wanted and hung up.
            self.close_connection = True

    def handle_one_request(self) -> None:
        """Answer one request, if the client does not hang up before."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _record(self) -> None:
        request = Request(self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization"))
        self.web.requests.append(request)

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output quiet."""


def _spoilt(content: Content, fault: Fault) -> Content:
    """Return what the fault makes of a content; without one, the very same."""
    if fault.truncate_at is not None:
        content = content[: fault.truncate_at]
    if fault.append:
        content = content[:] + fault.append
    if fault.flip_byte is not None:
        flipped = bytes([content[fault.flip_byte] ^ 1])
        content = content[: fault.flip_byte] + flipped + content[fault.flip_byte + 1 :]
    return content


def secured(server: ThreadingHTTPServer, tls: ssl.SSLContext) -> ThreadingHTTPServer:
    """Return the server behind TLS; hands are shaken in the connection's own thread, so that nobody holds others up."""
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


@contextmanager
def serving(web: WebServer, handler: type[Handler] = Handler, tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """Serve on a free port of loopback until the block ends."""
    bound = type("BoundHandler", (handler,), {"web": web})
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as server:
        web.port = server.server_port
        if tls:
            secured(server, tls)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            web.closing.set()
            server.shutdown()
            thread.join()
