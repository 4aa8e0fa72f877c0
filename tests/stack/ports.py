"""Ports for servers that are told where to listen, which nobody takes between the choice and the listening.

They lie below those that the kernel gives to outgoing connections, of which tests beside this one make many, and each
test process has a stretch of its own. Called by whatever starts a server by a port's number.
"""

import itertools
import os
import socket

FIRST = 20_000
PER_PROCESS = 1_500
_PROCESSES = 8  # up to 32,000: the kernel's own begin at 32,768


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    return list(itertools.islice(filter(_is_free, _CANDIDATES), count))


def free_port() -> int:
    """Return one port."""
    return free_ports(1)[0]


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def stretch(worker: str) -> range:
    """Return the ports of a test process, by the name that xdist gives it, gw0 and so on."""
    number = int(worker.removeprefix("gw") or 0) % _PROCESSES
    return range(FIRST + number * PER_PROCESS, FIRST + (number + 1) * PER_PROCESS)


_CANDIDATES = itertools.cycle(stretch(os.environ.get("PYTEST_XDIST_WORKER", "gw0")))
