"""Revision → Deployment, and Plan → Service. Pure; called by the reconciler.

    pod:  prepare ──► emptyDir model ──► triton ◄─gRPC, loopback─ frontend ◄── Service

Replicas are left out of the Deployment but for its first apply: they belong to the field manager `nereid-scale`.
"""

from typing import Any

from nereid_operator.api.resources import DEPLOYMENT, SERVICE
from nereid_operator.plan.ir import ContainerResources, Owner, Revision
from nereid_operator.render.cache import cache_arguments, cache_mounts, cache_volumes
from nereid_operator.render.metadata import Component, Manifest, labels, metadata, revision_labels, selector
from nereid_operator.render.overlay import (
    environment,
    overlay_fields,
    pod_metadata,
    present,
    says_which_pods_to_be_near,
    variables,
)
from nereid_operator.render.pod import (
    TMP_MOUNT,
    TMP_VOLUME,
    container_security,
    pod_defaults,
    proxy_variables,
    resources,
    source_arguments,
    source_mounts,
    source_volumes,
)
from nereid_operator.render.triton import (
    GRPC_PORT,
    HTTP_PORT,
    METRICS_PORT,
    MODEL_MOUNT,
    REPOSITORY_PATH,
    triton_container,
)

FRONTEND_PORT = 8080
PROGRESS_PORT = 8082
SERVICE_PORT = 80
WEIGHTS_PATH = "/var/lib/nereid/weights"

# The endpoints of a pod that is going are withdrawn within this time, so it still answers who comes late.
ENDPOINT_SECONDS = 5


def deployment(revision: Revision) -> Manifest:
    """Return the Deployment of a revision, without replicas."""
    object_labels = revision_labels(revision.owner, revision.hash)
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": metadata(revision.owner, revision.name, object_labels),
        "spec": {
            "selector": {"matchLabels": selector(revision.owner, revision.hash)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "revisionHistoryLimit": 1,
            "template": {"metadata": pod_metadata(revision.workload.pod, object_labels), "spec": _pod(revision)},
        },
    }


def with_replicas(manifest: Manifest, replicas: int) -> Manifest:
    """Return the Deployment as it is first created, with its number of pods."""
    return {**manifest, "spec": {"replicas": replicas, **manifest["spec"]}}


def service(owner: Owner, revision: str) -> Manifest:
    """Return the Service; it sends requests to one revision."""
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": metadata(owner, owner.name, labels(owner, Component.REPLICA)),
        "spec": {
            "selector": selector(owner, revision),
            "ports": [
                {"name": "http", "port": SERVICE_PORT, "targetPort": "http"},
                {"name": "triton-http", "port": HTTP_PORT, "targetPort": "triton-http"},
                {"name": "triton-grpc", "port": GRPC_PORT, "targetPort": "triton-grpc"},
                {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics"},
            ],
        },
    }


def _pod(revision: Revision) -> dict[str, Any]:
    source, timing = revision.workload.source, revision.workload.timing
    return {
        **pod_defaults(revision.owner),
        **overlay_fields(revision.workload.pod),
        **_spread(revision),
        "terminationGracePeriodSeconds": ENDPOINT_SECONDS + timing.drain_seconds + ENDPOINT_SECONDS,
        "initContainers": [_prepare(revision)],
        "containers": [triton_container(revision, grace_seconds=ENDPOINT_SECONDS), _frontend(revision)],
        "volumes": [
            {"name": "model", "emptyDir": {}},
            TMP_VOLUME,
            {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": revision.shared_memory}},
            *source_volumes(revision.owner, source),
            *cache_volumes(revision.workload.cache),
        ],
    }


def _spread(revision: Revision) -> dict[str, Any]:
    """Return the wish for replicas on different nodes, unless the spec has one of its own.

    On a small cluster they share a node all the same.
    """
    if says_which_pods_to_be_near(revision.workload.pod):
        return {}
    constraint = {
        "topologyKey": "kubernetes.io/hostname",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(revision.owner, revision.hash)},
    }
    return {"topologySpreadConstraints": [constraint]}


def _with_storage(wanted: ContainerResources, storage: str) -> ContainerResources:
    """Return the resources with room on the node's disk: it counts for the pod, whose volume `prepare` fills."""
    disk = {"ephemeral-storage": storage}
    return ContainerResources(requests={**wanted.requests, **disk}, limits={**wanted.limits, **disk})


def _prepare(revision: Revision) -> dict[str, Any]:
    workload = revision.workload
    return {
        "name": "prepare",
        "image": workload.image_name,
        "imagePullPolicy": revision.image_pull_policy,
        "command": ["python3", "-m", "model_runtime.prepare"],
        "args": [
            *source_arguments(workload.source),
            f"--task={workload.task}",
            f"--served-name={workload.served_name}",
            f"--weights={WEIGHTS_PATH}",
            f"--repository={REPOSITORY_PATH}",
            f"--max-batch-size={workload.batching.max_batch_size}",
            f"--max-queue-delay-microseconds={workload.batching.max_queue_delay_microseconds}",
            f"--progress-port={PROGRESS_PORT}",
            *(["--device=gpu"] if workload.accelerator else []),
            *cache_arguments(workload.cache),
        ],
        "ports": [{"name": "progress", "containerPort": PROGRESS_PORT}],
        # The spec's own word wins.
        **present({"env": variables(proxy_variables(workload.proxy) | environment(workload.pod))}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": resources(_with_storage(workload.prepare, revision.storage)),
        "securityContext": container_security(),
        "volumeMounts": [
            MODEL_MOUNT,
            TMP_MOUNT,
            *source_mounts(revision.owner, workload.source),
            *cache_mounts(workload.cache),
        ],
    }


def _frontend(revision: Revision) -> dict[str, Any]:
    workload = revision.workload
    return {
        "name": "frontend",
        "image": workload.image_name,
        "imagePullPolicy": revision.image_pull_policy,
        "command": ["python3", "-m", "model_runtime.frontend"],
        "args": [
            f"--task={workload.task}",
            f"--served-name={workload.served_name}",
            f"--weights={WEIGHTS_PATH}",
            f"--triton=127.0.0.1:{GRPC_PORT}",
            f"--port={FRONTEND_PORT}",
        ],
        "ports": [{"name": "http", "containerPort": FRONTEND_PORT}],
        "startupProbe": _probe("/healthz", period_seconds=1, failures=120),
        "readinessProbe": _probe("/readyz", period_seconds=2, failures=3),
        "livenessProbe": _probe("/healthz", period_seconds=10, failures=6),
        "lifecycle": {"preStop": {"sleep": {"seconds": ENDPOINT_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": resources(workload.frontend),
        "securityContext": container_security(),
        "volumeMounts": [{**MODEL_MOUNT, "readOnly": True}, TMP_MOUNT],
    }


def _probe(path: str, *, period_seconds: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
