"""Requests as bytes, over HTTP/1.1 and HTTP/2, for what no client would send."""

import socket
import struct
from collections.abc import Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SECONDS = 10
_SILENT_SECONDS = 2
# Frames of HTTP/2 and their flags.
_DATA, _HEADERS, _RESET, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4


def http1(port: int, sent: bytes) -> list[int]:
    """Send bytes and return the status of every answer until the connection ends.

    What leaves the connection open waits for more of a body: two seconds without a byte are the end too.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=_SILENT_SECONDS) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            while not _is_last(answer) and (data := connection.recv(65536)):
                answer += data
        except (ConnectionError, TimeoutError):
            pass
    return [int(line.split()[1]) for line in answer.splitlines() if line.startswith(b"HTTP/1.1 ")]


def _is_last(answers: bytes) -> bool:
    """Tell whether a whole answer is there that ends the connection; Envoy waits a second for the client to do so."""
    head, end, body = answers[max(0, answers.rfind(b"HTTP/1.1 ")) :].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    return bool(end) and b"connection: close" in lines and b"content-length: %d" % len(body) in lines


def http1_request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a request whose connection ends with it."""
    own = ["host: gateway", "connection: close", f"content-length: {len(body)}", *headers]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *own, "", ""]).encode("latin-1") + body


def http2(port: int, headers: Sequence[tuple[str, str]], body: bytes = b"") -> None:
    """Send one request and wait until its stream, or the connection, has ended."""
    end = 0 if body else _END_STREAM
    sent = PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_HEADERS, _END_HEADERS | end, 1, _packed(headers))
    if body:
        sent += _frame(_DATA, _END_STREAM, 1, body)
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as stream:
            while head := stream.read(9):
                length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
                stream.read(length)
                if kind in (_RESET, _GOAWAY) or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
                    return


def http2_flood(port: int, headers: Sequence[tuple[str, str]], count: int) -> bool:
    """Open streams and reset each at once; return whether the connection was ended for it."""
    sent = PREFACE + _frame(_SETTINGS, 0, 0, b"")
    for number in range(1, 2 * count, 2):
        sent += _frame(_HEADERS, _END_HEADERS, number, _packed(headers)) + _frame(_RESET, 0, number, b"\0\0\0\x08")
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        try:
            connection.sendall(sent)
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
    return True


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def _packed(headers: Sequence[tuple[str, str]]) -> bytes:
    """Return headers in HPACK, each literally: no table, no Huffman code."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)


def _text(value: str) -> bytes:
    data = value.encode("latin-1")
    assert len(data) < 127, "longer texts need more than one byte for their length"
    return bytes([len(data)]) + data
