"""The operator's own metrics, in Prometheus' format. Fed by __main__ around each pass; served by health.py."""

from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from nereid_operator.api.resources import Key


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self, *, depth: Callable[[], int], leader: Callable[[], bool]) -> None:
        self.registry = CollectorRegistry()
        self._reconciles = Counter(
            "nereid_reconciles", "Passes over a ModelDeployment.", ["result"], registry=self.registry
        )
        self._seconds = Histogram("nereid_reconcile_seconds", "Time of a pass.", registry=self.registry)
        Gauge("nereid_queue_depth", "ModelDeployments that wait for a pass.", registry=self.registry).set_function(
            depth
        )
        Gauge("nereid_leader", "1 while this process leads, else 0.", registry=self.registry).set_function(leader)

    def counted(self, reconcile: Callable[[Key], Awaitable[float | None]]) -> Callable[[Key], Awaitable[float | None]]:
        """Return `reconcile`, counted and timed; results are ok, refused and error."""

        async def counted_reconcile(key: Key) -> float | None:
            with self._seconds.time():
                try:
                    again_seconds = await reconcile(key)
                except Exception:
                    self._reconciles.labels("error").inc()
                    raise
            self._reconciles.labels("ok" if again_seconds is None else "refused").inc()
            return again_seconds

        return counted_reconcile
