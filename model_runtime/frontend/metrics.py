"""The frontend's own figures, in Prometheus' text form; Triton's are on Triton's metrics port."""

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The counters of one process, in a registry of their own so that tests can have several."""

    registry: CollectorRegistry
    requests: Counter
    refused: Counter
    active: Gauge
    duration_seconds: Histogram
    first_token_seconds: Histogram
    inter_token_seconds: Histogram
    prompt_tokens: Counter
    completion_tokens: Counter
    cancelled: Counter

    def count_tokens(self, prompt: int, completion: int) -> None:
        """Add the tokens of a request, also of one that ended early."""
        self.prompt_tokens.inc(prompt)
        self.completion_tokens.inc(completion)


def make_metrics() -> Metrics:
    """Return fresh metrics; the names follow Prometheus' conventions on units and suffixes."""
    registry = CollectorRegistry()

    def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(f"nereid_{name}", text, labels, registry=registry)

    def histogram(name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()) -> Histogram:
        return Histogram(f"nereid_{name}", text, labels, registry=registry, buckets=buckets)

    return Metrics(
        registry=registry,
        requests=counter("requests", "Requests answered, by route and HTTP status", ("route", "status")),
        refused=counter("refused_requests", "Answers and streams that ended with an error, by its code", ("reason",)),
        active=Gauge("nereid_active_requests", "Requests for inference being answered", registry=registry),
        duration_seconds=histogram("request_duration_seconds", "Time to the end of an answer", _SECONDS, ("route",)),
        first_token_seconds=histogram("time_to_first_token_seconds", "Time to the first piece of a stream", _SECONDS),
        inter_token_seconds=histogram(
            "inter_token_seconds",
            "Time between two tokens of a stream: that between two pieces, by token",
            _TOKEN_SECONDS,
        ),
        prompt_tokens=counter("prompt_tokens", "Tokens read"),
        completion_tokens=counter("completion_tokens", "Tokens written"),
        cancelled=counter("cancelled_requests", "Requests whose client went away"),
    )


@dataclass(slots=True)
class TokenTimes:
    """When the pieces of one stream came, choice by choice; begins when it is made."""

    metrics: Metrics
    clock: Callable[[], float]
    _began: float = field(init=False)
    _last: dict[int, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Note when the stream was asked for."""
        self._began = self.clock()

    def saw(self, index: int, tokens: int) -> None:
        """Note a piece of a choice."""
        now = self.clock()
        if not self._last:
            self.metrics.first_token_seconds.observe(now - self._began)
        if index in self._last and tokens:
            self.metrics.inter_token_seconds.observe((now - self._last[index]) / tokens)
        self._last[index] = now
