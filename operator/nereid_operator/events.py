"""A change of the Ready condition → a Kubernetes Event, seen by `kubectl describe`. Pure; called by the reconciler."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nereid_operator.api.conditions import ConditionStatus, timestamp
from nereid_operator.api.model_deployment import NAME_MAX_LENGTH
from nereid_operator.api.resources import EVENT, MODEL_DEPLOYMENT, Body
from nereid_operator.plan.names import digest_of
from nereid_operator.status import ready_condition

COMPONENT = "nereid-operator"
# What passes by itself is Normal; whoever sees a Warning has something to do.
_NORMAL_REASONS = frozenset({"Resolving", "Starting", "Downloading", "Loading", "ScaledToZero", "NotRoutable", "Ready"})


def ready_event(body: Body, status: Body, *, now: datetime) -> dict[str, Any] | None:
    """Return the Event of a pass that wrote `status` on `body`; None when Ready has the same status and reason."""
    old, new = ready_condition(body.get("status", {})), ready_condition(status)
    if _verdict(old) == _verdict(new):
        return None
    metadata = body["metadata"]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": _name(metadata, new, now), "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": MODEL_DEPLOYMENT.api_version,
            "kind": MODEL_DEPLOYMENT.kind,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "type": "Normal" if new["reason"] in _NORMAL_REASONS else "Warning",
        "reason": new["reason"],
        "message": new["message"],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "count": 1,
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
    }


def _verdict(condition: Mapping[str, Any]) -> tuple[Any, Any]:
    return condition.get("status", ConditionStatus.UNKNOWN), condition.get("reason")


def _name(metadata: Mapping[str, Any], condition: Mapping[str, Any], now: datetime) -> str:
    """Return a name that no other Event of the object has: the same change at the same moment is the same Event."""
    digest = digest_of([metadata["uid"], metadata.get("resourceVersion", ""), condition["reason"], now.isoformat()])
    return f"{metadata['name'][:NAME_MAX_LENGTH]}.{digest}"
