"""Revision → Deployment, and Plan → Service. Pure; called by the reconciler.

    pod:  prepare ──► emptyDir model ──► triton ◄─gRPC, loopback─ frontend ◄── Service

Replicas are left out of the Deployment but for its first apply: they belong to the field manager `nereid-scale`.
"""

from typing import Any

from nereid_operator.api.resources import DEPLOYMENT, SERVICE
from nereid_operator.plan.ir import Owner, Revision
from nereid_operator.render.cache import cache_volumes
from nereid_operator.render.draining import STUCK_SECONDS, frontend_pre_stop, termination_seconds
from nereid_operator.render.metadata import Component, Manifest, labels, metadata, revision_labels, selector
from nereid_operator.render.overlay import overlay_fields, pod_metadata, says_which_pods_to_be_near
from nereid_operator.render.pod import (
    TMP_MOUNT,
    TMP_VOLUME,
    container_security,
    pod_defaults,
    resources,
    source_volumes,
)
from nereid_operator.render.ports import FRONTEND_PORT, GRPC_PORT, HTTP_PORT, METRICS_PORT, SERVICE_PORT
from nereid_operator.render.prepare import WEIGHTS_PATH, prepare_container
from nereid_operator.render.triton import MODEL_MOUNT, triton_container


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
    source = revision.workload.source
    return {
        **pod_defaults(revision.owner),
        **overlay_fields(revision.workload.pod),
        **_spread(revision),
        "terminationGracePeriodSeconds": termination_seconds(revision.workload.timing),
        "initContainers": [prepare_container(revision)],
        "containers": [triton_container(revision), _frontend(revision)],
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
            *([] if revision.alias is None else [f"--alias={revision.alias}"]),
            f"--weights={WEIGHTS_PATH}",
            f"--triton=127.0.0.1:{GRPC_PORT}",
            f"--triton-metrics=127.0.0.1:{METRICS_PORT}",
            f"--digest={workload.source.digest}",
            f"--port={FRONTEND_PORT}",
        ],
        "ports": [{"name": "http", "containerPort": FRONTEND_PORT}],
        "startupProbe": _deadly(_probe("/healthz", period_seconds=1, failures=120)),
        "readinessProbe": _probe("/readyz", period_seconds=2, failures=3),
        "livenessProbe": _deadly(_probe("/healthz", period_seconds=10, failures=6)),
        "lifecycle": frontend_pre_stop(workload.timing),
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


def _deadly(probe: dict[str, Any]) -> dict[str, Any]:
    return {**probe, "terminationGracePeriodSeconds": STUCK_SECONDS}
