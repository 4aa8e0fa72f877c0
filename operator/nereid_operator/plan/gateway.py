"""What was seen of each model → what the gateway shall be. Pure; called by the publisher.

`model_routes` looks at one model at a time, so that a change of one costs no look at the others; `gateway` puts all of
them together and gives out the names. Nothing here depends on the order or the time in which things were seen: two
operators that have seen the same make the same value, and what changes nothing for clients changes nothing in it.

    revision that serves   every pod of it that was ever ready, until the pod is gone; all requests
    other revisions        likewise, for streams that have not ended; content routes alone go to them
    pod                    ready → HEALTHY, ready no more → UNHEALTHY, going → DRAINING
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from nereid_operator.api.quantities import duration_microseconds
from nereid_operator.api.resources import Key
from nereid_operator.api.traffic import RouteRevision, Traffic
from nereid_operator.observe import DeploymentFacts, PodFacts
from nereid_operator.plan.gateway_ir import (
    Backend,
    Balancing,
    Certificate,
    ContentRoute,
    Endpoint,
    Gateway,
    GatewayModel,
    Health,
    Share,
)
from nereid_operator.plan.names import alias, deployment_name
from nereid_operator.plan.rollout import serving_deployment

ALL_REQUESTS = 100
_ENDED = frozenset({"Failed", "Succeeded"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one model. `created` is an RFC 3339 time, `uid` tells models of one age apart.

    `current` is the revision of the newest spec, `selected` the one that the Service names, `recorded` the one that
    status does; empty where there is none.
    """

    key: Key
    uid: str
    created: str
    traffic: Traffic
    wants_global_name: bool
    current: str
    selected: str
    recorded: str
    deployments: tuple[DeploymentFacts, ...]
    pods: tuple[PodFacts, ...]


@dataclass(frozen=True, slots=True)
class ModelRoutes:
    """A model that can be routed to, by its full name alone; `served_name` is what it would be called besides.

    `age` puts the older model first; it is None for one that no policy allows a name of its own.
    """

    model: GatewayModel
    served_name: str
    age: tuple[str, str] | None

    @property
    def key(self) -> Key:
        """Return the model's key."""
        return Key(self.model.namespace, self.model.name)


def model_routes(seen: Seen) -> ModelRoutes | None:
    """Return how a model is routed to; None for one that never served, of which clients shall not hear."""
    serving = serving_deployment(seen.deployments, selected=seen.selected, recorded=seen.recorded)
    if serving is None or not serving.served_name:
        return None
    backends = {backend.name: backend for backend in _backends(seen)}
    if serving.name not in backends:
        if not serving.completed:
            return None
        backends[serving.name] = Backend(serving.name, ())
    model = GatewayModel(
        namespace=seen.key.namespace,
        name=seen.key.name,
        names=(alias(seen.key),),
        task=serving.task,
        backends=tuple(backends[name] for name in sorted(backends)),
        shares=(Share(serving.name, ALL_REQUESTS),),
        content_routes=tuple(_content_routes(seen, serving, backends)),
        balancing=Balancing(str(seen.traffic.load_balancing)),
        balancing_header=seen.traffic.sticky_header,
        timeout_seconds=math.ceil(duration_microseconds(seen.traffic.timeout) / 1_000_000),
    )
    age = (seen.created, seen.uid) if seen.wants_global_name else None
    return ModelRoutes(model, serving.served_name, age)


def gateway(routes: Iterable[ModelRoutes], *, port: int, certificate: Certificate | None = None) -> Gateway:
    """Return the whole gateway; models by namespace and name."""
    ordered = sorted(routes, key=lambda one: one.key)
    holders = name_holders(ordered)
    models = tuple(_named(one, holders) for one in ordered)
    return Gateway(port=port, models=models, certificate=certificate)


def name_holders(routes: Iterable[ModelRoutes]) -> dict[str, Key]:
    """Return which model each name belongs to.

    A full name is that of its model whatever another is called; of several that want one name the oldest has it.
    """
    routes = tuple(routes)
    oldest_last = sorted(((one.age, one.key, one) for one in routes if one.age is not None), reverse=True)
    holders = {one.served_name: key for _, key, one in oldest_last}
    return holders | {name: one.key for one in routes for name in one.model.names}


def _named(one: ModelRoutes, holders: Mapping[str, Key]) -> GatewayModel:
    if one.age is None or one.served_name in one.model.names or holders[one.served_name] != one.key:
        return one.model
    return replace(one.model, names=(*one.model.names, one.served_name))


def _backends(seen: Seen) -> Iterator[Backend]:
    """Yield the revisions that have an endpoint."""
    endpoints: dict[str, list[Endpoint]] = {}
    for pod in sorted(seen.pods, key=lambda pod: pod.name):
        if pod.revision and (health := _health(pod)) is not None:
            endpoints.setdefault(pod.revision, []).append(Endpoint(pod.name, pod.ip, health))
    for revision, listed in endpoints.items():
        yield Backend(deployment_name(seen.key.name, revision), tuple(listed))


def _health(pod: PodFacts) -> Health | None:
    """Return what becomes of new requests to a pod; None for one that nobody could have been sent to."""
    if not pod.ip or pod.phase in _ENDED or not (pod.ready or pod.was_ready):
        return None
    if pod.terminating:
        return Health.DRAINING
    return Health.HEALTHY if pod.ready else Health.UNHEALTHY


def _content_routes(seen: Seen, serving: DeploymentFacts, backends: Mapping[str, Backend]) -> Iterator[ContentRoute]:
    """Yield the routes of the spec that differ from the shares: none while the newest spec is the one that serves."""
    current = _answering_current(seen, serving, backends)
    if current is None:
        return
    targets = {RouteRevision.CURRENT: current, RouteRevision.STABLE: serving.name}
    for route in seen.traffic.routes:
        headers = tuple((header.name, header.value) for header in route.headers)
        yield ContentRoute(headers, route.path, targets[route.revision])


def _answering_current(seen: Seen, serving: DeploymentFacts, backends: Mapping[str, Backend]) -> str | None:
    """Return the newest revision when it is another than the one that serves, and can answer in its place."""
    current = next((facts for facts in seen.deployments if facts.revision == seen.current), None)
    if current is None or current.name == serving.name or current.name not in backends:
        return None
    # Under another name, or for another task, it would refuse what was meant for the one that serves.
    if (current.task, current.served_name) != (serving.task, serving.served_name):
        return None
    answers = any(endpoint.health is Health.HEALTHY for endpoint in backends[current.name].endpoints)
    return current.name if answers else None
