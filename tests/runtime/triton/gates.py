"""Models in a real Triton that a test holds at a point: the model's file in the repository is written by the test.

The model says that it has come to the gate by a pipe, and waits at another one until the test lets it through.
"""

import os
from dataclasses import dataclass
from pathlib import Path

_WAIT = """
def wait():
    with open({came!r}, "w") as pipe:
        pipe.write("x")
    with open({through!r}) as pipe:
        pipe.read()
"""


@dataclass(frozen=True, slots=True)
class Gate:
    """Two pipes; `source` is Python that defines `wait`, for the model's file."""

    came: Path
    through: Path

    @property
    def source(self) -> str:
        return _WAIT.format(came=str(self.came), through=str(self.through))

    def wait_until_one_came(self) -> None:
        self.came.read_text()

    def let_one_through(self) -> None:
        self.through.write_text("x")


def make_gate(folder: Path) -> Gate:
    gate = Gate(folder / "came", folder / "through")
    for pipe in (gate.came, gate.through):
        os.mkfifo(pipe)
    return gate
