"""Writes what a pass learnt: status, and on a change of Ready an Event and a line in the log. Called by reconciler.py.

Nothing is written when status already says it, figures that tick only every so often (status_writes.py), and Events
only up to an allowance for each object (spam_filter.py).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from nereid_operator.api.resources import MODEL_DEPLOYMENT, Body, Key
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import ApiError, NotFoundError
from nereid_operator.events import ready_event
from nereid_operator.spam_filter import Bucket, take
from nereid_operator.status import Reading, is_stale, ready_condition, summarize
from nereid_operator.status_writes import bounded, seconds_until_write

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What status says of Ready; `put_off_seconds` is when the figures are due that were put off, None for never."""

    put_off_seconds: float | None
    reason: str
    message: str


@dataclass(slots=True)
class Reporter:
    """Writes statuses and remembers when, in seconds of `clock`; a process that begins remembers nothing."""

    cache: Cache
    kube: KubeClient
    clock: Callable[[], float]
    _written: dict[Key, float] = field(default_factory=dict)
    _event_buckets: dict[Key, Bucket] = field(default_factory=dict)

    async def report(self, body: Body, reading: Reading, *, now: datetime) -> Report:
        """Bring the status of `body` up to the reading."""
        previous = body.get("status", {})
        if is_stale(reading, previous):
            return _report(previous, None)
        status = bounded(summarize(reading, previous, now=now))
        seconds = seconds_until_write(previous, status, last_write_seconds_ago=self._seconds_ago(reading.key))
        if seconds == 0:
            await self._write(body, reading.key, status, now)
        return _report(status, seconds or None)

    def forget(self, key: Key) -> None:
        """Forget a ModelDeployment that is gone."""
        self._written.pop(key, None)
        self._event_buckets.pop(key, None)

    def _seconds_ago(self, key: Key) -> float | None:
        written = self._written.get(key)
        return None if written is None else self.clock() - written

    async def _write(self, body: Body, key: Key, status: Body, now: datetime) -> None:
        """Write the status, and what follows from it; an object deleted meanwhile needs none."""
        try:
            written = await self.kube.apply_status(MODEL_DEPLOYMENT, body, status)
        except NotFoundError:
            return
        self._written[key] = self.clock()
        self.cache.put(MODEL_DEPLOYMENT, written)
        event = ready_event(body, status, now=now)
        if event is None:
            return
        ready = ready_condition(status)
        _log.info("%s: Ready=%s %s: %s", key, ready["status"], ready["reason"], ready["message"])
        await self._record(key, event)

    async def _record(self, key: Key, event: Body) -> None:
        """Create the Event, unless the object has had its share."""
        bucket = take(self._event_buckets.get(key), at=self.clock())
        if bucket is None:
            _log.info("%s: no Event for %s, there were too many lately", key, event["reason"])
            return
        self._event_buckets[key] = bucket
        try:
            await self.kube.create_event(event)
        except ApiError as error:
            # The Event only repeats what status says: its loss is no reason to repeat the pass.
            _log.warning("%s: the Event %s was not written: %s", key, event["reason"], error)


def _report(status: Body, put_off_seconds: float | None) -> Report:
    ready = ready_condition(status)
    return Report(put_off_seconds, str(ready.get("reason", "")), str(ready.get("message", "")))
