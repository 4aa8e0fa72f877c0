"""Rooms on nodes → lines: which nodes take a replica, and in plain words why the others do not. Pure."""

from collections.abc import Iterable

from nereid_operator.api.resources import Body
from nereid_operator.cli.evidence import NodeReading
from nereid_operator.cli.placement import Room, rooms, written
from nereid_operator.cli.text import counted
from nereid_operator.pod_requests import pod_requests

_MOST_NODES = 20


def fit_lines(reading: NodeReading | None, pod: Body, *, replicas: int) -> list[str]:
    """Return a line for each node, and whether all the replicas find a place."""
    if reading is None:
        return ["  not known: the nodes could not be read."]
    found = rooms(reading, pod)
    shown = [f"  {room.node}: {_room_words(room, pod)}" for room in found[:_MOST_NODES]]
    hidden = len(found) - len(shown)
    more = [f"  … and {counted(hidden, 'node')} more"] if hidden > 0 else []
    return [*shown, *more, f"  {_verdict(found, replicas)}"]


def _room_words(room: Room, pod: Body) -> str:
    if room.obstacles:
        return f"no: it {', '.join(room.obstacles)}"
    kinds = sorted(name for name in pod_requests(pod) if name != "pods")
    free = ", ".join(written(name, room.free[name]) for name in kinds)
    return f"room for {room.replicas} ({free} free)"


def _verdict(found: Iterable[Room], replicas: int) -> str:
    fitting = min(replicas, sum(room.replicas for room in found))
    if fitting == replicas:
        return "It fits." if replicas == 1 else f"All {replicas} replicas fit."
    if not fitting:
        return "It fits nowhere: the pod would wait (Unschedulable)."
    return f"Only {fitting} of {replicas} replicas fit: the others would wait (Unschedulable)."
