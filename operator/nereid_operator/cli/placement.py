"""Where a pod fits: nodes, the pods on them and a PodSpec → room on each node, with what stands in the way. Pure.

What is looked at: free resources (allocatable minus requests), taints, cordons, node labels, required node
affinity. What is not: affinity between pods, topology spread, volumes; the scheduler has the last word.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from nereid_operator.amounts import Amounts, amounts, total
from nereid_operator.api.resources import Body
from nereid_operator.cli.evidence import NodeReading
from nereid_operator.cli.node_affinity import is_wanted
from nereid_operator.cli.text import cores, size
from nereid_operator.pod_requests import pod_requests

_BARRING = frozenset({"NoSchedule", "NoExecute"})
_CORDON = "node.kubernetes.io/unschedulable"
_WORDS = {"node.kubernetes.io/not-ready": "is not ready", "node.kubernetes.io/unreachable": "cannot be reached"}


@dataclass(frozen=True, slots=True)
class Room:
    """How many replicas one node has room for; when none, what stands in the way."""

    node: str
    replicas: int
    obstacles: tuple[str, ...]
    free: Amounts


def rooms(reading: NodeReading, spec: Body) -> tuple[Room, ...]:
    """Return the room for pods of this spec on each node, most room first."""
    needed = pod_requests(spec)
    found = (_room(node, reading.pods, spec, needed) for node in reading.nodes)
    return tuple(sorted(found, key=lambda room: (-room.replicas, room.node)))


def written(name: str, amount: Decimal) -> str:
    """Return an amount of a resource in the unit that people use for it."""
    if name == "cpu":
        return f"{cores(amount)} CPU"
    if name == "memory":
        return f"{size(amount)} memory"
    if name == "ephemeral-storage" or name.startswith("hugepages-"):
        return f"{size(amount)} {name}"
    return f"{cores(amount)} {name}"


def _room(node: Body, pods: Iterable[Body], spec: Body, needed: Amounts) -> Room:
    name = node["metadata"]["name"]
    free = _free(node, [pod for pod in pods if pod["spec"].get("nodeName") == name])
    obstacles = (*_barriers(node, spec), *_shortages(free, needed))
    count = 0 if obstacles else min(int(free[kind] // amount) for kind, amount in needed.items() if amount)
    return Room(node=name, replicas=count, obstacles=obstacles, free=free)


def _free(node: Body, pods: Iterable[Body]) -> dict[str, Decimal]:
    used = total(pod_requests(pod["spec"]) for pod in pods)
    allocatable = amounts(node.get("status", {}).get("allocatable"))
    return {name: max(Decimal(0), amount - used.get(name, Decimal(0))) for name, amount in allocatable.items()}


def _shortages(free: Amounts, needed: Amounts) -> Iterator[str]:
    for name, amount in needed.items():
        if amount and name not in free:
            yield f"has no {name}"
        elif amount > free.get(name, Decimal(0)):
            yield f"has only {written(name, free[name])} free"


def _barriers(node: Body, spec: Body) -> Iterator[str]:
    if node["spec"].get("unschedulable"):
        yield "is cordoned"
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] in _BARRING and taint["key"] != _CORDON and not _is_tolerated(taint, spec):
            yield _WORDS.get(taint["key"], f"has the taint {_taint_text(taint)}, which the pod does not tolerate")
    labels = node["metadata"].get("labels") or {}
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            yield f"lacks the label {key}={value}"
    if not is_wanted(node, spec):
        yield "is none of those that spec.pod.affinity requires"


def _is_tolerated(taint: Body, spec: Body) -> bool:
    return any(_tolerates(toleration, taint) for toleration in spec.get("tolerations") or ())


def _tolerates(toleration: Body, taint: Body) -> bool:
    """Return whether a toleration matches a taint; an empty key with Exists matches all, an empty effect every one."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("operator") == "Exists":
        return not toleration.get("key") or toleration["key"] == taint["key"]
    same_value = (toleration.get("value") or "") == (taint.get("value") or "")
    return bool(toleration.get("key") == taint["key"] and same_value)


def _taint_text(taint: Body) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"
