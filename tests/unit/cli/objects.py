"""Objects as the API server gives them, with what a test does not speak of left at a sensible value."""

from datetime import UTC, datetime
from typing import Any

from nereid_operator.api.model_deployment import Model
from nereid_operator.plan.names import input_hash

Json = dict[str, Any]

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
REVISION = "0a1b2c3d"
DIGEST = "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
URI = "hf://org/minilm"


def condition(kind: str, status: str, reason: str, message: str) -> Json:
    since = "2026-05-04T11:48:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def resolved(**facts: Any) -> Json:
    return {
        "inputHash": input_hash(Model(uri=URI)),
        "revision": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        "digest": DIGEST,
        "bytes": 91573785,
        "files": 6,
        "task": "Embedding",
        "architecture": "BertModel",
        "dtype": "F32",
        **facts,
    }


def model(*conditions: Json, name: str = "minilm", replicas: int = 1, spec: Json | None = None, **status: Any) -> Json:
    """Return a ModelDeployment; conditions of its own, else it is ready."""
    return {
        "apiVersion": "nereid.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": "default", "uid": "u", "generation": 3},
        "spec": {"model": {"uri": URI}, "replicas": replicas, **(spec or {})},
        "status": {
            "observedGeneration": 3,
            "conditions": list(conditions) or healthy(replicas),
            "url": f"http://{name}.default.svc",
            "model": resolved(),
            "replicas": replicas,
            "readyReplicas": replicas,
            "revisions": {"current": REVISION, "stable": REVISION},
            **status,
        },
    }


def healthy(replicas: int = 1) -> list[Json]:
    return [
        condition("Accepted", "True", "Accepted", "The spec is valid."),
        condition("Resolved", "True", "Resolved", "Revision c9745ed, 6 files."),
        condition("Available", "True", "Serving", f"Revision {REVISION} is serving."),
        condition("Progressing", "False", "RolledOut", "The current spec is rolled out."),
        condition("Ready", "True", "Ready", f"{replicas} of {replicas} replicas are ready."),
    ]


def unready(reason: str, message: str, *, resolved_as: str = "True", available: str = "False") -> list[Json]:
    """Return the conditions of a model whose replicas, or whose resolve Job, are held up."""
    held = "True" if resolved_as == "True" else reason
    return [
        condition("Accepted", "True", "Accepted", "The spec is valid."),
        condition("Resolved", resolved_as, "Resolved" if held == "True" else reason, message),
        condition(
            "Available", available, "NoReplicasReady" if available == "False" else "Serving", "No replica answers."
        ),
        condition("Progressing", "False", reason, message),
        condition("Ready", "False", reason, message),
    ]


def deployment(*, revision: str = REVISION, ready: int = 0, replicas: int = 1, failure: str = "") -> Json:
    refused = [{"type": "ReplicaFailure", "status": "True", "message": failure}] if failure else []
    return {
        "metadata": {"name": f"minilm-{revision}", "generation": 1, "labels": {"nereid.dev/revision": revision}},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, "replicas": replicas, "readyReplicas": ready, "conditions": refused},
    }


def job(name: str = "minilm-resolve-11112222", *, failed: int = 0, failure: str = "") -> Json:
    conditions = [{"type": "Failed", "status": "True", "message": failure}] if failure else []
    metadata = {"name": name, "creationTimestamp": "2026-05-04T11:50:00Z"}
    return {"metadata": metadata, "spec": {}, "status": {"failed": failed, "conditions": conditions}}


def pod(
    suffix: str = "x7k2p", *, labels: Json | None = None, containers: list[Json] | None = None, **status: Any
) -> Json:
    owner = (labels or {}).get("batch.kubernetes.io/job-name", f"minilm-{REVISION}")
    return {
        "metadata": {
            "name": f"{owner}-{suffix}",
            "namespace": "default",
            "creationTimestamp": "2026-05-04T11:51:00Z",
            "labels": labels or {"nereid.dev/revision": REVISION},
        },
        "spec": {"containers": [{"name": "triton", "resources": {"requests": {"memory": "9Gi"}}}]},
        "status": {"phase": "Pending", "containerStatuses": containers or [], **status},
    }


def ready_pod(suffix: str = "x7k2p") -> Json:
    return pod(suffix, phase="Running", conditions=[{"type": "Ready", "status": "True"}])


def unscheduled(words: str) -> list[Json]:
    return [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}]


def waiting(container: str, reason: str, message: str = "") -> Json:
    return {"name": container, "state": {"waiting": {"reason": reason, "message": message}}}


def crashed(container: str, code: int, *, message: str = "", reason: str = "Error") -> Json:
    ended = {"terminated": {"exitCode": code, "message": message, "reason": reason}}
    return {"name": container, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}


def running(container: str) -> Json:
    return {"name": container, "state": {"running": {}}, "ready": False}


def event(kind: str, name: str, reason: str, message: str, *, at: str, warning: bool = True) -> Json:
    return {
        "metadata": {"name": f"{name}.{reason}.{at}"},
        "involvedObject": {"kind": kind, "name": name},
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": message,
        "lastTimestamp": f"2026-05-04T{at}Z",
    }


def node(name: str, *, cpu: str = "4", memory: str = "16Gi", labels: Json | None = None, **more: Any) -> Json:
    taints, extended = more.get("taints", []), more.get("extended", {})
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": taints, **({"unschedulable": True} if more.get("cordoned") else {})},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "ephemeral-storage": "100Gi", "pods": "110", **extended}
        },
    }


def taint(key: str, value: str = "", effect: str = "NoSchedule") -> Json:
    return {"key": key, "value": value, "effect": effect}


def pod_on(node_name: str, **requests: str) -> Json:
    return {"spec": {"nodeName": node_name, "containers": [{"name": "c", "resources": {"requests": requests}}]}}
