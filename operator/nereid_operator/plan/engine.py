"""spec.runtime → which engine a replica runs, with what. Pure; called by plan/planner.py."""

from collections.abc import Mapping

from nereid_operator.api.engine import DType, Engine
from nereid_operator.api.quantities import duration_microseconds, ratio
from nereid_operator.api.runtime import Accelerator as AcceleratorSpec
from nereid_operator.api.runtime import Batching as BatchingSpec
from nereid_operator.api.runtime import Device, Runtime
from nereid_operator.plan.ir import Accelerator, Batching, Vllm

_VLLM_DTYPES = {
    DType.AUTO: "auto",
    DType.FLOAT32: "float32",
    DType.BFLOAT16: "bfloat16",
    DType.FLOAT16: "float16",
}


def planned_accelerator(runtime: Runtime) -> Accelerator | None:
    """Return the devices of a replica; None when it runs on the CPU."""
    wanted = runtime.accelerator
    if wanted is None and runtime.device is Device.GPU:
        wanted = AcceleratorSpec()
    return Accelerator(wanted.resource_name, wanted.count) if wanted else None


def planned_batching(batching: BatchingSpec) -> Batching:
    """Return how requests wait and are put together."""
    timeout = batching.queue_timeout
    return Batching(
        max_batch_size=batching.max_batch_size,
        max_queue_delay_microseconds=duration_microseconds(batching.max_queue_delay),
        max_queue_size=batching.max_queue_size,
        queue_timeout_microseconds=None if timeout is None else duration_microseconds(timeout),
    )


def planned_dtype(runtime: Runtime) -> str | None:
    """Return the type that our engine is told; None where the device decides, or vLLM is told."""
    said = runtime.engine is not Engine.VLLM and runtime.dtype is not DType.AUTO
    return str(runtime.dtype) if said else None


def planned_vllm(runtime: Runtime, image: str) -> Vllm | None:
    """Return the image and the arguments of vLLM; None for our own engine."""
    return Vllm(image, _arguments(runtime)) if runtime.engine is Engine.VLLM else None


def _arguments(runtime: Runtime) -> Mapping[str, str | int | float]:
    """Return vLLM's engine arguments, those that are said."""
    spread, options = runtime.parallelism, runtime.vllm
    utilization = options.gpu_memory_utilization if options else None
    said: dict[str, str | int | float | None] = {
        "dtype": _VLLM_DTYPES[runtime.dtype],
        "max_num_seqs": runtime.batching.max_batch_size,
        "tensor_parallel_size": spread.tensor if spread else None,
        "pipeline_parallel_size": spread.pipeline if spread else None,
        "max_model_len": options.max_model_length if options else None,
        "quantization": str(options.quantization) if options and options.quantization else None,
        "gpu_memory_utilization": ratio(utilization) if utilization else None,
    }
    return {name: value for name, value in said.items() if value is not None}
