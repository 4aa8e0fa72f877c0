"""How much memory, CPU and time a replica needs, from the size of its weights. Pure; called by the planner.

The torch engine holds weights as float32 on the CPU, whatever type they are stored in: MiniLM (87 MiB, F32) needs
1.3 x 87 MiB for them, SmolLM2-135M (257 MiB, BF16) 1.3 x 514 MiB. The factor covers activations and the KV cache.
On a GPU weights and cache are in its own memory, which Kubernetes does not count; of the node's a replica then needs
what CUDA takes, and room for one tensor at a time on its way from the disk to the device.
"""

import math
from collections.abc import Mapping

from nereid_operator.api.quantities import GIBIBYTE, MEBIBYTE, mebibytes, quantity
from nereid_operator.api.runtime import Resources
from nereid_operator.plan.ir import Accelerator, ContainerResources

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
    wanted: Resources | None, accelerator: Accelerator | None, *, size_bytes: int, dtype: str
) -> ContainerResources:
    """Return the spec's own resources, or an estimate: memory from the weights, a little CPU, no CPU limit.

    The accelerator is added to either, as request and as limit: Kubernetes wants both to be the same.
    """
    devices = {accelerator.resource_name: str(accelerator.count)} if accelerator else {}
    if wanted is not None:
        requests, limits = _texts(wanted.requests), _texts(wanted.limits)
        return ContainerResources(requests=requests | devices, limits=limits | devices)
    needed = _host_bytes(size_bytes) if accelerator else _loaded_bytes(size_bytes, dtype) * _ACTIVATIONS_RATIO
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


def _loaded_bytes(size_bytes: int, dtype: str) -> float:
    """Return the size of the weights as float32; an unknown type counts as two bytes, the smallest common one."""
    return size_bytes * _FLOAT32_BYTES / _DTYPE_BYTES.get(dtype.upper(), 2)


def _memory(quantities: Mapping[str, str]) -> float:
    return float(quantity(quantities["memory"]))


def _texts(quantities: Mapping[str, str | int] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (quantities or {}).items()}
