"""The frontend's own figures, in Prometheus' text form; Triton's are on Triton's metrics port."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The counters of one process, in a registry of their own so that tests can have several."""

    registry: CollectorRegistry
    requests: Counter
    active: Gauge
    duration_seconds: Histogram
    first_token_seconds: Histogram
    prompt_tokens: Counter
    completion_tokens: Counter
    cancelled: Counter


def make_metrics() -> Metrics:
    """Return fresh metrics; the names follow Prometheus' conventions on units and suffixes."""
    registry = CollectorRegistry()

    def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(f"nereid_{name}", text, labels, registry=registry)

    def histogram(name: str, text: str, labels: tuple[str, ...] = ()) -> Histogram:
        return Histogram(f"nereid_{name}", text, labels, registry=registry, buckets=_SECONDS)

    return Metrics(
        registry=registry,
        requests=counter("requests", "Requests answered, by route and HTTP status", ("route", "status")),
        active=Gauge("nereid_active_requests", "Requests being answered", registry=registry),
        duration_seconds=histogram("request_duration_seconds", "Time to the end of an answer", ("route",)),
        first_token_seconds=histogram("time_to_first_token_seconds", "Time to the first piece of a stream"),
        prompt_tokens=counter("prompt_tokens", "Tokens read"),
        completion_tokens=counter("completion_tokens", "Tokens written"),
        cancelled=counter("cancelled_requests", "Requests whose client went away"),
    )
