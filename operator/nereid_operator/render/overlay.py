"""PodOverlay and Placement → fields of a pod. Pure; called by the renderers of replicas and resolve Jobs.

Empty values are left out: the API server drops them, and what is rendered must be what comes back.
"""

from collections.abc import Mapping
from typing import Any

from nereid_operator.plan.ir import Placement, PodOverlay, Toleration


def placement_fields(placement: Placement | None) -> dict[str, Any]:
    """Return the part of PodSpec that says where the pod may run."""
    if placement is None:
        return {}
    return _node_fields(placement) | _affinity({"nodeAffinity": placement.node_affinity})


def _node_fields(placement: Placement) -> dict[str, Any]:
    return present(
        {
            "nodeSelector": dict(placement.node_selector),
            "tolerations": [_toleration(toleration) for toleration in placement.tolerations],
            "runtimeClassName": placement.runtime_class,
            "imagePullSecrets": [{"name": name} for name in placement.image_pull_secrets],
        }
    )


def overlay_fields(overlay: PodOverlay | None) -> dict[str, Any]:
    """Return the part of PodSpec that the spec adds to replicas."""
    if overlay is None:
        return {}
    affinity = {
        "nodeAffinity": overlay.placement.node_affinity,
        "podAffinity": overlay.pod_affinity,
        "podAntiAffinity": overlay.pod_anti_affinity,
    }
    named = present({"priorityClassName": overlay.priority_class})
    return named | _node_fields(overlay.placement) | _affinity(affinity)


def says_which_pods_to_be_near(overlay: PodOverlay | None) -> bool:
    """Return whether the spec has a wish of its own for how replicas lie to each other and to other pods."""
    return overlay is not None and (overlay.pod_affinity or overlay.pod_anti_affinity) is not None


def _affinity(parts: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    said = {name: part for name, part in parts.items() if part is not None}
    return {"affinity": said} if said else {}


def pod_metadata(overlay: PodOverlay | None, labels: dict[str, str]) -> dict[str, Any]:
    """Return the metadata of the pod template; the operator's own labels win."""
    if overlay is None:
        return {"labels": labels}
    return {"labels": {**overlay.labels, **labels}} | present({"annotations": dict(overlay.annotations)})


def environment(overlay: PodOverlay | None) -> dict[str, str]:
    """Return the variables that the spec adds to a container, by name."""
    return dict(overlay.environment) if overlay else {}


def variables(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the variables of a container."""
    return [{"name": name} | present({"value": value}) for name, value in values.items()]


def _toleration(toleration: Toleration) -> dict[str, Any]:
    seconds = {} if toleration.seconds is None else {"tolerationSeconds": toleration.seconds}
    texts = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
    }
    return present(texts) | seconds


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value}
