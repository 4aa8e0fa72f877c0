"""Workload → the init container `prepare`, by the contract of docs/architecture.md. Pure; called by render/workload.py.

It fetches and verifies the weights, and writes for Triton what the container `triton` serves.
"""

import json
from typing import Any

from nereid_operator.plan.ir import ContainerResources, Revision, Workload
from nereid_operator.render.cache import cache_arguments, cache_mounts
from nereid_operator.render.overlay import environment, present, variables
from nereid_operator.render.pod import (
    TMP_MOUNT,
    container_security,
    proxy_variables,
    resources,
    source_arguments,
    source_mounts,
)
from nereid_operator.render.ports import PROGRESS_PORT
from nereid_operator.render.triton import MODEL_MOUNT, REPOSITORY_PATH

WEIGHTS_PATH = "/var/lib/nereid/weights"


def prepare_container(revision: Revision) -> dict[str, Any]:
    """Return the container."""
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
            *_queue_arguments(workload),
            *_optional({"--alias": revision.alias}),
            f"--progress-port={PROGRESS_PORT}",
            *_engine_arguments(revision),
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


def _queue_arguments(workload: Workload) -> list[str]:
    batching = workload.batching
    return [
        f"--max-batch-size={batching.max_batch_size}",
        f"--max-queue-delay-microseconds={batching.max_queue_delay_microseconds}",
        f"--max-queue-size={batching.max_queue_size}",
        *_optional({"--queue-timeout-microseconds": batching.queue_timeout_microseconds}),
    ]


def _engine_arguments(revision: Revision) -> list[str]:
    workload = revision.workload
    if workload.vllm is not None:
        arguments = json.dumps(dict(workload.vllm.arguments), sort_keys=True)
        return ["--device=gpu", "--engine=vllm", f"--vllm-arguments={arguments}"]
    return [
        *(["--device=gpu"] if workload.accelerator else []),
        *_optional({"--dtype": workload.dtype, "--kv-cache-bytes": revision.kv_cache_bytes}),
        *(["--response-cache"] if workload.response_cache_bytes is not None else []),
    ]


def _optional(flags: dict[str, str | int | None]) -> list[str]:
    return [f"{flag}={value}" for flag, value in flags.items() if value is not None]


def _with_storage(wanted: ContainerResources, storage: str) -> ContainerResources:
    """Return the resources with room on the node's disk: it counts for the pod, whose volume `prepare` fills."""
    disk = {"ephemeral-storage": storage}
    return ContainerResources(requests={**wanted.requests, **disk}, limits={**wanted.limits, **disk})
