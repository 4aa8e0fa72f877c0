"""What the leader knows of a model at this moment → the JSON of the live API (docs/api.md). Pure.

Called by live_api.py for each model that is asked for.
"""

from collections.abc import Iterable
from typing import Any

from nereid_operator.api.conditions import timestamp
from nereid_operator.api.resources import Body, Key
from nereid_operator.journal import Pass
from nereid_operator.observe import PodFacts
from nereid_operator.queue import KeyState
from nereid_operator.replica_states import replica_phase
from nereid_operator.status import ready_condition


def live_model(
    key: Key,
    body: Body,
    *,
    pods: Iterable[PodFacts],
    queue: KeyState,
    latest: Pass | None,
    decisions: Iterable[Pass],
) -> dict[str, Any]:
    """Return one model; what there is nothing to say of is null or an empty list."""
    status = body.get("status", {})
    ready = ready_condition(status)
    return {
        "namespace": key.namespace,
        "name": key.name,
        "ready": ready.get("status"),
        "reason": ready.get("reason"),
        "replicas": [live_replica(pod) for pod in pods if pod.revision],
        "queue": {
            "state": str(queue.state),
            "seconds": round(queue.seconds, 3),
            "failures": queue.failures,
        },
        "lastPass": live_pass(latest) if latest else None,
        "decisions": [live_pass(one) for one in decisions],
    }


def live_replica(pod: PodFacts) -> dict[str, Any]:
    """Return one replica, with its progress while it fetches."""
    return {
        "name": pod.name,
        "revision": pod.revision,
        "phase": str(replica_phase(pod)),
        "progress": pod.fetch.as_body() if pod.fetch else None,
        "restarts": sum(container.restarts for container in (*pod.init_containers, *pod.containers)),
    }


def live_pass(one: Pass) -> dict[str, Any]:
    """Return one pass."""
    return {
        "ended": timestamp(one.ended),
        "seconds": round(one.seconds, 3),
        "result": one.result,
        "reason": one.reason,
        "message": one.message,
    }
