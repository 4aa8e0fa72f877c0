"""What can be chosen about a run; the defaults are those of the published figures."""

import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class LlamaCpp(StrEnum):
    """What to do where llama.cpp is not there yet: some fifteen minutes of building, or a run without it."""

    BUILD = "build"
    IF_BUILT = "if-built"


@dataclass(frozen=True, slots=True)
class Options:
    """`folder` holds the model twice for a while, and llama.cpp's copy of it."""

    rounds: int = 5
    # New tokens of each generation.
    tokens: int = 64
    # How often the 32 sentences are embedded in a round.
    passes: int = 5
    cold_starts: int = 3
    # Requests whose time to first token is taken, four at a time.
    requests: int = 200
    # Pairs of short requests: one to the replica, one to the engine.
    pairs: int = 100
    llamacpp: LlamaCpp = LlamaCpp.BUILD
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
