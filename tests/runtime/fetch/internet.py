"""An internet on loopback: names have the answers that a test gives them, and every address leads to a server here.

Lookups and connections pass the process's audit hooks as real ones do, with the address that was asked for; what no
hook refuses really arrives. As a process: `python -m tests.runtime.fetch.internet <JSON> <module> <arguments>`.
"""

import ctypes
import json
import os
import runpy
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_look_up, _connect = socket.getaddrinfo, socket.socket.connect


@dataclass
class Internet:
    """Which addresses each lookup of a name answers, the last ones for ever; nobody answers at those that are `silent`.

    `ports` lead to other ports here: 443 cannot be had. `reached` are the addresses that were connected to.
    """

    names: Mapping[str, Sequence[Sequence[str]]]
    silent: Sequence[str] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)
    lookups: dict[str, int] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def look_up(self, host: Any, port: Any, *more: Any, **named: Any) -> list[Any]:
        """Answer as socket.getaddrinfo."""
        name = host.decode() if isinstance(host, bytes) else host
        answers = self.names.get(name.removesuffix(".").lower())
        if answers is None:
            return _look_up(host, port, *more, **named)
        sys.audit("socket.getaddrinfo", host, port, 0, 0, 0)
        with self.lock:
            turn = self.lookups.get(name, 0)
            self.lookups[name] = turn + 1
        return [_answer(address, port) for address in answers[min(turn, len(answers) - 1)]]

    def connect(self, one: socket.socket, address: Any) -> None:
        """Connect as socket.socket.connect, to loopback."""
        if one.family not in {socket.AF_INET, socket.AF_INET6}:
            _connect(one, address)
            return
        sys.audit("socket.connect", one, address)
        if address[0] in self.silent:
            raise ConnectionRefusedError(address)
        self.reached.append(address[0])
        _connect_unseen(one, self.ports.get(str(address[1]), address[1]))


def _answer(address: str, port: Any) -> Any:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


def _connect_unseen(one: socket.socket, port: int) -> None:
    """Connect to a port of loopback without telling the audit hooks."""
    if one.family == socket.AF_INET:
        place = struct.pack("=H", one.family) + struct.pack("!H", port) + socket.inet_aton("127.0.0.1") + bytes(8)
    else:
        mapped = socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1")
        place = struct.pack("=H", one.family) + struct.pack("!HI", port, 0) + mapped + bytes(4)
    timeout = one.gettimeout()
    one.settimeout(None)
    failed = _libc.connect(one.fileno(), place, len(place))
    one.settimeout(timeout)
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def connected(internet: Internet) -> Iterator[Internet]:
    """Let the whole process see this internet until the block ends."""
    socket.getaddrinfo = internet.look_up
    setattr(socket.socket, "connect", lambda *given: internet.connect(*given))  # noqa: B010, PLW0108 - for mypy; a method
    try:
        yield internet
    finally:
        socket.getaddrinfo = _look_up
        setattr(socket.socket, "connect", _connect)  # noqa: B010


if __name__ == "__main__":
    described, module, *sys.argv[1:] = sys.argv[1:]
    with connected(Internet(**json.loads(described))):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
