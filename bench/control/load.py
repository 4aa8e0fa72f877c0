"""What users, kubelets and the bare client do to the API server. Called by run.py; sockets are clients/kube.py's."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from bench.control.models import Object, answer, edit, model_deployment, name
from bench.errors import BenchError
from nereid_operator.api.resources import MANAGER_OBJECTS, MODEL_DEPLOYMENT, OWNED_SELECTOR, POD, Body, Resource
from nereid_operator.clients.connection import Connection
from nereid_operator.clients.kube import AiohttpTransport, KubeClient
from nereid_operator.clients.requests import Request, path_of

T = TypeVar("T")

_MANAGER = "bench"
_MERGE_PATCH = "application/merge-patch+json"
_LOAD_CONCURRENCY = 16
_TOUCHED = "bench.nereid.dev/touched"


@contextlib.asynccontextmanager
async def client(connection: Connection) -> AsyncIterator["Client"]:
    """Give a client, and close its connections."""
    transport = AiohttpTransport(connection)
    try:
        yield Client(transport)
    finally:
        await transport.close()


class Client:
    """The operator's own client, and the merge patch that only users send."""

    def __init__(self, transport: AiohttpTransport) -> None:
        self.kube = KubeClient(transport)
        self._transport = transport

    async def merge(self, resource: Resource, namespace: str, patch: Object) -> None:
        """Merge-patch an object, which the patch names."""
        await self._patch(path_of(resource, namespace, patch["metadata"]["name"]), patch)

    async def _patch(self, path: str, patch: Object) -> None:
        answered = await self._transport(Request("PATCH", path, {"fieldManager": _MANAGER}, patch, _MERGE_PATCH))
        if answered.status >= 400:
            raise BenchError(f"PATCH {path}: {answered.status} {answered.body.get('message')}")

    async def create_models(self, namespace: str, indices: Iterable[int]) -> None:
        """Create ModelDeployments and put the answer of their resolve Job into status, as if it had run before."""

        async def create(index: int) -> None:
            body = await self.kube.create(MODEL_DEPLOYMENT, model_deployment(namespace, index), manager=_MANAGER)
            # Without the version that was read: the operator may have written a status already.
            path = path_of(MODEL_DEPLOYMENT, namespace, name(index), "status")
            await self._patch(path, {"status": answer(body)})

        await side_by_side(indices, create, concurrency=_LOAD_CONCURRENCY)

    async def models(self, namespace: str) -> tuple[Body, ...]:
        """Return the ModelDeployments of a namespace."""
        return (await self.kube.list(MODEL_DEPLOYMENT, namespace=namespace)).items

    async def apply_bare(self, objects: Iterable[list[tuple[Resource, Body]]], *, concurrency: int) -> None:
        """Apply the children of ModelDeployments, one after the other for each of them, and nothing else."""

        async def apply(children: list[tuple[Resource, Body]]) -> None:
            for resource, manifest in children:
                await self.kube.apply(resource, manifest, manager=MANAGER_OBJECTS)

        await side_by_side(objects, apply, concurrency=concurrency)

    async def edit_models(self, namespace: str, count: int, *, size: int, per_second: float) -> None:
        """Edit that many of `size` ModelDeployments, or all of them, spread evenly over them and over time."""
        count = min(count, size)

        async def edit_one(number: int) -> None:
            await self.merge(MODEL_DEPLOYMENT, namespace, edit(number * size // count, batch_size=16))

        await paced(range(count), edit_one, per_second=per_second)

    async def pods(self, namespace: str) -> list[str]:
        """Return the names of the pods of models."""
        listing = await self.kube.list(POD, namespace=namespace, selector=OWNED_SELECTOR)
        return [pod["metadata"]["name"] for pod in listing.items]

    async def touch_pods(self, namespace: str, *, per_second: float, seconds: float) -> None:
        """Annotate one pod after the other, as whatever counts requests may do."""
        names = await self.pods(namespace)

        async def touch(number: int) -> None:
            metadata = {"name": names[number % len(names)], "annotations": {_TOUCHED: str(number)}}
            await self.merge(POD, namespace, {"metadata": metadata})

        await paced(range(int(per_second * seconds)), touch, per_second=per_second)


async def side_by_side(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, concurrency: int) -> None:
    """Do the work for all items, so many at once."""
    waiting = iter(items)

    async def lane() -> None:
        for item in waiting:
            await work(item)

    await asyncio.gather(*(lane() for _ in range(concurrency)))


async def paced(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, per_second: float) -> None:
    """Start the work for one item after the other at a steady rate, whether the one before has ended or not."""
    start, tasks = time.monotonic(), []
    for number, item in enumerate(items):
        await asyncio.sleep(max(start + number / per_second - time.monotonic(), 0.0))
        tasks.append(asyncio.ensure_future(work(item)))
    await asyncio.gather(*tasks)
