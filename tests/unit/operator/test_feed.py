"""The feed repairs what a watch lost, also when the API server is not well at that moment."""

import asyncio

import pytest

from nereid_operator import feed as feed_module
from nereid_operator.api.resources import MODEL_DEPLOYMENT, Key
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.clients.requests import Request, Response
from nereid_operator.feed import Feed


async def test_a_resync_that_fails_is_repeated_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed_module, "SETTLE_SECONDS", 0.0)
    answers = iter([Response(503, {"message": "starting"}), Response(410, {"message": "too old"})])

    async def transport(_: Request) -> Response:
        return next(answers, Response(200, {"metadata": {"resourceVersion": "9"}, "items": []}))

    feed = Feed(Cache(), KubeClient(transport), lambda _: None, ())
    lost = {"metadata": {"name": "m", "namespace": "default", "uid": "u", "resourceVersion": "1"}}
    feed.take(MODEL_DEPLOYMENT, {"type": None, "object": lost})
    task = asyncio.create_task(feed.resync(every_seconds=3600))
    await asyncio.wait_for(feed.synced.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert feed.cache.model_deployment(Key("default", "m")) is None
