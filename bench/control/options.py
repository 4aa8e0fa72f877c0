"""What can be chosen about a run; the defaults are those of the published figures."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """`sizes` grow: the first one gets every measurement, the others time, memory and restart."""

    sizes: tuple[int, ...] = (500,)
    round_size: int = 200
    rounds: int = 3
    edits: int = 500
    edits_per_second: float = 4.0
    quiet_seconds: float = 600.0
    # Longer than the 10 s for which the operator holds back figures of a status.
    silence_seconds: float = 12.0
    cluster: str = "bench"
    logs: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / "nereid-bench")

    @property
    def resync_seconds(self) -> int:
        """The chart's own value, or less where the quiet time is too short to hold a whole resync."""
        return max(min(300, int(self.quiet_seconds / 2)), 10)
