"""The asking end of a worker: starts the process, hands it a question, waits no longer than the limits say.

Called by `pool` for the frontend, and by the checks of templates and tokenizers. Answers are bytes that the caller
parses as data: what ran in the worker may have been taken over by what it ran.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from model_runtime.sandbox.errors import Crashed, OutOfMemory, OutOfTime, SandboxError
from model_runtime.sandbox.limits import MEBIBYTE, Limits
from model_runtime.sandbox.worker import LENGTH_BYTES, MEMORY_EXIT_CODE

_PIECE_BYTES = 1 << 20
_NOTE_BYTES = 4096
# How a program ends that finds no memory: in Python, in a native library, by the kernel's hand.
_MEMORY_ENDS = frozenset({MEMORY_EXIT_CODE, -signal.SIGABRT, -signal.SIGKILL})
_ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).parents[2]),
    "MALLOC_ARENA_MAX": "1",  # an arena for each thread would count as memory before it is used
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Worker:
    """One process that answers one question after the other; for one thread at a time."""

    def __init__(self, program: str, limits: Limits) -> None:
        """Start the process, and do not wait until it is ready."""
        self._limits = limits
        self._notes = os.memfd_create("notes")
        command = [sys.executable, "-P", "-B", "-X", "utf8", "-m", "model_runtime.sandbox.worker"]
        self._process = subprocess.Popen(
            [*command, program, json.dumps(asdict(limits))],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._notes,
            env=_ENVIRONMENT,
            cwd="/",
        )
        self._questions, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()  # type: ignore[union-attr]
        os.set_blocking(self._questions, False)

    def is_alive(self) -> bool:
        """Tell whether the process can be asked."""
        return self._process.poll() is None

    def ask(self, question: bytes) -> bytes:
        """Return the answer. After an error the process is gone.

        Raises:
            SandboxError: there is none within the limits.

        """
        deadline = time.monotonic() + self._limits.wall_seconds
        try:
            self._send(len(question).to_bytes(LENGTH_BYTES) + question, deadline)
            size = int.from_bytes(self._receive(LENGTH_BYTES, deadline))
            if size > self._limits.answer_bytes:
                raise OutOfMemory(f"an answer of {size} bytes, more than {self._limits.answer_bytes}", self._doing())
            return self._receive(size, deadline)
        except (BrokenPipeError, EOFError):
            raise self._end() from None
        except SandboxError:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # What is still in a pipe that nobody reads any more may go.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
        if self._notes >= 0:
            os.close(self._notes)
            self._notes = -1

    def _send(self, content: bytes, deadline: float) -> None:
        rest = memoryview(content)
        while rest:
            self._wait(self._questions, select.POLLOUT, deadline)
            rest = rest[os.write(self._questions, rest[:_PIECE_BYTES]) :]

    def _receive(self, size: int, deadline: float) -> bytes:
        content = bytearray()
        while len(content) < size:
            self._wait(self._answers, select.POLLIN, deadline)
            piece = os.read(self._answers, min(size - len(content), _PIECE_BYTES))
            if not piece:
                raise EOFError
            content += piece
        return bytes(content)

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise OutOfTime(f"no answer within {self._limits.wall_seconds:g} s", self._doing())

    def _end(self) -> SandboxError:
        """Return why the process ended by itself."""
        code, doing = self._process.wait(), self._doing()
        self.close()
        if code == -signal.SIGPROF:
            return OutOfTime(f"more than {self._limits.cpu_seconds:g} s of processor time", doing)
        if code in _MEMORY_ENDS:
            return OutOfMemory(f"more than {self._limits.memory_bytes // MEBIBYTE} MiB of memory", doing)
        return Crashed(f"the process ended with code {code}", doing)

    def _doing(self) -> str:
        """Return the end of what the worker wrote: the note of its program, or what Python says of a crash."""
        text = os.pread(self._notes, _NOTE_BYTES, max(0, os.fstat(self._notes).st_size - _NOTE_BYTES))
        lines = text.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


@contextmanager
def running(program: str, limits: Limits) -> Iterator[Worker]:
    """Give a worker that is ended with the block."""
    worker = Worker(program, limits)
    try:
        yield worker
    finally:
        worker.close()
