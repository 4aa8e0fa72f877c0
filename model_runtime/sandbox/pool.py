"""Warm workers behind an event loop: the frontend asks, and goes on with other requests until the answer is there.

A worker that dies is replaced at once, so that the next question finds one that is starting. Called by the frontend.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from model_runtime.sandbox.client import Worker
from model_runtime.sandbox.errors import SandboxError
from model_runtime.sandbox.limits import Limits


class Pool:
    """At most `size` workers of one program, each asked by a thread of its own; the first is there from the start."""

    def __init__(self, program: str, limits: Limits, size: int) -> None:
        self._program = program
        self._limits = limits
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="sandbox")
        self._idle: deque[Worker] = deque([self._start()])

    async def ask(self, question: bytes) -> bytes:
        """Return the answer; whoever stops waiting for it does not disturb the next question.

        Raises:
            SandboxError: there is none within the limits.

        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.ask_blocking, question)

    def ask_blocking(self, question: bytes) -> bytes:
        """Return the answer as `ask` does, where there is no event loop yet."""
        worker = self._take()
        try:
            answer = worker.ask(question)
        except SandboxError:
            self._idle.append(self._start())
            raise
        self._idle.append(worker)
        return answer

    def close(self) -> None:
        """End the workers once they are idle."""
        self._threads.shutdown()
        for worker in self._idle:
            worker.close()

    def _take(self) -> Worker:
        """Return the worker that was used last, so that the others are only there for times of need."""
        try:
            worker = self._idle.pop()
        except IndexError:
            return self._start()
        if worker.is_alive():
            return worker
        worker.close()
        return self._start()

    def _start(self) -> Worker:
        return Worker(self._program, self._limits)
