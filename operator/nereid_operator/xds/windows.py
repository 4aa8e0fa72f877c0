"""What the gateways say about each endpoint → figures over the last seconds. Pure values; time is an argument.

load_reports.py adds exact counts, access_log.py adds samples; the circuit breaker and the autoscaler read. An endpoint
is (cluster, "ip:port"). Seconds are those of a monotonic clock. Where no gateway has reported there is no figure: None,
not zero.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

Endpoint = tuple[str, str]

KEPT_SECONDS = 120
# A gateway reports every second. One that has said nothing for this long says nothing about now either.
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that responses carried (ORCA): how many did, and the sum."""

    responses: int = 0
    total: float = 0.0

    def __add__(self, other: "Metric") -> "Metric":
        return Metric(self.responses + other.responses, self.total + other.total)

    @property
    def mean(self) -> float | None:
        """The mean of a response; None where none carried it."""
        return self.total / self.responses if self.responses else None


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of a stretch of time, all of them, in Envoy's counting.

    `failed` are 5xx, resets and timeouts, also connections that failed before a request was issued; `succeeded` the
    rest that ended: 2xx, 4xx, and clients that hung up.
    """

    issued: int = 0
    succeeded: int = 0
    failed: int = 0
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def __add__(self, other: "Load") -> "Load":
        names = self.metrics.keys() | other.metrics.keys()
        return Load(
            self.issued + other.issued,
            self.succeeded + other.succeeded,
            self.failed + other.failed,
            {name: self.metrics.get(name, Metric()) + other.metrics.get(name, Metric()) for name in names},
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests of the access log that look alike, `weight` of them.

    `first_byte_seconds` is from the request's arrival to the first byte of the upstream's answer, None where there was
    none; `errors` are Envoy's response flags by the names of its protobuf message.
    """

    status: int
    first_byte_seconds: float | None
    errors: tuple[str, ...] = ()
    model: str = ""
    route: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Window:
    """The latest of one endpoint, by whole seconds, oldest first."""

    loads: tuple[tuple[int, Load], ...] = ()
    samples: tuple[tuple[int, tuple[Sample, ...]], ...] = ()

    def with_load(self, load: Load, now: float) -> "Window":
        """Return the window with what a report has told."""
        second = int(now)
        kept = tuple(entry for entry in self.loads if entry[0] > second - KEPT_SECONDS)
        if kept and kept[-1][0] == second:
            return replace(self, loads=(*kept[:-1], (second, kept[-1][1] + load)))
        return replace(self, loads=(*kept, (second, load)))

    def with_samples(self, samples: Iterable[Sample], now: float) -> "Window":
        """Return the window with entries of the access log."""
        second = int(now)
        kept = tuple(entry for entry in self.samples if entry[0] > second - KEPT_SECONDS)
        if kept and kept[-1][0] == second:
            return replace(self, samples=(*kept[:-1], (second, (*kept[-1][1], *samples))))
        return replace(self, samples=(*kept, (second, tuple(samples))))

    def load(self, seconds: float, now: float) -> Load:
        """Return the sum over the last seconds."""
        return sum((load for second, load in self.loads if second > now - seconds), Load())

    def sampled(self, seconds: float, now: float) -> tuple[Sample, ...]:
        """Return the samples of the last seconds."""
        return tuple(sample for second, some in self.samples if second > now - seconds for sample in some)

    @property
    def latest(self) -> int:
        """The second of the newest entry; 0 where there is none."""
        return max((entry[0] for entry in (*self.loads[-1:], *self.samples[-1:])), default=0)


def first_byte_quantile(samples: Iterable[Sample], quantile: float) -> float | None:
    """Return how many seconds the first byte took at most in that part of the requests; None without any."""
    timed = sorted(
        (sample.first_byte_seconds, sample.weight) for sample in samples if sample.first_byte_seconds is not None
    )
    rest = quantile * sum(weight for _, weight in timed)
    for seconds, weight in timed:
        rest -= weight
        if rest <= 0:
            return seconds
    return timed[-1][0] if timed else None


def error_counts(samples: Iterable[Sample]) -> dict[str, float]:
    """Return how many requests had each of Envoy's response flags, by weight."""
    counts: dict[str, float] = {}
    for sample in samples:
        for error in sample.errors:
            counts[error] = counts.get(error, 0.0) + sample.weight
    return counts
