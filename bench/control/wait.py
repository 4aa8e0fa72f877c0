"""Waiting inside the event loop for a condition, with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.errors import BenchError


async def eventually(
    what: str, probe: Callable[[], Awaitable[bool]], *, seconds: float, interval: float = 0.25
) -> None:
    """Return when `probe` is true; BenchError names what was awaited."""
    deadline = time.monotonic() + seconds
    while not await probe():
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(interval)
