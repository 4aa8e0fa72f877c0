"""Who of several operators acts: the holder of a Lease (coordination.k8s.io/v1), and only while it is sure to be that.

`decide` is pure: a view of the Lease and the time in, the next step out. `Election` asks and writes, and runs the
leader's work meanwhile. Started by __main__; `check` guards every write of the client that the work writes with.

    follow ──nobody holds it, or it did not change for as long as it holds──► lead
    lead   ──the deadline passes, or another holder is seen──► the work is cancelled, follow

No clock but this process's own monotonic one is read, so it does not matter what others think the time is. A leader
counts its authority from before it sent the renewal, a follower counts the Lease from after it saw that renewal: the
authority, shorter than the Lease besides, has always ended when a follower's patience has.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from nereid_operator.api.resources import LEASE, MANAGER_OBJECTS, Body
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import ApiError, ConflictError, NotLeadingError

Work = Callable[[], Coroutine[Any, Any, None]]

RELEASE_SECONDS = 2.0
# A Lease that is given up is taken by another within this time.
SLOWEST_POLL_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One process that may lead, and for how long a Lease of its holds: `lease_seconds` without a renewal."""

    identity: str
    lease_seconds: float

    @property
    def authority_seconds(self) -> float:
        """How long it acts after a renewal; the rest covers clocks that run at unequal speed."""
        return self.lease_seconds * 5 / 6

    @property
    def renew_seconds(self) -> float:
        """How often a leader renews, and how long it waits for an answer: two tries may fail."""
        return self.lease_seconds / 4

    @property
    def poll_seconds(self) -> float:
        """How often a follower looks, and a leader whose renewal failed tries again."""
        return min(self.lease_seconds / 12, SLOWEST_POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class Record:
    """What the Lease says: nobody holds it when `holder` is empty, it does not exist when `version` is."""

    holder: str = ""
    version: str = ""
    lease_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """What a candidate knows, in seconds of its own clock.

    The record as it was seen last, since when it has been the same, and until when the candidate may act itself.
    """

    record: Record = Record()
    since: float = 0.0
    deadline: float | None = None

    def may_act(self, now: float) -> bool:
        """Return whether a write may leave now."""
        return self.deadline is not None and now < self.deadline


class Step(StrEnum):
    """What to do next about the Lease."""

    ACQUIRE = "Acquire"
    RENEW = "Renew"
    WAIT = "Wait"
    LOST = "Lost"


def record_of(body: Body) -> Record:
    """Return what a Lease says; fields that are absent count as empty."""
    spec = body.get("spec") or {}
    return Record(
        holder=spec.get("holderIdentity") or "",
        version=body["metadata"].get("resourceVersion", ""),
        lease_seconds=float(spec.get("leaseDurationSeconds") or 0),
    )


def observed(view: View, record: Record | None, *, now: float) -> View:
    """Return the view after the Lease was read; `now` is the time after the answer, None means there is no Lease.

    Who held a Lease that was deleted may still act: it counts as held for as long as it would have been.
    """
    seen = record or replace(view.record, version="")
    return view if seen == view.record else replace(view, record=seen, since=now)


def held(view: View, record: Record, candidate: Candidate, *, sent_at: float) -> View:
    """Return the view after a write of the candidate's was taken; `sent_at` is the time before it was sent."""
    return replace(view, record=record, since=sent_at, deadline=sent_at + candidate.authority_seconds)


def decide(view: View, candidate: Candidate, *, now: float) -> Step:
    """Return what to do next.

    A holder of this identity without authority is a write whose answer got lost: nobody else may act, so it acquires.
    """
    mine = view.record.holder == candidate.identity
    if view.deadline is not None:
        return Step.RENEW if mine and view.may_act(now) else Step.LOST
    return Step.WAIT if is_anothers(view, candidate, now=now) else Step.ACQUIRE


def is_anothers(view: View, candidate: Candidate, *, now: float) -> bool:
    """Return whether another holds the Lease, or may still act by it."""
    if view.record.holder in ("", candidate.identity):
        return False
    return now - view.since < max(view.record.lease_seconds, candidate.lease_seconds)


def pause_seconds(view: View, candidate: Candidate, *, now: float, failed: bool) -> float:
    """Return when to look again: never later than the moment at which a deadline or another's Lease runs out."""
    if view.deadline is not None:
        usual = candidate.poll_seconds if failed else candidate.renew_seconds
        return min(usual, max(view.deadline - now, 0.0))
    expires = view.since + max(view.record.lease_seconds, candidate.lease_seconds)
    return min(candidate.poll_seconds, expires - now) if now < expires else candidate.poll_seconds


def written(body: Body | None, candidate: Candidate, *, namespace: str, name: str, now: datetime) -> dict[str, Any]:
    """Return the Lease as its holder writes it over `body`, the one that was read; times are for people to read."""
    old: Mapping[str, Any] = (body or {}).get("spec") or {}
    stamp = _micro_time(now)
    spec = {**old, "holderIdentity": candidate.identity, "renewTime": stamp}
    spec["leaseDurationSeconds"] = max(round(candidate.lease_seconds), 1)
    if old.get("holderIdentity") != candidate.identity:
        spec |= {"acquireTime": stamp, "leaseTransitions": old.get("leaseTransitions", -1) + 1}
    metadata = (body or {}).get("metadata") or {"namespace": namespace, "name": name}
    return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}


def released(body: Body, *, now: datetime) -> dict[str, Any]:
    """Return the Lease that was read as one that nobody holds."""
    return {**body, "spec": {**body["spec"], "holderIdentity": "", "renewTime": _micro_time(now)}}


def _micro_time(now: datetime) -> str:
    """Return a time as metav1.MicroTime writes it: UTC, six digits after the point."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(slots=True)
class Election:
    """One candidate at work. `kube` is not guarded: what it writes carries the version that was read.

    `reached_at` is when the API server answered last, `heartbeat` when the loop went round last, by `clock`;
    `won` and `lost` count how often it began and ceased to lead.
    """

    kube: KubeClient
    candidate: Candidate
    namespace: str
    name: str
    clock: Callable[[], float]
    now: Callable[[], datetime]
    reached_at: float | None = None
    heartbeat: float | None = None
    won: int = 0
    lost: int = 0
    _view: View = field(default_factory=View)
    _failed: bool = False

    @property
    def leading(self) -> bool:
        """Return whether this process may act now."""
        return self._view.may_act(self.clock())

    @property
    def holder_pod(self) -> str:
        """Return the pod of who holds the Lease as far as is known, empty for nobody; identities end in _<token>."""
        return self._view.record.holder.rpartition("_")[0]

    @property
    def is_led_by_another(self) -> bool:
        """Return whether another process holds the Lease as far as is known, or may still act by it."""
        return is_anothers(self._view, self.candidate, now=self.clock())

    def check(self) -> None:
        """Raise NotLeadingError unless this process may act now."""
        if not self.leading:
            raise NotLeadingError(f"{self.candidate.identity} does not hold the Lease {self.namespace}/{self.name}")

    async def run(self, work: Work) -> None:
        """Follow and lead until cancelled; `work` runs while this process leads, and what it raises is raised."""
        while True:
            await self._look()
            if self.leading:
                await self._lead(work)
            self._resign()
            await asyncio.sleep(self._pause())

    async def release(self) -> None:
        """Give the Lease up if it is ours, so that another takes over at once; only to be called after `run`."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                body = await self.kube.get(LEASE, self.namespace, self.name)
                if body is None or record_of(body).holder != self.candidate.identity:
                    return
                await self.kube.update(LEASE, released(body, now=self.now()), manager=MANAGER_OBJECTS)
                _log.info("released the Lease %s/%s", self.namespace, self.name)
        except (ApiError, TimeoutError) as error:
            _log.warning("the Lease %s/%s was not released, it runs out: %r", self.namespace, self.name, error)

    async def _lead(self, work: Work) -> None:
        """Run the work and renew; when this returns, the work has ended and no write of its can leave any more."""
        _log.info("leading as %s", self.candidate.identity)
        self.won += 1
        task = asyncio.create_task(work(), name="leading")
        try:
            while self.leading and not task.done():
                await asyncio.wait([task], timeout=self._pause())
                await self._look()
        finally:
            self._resign()
            self.lost += 1
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.result()
        _log.warning("%s does not lead any more", self.candidate.identity)

    async def _look(self) -> None:
        """Read the Lease and take the step that follows; a leader waits for answers no longer than it may act."""
        self.heartbeat = self.clock()
        patience = self.candidate.renew_seconds
        if self._view.deadline is not None:
            patience = min(patience, self._view.deadline - self.heartbeat)
        try:
            async with asyncio.timeout(patience):
                await self._step()
        except (ApiError, TimeoutError) as error:
            # One line when it begins to fail: an outage would fill the log.
            level = logging.DEBUG if self._failed or isinstance(error, ConflictError) else logging.WARNING
            _log.log(level, "the Lease %s/%s: %r", self.namespace, self.name, error)
            self._failed = True
        else:
            self._failed, self.reached_at = False, self.clock()

    async def _step(self) -> None:
        body = await self.kube.get(LEASE, self.namespace, self.name)
        self._view = observed(self._view, None if body is None else record_of(body), now=self.clock())
        step = decide(self._view, self.candidate, now=self.clock())
        if step is Step.LOST:
            self._resign()
        if step in (Step.ACQUIRE, Step.RENEW):
            await self._write(body)

    async def _write(self, body: Body | None) -> None:
        manifest = written(body, self.candidate, namespace=self.namespace, name=self.name, now=self.now())
        send = self.kube.create if body is None else self.kube.update
        sent_at = self.clock()
        answer = await send(LEASE, manifest, manager=MANAGER_OBJECTS)
        self._view = held(self._view, record_of(answer), self.candidate, sent_at=sent_at)

    def _resign(self) -> None:
        """From here on no write of the work leaves."""
        self._view = replace(self._view, deadline=None)

    def _pause(self) -> float:
        return pause_seconds(self._view, self.candidate, now=self.clock(), failed=self._failed)
