"""`python3 -m nereid_operator`: settings, clients, election, start.

The parts run side by side until one of them ends: kopf (SIGTERM ends it), the election with the leader's work, the
resync. The end of any but kopf is a fault and ends the process with status 1, so that kubelet starts a whole one.
At the end the Lease is given up, so that another operator need not wait for it.
"""

import asyncio
import logging
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import kopf

from nereid_operator import health, live_api, logs
from nereid_operator.api.resources import Key
from nereid_operator.cache import Cache
from nereid_operator.clients.connection import Connection, connect
from nereid_operator.clients.kube import AiohttpTransport, GuardedTransport, KubeClient
from nereid_operator.clients.progress import ProgressClient
from nereid_operator.control_plane import ControlPlane, Standing, make_control_plane
from nereid_operator.duty import Duty
from nereid_operator.election import Candidate, Election, Work
from nereid_operator.errors import NereidError
from nereid_operator.feed import Feed
from nereid_operator.fetches import Fetches
from nereid_operator.handlers import make_registry, make_settings
from nereid_operator.journal import Journal
from nereid_operator.live_api import LiveView
from nereid_operator.metrics import Metrics
from nereid_operator.queue import HEARTBEAT_SECONDS, Workers, WorkQueue
from nereid_operator.reconciler import Reconciler
from nereid_operator.reporter import Reporter
from nereid_operator.routing import Routing
from nereid_operator.settings import Settings, from_env
from nereid_operator.state_metrics import StateCollector

# A leader must notice that it was suspended together with its machine: others have taken over meanwhile.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

STALLED_SECONDS = 12 * HEARTBEAT_SECONDS
# The end of the process waits no longer for answers to what it wrote last.
SETTLE_SECONDS = 1.0

# kopf's own default asks the password database for a name, and the image's user has none.
KOPF_IDENTITY: Any = "nereid"

_log = logging.getLogger("nereid_operator")


async def operate(settings: Settings, connection: Connection, stop: asyncio.Event) -> None:
    """Run the operator until `stop` is set or SIGTERM arrives."""
    metrics = Metrics()
    transport = AiohttpTransport(connection, metrics.called)
    unguarded = KubeClient(transport)
    election = _election(settings, unguarded)
    guarded = GuardedTransport(transport, election.check)
    kube, cache = KubeClient(guarded), Cache()
    duty = Duty(cache, lambda queue: _workers(queue, reconcile, settings))
    plane = _control_plane(settings, cache, duty, election, unguarded=unguarded, guarded=kube)
    pods = ProgressClient()
    fetches = Fetches(cache, pods.read, clock=_seconds)
    reporter = Reporter(cache, kube, clock=_seconds)
    reconciler = Reconciler(cache, kube, settings.platform, reporter, fetches.of, _routing_of(plane), now=_now)
    journal = Journal(clock=_seconds, now=_now)
    reconcile = metrics.counted(journal.kept(reconciler.reconcile))
    feed = Feed(cache, kube, _telling(duty, plane), settings.watch_namespaces)
    metrics.read_on_scrape(StateCollector(cache, duty, election, feed, clock=_seconds, now=_now))
    app = health.make_app(
        alive=lambda: _is_alive(election, duty),
        ready=lambda: feed.synced.is_set() and _is_reached(election),
        registry=metrics.registry,
    )
    runners = [await health.serve(app, settings.http_port)]
    if settings.live_port:
        publisher = plane.publisher if plane else None
        view = LiveView(cache, duty, election, fetches, journal, publisher, clock=_seconds)
        runners.append(await health.serve(live_api.make_app(view), settings.live_port, live_api.HOST))
    try:
        await _first_to_end(asyncio.create_task(feed.first_list()), asyncio.create_task(stop.wait()))
        if not stop.is_set():
            _log.info("listed everything; watching %s", ", ".join(settings.watch_namespaces) or "all namespaces")
            work = partial(_lead, duty, fetches)
            parts = [_campaign(election, work, guarded), *([plane.run(feed.synced)] if plane else [])]
            await _run_until_end(settings, connection, feed, parts, stop)
    finally:
        for runner in runners:
            await runner.cleanup()
        await pods.close()
        await transport.close()


def _control_plane(
    settings: Settings, cache: Cache, duty: Duty, election: Election, *, unguarded: KubeClient, guarded: KubeClient
) -> ControlPlane | None:
    """Return what the operator does for the gateways; None where the chart has installed none."""
    if settings.gateway is None:
        return None
    standing = Standing(lambda: election.leading, lambda: _may_serve(election))
    return make_control_plane(
        settings.gateway,
        cache,
        namespace=settings.pod_namespace,
        pod=settings.pod_name,
        kube=unguarded,
        writes=guarded,
        standing=standing,
        ask=duty.add,
        clock=_seconds,
        now=_now,
    )


def _may_serve(election: Election) -> bool:
    """Return whether the gateways are this process's: it leads, or has looked at the Lease and nobody else does."""
    return election.leading or (election.reached_at is not None and not election.is_led_by_another)


def _routing_of(plane: ControlPlane | None) -> Callable[[Key], Routing | None]:
    return (lambda _: None) if plane is None else plane.publisher.awaited_routing


def _telling(duty: Duty, plane: ControlPlane | None) -> Callable[[Key], None]:
    """Return what is told of every key that may have changed."""
    if plane is None:
        return duty.add

    def tell(key: Key) -> None:
        plane.publisher.mark(key)
        duty.add(key)

    return tell


def _election(settings: Settings, kube: KubeClient) -> Election:
    """Return the election under a name that no other process has, not even the one that ran before in this pod."""
    return Election(
        kube,
        Candidate(f"{settings.pod_name}_{uuid.uuid4().hex[:8]}", settings.lease_seconds),
        namespace=settings.pod_namespace,
        name=settings.lease_name,
        clock=_seconds,
        now=_now,
    )


async def _lead(duty: Duty, fetches: Fetches) -> None:
    """Do what a leader does until cancelled."""
    await _first_to_end(asyncio.create_task(duty.run()), asyncio.create_task(fetches.run(duty.add)))


async def _campaign(election: Election, work: Work, writes: GuardedTransport) -> None:
    """Take part in the election; cancelled, the work ends, its last writes arrive, and then the Lease is given up."""
    try:
        await election.run(work)
    finally:
        await writes.settled(within_seconds=SETTLE_SECONDS)
        await election.release()


def _workers(
    queue: WorkQueue[Key], reconcile: Callable[[Key], Awaitable[float | None]], settings: Settings
) -> Workers[Key]:
    return Workers(queue, reconcile, concurrency=settings.concurrency, clock=_seconds, chance=random.random)


def _is_alive(election: Election, duty: Duty) -> bool:
    """Return whether the loops go round that have begun to; an API server that is away does not stop them."""
    beats = [beat for beat in (election.heartbeat, duty.heartbeat) if beat is not None]
    return all(_seconds() - beat < STALLED_SECONDS for beat in beats)


def _is_reached(election: Election) -> bool:
    """Return whether the API server answered lately."""
    reached_at = election.reached_at
    return reached_at is not None and _seconds() - reached_at < election.candidate.lease_seconds


async def _run_until_end(
    settings: Settings,
    connection: Connection,
    feed: Feed,
    parts: Iterable[Coroutine[Any, Any, None]],
    stop: asyncio.Event,
) -> None:
    """Run watches, the parts and resync until one of them ends; raise what it raised.

    kopf.operator() would take every task of the process for its own and cancel it at the end: hence this.
    """
    watches = await kopf.spawn_tasks(
        registry=make_registry(feed, connection),
        settings=make_settings(),
        standalone=True,
        clusterwide=not settings.watch_namespaces,
        namespaces=settings.watch_namespaces,
        stop_flag=stop,
        identity=KOPF_IDENTITY,
    )
    resync = asyncio.create_task(feed.resync(every_seconds=settings.resync_seconds), name="resync")
    try:
        await _first_to_end(*map(asyncio.create_task, parts), resync, *watches)
    finally:
        await _end_watchers()


async def _first_to_end(*tasks: asyncio.Task[Any]) -> None:
    """Wait until one of the tasks ends and cancel the others; raise what it raised."""
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end_watchers() -> None:
    """End what kopf leaves running when one of its watches fails: the others.

    asyncio.run cancels everything at once; a watcher then takes it for a pause, since the task that tells it of pauses
    ends with it, and goes on for ever.
    """
    watchers = [task for task in asyncio.all_tasks() if task.get_name().startswith("watcher for ")]
    for task in watchers:
        task.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)


def _now() -> datetime:
    return datetime.now(UTC)


def _seconds() -> float:
    """Return the seconds of a clock that never goes back; on Linux it goes on while the machine is suspended."""
    return time.clock_gettime(_CLOCK)


async def _main(settings: Settings, connection: Connection) -> None:
    stop = asyncio.Event()
    # For the time before kopf sets its own: the first process of a container has no default action for signals.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await operate(settings, connection, stop)


def main() -> None:
    """Start the operator; a setting that cannot be used is one clear line and status 2."""
    try:
        settings = from_env(os.environ)
        connection = connect(os.environ)
    except NereidError as error:
        sys.exit(f"nereid-operator: {error}")
    logs.configure(settings.log_level, settings.log_format)
    asyncio.run(_main(settings, connection))


if __name__ == "__main__":
    main()
