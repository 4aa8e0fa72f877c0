"""How much memory, CPU and time a replica needs, from the size of its weights. Pure; called by the planner.

The torch engine holds weights as float32 on the CPU, whatever type they are stored in. With what the resolve Job found
in config.json and the tensors' headers, a replica on the CPU gets

    1 GiB (Triton, torch) + weights + 30 % of them for activations + KV cache of 2 full contexts

so that SmolLM2-135M (weights 513 MiB, 45 KiB a token, 8,192 tokens) gets 1,024 + 667 + 720 MiB. More full contexts at
once need more memory in spec.runtime.resources. A model that was resolved before there were such facts keeps the
estimate from its bytes and dtype, without a cache, so that its pods stay when the operator is upgraded.
On a GPU weights and cache are in its own memory, which Kubernetes does not count; of the node's a replica then needs
what CUDA takes, and room for one tensor at a time on its way from the disk to the device.
"""

import math
from collections.abc import Mapping

from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.quantities import GIBIBYTE, MEBIBYTE, mebibytes, quantity
from nereid_operator.api.runtime import Resources
from nereid_operator.plan.ir import Accelerator, ContainerResources, Revision

_FLOAT32_BYTES = 4
_DTYPE_BYTES: Mapping[str, float] = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I8": 1,
    "U8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
}
_ACTIVATIONS_RATIO = 1.3
FULL_CONTEXTS = 2
_ENGINE_BYTES = 1 * GIBIBYTE  # Triton, Python stub, torch
_CUDA_BYTES = 2 * GIBIBYTE  # CUDA's libraries and context
_LARGEST_TENSOR_BYTES = 4 * GIBIBYTE  # the embedding of 128,256 words x 16,384 in two bytes
_FRONTEND_BYTES = 256 * MEBIBYTE  # the OpenAI API with a tokenizer
_WEIGHTS_RATIO = 1.1  # what the file system needs beside the bytes
_SMALL_FILES_BYTES = 256 * MEBIBYTE  # logs, the generated repository, /tmp
_SLOWEST_LOAD_BYTES_PER_SECOND = 20 * MEBIBYTE  # a busy node disk
_SHARED_MEMORY_BYTES = 256 * MEBIBYTE  # /dev/shm: tensors on their way between Triton and its Python backend
_SHARED_MEMORY_SHARE = 4  # of a memory limit that is given, this part at most
_SHORTEST_STARTUP_SECONDS = 120  # importing torch on a busy node

PREPARE = ContainerResources(requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "1024Mi"})
FRONTEND = ContainerResources(
    requests={"cpu": "50m", "memory": mebibytes(_FRONTEND_BYTES)}, limits={"memory": mebibytes(2 * _FRONTEND_BYTES)}
)


def triton_resources(
    wanted: Resources | None, accelerator: Accelerator | None, model: ResolvedModel
) -> ContainerResources:
    """Return the spec's own resources, or an estimate: memory from the weights, a little CPU, no CPU limit.

    The accelerator is added to either, as request and as limit: Kubernetes wants both to be the same.
    """
    devices = {accelerator.resource_name: str(accelerator.count)} if accelerator else {}
    if wanted is not None:
        requests, limits = _texts(wanted.requests), _texts(wanted.limits)
        return ContainerResources(requests=requests | devices, limits=limits | devices)
    needed = _host_bytes(model.size_bytes) if accelerator else _cpu_bytes(model)
    memory = mebibytes(needed + _ENGINE_BYTES)
    return ContainerResources(requests={"cpu": "200m", "memory": memory} | devices, limits={"memory": memory} | devices)


def with_shared_memory(wanted: Resources | None, triton: ContainerResources) -> ContainerResources:
    """Return what the container `triton` is given: what lies in /dev/shm counts as its memory.

    The spec's own resources are taken as said; shared_memory() is a part of them.
    """
    if wanted is not None:
        return triton
    halves = (triton.requests, triton.limits)
    requests, limits = ({**half, "memory": mebibytes(_memory(half) + _SHARED_MEMORY_BYTES)} for half in halves)
    return ContainerResources(requests=requests, limits=limits)


def shared_memory(wanted: Resources | None, triton: ContainerResources) -> str:
    """Return the size of /dev/shm: 256Mi, or a quarter of the memory limit that the spec gives when that is less."""
    if wanted is None or "memory" not in triton.limits:
        return mebibytes(_SHARED_MEMORY_BYTES)
    return mebibytes(min(_SHARED_MEMORY_BYTES, _memory(triton.limits) / _SHARED_MEMORY_SHARE))


def storage(size_bytes: int) -> str:
    """Return the disk of the node that a replica fills: the weights, and some for small files."""
    return mebibytes(size_bytes * _WEIGHTS_RATIO + _SMALL_FILES_BYTES)


def startup_seconds(size_bytes: int) -> int:
    """Return how long loading may take before the replica counts as stuck."""
    return _SHORTEST_STARTUP_SECONDS + math.ceil(size_bytes / _SLOWEST_LOAD_BYTES_PER_SECOND)


def _host_bytes(size_bytes: int) -> int:
    """Return what of the node's memory a replica on a GPU needs beside the engine."""
    return _CUDA_BYTES + min(size_bytes, _LARGEST_TENSOR_BYTES)


def _cpu_bytes(model: ResolvedModel) -> float:
    """Return what weights, activations and KV cache need on the CPU."""
    if model.weights_bytes is None:
        return _loaded_bytes(model.size_bytes, model.dtype) * _ACTIVATIONS_RATIO
    cache = (model.kv_bytes_per_token or 0) * (model.context_length or 0)
    return model.weights_bytes * _ACTIVATIONS_RATIO + cache * FULL_CONTEXTS


def replica_memory(revision: Revision) -> str | None:
    """Return the memory that a replica is given, all containers together; None where the spec leaves it open."""
    asked = [{**part.limits, **part.requests}.get("memory") for part in (revision.triton, revision.workload.frontend)]
    if any(amount is None for amount in asked):
        return None
    return mebibytes(float(sum(quantity(amount) for amount in asked if amount is not None)))


def _loaded_bytes(size_bytes: int, dtype: str) -> float:
    """Return the size of the weights as float32; an unknown type counts as two bytes, the smallest common one."""
    return size_bytes * _FLOAT32_BYTES / _DTYPE_BYTES.get(dtype.upper(), 2)


def _memory(quantities: Mapping[str, str]) -> float:
    return float(quantity(quantities["memory"]))


def _texts(quantities: Mapping[str, str | int] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (quantities or {}).items()}
