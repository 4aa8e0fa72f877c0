"""All windows, by endpoint, and what is under way at each gateway: filled by the servers, read by who decides.

Holds state and no logic beyond keeping it small; the arithmetic is in windows.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nereid_operator.xds.windows import FRESH_SECONDS, KEPT_SECONDS, Endpoint, Load, Sample, Window


@dataclass(frozen=True, slots=True)
class Report:
    """One load report of one gateway: what ended since its last one, and what is under way."""

    loads: Mapping[Endpoint, Load] = field(default_factory=dict)
    in_progress: Mapping[Endpoint, int] = field(default_factory=dict)


class Observations:
    """What the gateways have said of late."""

    def __init__(self) -> None:
        self._windows: dict[Endpoint, Window] = {}
        self._in_progress: dict[str, tuple[float, Mapping[Endpoint, int]]] = {}
        self._swept = 0.0

    def report(self, gateway: str, report: Report, now: float) -> None:
        """Take a load report in. A report is whole: an endpoint that it does not name has nothing under way."""
        self._in_progress[gateway] = (now, report.in_progress)
        for endpoint, load in report.loads.items():
            self._windows[endpoint] = self.window(endpoint).with_load(load, now)
        self._sweep(now)

    def sample(self, samples: Mapping[Endpoint, Iterable[Sample]], now: float) -> None:
        """Take entries of the access log in."""
        for endpoint, some in samples.items():
            self._windows[endpoint] = self.window(endpoint).with_samples(some, now)

    def window(self, endpoint: Endpoint) -> Window:
        """Return what is known of an endpoint."""
        return self._windows.get(endpoint, Window())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints that had requests of late."""
        return tuple(self._windows)

    def reporting(self, now: float) -> tuple[str, ...]:
        """Return the gateways that have reported of late."""
        return tuple(sorted(gateway for gateway, (at, _) in self._in_progress.items() if now - at < FRESH_SECONDS))

    def in_progress(self, endpoint: Endpoint, now: float) -> int | None:
        """Return how many requests are under way at an endpoint; None when no gateway has reported of late."""
        fresh = [counts for at, counts in self._in_progress.values() if now - at < FRESH_SECONDS]
        return sum(counts.get(endpoint, 0) for counts in fresh) if fresh else None

    def load(self, endpoint: Endpoint, seconds: float, now: float) -> Load | None:
        """Return the sum over the last seconds; None when no gateway has reported within them."""
        if not any(now - at < max(seconds, FRESH_SECONDS) for at, _ in self._in_progress.values()):
            return None
        return self.window(endpoint).load(seconds, now)

    def _sweep(self, now: float) -> None:
        """Drop endpoints and gateways of which nothing was heard, once in a while."""
        if now - self._swept < KEPT_SECONDS:
            return
        self._swept = now
        self._windows = {one: window for one, window in self._windows.items() if window.latest > now - KEPT_SECONDS}
        self._in_progress = {one: said for one, said in self._in_progress.items() if now - said[0] < KEPT_SECONDS}
