"""How the benchmark talks to the process of a side: a line of JSON with a call, a line of JSON with its answer.

A side's process calls `answer_calls`; the benchmark starts it by `side`. Nothing but Python is imported, because the
process of llama.cpp has an environment of its own.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError

REPOSITORY = Path(__file__).parents[2]
# No call takes as long on a machine that is worth measuring.
_CALL_SECONDS = 300.0


def cores() -> int:
    """Return how many cores a process may use: each side runs as many threads."""
    return len(os.sched_getaffinity(0))


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(f"{line}\n")


def answer_calls(calls: Mapping[str, Callable[..., Any]]) -> None:
    """Answer calls until standard input ends; what libraries print goes to standard error."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            call = json.loads(line)
            answers.write(json.dumps(calls[call["name"]](**call["values"])) + "\n")
            answers.flush()


class Side:
    """A process that answers calls."""

    def __init__(self, name: str, process: subprocess.Popen[str], log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    def call(self, name: str, **values: Any) -> Any:  # noqa: ANN401 - each call has an answer of its own
        """Return what the process answers.

        Raises:
            BenchError: it ended, or took too long; its last words are in the message.

        """
        end = threading.Timer(_CALL_SECONDS, self._process.kill)
        end.start()
        try:
            line = self._ask(json.dumps({"name": name, "values": values}))
        finally:
            end.cancel()
        if not line:
            raise BenchError(f"{self.name} did not answer the call {name!r}; its log ends:\n{self._last_words()}")
        return json.loads(line)

    def _ask(self, line: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchError(f"{self.name} has no pipes")
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return ""
        return self._process.stdout.readline()

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


@contextmanager
def side(module: str, arguments: Sequence[str | Path], folder: Path, python: str = sys.executable) -> Iterator[Side]:
    """Give the process of `bench.runtime.<module>` until the block ends; its log lies in the folder."""
    log = folder / f"{module}.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [python, "-m", f"bench.runtime.{module}", *map(str, arguments)],
            cwd=REPOSITORY,
            env=os.environ | {"OMP_NUM_THREADS": str(cores())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield Side(module, process, log)
        finally:
            process.kill()
