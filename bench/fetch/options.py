"""What can be chosen about a run; the defaults are those of the published figures."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes in MiB. `folder` is on the disk that is measured, which holds one file and its copy at a time."""

    size: int = 2048
    memory_sizes: tuple[int, ...] = (256, 4096)
    limited_size: int = 512
    # What each connection of the limited server gets, in MiB a second.
    limit: int = 64
    rounds: int = 5
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
