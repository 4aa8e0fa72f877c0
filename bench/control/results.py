"""What a run measured, as values; report.py makes the table and the JSON object of them."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Rounds:
    """Seconds from the first child's write to the last one's, for each round of `size` ModelDeployments."""

    size: int
    operator_seconds: tuple[float, ...]
    bare_seconds: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Return how many times longer the operator takes, by the medians."""
        return median(self.operator_seconds) / median(self.bare_seconds)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An operator starts and finds `added` new ModelDeployments; in the end there are `size`, and nothing is to do.

    `seconds` go from its first write to the last write of a child, `ready_seconds` from its start until all are Ready.
    """

    size: int
    added: int
    seconds: float
    ready_seconds: float
    writes: int
    cpu_seconds: float
    resident_kib: int

    @property
    def per_second(self) -> float:
        """Return how many ModelDeployments a second got all their children."""
        return self.added / self.seconds


@dataclass(frozen=True, slots=True)
class Growth:
    """One size: the arrival, and what a new operator writes over what is there then."""

    arrival: Arrival
    restart_writes: int


@dataclass(frozen=True, slots=True)
class Edits:
    """Seconds from an edit's arrival to the answer of the first write of a child that follows from it."""

    count: int
    p50_seconds: float
    p99_seconds: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """Writes of the operator while nothing changed that concerns it."""

    seconds: float
    resync_seconds: int
    touches: int
    writes: int


@dataclass(frozen=True, slots=True)
class Results:
    """Everything."""

    rounds: Rounds
    idle_kib: int
    growth: tuple[Growth, ...]
    edits: Edits
    quiet: Quiet

    def kib_per_model(self, arrival: Arrival) -> float:
        """Return by how much the memory is above that of an idle operator, for each ModelDeployment."""
        return (arrival.resident_kib - self.idle_kib) / arrival.size
