"""Plays kubelet for pods that no node runs: a pod of a resolve Job ends with a report, a replica is ready at once.

All other controllers are the cluster's own. What a pod would do is read from its arguments, so that the same spec has
the same answer in every run.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from nereid_operator.api.resources import LABEL_JOB_NAME, OWNED_SELECTOR
from nereid_operator.errors import ApiError
from tests.faults.apiserver import MERGE_PATCH, ApiServer, Object

# A model with this in its URI has replicas that never become ready.
STUCK = "stuck"
_TIME = "2026-01-01T00:00:00Z"


@contextlib.asynccontextmanager
async def playing(api: ApiServer) -> AsyncIterator[None]:
    """Play until the block ends."""
    task = asyncio.create_task(_play(api))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _play(api: ApiServer) -> None:
    while True:
        # The API server went away; the last line of a watch may be half of one.
        with contextlib.suppress(ApiError, aiohttp.ClientError, ValueError):
            async for event in _pods(api):
                if event["type"] in ("ADDED", "MODIFIED"):
                    await _run(api, event["object"])
        await asyncio.sleep(0.2)


async def _pods(api: ApiServer) -> AsyncIterator[Any]:
    """Yield the events of a watch that begins with everything there is."""
    transport = api.transport
    url = f"{transport._connection.server}/api/v1/namespaces/{api.namespace}/pods"
    query = {"watch": "true", "labelSelector": OWNED_SELECTOR}
    timeout = aiohttp.ClientTimeout(total=None)
    async with transport._session.get(url, params=query, timeout=timeout, read_bufsize=2**22) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            yield json.loads(line)


async def _run(api: ApiServer, pod: Object) -> None:
    metadata = pod["metadata"]
    if pod["status"].get("phase") != "Pending" or "deletionTimestamp" in metadata:
        return
    status = _ended(pod) if LABEL_JOB_NAME in metadata["labels"] else _running(pod)
    if status is None:
        return
    path = f"/api/v1/namespaces/{api.namespace}/pods/{metadata['name']}/status"
    with contextlib.suppress(ApiError):  # deleted meanwhile
        await api.send("PATCH", path, {"status": status}, MERGE_PATCH)


def _ended(pod: Object) -> Object:
    container = pod["spec"]["containers"][0]
    digest = hashlib.sha256(json.dumps(container["args"]).encode()).hexdigest()
    report = {
        "revision": f"r-{digest[:8]}",
        "digest": f"sha256:{digest}",
        "bytes": 91_000_000,
        "files": 5,
        "task": "Embedding",
        "architecture": "BertModel",
        "dtype": "F32",
    }
    ended = {"exitCode": 0, "reason": "Completed", "message": json.dumps(report), "finishedAt": _TIME}
    return {"phase": "Succeeded", "containerStatuses": [_container(container, ready=False, terminated=ended)]}


def _running(pod: Object) -> Object | None:
    arguments = json.dumps(pod["spec"]["initContainers"][0]["args"])
    if STUCK in arguments:
        return None
    running = [_container(entry, ready=True, running={"startedAt": _TIME}) for entry in pod["spec"]["containers"]]
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": _TIME}
    return {"phase": "Running", "conditions": [ready], "containerStatuses": running}


def _container(container: Object, *, ready: bool, **state: Object) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "restartCount": 0,
        "state": state,
    }
