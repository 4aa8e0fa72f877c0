"""spec.pod → what it adds to the pods of replicas and of resolve Jobs. Pure; called by the planner.

None stands for a spec.pod that adds nothing, so that an empty one gives the same names as none.
"""

from nereid_operator.api.affinity import as_written
from nereid_operator.api.pod import Pod
from nereid_operator.api.pod import Toleration as TolerationSpec
from nereid_operator.plan.ir import Placement, PodOverlay, Toleration


def pod_overlay(pod: Pod | None, pull_secrets: tuple[str, ...]) -> PodOverlay | None:
    """Return what is added to the pods of replicas; `pull_secrets` are those of the platform."""
    if pod is None:
        pod = Pod()
    if pod == Pod() and not pull_secrets:
        return None
    return PodOverlay(
        labels=pod.labels,
        annotations=pod.annotations,
        priority_class=pod.priority_class_name,
        environment={variable.name: variable.value for variable in pod.env},
        placement=_placement(pod, pull_secrets),
        pod_affinity=as_written(pod.affinity.pod_affinity) or None,
        pod_anti_affinity=as_written(pod.affinity.pod_anti_affinity) or None,
    )


def resolve_placement(pod: Pod | None, pull_secrets: tuple[str, ...]) -> Placement | None:
    """Return what is added to the pod of a resolve Job; `pull_secrets` are those of the platform."""
    placement = _placement(pod or Pod(), pull_secrets)
    return None if placement == Placement() else placement


def _placement(pod: Pod, pull_secrets: tuple[str, ...]) -> Placement:
    own = (secret.name for secret in pod.image_pull_secrets)
    return Placement(
        node_selector=pod.node_selector,
        tolerations=tuple(map(_toleration, pod.tolerations)),
        runtime_class=pod.runtime_class_name,
        # In order, each once: the API server takes no name twice.
        image_pull_secrets=tuple(dict.fromkeys((*own, *pull_secrets))),
        node_affinity=as_written(pod.affinity.node_affinity) or None,
    )


def _toleration(toleration: TolerationSpec) -> Toleration:
    return Toleration(
        key=toleration.key,
        operator=str(toleration.operator),
        value=toleration.value,
        effect=str(toleration.effect) if toleration.effect else None,
        seconds=toleration.toleration_seconds,
    )
