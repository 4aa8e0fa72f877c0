"""`python3 -m model_runtime.sandbox.worker PROGRAM LIMITS`: answers questions until its standard input ends.

PROGRAM is a module with `answer(question: bytes) -> bytes`; LIMITS are the fields of `Limits` as JSON. Questions and
answers are frames: the length in 8 bytes, then as many bytes. `client.Worker` is the other end. A program with many
steps says each by `step`; whoever asked is told at which the process ended.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO

from model_runtime.sandbox.limits import Limits, confine, restart_clock, start_clock, stop_clock

LENGTH_BYTES = 8
MEMORY_EXIT_CODE = 77

Answer = Callable[[bytes], bytes]


def main(argv: Sequence[str]) -> int:
    """Serve until the input ends; MEMORY_EXIT_CODE when a question needs more memory than there is."""
    answer, limits = importlib.import_module(argv[0]).answer, Limits(**json.loads(argv[1]))
    confine(limits)
    try:
        while (question := read_frame(sys.stdin.buffer)) is not None:
            write_frame(sys.stdout.buffer, _answer(answer, question, limits))
            del question
    except MemoryError:
        # Without clean-up: there may be no memory for it.
        os._exit(MEMORY_EXIT_CODE)
    return 0


def _answer(answer: Answer, question: bytes, limits: Limits) -> bytes:
    start_clock(limits.cpu_seconds)
    try:
        return answer(question)
    finally:
        stop_clock()


def step(doing: str) -> None:
    """Say what a program does next, for the message if it is the end, and give it the processor time anew."""
    os.ftruncate(sys.stderr.fileno(), 0)
    os.pwrite(sys.stderr.fileno(), doing.encode(), 0)
    restart_clock()


def read_frame(stream: BinaryIO) -> bytes | None:
    """Return the next question, or None at the end of the input."""
    head = stream.read(LENGTH_BYTES)
    return stream.read(int.from_bytes(head)) if len(head) == LENGTH_BYTES else None


def write_frame(stream: BinaryIO, content: bytes) -> None:
    """Write an answer."""
    stream.write(len(content).to_bytes(LENGTH_BYTES) + content)
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
