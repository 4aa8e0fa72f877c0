"""How each command of the runtime ends: JSON for the operator in the termination log, an exit code for Kubernetes.

The commands' `main` hand their body to `run`; the contract is in docs/architecture.md.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from model_runtime.credentials import without_credentials
from model_runtime.errors import ModelRuntimeError

# The kubelet cuts the message here, and cut JSON is no JSON.
MAX_BYTES = 4096
DEFAULT_LOG = Path("/dev/termination-log")
_MAX_MESSAGE_CHARACTERS = 1000

Result = Mapping[str, object]


def run(argv: Sequence[str], command: Callable[[Sequence[str]], Result]) -> int:
    """Run the command, report its end to stdout and to `--termination-log`, and return the exit code."""
    try:
        with _ending_when_told():
            result, exit_code = command(argv), 0
    except ModelRuntimeError as error:
        result, exit_code = failure(error), error.exit_code
    write(_presentable(result, argv), termination_log(argv))
    return exit_code


def _presentable(result: Result, argv: Sequence[str]) -> Result:
    """Return the result without anything of the Secret that `--credentials` names."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--credentials", type=Path)
    folder: Path | None = parser.parse_known_args(argv)[0].credentials
    if folder is None:
        return result
    shown = {name: without_credentials(value, folder) for name, value in result.items() if isinstance(value, str)}
    return {**result, **shown}


@contextlib.contextmanager
def _ending_when_told() -> Iterator[None]:
    """End at once on SIGTERM, with the exit code that shells give to it; what was fetched so far stays.

    The kernel spares the first process of a container a SIGTERM that it has no handler for: a pod that is given up
    would hold its memory, and go on fetching, as long as its grace period is.
    """
    before = signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def write(result: Result, log: Path) -> None:
    """Report to stdout and to the log."""
    text = encode(result)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    log.write_text(text)


def failure(error: ModelRuntimeError) -> Result:
    """Return the report of a failure: its reason, and its message on one line.

    The message may quote what a stranger wrote: characters that steer a terminal or turn the text are escaped.
    """
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(str(error).split()))
    return {"reason": error.reason, "message": line[:_MAX_MESSAGE_CHARACTERS]}


def encode(result: Result) -> str:
    """Return the report as JSON of at most 4 KiB; ASCII, so that characters are bytes.

    Raises:
        ValueError: a result too long to be reported.

    """
    text = json.dumps(result)
    if len(text) > MAX_BYTES:
        raise ValueError(f"termination message of {len(text)} bytes: expected at most {MAX_BYTES}")
    return text


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--termination-log` to a command's parser."""
    parser.add_argument("--termination-log", type=Path, default=DEFAULT_LOG, metavar="FILE")


def termination_log(argv: Sequence[str]) -> Path:
    """Return the file to report to, also when the other arguments cannot be parsed."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_argument(parser)
    path: Path = parser.parse_known_args(argv)[0].termination_log
    return path
