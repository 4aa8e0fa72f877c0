"""What of spec.runtime does not go with its engine. Pure; called by api/runtime_rules.py.

The same as the CEL rules of api/runtime.py, for what was written past the API server's validation, and what of the
response cache a schema cannot say.
"""

from collections.abc import Iterator

from nereid_operator.api.engine import Engine
from nereid_operator.api.quantities import MEBIBYTE, duration_microseconds, quantity
from nereid_operator.api.runtime import Device, Runtime

Finding = tuple[str, str]


def engine_findings(runtime: Runtime) -> Iterator[Finding]:
    """Yield each wrong field with a sentence."""
    if runtime.engine is Engine.VLLM:
        yield from _vllm(runtime)
    else:
        yield from _without_vllm(runtime)
    yield from _cache_size(runtime)
    yield from _queue_timeout(runtime)


def _vllm(runtime: Runtime) -> Iterator[Finding]:
    if runtime.accelerator is None and runtime.device is not Device.GPU:
        words = "is VLLM, which needs a GPU: set spec.runtime.device to GPU, or name spec.runtime.accelerator"
        yield "spec.runtime.engine", words
    if runtime.response_cache is not None:
        yield "spec.runtime.responseCache", "must be left out with spec.runtime.engine VLLM, which has none"
    if runtime.batching.queue_timeout is not None:
        value = runtime.batching.queue_timeout
        yield "spec.runtime.batching.queueTimeout", f"is {value} and must be left out with VLLM, which has none"
    devices = runtime.accelerator.count if runtime.accelerator else 1
    if runtime.parallelism is not None and runtime.parallelism.devices > devices:
        tensor, pipeline = runtime.parallelism.tensor, runtime.parallelism.pipeline
        words = f"asks for {tensor} x {pipeline} devices, and spec.runtime.accelerator.count is {devices}"
        yield "spec.runtime.parallelism", words


def _without_vllm(runtime: Runtime) -> Iterator[Finding]:
    for field, value in (("parallelism", runtime.parallelism), ("vllm", runtime.vllm)):
        if value is not None:
            yield f"spec.runtime.{field}", f"is only for spec.runtime.engine VLLM, not {runtime.engine}"


def _cache_size(runtime: Runtime) -> Iterator[Finding]:
    if runtime.response_cache is None:
        return
    field, size = "spec.runtime.responseCache.size", runtime.response_cache.size
    try:
        if quantity(size) < MEBIBYTE:
            yield field, f"is {size!r} and must be at least 1Mi"
    except ValueError as error:
        yield field, str(error)


def _queue_timeout(runtime: Runtime) -> Iterator[Finding]:
    value = runtime.batching.queue_timeout
    if value is not None and duration_microseconds(value) == 0:
        yield "spec.runtime.batching.queueTimeout", f"is {value} and must be longer than nothing, or left out"
