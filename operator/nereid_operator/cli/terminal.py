"""Where a person types and reads, and what time it is there: the edge that tests replace. Used by every command."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

_PROMPT = "> "


@dataclass(frozen=True, slots=True)
class Terminal:
    """Standard input and output, and the time at which the command was started."""

    stdin: TextIO
    stdout: TextIO
    now: datetime

    def say(self, text: str) -> None:
        """Write a text and end its line."""
        self.stdout.write(f"{text}\n")
        self.stdout.flush()

    def lines(self) -> Iterator[str]:
        """Yield what is typed, line by line, until the end of input; a person sees a prompt, a pipe does not."""
        prompt = _PROMPT if self.stdin.isatty() else ""
        self._ask(prompt)
        for line in self.stdin:
            yield line
            self._ask(prompt)

    def _ask(self, prompt: str) -> None:
        self.stdout.write(prompt)
        self.stdout.flush()
