"""What a worker may use, and how the kernel is told. `confine` is called once, by the worker, before any question.

Every limit holds in the kernel, so that no code which runs in the worker can lift it: the hard limits go down with the
soft ones. Without room for another file descriptor there is no file, no socket and no pipe to be opened.
"""

import resource
import signal
from dataclasses import dataclass

MEBIBYTE = 1 << 20
# Standard error is a file: there the worker says what it is at.
_MAX_FILE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory_bytes` is address space, the interpreter's own 30 MiB counted; the times are for one question each.

    `cpu_seconds` is for each step of a question, where a program says its steps.

    Processor time decides, so that a busy machine makes no model look bad; the clock is for what only waits.
    """

    memory_bytes: int
    cpu_seconds: float
    wall_seconds: float
    answer_bytes: int


def confine(limits: Limits) -> None:
    """Lower the limits of this process for good."""
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (value, value))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def start_clock(seconds: float) -> None:
    """Have the kernel end this process when it has used so much processor time from now on."""
    signal.setitimer(signal.ITIMER_PROF, seconds, seconds)


def restart_clock() -> None:
    """Give the time that `start_clock` gave once more."""
    start_clock(signal.getitimer(signal.ITIMER_PROF)[1])


def stop_clock() -> None:
    """Count no more until the next question."""
    signal.setitimer(signal.ITIMER_PROF, 0)
