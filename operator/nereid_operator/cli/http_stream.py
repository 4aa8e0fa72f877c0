"""HTTP over a stream to a pod, by the standard library alone. Used by chat and live; the stream is cluster.py's."""

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from http.client import HTTPConnection, HTTPResponse

Open = Callable[[], AbstractContextManager[socket.socket]]
"""Opens a new connection to one port of one pod."""


def sent(
    connected: socket.socket,
    method: str,
    path: str,
    *,
    silence_seconds: float,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTTPResponse:
    """Send a request and return the answer, its body not read yet; a longer silence is a TimeoutError."""
    connected.settimeout(silence_seconds)
    connection = HTTPConnection("localhost")
    connection.sock = connected
    connection.request(method, path, body, dict(headers or {}))
    return connection.getresponse()
