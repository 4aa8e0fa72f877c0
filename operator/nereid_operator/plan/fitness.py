"""Can the model that was resolved run as spec.runtime says? Pure; called by the reconciler, and by `nereid plan`.

Asked once the resolve Job has answered: a valid spec may ask for what a model of this task does not have, for an engine
whose image the platform does not have, or for less memory than one full context takes. What serves is left alone.
"""

from dataclasses import dataclass

from nereid_operator.api.conditions import Reason
from nereid_operator.api.engine import DType, Engine
from nereid_operator.api.model_deployment import GENERATION, ModelDeployment, Task
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.quantities import mebibytes
from nereid_operator.api.runtime import Runtime
from nereid_operator.plan import capacity
from nereid_operator.plan.engine import planned_accelerator
from nereid_operator.plan.ir import Platform


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing is begun: a reason, and a sentence that names the field and what would be right."""

    reason: Reason
    message: str


def obstacle(md: ModelDeployment, resolved: ResolvedModel, platform: Platform) -> Obstacle | None:
    """Return what keeps the model from running as its spec says; None when nothing does."""
    return _mismatch(md.spec.runtime, resolved) or _image(md.spec.runtime, platform) or _memory(md, resolved)


def _mismatch(runtime: Runtime, resolved: ResolvedModel) -> Obstacle | None:
    if resolved.task is Task.AUTO:  # `nereid plan` may ask before it is known
        return None
    generates = resolved.task in GENERATION
    if runtime.engine is Engine.VLLM and not generates:
        words = f"spec.runtime.engine is VLLM, which serves Chat and Completion; the model is for {resolved.task}."
        return Obstacle(Reason.RUNTIME_MISMATCH, words)
    if runtime.response_cache is not None and generates:
        words = (
            "spec.runtime.responseCache keeps answers of Embedding, Classification and Tensor; the model is for "
            f"{resolved.task}, whose answers are streams."
        )
        return Obstacle(Reason.RUNTIME_MISMATCH, words)
    return None


def _image(runtime: Runtime, platform: Platform) -> Obstacle | None:
    if runtime.engine is not Engine.VLLM or platform.vllm_image:
        return None
    words = (
        "spec.runtime.engine is VLLM, and the platform has no image for it: the chart's value images.vllm names one "
        "of Triton with its vLLM backend."
    )
    return Obstacle(Reason.ENGINE_IMAGE_MISSING, words)


def _memory(md: ModelDeployment, resolved: ResolvedModel) -> Obstacle | None:
    runtime = md.spec.runtime
    limit, context = capacity.memory_limit(runtime), resolved.context_length
    if limit is None or not context or not resolved.kv_bytes_per_token or planned_accelerator(runtime) is not None:
        return None
    least = capacity.least_limit(runtime, resolved)
    if limit >= least:
        return None
    narrower = " or set spec.runtime.dtype to BFloat16," if runtime.dtype in (DType.AUTO, DType.FLOAT32) else ""
    words = (
        f"The memory limit of spec.runtime.resources, or of a ServingPolicy's defaults for it, is {mebibytes(limit)}; "
        f"one context of {context} tokens takes {mebibytes(least)}: raise it to that,{narrower} or leave the resources "
        "out and have them estimated."
    )
    return Obstacle(Reason.MEMORY_TOO_SMALL, words)
