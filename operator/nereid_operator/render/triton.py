"""Workload → the container `triton`. Pure; called by render/workload.py.

Model control is off: the repository holds the one model that `prepare` verified, and nothing can load another. What
Triton offers to administrators (repository, shared memory, trace, log) is closed to everybody: the wrapper of our image
does that, and for the image of vLLM the command here.
"""

from typing import Any

from nereid_operator.plan.ir import Revision, Vllm, Workload
from nereid_operator.render.draining import STUCK_SECONDS, triton_pre_stop
from nereid_operator.render.overlay import environment, variables
from nereid_operator.render.pod import TMP_MOUNT, container_security, resources
from nereid_operator.render.ports import GRPC_PORT, HTTP_PORT, METRICS_PORT

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


# The same as model_runtime/tritonserver.sh does in our own image, whose words say why.
VLLM_SCRIPT = """\
word=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \\n')
[ "${#word}" -eq 64 ] || exit 1
closed=model-repository,shared-memory,trace,logging:x-nereid-admin=$word
exec /opt/tritonserver/bin/tritonserver "--http-restricted-api=$closed" "--grpc-restricted-protocol=$closed" "$@"
"""
# Its caches belong where it may write; weights come from the disk alone, and nothing is told to anybody.
_VLLM_VARIABLES = {
    "HOME": "/tmp",  # noqa: S108 (the pod's own emptyDir)
    "USER": "nereid",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


def triton_container(revision: Revision) -> dict[str, Any]:
    """Return the container; it takes no new requests after SIGTERM and ends when those in flight have."""
    workload = revision.workload
    return {
        "name": "triton",
        "image": workload.image_name if workload.vllm is None else workload.vllm.image,
        "imagePullPolicy": revision.image_pull_policy,
        **_command(workload),
        "env": [*_THREADS, *variables(_own_variables(workload.vllm) | environment(workload.pod))],
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
            "terminationGracePeriodSeconds": STUCK_SECONDS,
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
            "terminationGracePeriodSeconds": STUCK_SECONDS,
        },
        "lifecycle": triton_pre_stop(workload),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": resources(revision.triton),
        "securityContext": container_security(),
        "volumeMounts": [{**MODEL_MOUNT, "readOnly": True}, TMP_MOUNT, SHARED_MEMORY_MOUNT],
    }


def _own_variables(vllm: Vllm | None) -> dict[str, str]:
    return {} if vllm is None else _VLLM_VARIABLES


def _command(workload: Workload) -> dict[str, list[str]]:
    """Return how Triton is started: with our engine on a GPU only after a look whether there is one."""
    arguments = _arguments(workload)
    if workload.vllm is not None:
        return {"command": ["/bin/sh", "-c", VLLM_SCRIPT, "tritonserver"], "args": arguments}
    if workload.accelerator is None:
        return {"command": ["tritonserver"], "args": arguments}
    asked = f"{workload.accelerator.count} {workload.accelerator.resource_name}"
    return {
        "command": ["python3", "-m", "model_runtime.require_gpu"],
        "args": [f"--asked={asked}", "--", "tritonserver", *arguments],
    }


def _arguments(workload: Workload) -> list[str]:
    cache = workload.response_cache_bytes
    return [
        f"--model-repository={REPOSITORY_PATH}",
        "--model-control-mode=none",
        f"--http-port={HTTP_PORT}",
        f"--grpc-port={GRPC_PORT}",
        f"--metrics-port={METRICS_PORT}",
        "--allow-gpu-metrics=false",
        *([] if cache is None else [f"--cache-config=local,size={cache}"]),
        f"--exit-timeout-secs={workload.timing.drain_seconds}",
        "--log-verbose=0",
    ]
