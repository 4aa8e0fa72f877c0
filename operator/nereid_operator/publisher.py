"""What clients shall reach → the control plane, and what the gateways answered → the reconciler.

Runs while this process serves the gateways (control_plane.py). Comes in: keys that changed, from the feed. Goes out:
snapshots, many changes in one; and a pass for each model that was waiting for the gateways.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from nereid_operator.api.resources import Key
from nereid_operator.plan.gateway_ir import Certificate, Gateway, GatewayModel, Health
from nereid_operator.plan.names import alias
from nereid_operator.render.envoy.clusters import Kind, cluster_name
from nereid_operator.render.envoy.resources import ENDPOINTS, FRONT, ROUTES
from nereid_operator.render.envoy.snapshot import owners, snapshot
from nereid_operator.routing import Routing, Taken
from nereid_operator.routing_table import RoutingTable
from nereid_operator.xds.ads import AdsServer
from nereid_operator.xds.session import Refusal

# Changes that come together are published together, and answers that come together are looked at together.
COALESCE_SECONDS = 0.02
_MODELS_AT_A_TIME = 25


@dataclass(frozen=True, slots=True)
class _Rejected:
    """What a gateway refused of a model, and what it said."""

    model: GatewayModel
    words: str


@dataclass(slots=True)
class Publisher:
    """What was published last, and what became of it. `url` is the gateway's, `ask` asks for a pass over a model.

    With `wants_certificate` nothing is published before there is one: it would be served without TLS.
    """

    table: RoutingTable
    url: str
    wants_certificate: bool
    ask: Callable[[Key], None]
    _ads: AdsServer | None = None
    _certificate: Certificate | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _gateway: Gateway | None = None
    # What is being published, and what was.
    _offered: Mapping[Key, GatewayModel] = field(default_factory=dict)
    _models: Mapping[Key, GatewayModel] = field(default_factory=dict)
    _owners: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    _taken: Mapping[Key, Taken] = field(default_factory=dict)
    # Whose change is not published yet: noted since the last look at the table, and before.
    _marked: set[Key] = field(default_factory=set)
    _offering: set[Key] = field(default_factory=set)
    _rejected: dict[Key, _Rejected] = field(default_factory=dict)
    _waiting: set[Key] = field(default_factory=set)

    def mark(self, key: Key) -> None:
        """Note that a model may have changed; keys of policies are none of models."""
        if key.namespace:
            self._marked.add(key)
            self._changed.set()

    def use(self, certificate: Certificate) -> None:
        """Take another certificate for the listener."""
        self._certificate = certificate
        self._changed.set()

    def refused(self, refusal: Refusal) -> None:
        """Take note of what a gateway refuses; it keeps what it had."""
        for key in {Key(*self._owners[name]) for name in refusal.names if name in self._owners}:
            self._rejected[key] = _Rejected(self._offered[key], refusal.message)
            self.ask(key)

    async def run(self, ads: AdsServer) -> None:
        """Publish until cancelled."""
        self._ads, self._gateway, self._rejected = ads, None, {}
        self._marked |= self.table.keys()
        self._changed.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish(ads))
                tasks.create_task(self._listen(ads))
        finally:
            self._ads = None

    def routing(self, key: Key) -> Routing:
        """Return how clients reach a model."""
        model, rejected = self._models.get(key), self._rejected.get(key)
        gateways = self._ads.gateways if self._ads else ()
        return Routing(
            url=self.url,
            names=model.names if model else (alias(key),),
            taken=self._taken.get(key),
            answering=frozenset(_answering(model)) if model else frozenset(),
            gateways=gateways,
            behind=self._behind(model) if model else gateways,
            rejection=rejected.words if rejected else "",
        )

    def awaited_routing(self, key: Key) -> Routing:
        """Return how clients reach a model; one that is not reached yet gets a pass once it is."""
        if not self._is_settled(key):
            self._waiting.add(key)
        return self.routing(key)

    def model(self, key: Key) -> GatewayModel | None:
        """Return what was published of a model; None when nothing was."""
        return self._models.get(key)

    async def _publish(self, ads: AdsServer) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(COALESCE_SECONDS)
            self._changed.clear()
            if self.wants_certificate and self._certificate is None:
                continue
            self._offering, self._marked = self._marked, set()
            await self._look()
            gateway = self.table.gateway(self._certificate)
            if gateway != self._gateway:
                await self._offer(ads, gateway)
            self._waiting -= {key for key in self._offering if self.table.cache.model_deployment(key) is None}
            self._offering = set()
            self._tell_settled()

    async def _look(self) -> None:
        """Look at the models that changed; a list of everything marks all of them, and others want their turn too."""
        for number, key in enumerate(self._offering):
            if number % _MODELS_AT_A_TIME == 0:
                await asyncio.sleep(0)
            self.table.look(key)

    async def _offer(self, ads: AdsServer, gateway: Gateway) -> None:
        """Publish a gateway, and ask for passes over models that are called otherwise than before."""
        self._offered = {Key(model.namespace, model.name): model for model in gateway.models}
        self._owners = owners(gateway)
        # What has changed since it was refused is another try.
        self._rejected = {key: one for key, one in self._rejected.items() if self._offered.get(key) == one.model}
        await ads.publish(await asyncio.to_thread(snapshot, gateway))
        taken = self.table.taken()
        renamed = [
            key
            for key in self._offered.keys() | self._models.keys()
            if _called(key, self._offered, taken) != _called(key, self._models, self._taken)
        ]
        self._gateway, self._models, self._taken = gateway, self._offered, taken
        for key in renamed:
            self.ask(key)

    async def _listen(self, ads: AdsServer) -> None:
        """Ask for a pass over each model that waited for the gateways, once all of them have what was published."""
        while True:
            self._tell_settled()
            await ads.news()
            await asyncio.sleep(COALESCE_SECONDS)

    def _tell_settled(self) -> None:
        for key in [key for key in self._waiting if self._is_settled(key)]:
            self._waiting.discard(key)
            self.ask(key)

    def _is_settled(self, key: Key) -> bool:
        """Return whether all that was seen of a model is published, and every gateway has it; there must be one."""
        model = self._models.get(key)
        if model is None or self._ads is None or key in self._marked or key in self._offering:
            return False
        return bool(self._ads.gateways) and not self._behind(model)

    def _behind(self, model: GatewayModel) -> tuple[str, ...]:
        """Return the gateways that have yet to take the endpoints that a model's requests go to, and the routes."""
        names = [cluster_name(model.namespace, share.backend, kind) for share in model.shares for kind in Kind]
        return self._ads.behind([*((ENDPOINTS, name) for name in names), (ROUTES, FRONT)]) if self._ads else ()


def _called(
    key: Key, models: Mapping[Key, GatewayModel], taken: Mapping[Key, Taken]
) -> tuple[tuple[str, ...], Taken | None]:
    """Return what a model is called, and whose the name is that it would have."""
    model = models.get(key)
    return (model.names if model else (alias(key),)), taken.get(key)


def _answering(model: GatewayModel) -> Iterator[str]:
    """Yield the addresses that get requests."""
    chosen = {share.backend for share in model.shares}
    for backend in model.backends:
        if backend.name in chosen:
            yield from (one.address for one in backend.endpoints if one.health is Health.HEALTHY)
