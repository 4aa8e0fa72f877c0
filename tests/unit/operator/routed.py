"""Models as the gateway sees them, for tests."""

from dataclasses import replace
from typing import Any

from nereid_operator.api.resources import Key
from nereid_operator.api.traffic import Traffic
from nereid_operator.observe import DeploymentFacts, PodFacts, deployment_facts, pod_facts
from nereid_operator.plan.gateway import Seen

CREATED = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:01:00Z"


def pod(revision: str, number: int, ready: str = "True", **fields: Any) -> PodFacts:
    """Return a pod that is ready, or was (`ready` is "False"), or never was ("Never")."""
    condition = {"type": "Ready", "status": "True" if ready == "True" else "False", "lastTransitionTime": LATER}
    status = {"phase": "Running", "podIP": f"10.0.{int(revision[0], 16)}.{number}", "startTime": CREATED}
    if ready == "Never":
        condition["lastTransitionTime"] = CREATED
    body = {
        "metadata": {"name": f"m-{revision}-{number}", "labels": {"nereid.dev/revision": revision}},
        "status": {**status, "conditions": [condition]},
    }
    return replace(pod_facts(body), **fields)


def deployment(revision: str, *, completed: bool = True, task: str = "Chat", served_name: str = "m") -> DeploymentFacts:
    """Return the Deployment of a revision of the model `m`."""
    reason = "NewReplicaSetAvailable" if completed else "ReplicaSetUpdated"
    frontend = {"name": "frontend", "args": [f"--task={task}", f"--served-name={served_name}", "--port=8080"]}
    return deployment_facts(
        {
            "metadata": {"name": f"m-{revision}", "labels": {"nereid.dev/revision": revision}},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "triton"}, frontend]}}},
            "status": {"conditions": [{"type": "Progressing", "reason": reason}]},
        }
    )


def seen(*pods: PodFacts, **fields: Any) -> Seen:
    """Return the model default/m, of which revision `a` serves with these pods."""
    known = Seen(
        key=Key("default", "m"),
        uid="u",
        created=CREATED,
        traffic=Traffic(),
        wants_global_name=False,
        current="a",
        selected="a",
        recorded="a",
        deployments=(deployment("a"),),
        pods=pods,
    )
    return replace(known, **fields)
