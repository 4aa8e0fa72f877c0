"""The cache → snapshots → who waits for the gateways, with a control plane that notes what it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from nereid_operator.api.resources import (
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    POD,
    SERVICE,
    SERVING_POLICY,
    Body,
    Key,
    Resource,
)
from nereid_operator.cache import Cache
from nereid_operator.plan.gateway_ir import Certificate
from nereid_operator.publisher import Publisher
from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS, FRONT, LISTENER, ROUTES, Resources
from nereid_operator.routing import Taken
from nereid_operator.routing_table import RoutingTable
from nereid_operator.xds.session import Refusal
from tests.handlers.conftest import until

LABELS = {"nereid.dev/model": "m", "nereid.dev/revision": "a"}


class _Ads:
    """A control plane whose gateways answer when the test says so."""

    def __init__(self) -> None:
        self.gateways: tuple[str, ...] = ("ns/g",)
        self.published: list[Resources] = []
        self.lagging: tuple[str, ...] = ()
        self.asked: set[tuple[str, str]] = set()
        self._news = asyncio.Event()

    async def publish(self, resources: Resources) -> None:
        self.published.append(resources)
        self.tell()

    def behind(self, resources: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        self.asked = set(resources)
        return self.lagging

    async def news(self) -> None:
        await self._news.wait()

    def tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class _Stand:
    """A publisher over a cache, its control plane, and the passes that were asked for."""

    def __init__(self, *, wants_certificate: bool = False) -> None:
        self.cache = Cache()
        self.asked: list[Key] = []
        self.ads = _Ads()
        table = RoutingTable(self.cache, 8080)
        self.publisher = Publisher(table, "http://g", wants_certificate=wants_certificate, ask=self.asked.append)
        self._version = 0

    def put(self, resource: Resource, name: str, namespace: str = "default", **body: Any) -> None:
        """Put an object into the cache, and mark its model, as the feed does."""
        self._version += 1
        metadata = {"name": name, "namespace": namespace, "resourceVersion": str(self._version), "uid": namespace}
        change: Body = {**body, "metadata": {**metadata, **body.get("metadata", {})}}
        key = self.cache.put(resource, change)
        assert key is not None
        self.publisher.mark(key)

    def serve(self, namespace: str = "default", *, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> None:
        """Put a model that serves with one pod."""
        owner = [{"uid": namespace, "controller": True}]
        self.put(MODEL_DEPLOYMENT, "m", namespace, metadata={"creationTimestamp": created}, spec=spec)
        self.put(SERVICE, "m", namespace, metadata={"labels": LABELS}, spec={"selector": LABELS})
        frontend = {"name": "frontend", "args": ["--task=Chat", "--served-name=chat"]}
        pods = {"template": {"spec": {"containers": [frontend]}}}
        self.put(DEPLOYMENT, "m-a", namespace, metadata={"labels": LABELS, "ownerReferences": owner}, spec=pods)
        self.pod("m-a-0", "10.0.0.1", namespace)

    def pod(self, name: str, address: str, namespace: str = "default") -> None:
        status = {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]}
        self.put(POD, name, namespace, metadata={"labels": LABELS}, status=status)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        ads: Any = self.ads
        task = asyncio.create_task(self.publisher.run(ads))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def publishes(self, number: int) -> Resources:
        await until(lambda: len(self.ads.published) >= number, f"publication {number}")
        return self.ads.published[number - 1]


M = Key("default", "m")
OTHER = Key("other", "m")


def _addresses(resources: Resources) -> set[str]:
    text = str(resources[ENDPOINTS]["default/m-a/openai"])
    return {address for address in ("10.0.0.1", "10.0.0.2") if address in text}


async def _settles(stand: _Stand, done: Callable[[], object]) -> None:
    await until(done, "the publisher")


async def test_what_comes_together_is_published_together_and_what_changes_nothing_is_not():
    stand = _Stand()
    stand.serve()
    async with stand.running():
        first = await stand.publishes(1)
        assert set(first[LISTENER]) == {FRONT}
        assert set(first[CLUSTER]) == {f"default/m-a/{kind}" for kind in ("openai", "http", "grpc")}
        stand.put(MODEL_DEPLOYMENT, "m", metadata={"annotations": {"touched": "1"}}, spec={})
        stand.pod("m-a-1", "10.0.0.2")
        assert _addresses(await stand.publishes(2)) == {"10.0.0.1", "10.0.0.2"}
        stand.put(MODEL_DEPLOYMENT, "m", metadata={"annotations": {"touched": "2"}}, spec={})
        stand.serve("other")
        assert "other/m-a/openai" in (await stand.publishes(3))[CLUSTER]
    assert len(stand.ads.published) == 3


async def test_a_model_that_goes_is_published_no_more():
    stand = _Stand()
    stand.serve()
    async with stand.running():
        await stand.publishes(1)
        stand.put(MODEL_DEPLOYMENT, "m", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}, spec={})
        assert not (await stand.publishes(2))[CLUSTER]


async def test_nothing_is_published_before_the_certificate_that_is_wanted():
    stand = _Stand(wants_certificate=True)
    stand.serve()
    async with stand.running():
        stand.pod("m-a-1", "10.0.0.2")
        await asyncio.sleep(0)
        stand.publisher.use(Certificate("chain", "key"))
        assert "chain" in str(await stand.publishes(1))


async def test_who_waits_for_the_gateways_gets_one_pass_when_they_have_it():
    stand = _Stand()
    stand.serve()
    stand.ads.lagging = ("ns/g",)
    async with stand.running():
        await stand.publishes(1)
        await until(lambda: stand.publisher.model(M), "the model to be published")
        stand.asked.clear()
        waiting = stand.publisher.awaited_routing(M)
        assert (waiting.names, waiting.gateways, waiting.behind) == (("default.m",), ("ns/g",), ("ns/g",))
        assert waiting.answering == {"10.0.0.1"}
        assert {(ENDPOINTS, "default/m-a/openai"), (ENDPOINTS, "default/m-a/grpc"), (ROUTES, FRONT)} < stand.ads.asked
        stand.ads.lagging = ()
        stand.ads.tell()
        await until(lambda: stand.asked, "a pass")
        assert stand.publisher.awaited_routing(M).behind == ()
        stand.ads.tell()
        stand.pod("m-a-1", "10.0.0.2")
        await stand.publishes(2)
    assert stand.asked == [M]


async def test_a_change_that_is_not_published_yet_is_waited_for():
    stand = _Stand()
    stand.serve()
    async with stand.running():
        await stand.publishes(1)
        await until(lambda: stand.publisher.model(M), "the model to be published")
        stand.asked.clear()
        stand.pod("m-a-1", "10.0.0.2")
        assert stand.publisher.awaited_routing(M).answering == {"10.0.0.1"}
        await until(lambda: stand.asked, "a pass")
        assert stand.publisher.routing(M).answering == {"10.0.0.1", "10.0.0.2"}


async def test_an_answer_that_came_before_a_look_that_found_nothing_new_is_not_missed():
    stand = _Stand()
    stand.serve()
    async with stand.running():
        await stand.publishes(1)
        await until(lambda: stand.publisher.model(M), "the model to be published")
        stand.asked.clear()
        stand.publisher.mark(M)
        stand.publisher.awaited_routing(M)
        await until(lambda: stand.asked, "a pass")
    assert (stand.asked, len(stand.ads.published)) == ([M], 1)


async def test_without_a_gateway_nobody_is_told():
    stand = _Stand()
    stand.serve()
    stand.ads.gateways = ()
    async with stand.running():
        await stand.publishes(1)
        await until(lambda: stand.publisher.model(M), "the model to be published")
        stand.asked.clear()
        assert stand.publisher.awaited_routing(M).gateways == ()
        stand.ads.tell()
        stand.serve("other")
        await stand.publishes(2)
        assert M not in stand.asked
        stand.ads.gateways = ("ns/g",)
        stand.ads.tell()
        await until(lambda: M in stand.asked, "a pass")


async def test_a_refusal_is_its_models_until_that_changes():
    stand = _Stand()
    stand.serve()
    async with stand.running():
        await stand.publishes(1)
        await until(lambda: stand.publisher.model(M), "the model to be published")
        stand.asked.clear()
        stand.publisher.refused(Refusal(CLUSTER, ("default/m-a/openai", "nobody's"), "no such policy"))
        assert stand.asked == [M]
        assert stand.publisher.routing(M).rejection == "no such policy"
        assert stand.publisher.routing(OTHER).rejection == ""
        stand.serve("other")
        await stand.publishes(2)
        assert stand.publisher.routing(M).rejection == "no such policy"
        stand.pod("m-a-1", "10.0.0.2")
        await stand.publishes(3)
        await until(lambda: not stand.publisher.routing(M).rejection, "another try")


async def test_the_younger_of_two_is_told_whose_the_name_is():
    stand = _Stand()
    stand.serve()
    stand.serve("other", created="2026-02-02T00:00:00Z")
    async with stand.running():
        await stand.publishes(1)
        await until(lambda: stand.publisher.model(M), "the model to be published")
        stand.asked.clear()
        stand.put(SERVING_POLICY, "p", "", spec={"globalNames": True})
        for namespace in ("default", "other"):
            stand.publisher.mark(Key(namespace, "m"))
        await stand.publishes(2)
        await until(lambda: set(stand.asked) == {M, OTHER}, "passes over both")
        assert stand.publisher.routing(M).names == ("default.m", "chat")
        assert stand.publisher.routing(OTHER).names == ("other.m",)
        assert stand.publisher.routing(OTHER).taken == Taken("chat", M)


async def test_another_term_begins_with_everything():
    stand = _Stand()
    stand.serve()
    async with stand.running():
        await stand.publishes(1)
    assert stand.publisher.routing(M).gateways == ()
    stand.ads = _Ads()
    async with stand.running():
        assert _addresses(await stand.publishes(1)) == {"10.0.0.1"}
