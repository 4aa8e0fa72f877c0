"""What gateways know of a model → what status says of it. Pure; made by publisher.py, read by status.py.

A replica that is ready counts for clients once every gateway that is connected has been told of it and has answered
that it took it. Gateways that come and go take nothing back from a model that was Ready: they keep what they know.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from nereid_operator.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from nereid_operator.api.resources import Key
from nereid_operator.observe import PodFacts
from nereid_operator.waiting import Wait


@dataclass(frozen=True, slots=True)
class Taken:
    """A name that a model would have, and the older model that has it."""

    name: str
    holder: Key


@dataclass(frozen=True, slots=True)
class Routing:
    """How clients reach one model at this moment.

    `url` is the gateway's, `names` are what clients may write as `model`. `answering` are the addresses that gateways
    were told to send requests to; `gateways` are those that are connected, `behind` those among them that have not
    taken it yet. `rejection` has a gateway's words about what it refuses, empty where it refuses nothing.
    """

    url: str
    names: tuple[str, ...]
    taken: Taken | None
    answering: frozenset[str]
    gateways: tuple[str, ...]
    behind: tuple[str, ...]
    rejection: str


def why_not_routed(routing: Routing, pods: Iterable[PodFacts], *, was_ready: bool) -> Wait | None:
    """Return why clients do not reach every ready pod yet; None when they do, or did before."""
    if routing.rejection:
        return Wait(Reason.GATEWAY_REJECTED, _rejected(routing), stuck=True)
    if was_ready:
        return None
    if not routing.gateways:
        return Wait(
            Reason.NOT_ROUTABLE, "No gateway is connected to the operator, so no client gets here.", stuck=False
        )
    untold = sorted(pod.name for pod in pods if pod.ready and not pod.terminating and pod.ip not in routing.answering)
    if untold:
        return Wait(Reason.NOT_ROUTABLE, f"The gateways are not told yet of {', '.join(untold)}.", stuck=False)
    if routing.behind:
        words = f"{len(routing.behind)} of {len(routing.gateways)} gateways have yet to take the newest endpoints: "
        return Wait(Reason.NOT_ROUTABLE, f"{words}{', '.join(routing.behind)}.", stuck=False)
    return None


def degraded(routing: Routing) -> Condition:
    """Return whether the model is reached in another way than its spec says."""
    kind = ConditionType.DEGRADED
    if routing.rejection:
        return Condition(kind, ConditionStatus.TRUE, Reason.GATEWAY_REJECTED, _rejected(routing))
    if routing.taken is not None:
        taken, names = routing.taken, " and ".join(routing.names)
        message = f"The name {taken.name} is that of {taken.holder}, which is older; this model is called {names}."
        return Condition(kind, ConditionStatus.TRUE, Reason.NAME_TAKEN, message)
    return Condition(kind, ConditionStatus.FALSE, Reason.AS_SPECIFIED, "Clients reach the model as its spec says.")


def _rejected(routing: Routing) -> str:
    return f"A gateway refuses what the model's spec makes of it, and keeps what it had: {routing.rejection}"
