"""What is, as metrics: read from the operator's own state when somebody scrapes, so that nothing is kept current.

Registered by __main__ in the registry of metrics.py. Only the leader counts models, so that sums over operators are
right; it walks its cache, which takes five milliseconds for a thousand models.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from nereid_operator import __version__
from nereid_operator.api.conditions import ConditionStatus, ConditionType, Reason, bounded_reason, parsed_timestamp
from nereid_operator.api.resources import Body
from nereid_operator.cache import Cache
from nereid_operator.duty import Duty
from nereid_operator.election import Election
from nereid_operator.feed import Feed


# The registry keeps collectors as keys.
@dataclass(frozen=True, slots=True, eq=False)
class StateCollector(Collector):
    """Reads the parts of a running operator; `now` is the time of day, `clock` the one of the queue."""

    cache: Cache
    duty: Duty
    election: Election
    feed: Feed
    clock: Callable[[], float]
    now: Callable[[], datetime]

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield GaugeMetricFamily("nereid_queue_depth", "ModelDeployments that wait for a pass.", self.duty.depth)
        yield GaugeMetricFamily(
            "nereid_queue_oldest_seconds",
            "How long the ModelDeployment waits that has waited longest; 0 when none does.",
            self.duty.oldest_seconds(now=self.clock()),
        )
        yield GaugeMetricFamily("nereid_leader", "1 while this process leads, else 0.", int(self.election.leading))
        yield self._transitions()
        yield CounterMetricFamily(
            "nereid_watch_restarts",
            "How often watches had to start anew, several at once counted once; what they may have missed is listed.",
            self.feed.watch_restarts,
        )
        yield self._resyncs()
        yield _counts("nereid_cache_objects", "Objects in the cache.", ("kind",), self._objects())
        yield _counts("nereid_build_info", "1, with the version.", ("version",), {(__version__,): 1})
        if self.election.leading:
            yield from self._models()

    def _transitions(self) -> Metric:
        family = CounterMetricFamily(
            "nereid_lease_transitions", "How often this process began and ceased to lead.", labels=("to",)
        )
        family.add_metric(("leader",), self.election.won)
        family.add_metric(("follower",), self.election.lost)
        return family

    def _resyncs(self) -> Metric:
        family = CounterMetricFamily("nereid_resyncs", "Lists of everything, by how they ended.", labels=("result",))
        family.add_metric(("ok",), self.feed.lists)
        family.add_metric(("error",), self.feed.failed_lists)
        return family

    def _objects(self) -> dict[tuple[str, ...], int]:
        return {(resource.kind,): count for resource, count in self.cache.counts().items()}

    def _models(self) -> Iterator[Metric]:
        conditions = [entry for body in self.cache.model_deployments() for entry in _conditions(body)]
        yield _counts(
            "nereid_models",
            "ModelDeployments by condition.",
            ("type", "status", "reason"),
            Counter((entry["type"], entry["status"], bounded_reason(entry["reason"])) for entry in conditions),
        )
        yield GaugeMetricFamily(
            "nereid_model_not_ready_seconds",
            "How long the model is not ready that has not been for longest; 0 when all are, or are scaled to zero.",
            max((_not_ready_seconds(entry, self.now()) for entry in conditions), default=0.0),
        )


def _counts(name: str, text: str, labels: tuple[str, ...], counts: dict[tuple[str, ...], int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _conditions(body: Body) -> Iterable[Body]:
    conditions: Iterable[Body] = body.get("status", {}).get("conditions", ())
    return conditions


def _not_ready_seconds(condition: Body, now: datetime) -> float:
    """Return for how long a Ready condition has not held; 0 for every other, and for what wants no replicas."""
    if condition["type"] != ConditionType.READY or condition["status"] == ConditionStatus.TRUE:
        return 0.0
    if condition["reason"] == Reason.SCALED_TO_ZERO:
        return 0.0
    return max((now - parsed_timestamp(condition["lastTransitionTime"])).total_seconds(), 0.0)
