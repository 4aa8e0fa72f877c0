"""The operator's own metrics, in Prometheus' format: what happened, counted as it happens. Served by health.py.

Fed by __main__ around each pass, and by the client of the API server. What is (depths, models, objects) is read when
somebody scrapes: state_metrics.py. No label holds the name of anything a user made; docs/alerts.md names the metrics.
"""

from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.registry import Collector

from nereid_operator.api.conditions import bounded_reason
from nereid_operator.api.resources import Key
from nereid_operator.clients.requests import Request, verb_and_resource
from nereid_operator.outcome import Outcome

# The times at which things began would be a series for each counter.
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reconciles = Counter(
            "nereid_reconciles",
            "Passes over a ModelDeployment, by how they ended and by the reason of Ready that they found.",
            ["result", "reason"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "nereid_reconcile_seconds", "Time of a pass.", buckets=_SECONDS, registry=self.registry
        )
        self._calls = Histogram(
            "nereid_api_call_seconds",
            "Requests to the API server and the time to their answer; code is none where there was no answer.",
            ["verb", "resource", "code"],
            buckets=_SECONDS,
            registry=self.registry,
        )

    def read_on_scrape(self, collector: Collector) -> None:
        """Add what is read when somebody scrapes."""
        self.registry.register(collector)

    def called(self, request: Request, status: int, seconds: float) -> None:
        """Count a request to the API server; status 0 means that no answer came."""
        self._calls.labels(*verb_and_resource(request), str(status or "none")).observe(seconds)

    def counted(self, reconcile: Callable[[Key], Awaitable[Outcome]]) -> Callable[[Key], Awaitable[float | None]]:
        """Return `reconcile`, counted and timed, as the workers call it."""

        async def counted_reconcile(key: Key) -> float | None:
            with self._seconds.time():
                try:
                    outcome = await reconcile(key)
                except Exception:
                    self._reconciles.labels("error", "").inc()
                    raise
            self._reconciles.labels(str(outcome.result), bounded_reason(outcome.reason)).inc()
            return outcome.again_seconds

        return counted_reconcile
