"""What a namespace holds, without what differs between runs that did the same: uids, times, versions."""

import difflib
import json
import re
from collections.abc import Iterator
from typing import Any

from nereid_operator.api.resources import JOB, MODEL_DEPLOYMENT
from tests.faults.apiserver import MADE, ApiServer, Object

# Given by the server, or counted by it.
_GIVEN = {
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "observedGeneration",
    "lastTransitionTime",
    "clusterIP",
    "clusterIPs",
    "namespace",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "deployment.kubernetes.io/revision",
}


# What a ReplicaSet puts behind the name of a revision's Deployment.
_POD = re.compile(r"(?<=-[0-9a-f]{8})-[a-z0-9]{7,10}-[a-z0-9]{5}$")


async def state_of(api: ApiServer) -> dict[str, Object]:
    """Return every object of ours by kind and name, normalised; the status only of ModelDeployments."""
    return {
        f"{resource.kind} {body['metadata']['name']}": normalised(body, with_status=resource == MODEL_DEPLOYMENT)
        for resource in (MODEL_DEPLOYMENT, *MADE)
        for body in await api.all(resource)
    }


def assert_same(found: dict[str, Object], wanted: dict[str, Object], when: str) -> None:
    """Fail with the lines in which two states differ."""
    texts = [json.dumps(state, indent=1, sort_keys=True).splitlines() for state in (wanted, found)]
    lines = list(difflib.unified_diff(*texts, "wanted", "found", n=4, lineterm=""))
    assert not lines, "\n".join([when, *lines])


def normalised(body: Object, *, with_status: bool) -> Object:
    """Return what matters of an object; who manages its fields matters, for it decides what an apply removes."""
    kept = body if with_status else {name: value for name, value in body.items() if name != "status"}
    plain = _plain(kept, body["metadata"]["namespace"])
    if body["kind"] == JOB.kind:
        plain["spec"].pop("selector")
    return plain | {"managers": sorted(_managers(body))}


def _managers(body: Object) -> Iterator[tuple[str, str, str]]:
    for entry in body["metadata"]["managedFields"]:
        if entry["manager"].startswith("nereid"):
            yield entry["manager"], entry["operation"], entry.get("subresource", "")


def _plain(value: Any, namespace: str) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry, namespace) for name, entry in value.items() if name not in _GIVEN}
    if isinstance(value, list):
        return [_plain(entry, namespace) for entry in value]
    return _POD.sub("-POD", value.replace(namespace, "NAMESPACE")) if isinstance(value, str) else value
