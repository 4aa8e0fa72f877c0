"""ResolveJob → Job. Pure; the answer comes back as the termination message of its pod (docs/architecture.md).

Exit code 3 says that trying again cannot mend it: the Job fails at once. Evicted pods do not count as attempts.
"""

from typing import Any

from nereid_operator.api.resources import (
    ANNOTATION_ATTEMPT,
    ANNOTATION_EGRESS,
    ANNOTATION_REPLICAS,
    ANNOTATION_SERVING_REPLICAS,
    JOB,
)
from nereid_operator.plan.ir import ResolveJob
from nereid_operator.render.metadata import Component, Manifest, labels, metadata
from nereid_operator.render.overlay import placement_fields, present, variables
from nereid_operator.render.pod import (
    TMP_MOUNT,
    TMP_VOLUME,
    container_security,
    pod_defaults,
    proxy_variables,
    source_arguments,
    source_mounts,
    source_volumes,
)

CONTAINER = "resolve"
FINAL_EXIT_CODE = 3


def job(plan: ResolveJob) -> Manifest:
    """Return the resolve Job."""
    object_labels = labels(plan.owner, Component.RESOLVE)
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {
            **metadata(plan.owner, plan.name, object_labels),
            "annotations": {ANNOTATION_ATTEMPT: str(plan.attempt), **_egress(plan), **_meanwhile(plan)},
        },
        "spec": {
            "backoffLimit": plan.retries,
            "activeDeadlineSeconds": plan.deadline_seconds,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [FINAL_EXIT_CODE]},
                    },
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": {"metadata": {"labels": object_labels}, "spec": _pod(plan)},
        },
    }


def _egress(plan: ResolveJob) -> dict[str, str]:
    return {ANNOTATION_EGRESS: plan.egress_hash} if plan.egress_hash else {}


def _meanwhile(plan: ResolveJob) -> dict[str, str]:
    if plan.meanwhile is None:
        return {}
    return {
        ANNOTATION_REPLICAS: str(plan.meanwhile.replicas),
        ANNOTATION_SERVING_REPLICAS: str(plan.meanwhile.kept),
    }


def _pod(plan: ResolveJob) -> dict[str, Any]:
    return {
        **pod_defaults(plan.owner),
        **placement_fields(plan.placement),
        "restartPolicy": "Never",
        "containers": [
            {
                "name": CONTAINER,
                "image": plan.image.name,
                "imagePullPolicy": plan.image.pull_policy,
                "command": ["python3", "-m", "model_runtime.resolve"],
                "args": [*source_arguments(plan.source), f"--task={plan.task}"],
                **present({"env": variables(proxy_variables(plan.proxy))}),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
                "securityContext": container_security(),
                "volumeMounts": [TMP_MOUNT, *source_mounts(plan.owner, plan.source)],
            }
        ],
        "volumes": [TMP_VOLUME, *source_volumes(plan.owner, plan.source)],
    }
