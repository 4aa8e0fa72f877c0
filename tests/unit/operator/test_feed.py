"""The feed repairs what a watch lost, also when the API server is not well at that moment."""

import asyncio
import contextlib
from typing import Any

import pytest

from nereid_operator import feed as feed_module
from nereid_operator.api.resources import MODEL_DEPLOYMENT, NAMESPACE, SERVING_POLICY, Key, Resource
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.clients.requests import Request, Response
from nereid_operator.errors import ApiError
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


@pytest.mark.parametrize(
    ("second_page", "left"),
    [
        pytest.param(200, {"on-1", "on-2"}, id="what no page has is gone"),
        pytest.param(410, {"on-1", "lost", "on-2"}, id="half a list says nothing of what is gone"),
    ],
)
async def test_a_list_counts_when_all_of_its_pages_were_read(second_page: int, left: set[str]):
    async def transport(request: Request) -> Response:
        if not request.path.endswith("/modeldeployments"):
            return Response(200, {"metadata": {"resourceVersion": "9"}, "items": []})
        if "continue" not in request.query:
            return Response(200, {"metadata": {"resourceVersion": "9", "continue": "next"}, "items": [_object("on-1")]})
        return Response(second_page, {"metadata": {"resourceVersion": "9"}, "items": [_object("on-2")], "message": ""})

    cache = Cache()
    for name in ("lost", "on-2"):
        cache.put(MODEL_DEPLOYMENT, _object(name))
    feed = Feed(cache, KubeClient(transport), lambda _: None, ())
    with contextlib.suppress(ApiError):
        await feed.list_all()
    assert {key.name for key in cache.model_keys()} == left


def _object(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}}


async def test_a_model_that_went_unseen_gets_the_pass_that_forgets_it():
    async def transport(_: Request) -> Response:
        return Response(200, {"metadata": {"resourceVersion": "9"}, "items": []})

    added: list[Key] = []
    feed = Feed(Cache(), KubeClient(transport), added.append, ())
    feed.take(MODEL_DEPLOYMENT, _event("m", 1, namespace="one"))
    feed.take(SERVING_POLICY, _event("p", 1, spec={}))
    added.clear()
    await feed.list_all()
    assert set(added) == {Key("one", "m"), Key("", "p")}


def _platform_feed() -> tuple[Feed, list[Key]]:
    """Return a feed that knows a model in each of two namespaces, and the keys that are asked for from now on."""
    added: list[Key] = []

    async def transport(_: Request) -> Response:
        raise AssertionError("nothing is to be read")

    feed = Feed(Cache(), KubeClient(transport), added.append, ())
    for namespace, tier in (("one", "shared"), ("two", "own")):
        feed.take(NAMESPACE, _event(namespace, 1, labels={"tier": tier}))
        feed.take(MODEL_DEPLOYMENT, _event("m", 1, namespace=namespace, uid=namespace))
    added.clear()
    return feed, added


def _event(name: str, version: int, *, kind: str = "MODIFIED", spec: Any = None, **metadata: Any) -> dict[str, Any]:
    whole = {"name": name, "uid": name, "resourceVersion": str(version), **metadata}
    return {"type": kind, "object": {"metadata": whole, **({} if spec is None else {"spec": spec})}}


SHARED = {"namespaceSelector": {"matchLabels": {"tier": "shared"}}, "maxReplicas": 1}
POLICY = Key("", "p")
EVENTS: dict[str, tuple[list[tuple[Resource, dict[str, Any]]], set[Key]]] = {
    "a policy concerns the models of the namespaces it selects": (
        [(SERVING_POLICY, _event("p", 2, spec=SHARED))],
        {POLICY, Key("one", "m")},
    ),
    "a policy for all": ([(SERVING_POLICY, _event("p", 2, spec={}))], {POLICY, Key("one", "m"), Key("two", "m")}),
    "the status of a policy alone": (
        [(SERVING_POLICY, _event("p", 2, spec=SHARED)), (SERVING_POLICY, _event("p", 3, spec=SHARED))],
        {POLICY},
    ),
    "a policy that is deleted": (
        [(SERVING_POLICY, _event("p", 2, spec=SHARED)), (SERVING_POLICY, _event("p", 3, kind="DELETED", spec=SHARED))],
        {POLICY, Key("one", "m")},
    ),
    "a policy whose selector moves on": (
        [
            (SERVING_POLICY, _event("p", 2, spec=SHARED)),
            (
                SERVING_POLICY,
                _event("p", 3, spec={**SHARED, "namespaceSelector": {"matchLabels": {"tier": "own"}}}),
            ),
        ],
        {POLICY, Key("one", "m"), Key("two", "m")},
    ),
    "a label that brings a namespace under a policy": (
        [(SERVING_POLICY, _event("p", 2, spec=SHARED)), (NAMESPACE, _event("two", 3, labels={"tier": "shared"}))],
        {Key("two", "m")},
    ),
    "a label that no policy asks for": (
        [(SERVING_POLICY, _event("p", 2, spec=SHARED)), (NAMESPACE, _event("two", 3, labels={"tier": "other"}))],
        set(),
    ),
}


@pytest.mark.parametrize(("events", "wanted"), EVENTS.values(), ids=EVENTS)
def test_an_event_of_the_platform_asks_for_the_passes_it_makes_due(
    events: list[tuple[Resource, dict[str, Any]]], wanted: set[Key]
):
    feed, added = _platform_feed()
    for resource, event in events:
        added.clear()
        feed.take(resource, event)
    assert set(added) == wanted


UNCHANGED: dict[str, tuple[Resource, dict[str, Any]]] = {
    "a namespace, which a new watch sends": (NAMESPACE, _event("one", 1, kind="ADDED", labels={"tier": "shared"})),
    "an annotation of a namespace": (NAMESPACE, _event("one", 3, labels={"tier": "shared"}, annotations={"a": "b"})),
    "the status of a policy": (SERVING_POLICY, _event("p", 3, spec=SHARED)),
}


@pytest.mark.parametrize("which", UNCHANGED)
def test_an_event_that_changes_no_policy_looks_at_no_model(which: str, monkeypatch: pytest.MonkeyPatch):
    """With 5,000 namespaces a watch that starts anew sends as many events, each of which would look at every model."""
    feed, _ = _platform_feed()
    feed.take(SERVING_POLICY, _event("p", 2, spec=SHARED))

    def looked(_: Cache) -> set[Key]:
        raise AssertionError("every model was looked at")

    monkeypatch.setattr(Cache, "model_keys", looked)
    feed.take(*UNCHANGED[which])


async def test_what_has_no_namespace_is_listed_as_a_whole_also_where_namespaces_are_named():
    paths: list[str] = []

    async def transport(request: Request) -> Response:
        paths.append(request.path)
        return Response(200, {"metadata": {"resourceVersion": "9"}, "items": []})

    await Feed(Cache(), KubeClient(transport), lambda _: None, ("one", "two")).list_all()
    assert paths[:4] == [
        "/apis/nereid.dev/v1alpha1/servingpolicies",
        "/api/v1/namespaces",
        "/apis/nereid.dev/v1alpha1/namespaces/one/modeldeployments",
        "/apis/nereid.dev/v1alpha1/namespaces/two/modeldeployments",
    ]
