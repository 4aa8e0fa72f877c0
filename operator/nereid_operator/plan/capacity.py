"""How much memory, CPU and time a replica needs, from the size of its weights. Pure; called by the planner.

Our engine on the CPU holds weights and cache as float32, or in two bytes a number where spec.runtime.dtype says so.
With what the resolve Job found in config.json and the tensors' headers, such a replica gets

    1 GiB (Triton, torch) + weights + 30 % of them for activations + KV cache + response cache

where the KV cache has room for as many tokens as is more: 2 full contexts, or maxBatchSize short generations, each of
1,024 tokens or a full context when that is less. So SmolLM2-135M (weights 513 MiB, 45 KiB a token, 8,192 tokens) gets
1,024 + 667 + 720 MiB, and in two bytes 1,024 + 334 + 360. Where spec.runtime.resources has a memory limit, the KV cache
has what that leaves; kv_cache_bytes tells the engine, and least_limit what one full context takes. A model that was
resolved before there were such facts keeps the estimate from its bytes and dtype, without a cache, so that its pods
stay when the operator is upgraded; the engine then decides.

On a GPU weights and cache are in its own memory, which Kubernetes does not count; of the node's a replica then needs
what CUDA takes, once for each process of vLLM, and room for one tensor at a time on its way from the disk to it.
"""

import math
from collections.abc import Mapping

from nereid_operator.api.engine import DType, Engine
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.quantities import GIBIBYTE, MEBIBYTE, mebibytes, quantity
from nereid_operator.api.runtime import Runtime
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
_TWO_BYTES = frozenset({DType.BFLOAT16, DType.FLOAT16})
_FULL_CONTEXTS = 2
_SHORT_GENERATION_TOKENS = 1024
_ENGINE_BYTES = 1 * GIBIBYTE  # Triton, Python stub, torch
_CUDA_BYTES = 2 * GIBIBYTE  # CUDA's libraries and context
_LARGEST_TENSOR_BYTES = 4 * GIBIBYTE  # the embedding of 128,256 words x 16,384 in two bytes
_FRONTEND_BYTES = 256 * MEBIBYTE  # the OpenAI API with a tokenizer
_WEIGHTS_RATIO = 1.1  # what the file system needs beside the bytes
_SMALL_FILES_BYTES = 256 * MEBIBYTE  # logs, the generated repository, /tmp
_SLOWEST_LOAD_BYTES_PER_SECOND = 20 * MEBIBYTE  # a busy node disk
_SHARED_MEMORY_BYTES = 256 * MEBIBYTE  # /dev/shm: tensors on their way between Triton and its Python backend
_VLLM_SHARED_MEMORY_BYTES = 1 * GIBIBYTE  # there its processes hand each other parts of layers, too
_SHARED_MEMORY_SHARE = 4  # of a memory limit that is given, this part at most
_SHORTEST_STARTUP_SECONDS = 120  # importing torch on a busy node

PREPARE = ContainerResources(requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "1024Mi"})
FRONTEND = ContainerResources(
    requests={"cpu": "50m", "memory": mebibytes(_FRONTEND_BYTES)}, limits={"memory": mebibytes(2 * _FRONTEND_BYTES)}
)


def triton_resources(runtime: Runtime, accelerator: Accelerator | None, model: ResolvedModel) -> ContainerResources:
    """Return the spec's own resources, or an estimate: memory from the weights, a little CPU, no CPU limit.

    The accelerator is added to either, as request and as limit: Kubernetes wants both to be the same.
    """
    devices = {accelerator.resource_name: str(accelerator.count)} if accelerator else {}
    if (wanted := runtime.resources) is not None:
        requests, limits = _texts(wanted.requests), _texts(wanted.limits)
        return ContainerResources(requests=requests | devices, limits=limits | devices)
    needed = _cpu_bytes(runtime, model) if accelerator is None else _host_bytes(runtime, accelerator, model)
    memory = mebibytes(needed + _ENGINE_BYTES + (response_cache_bytes(runtime) or 0))
    return ContainerResources(requests={"cpu": "200m", "memory": memory} | devices, limits={"memory": memory} | devices)


def with_shared_memory(runtime: Runtime, triton: ContainerResources) -> ContainerResources:
    """Return what the container `triton` is given: what lies in /dev/shm counts as its memory.

    The spec's own resources are taken as said; shared_memory() is a part of them.
    """
    if runtime.resources is not None:
        return triton
    halves = (triton.requests, triton.limits)
    shared = _shared_memory_bytes(runtime)
    requests, limits = ({**half, "memory": mebibytes(_memory(half) + shared)} for half in halves)
    return ContainerResources(requests=requests, limits=limits)


def shared_memory(runtime: Runtime, triton: ContainerResources) -> str:
    """Return the size of /dev/shm: 256Mi, 1Gi for vLLM, or a quarter of the spec's own memory limit when that is less.

    `triton` is what the container gets without it.
    """
    limit = None if runtime.resources is None else triton.limits.get("memory")
    return mebibytes(_shared_memory_bytes(runtime, limit))


def response_cache_bytes(runtime: Runtime) -> int | None:
    """Return the memory in which Triton keeps answers; None where it keeps none."""
    return None if runtime.response_cache is None else int(quantity(runtime.response_cache.size))


def kv_cache_bytes(runtime: Runtime, accelerator: Accelerator | None, model: ResolvedModel) -> int | None:
    """Return what the KV cache of a replica may have; None where the engine decides.

    It does on a GPU, whose memory nobody here knows, and for a model without a cache, or of which too little is known.
    """
    if accelerator is not None or not (context := _context_bytes(runtime, model)):
        return None
    limit = memory_limit(runtime)
    if limit is None:
        return math.ceil(_estimated_cache_bytes(runtime, model))
    return int(limit - least_limit(runtime, model) + context)


def least_limit(runtime: Runtime, model: ResolvedModel) -> float:
    """Return the memory limit, in bytes, of a replica on the CPU whose KV cache holds one full context."""
    return _ENGINE_BYTES + _SHARED_MEMORY_BYTES + _model_bytes(runtime, model) + _context_bytes(runtime, model)


def memory_limit(runtime: Runtime) -> int | None:
    """Return the limit that the spec itself sets, in bytes; None where it sets none."""
    limits = (runtime.resources.limits if runtime.resources else None) or {}
    return int(quantity(limits["memory"])) if "memory" in limits else None


def storage(size_bytes: int) -> str:
    """Return the disk of the node that a replica fills: the weights, and some for small files."""
    return mebibytes(size_bytes * _WEIGHTS_RATIO + _SMALL_FILES_BYTES)


def startup_seconds(size_bytes: int) -> int:
    """Return how long loading may take before the replica counts as stuck."""
    return _SHORTEST_STARTUP_SECONDS + math.ceil(size_bytes / _SLOWEST_LOAD_BYTES_PER_SECOND)


def _host_bytes(runtime: Runtime, accelerator: Accelerator, model: ResolvedModel) -> int:
    """Return what of the node's memory a replica on a GPU needs beside the engine."""
    processes = accelerator.count if runtime.engine is Engine.VLLM else 1
    return _CUDA_BYTES * processes + min(model.size_bytes, _LARGEST_TENSOR_BYTES)


def _cpu_bytes(runtime: Runtime, model: ResolvedModel) -> float:
    """Return what weights, activations and KV cache need on the CPU."""
    return _model_bytes(runtime, model) + _estimated_cache_bytes(runtime, model)


def _model_bytes(runtime: Runtime, model: ResolvedModel) -> float:
    """Return what weights and activations need on the CPU."""
    known = model.weights_bytes
    weights = _loaded_bytes(model.size_bytes, model.dtype) if known is None else known
    return weights * _ACTIVATIONS_RATIO * _narrowing(runtime)


def _estimated_cache_bytes(runtime: Runtime, model: ResolvedModel) -> float:
    """Return what 2 full contexts or a whole batch of short generations take, whichever is more."""
    context = model.context_length or 0
    short = runtime.batching.max_batch_size * min(context, _SHORT_GENERATION_TOKENS)
    return max(context * _FULL_CONTEXTS, short) * _token_bytes(runtime, model)


def _context_bytes(runtime: Runtime, model: ResolvedModel) -> float:
    """Return what the cache of one full context takes; 0 for a model without a cache."""
    return (model.context_length or 0) * _token_bytes(runtime, model)


def _token_bytes(runtime: Runtime, model: ResolvedModel) -> float:
    return (model.kv_bytes_per_token or 0) * _narrowing(runtime)


def _narrowing(runtime: Runtime) -> float:
    """Return what part of float32, in which the resolve Job counts, each number takes."""
    return 0.5 if runtime.dtype in _TWO_BYTES else 1.0


def _shared_memory_bytes(runtime: Runtime, limit: str | None = None) -> float:
    usual = _VLLM_SHARED_MEMORY_BYTES if runtime.engine is Engine.VLLM else _SHARED_MEMORY_BYTES
    return usual if limit is None else min(usual, float(quantity(limit)) / _SHARED_MEMORY_SHARE)


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
