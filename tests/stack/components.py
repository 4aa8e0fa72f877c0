"""The processes of the embedded cluster: for tests that stop or kill one of them."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.backends import Request, make_backend
from tests.cluster.embedded.cluster import Embedded
from tests.cluster.embedded.node import members


def pid_of(component: str) -> int | None:
    """Return the pid of a component by its program's name; None while it does not run."""
    backend = make_backend(Request(backend="embedded"))
    assert isinstance(backend, Embedded)
    return next(
        (process.pid for process in members(backend.layout) if Path(process.command[0]).name == component), None
    )


def send(component: str, number: signal.Signals) -> None:
    """Send a signal to a component that runs."""
    pid = pid_of(component)
    assert pid is not None, f"{component} does not run"
    os.kill(pid, number)


@contextlib.contextmanager
def stopped(component: str) -> Iterator[None]:
    """Stop a component as long as the block."""
    send(component, signal.SIGSTOP)
    try:
        yield
    finally:
        send(component, signal.SIGCONT)
