"""A spec and the defaults of a ServingPolicy → the spec that is planned. Pure; called by plan/policy.py.

What the spec says itself wins: labels of nodeSelector one by one, everything else as a whole, since half of a list or
of resources has another meaning than the whole. Empty counts as left out.
"""

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.pod import Pod
from nereid_operator.api.runtime import Resources
from nereid_operator.api.serving_policy import DefaultPod, Defaults


def with_defaults(md: ModelDeployment, defaults: Defaults) -> ModelDeployment:
    """Return the ModelDeployment with what its spec leaves out filled in."""
    runtime = md.spec.runtime
    resources = defaults.runtime.resources if runtime.resources in (None, Resources()) else runtime.resources
    changes = {
        "pod": _pod(md.spec.pod or Pod(), defaults.pod),
        "runtime": runtime.model_copy(update={"resources": resources or runtime.resources}),
    }
    return md.model_copy(update={"spec": md.spec.model_copy(update=changes)})


def _pod(pod: Pod, defaults: DefaultPod) -> Pod:
    return pod.model_copy(
        update={
            "node_selector": {**defaults.node_selector, **pod.node_selector},
            "tolerations": pod.tolerations or defaults.tolerations,
            "priority_class_name": pod.priority_class_name or defaults.priority_class_name,
            "runtime_class_name": pod.runtime_class_name or defaults.runtime_class_name,
            "image_pull_secrets": pod.image_pull_secrets or defaults.image_pull_secrets,
        }
    )
