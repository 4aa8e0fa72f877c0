"""Waiting for a condition with a deadline; the only way tests wait for anything."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T | None], *, seconds: float, interval: float = 0.25) -> T:
    """Return the first value of `probe` that is neither None nor False; TimeoutError names what was awaited."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = probe()
        if value is not None and value is not False:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        pause.wait(interval)
