"""A program for a worker that does what it is asked to, and says how it went."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

from model_runtime.sandbox.worker import step


def _loop() -> None:
    while True:
        pass


def _step_and_loop() -> None:
    step("something is done")
    _loop()


DEEDS: dict[str, Callable[[], object]] = {
    "nothing": lambda: "done",
    "open a file": lambda: open("/etc/hostname").read(),  # noqa: PTH123, SIM115
    "write a file": lambda: open("/tmp/x", "w"),  # noqa: PTH123, SIM115
    "open a socket": socket.socket,
    "start a program": lambda: subprocess.run(["true"], check=True),
    "read the environment": lambda: sorted(os.environ),
    "loop": _loop,
    "loop in a step": _step_and_loop,
    "take a gigabyte": lambda: len(bytes(1 << 30)),
    "answer much": lambda: "x" * (2 << 20),
    "wait": lambda: sys.stdin.buffer.read(1),
    "crash": lambda: os.kill(os.getpid(), 11),
}


def answer(question: bytes) -> bytes:
    try:
        return repr(DEEDS[question.decode()]()).encode()
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}".encode()
