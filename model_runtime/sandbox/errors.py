"""How a question to a worker can fail, as one tree. Whoever asks says what that means: a refused model or request.

SandboxError
├── OutOfTime       the processor time of one question is used up, or no answer came in the time of the clock
├── OutOfMemory     the memory is used up, or the answer is too long
└── Crashed         the process died otherwise, in a native library for one
"""


class SandboxError(Exception):
    """No answer. `doing` is the last thing that the worker said it was at; empty if nothing."""

    def __init__(self, message: str, doing: str = "") -> None:
        super().__init__(f"{message} while {doing}" if doing else message)
        self.doing = doing


class OutOfTime(SandboxError):  # noqa: N818 - reads as what happened, like those below
    """The question takes longer than it may."""


class OutOfMemory(SandboxError):  # noqa: N818
    """The question takes more memory than it may."""


class Crashed(SandboxError):  # noqa: N818
    """The process is gone, for a reason that is no limit of ours."""
