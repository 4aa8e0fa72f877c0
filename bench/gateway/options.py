"""What can be chosen about a run; the defaults are those of the published figures."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """`models` are there during the changes, `many_models` for the second ratio; `seconds` is the length of a cell."""

    models: int = 1000
    many_models: int = 5000
    rounds: int = 5
    seconds: int = 10
    connections: int = 16
    edits: int = 100
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
