"""`python3 -m nereid_operator`: settings, clients, start.

The parts run side by side until one of them ends: kopf (SIGTERM ends it), the workers, the resync. The end of any but
kopf is a fault and ends the process with status 1, so that kubelet starts a whole one.
"""

import asyncio
import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import kopf

from nereid_operator import health, logs
from nereid_operator.api.resources import Key
from nereid_operator.cache import Cache
from nereid_operator.clients.connection import Connection, connect
from nereid_operator.clients.kube import AiohttpTransport, KubeClient
from nereid_operator.errors import NereidError
from nereid_operator.feed import Feed
from nereid_operator.handlers import make_registry, make_settings
from nereid_operator.metrics import Metrics
from nereid_operator.queue import HEARTBEAT_SECONDS, Workers, WorkQueue
from nereid_operator.reconciler import Reconciler
from nereid_operator.settings import Settings, from_env

STALLED_SECONDS = 12 * HEARTBEAT_SECONDS

# kopf's own default asks the password database for a name, and the image's user has none.
KOPF_IDENTITY: Any = "nereid"

_log = logging.getLogger("nereid_operator")


async def operate(settings: Settings, connection: Connection, stop: asyncio.Event) -> None:
    """Run the operator until `stop` is set or SIGTERM arrives."""
    transport = AiohttpTransport(connection)
    kube, cache, queue = KubeClient(transport), Cache(), WorkQueue[Key]()
    reconciler = Reconciler(cache, kube, settings.model_runtime_image, now=lambda: datetime.now(UTC))
    metrics = Metrics(depth=lambda: queue.depth)
    workers = Workers(
        queue, metrics.counted(reconciler.reconcile), concurrency=settings.concurrency, clock=time.monotonic
    )
    feed = Feed(cache, kube, workers.add, settings.watch_namespaces)
    app = health.make_app(
        alive=lambda: time.monotonic() - workers.heartbeat < STALLED_SECONDS or not feed.synced.is_set(),
        ready=feed.synced.is_set,
        registry=metrics.registry,
    )
    runner = await health.serve(app, settings.http_port)
    try:
        await feed.first_list()
        _log.info("listed everything; watching %s", ", ".join(settings.watch_namespaces) or "all namespaces")
        await _run_until_end(settings, connection, feed, workers, stop)
    finally:
        await runner.cleanup()
        await transport.close()


async def _run_until_end(
    settings: Settings, connection: Connection, feed: Feed, workers: Workers[Key], stop: asyncio.Event
) -> None:
    """Run watches, workers and resync until one of them ends; raise what it raised.

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
    tasks = [
        *watches,
        asyncio.create_task(workers.run(), name="workers"),
        asyncio.create_task(feed.resync(every_seconds=settings.resync_seconds), name="resync"),
    ]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _main(settings: Settings, connection: Connection) -> None:
    await operate(settings, connection, asyncio.Event())


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
