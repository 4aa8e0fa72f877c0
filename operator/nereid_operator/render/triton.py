"""Workload → the container `triton`. Pure; called by render/workload.py.

Model control is off: the repository holds the one model that `prepare` verified, and nothing can load another.
"""

from typing import Any

from nereid_operator.plan.ir import Revision, Workload
from nereid_operator.render.overlay import environment, variables
from nereid_operator.render.pod import TMP_MOUNT, container_security, resources

HTTP_PORT = 8000
GRPC_PORT = 8001
METRICS_PORT = 8002
REPOSITORY_PATH = "/var/lib/nereid/repository"
MODEL_MOUNT = {"name": "model", "mountPath": "/var/lib/nereid"}
SHARED_MEMORY_MOUNT = {"name": "dshm", "mountPath": "/dev/shm"}  # noqa: S108 (the pod's own emptyDir)

_PROBE_PERIOD_SECONDS = 2

# As many threads as the CPU limit allows (without one: as the node has). They sleep while they wait for each other:
# spinning, two models on one small node take each other's cores and slow down by orders of magnitude.
_THREADS = [
    {
        "name": "OMP_NUM_THREADS",
        "valueFrom": {"resourceFieldRef": {"containerName": "triton", "resource": "limits.cpu", "divisor": "1"}},
    },
    {"name": "OMP_WAIT_POLICY", "value": "PASSIVE"},
]


def triton_container(revision: Revision, *, grace_seconds: int) -> dict[str, Any]:
    """Return the container; it takes no new requests after SIGTERM and ends when those in flight have."""
    workload = revision.workload
    return {
        "name": "triton",
        "image": workload.image_name,
        "imagePullPolicy": revision.image_pull_policy,
        **_command(workload),
        "env": [*_THREADS, *variables(environment(workload.pod))],
        "ports": [
            {"name": "triton-http", "containerPort": HTTP_PORT},
            {"name": "triton-grpc", "containerPort": GRPC_PORT},
            {"name": "metrics", "containerPort": METRICS_PORT},
        ],
        "startupProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": "triton-http"},
            "periodSeconds": _PROBE_PERIOD_SECONDS,
            "timeoutSeconds": 5,
            "failureThreshold": workload.timing.startup_seconds // _PROBE_PERIOD_SECONDS,
        },
        "readinessProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": "triton-http"},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
        },
        # A minute without an answer: a busy server is slow, a stuck one does not come back.
        "livenessProbe": {
            "httpGet": {"path": "/v2/health/live", "port": "triton-http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": grace_seconds}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": resources(revision.triton),
        "securityContext": container_security(),
        "volumeMounts": [{**MODEL_MOUNT, "readOnly": True}, TMP_MOUNT, SHARED_MEMORY_MOUNT],
    }


def _command(workload: Workload) -> dict[str, list[str]]:
    """Return how Triton is started: on a GPU only after a look whether there is one."""
    arguments = _arguments(workload.timing.drain_seconds)
    if workload.accelerator is None:
        return {"command": ["tritonserver"], "args": arguments}
    asked = f"{workload.accelerator.count} {workload.accelerator.resource_name}"
    return {
        "command": ["python3", "-m", "model_runtime.require_gpu"],
        "args": [f"--asked={asked}", "--", "tritonserver", *arguments],
    }


def _arguments(exit_timeout_seconds: int) -> list[str]:
    return [
        f"--model-repository={REPOSITORY_PATH}",
        "--model-control-mode=none",
        f"--http-port={HTTP_PORT}",
        f"--grpc-port={GRPC_PORT}",
        f"--metrics-port={METRICS_PORT}",
        "--allow-gpu-metrics=false",
        f"--exit-timeout-secs={exit_timeout_seconds}",
        "--log-verbose=0",
    ]
