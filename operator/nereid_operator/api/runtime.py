"""spec.runtime: how a replica runs, on which device and with how much of the node.

The rules are CEL for the API server; api/runtime_rules.py says the same for what was written past it.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from nereid_operator.api.api_type import ApiType, Quantity, Size
from nereid_operator.api.engine import DType, Engine, Parallelism, VllmOptions
from nereid_operator.api.quantities import DURATION_PATTERN

DEFAULT_ACCELERATOR = "nvidia.com/gpu"
DEFAULT_QUEUE_SIZE = 64
ACCELERATOR_MAX_COUNT = 64
ACCELERATOR_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
# Resources of Kubernetes itself; the API server takes none of them for a device.
RESERVED_DOMAINS = ("kubernetes.io/", "requests.")

CPU_WITH_ACCELERATOR = "spec.runtime.accelerator must be left out when spec.runtime.device is CPU"
COUNTED_TWICE = (
    "spec.runtime.resources must not name the accelerator's resource: how many stands in spec.runtime.accelerator"
)
NO_QUEUE_TIME = "spec.runtime.batching.queueTimeout must be longer than nothing; leave it out to wait without end"
VLLM_NEEDS_GPU = (
    "spec.runtime.engine VLLM needs a GPU: set spec.runtime.device to GPU, or name spec.runtime.accelerator"
)
ONLY_VLLM = "spec.runtime.parallelism and spec.runtime.vllm are only for spec.runtime.engine VLLM"
TOO_FEW_DEVICES = (
    "spec.runtime.parallelism.tensor times pipeline must be at most spec.runtime.accelerator.count, which is 1 when "
    "left out"
)
NOT_OF_VLLM = (
    "spec.runtime.responseCache and spec.runtime.batching.queueTimeout must be left out with spec.runtime.engine VLLM, "
    "which has neither"
)


class Device(StrEnum):
    """Where a model runs."""

    AUTO = "Auto"
    GPU = "GPU"
    CPU = "CPU"


class Accelerator(ApiType):
    """Devices of the node, by the name under which its device plugin offers them."""

    resource_name: str = Field(
        default=DEFAULT_ACCELERATOR,
        pattern=ACCELERATOR_PATTERN,
        max_length=253,
        description="Extended resource of the node, <domain>/<name>.",
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": " && ".join(f"!self.startsWith('{domain}')" for domain in RESERVED_DOMAINS),
                    "message": "spec.runtime.accelerator.resourceName must be that of a device, as nvidia.com/gpu",
                }
            ]
        },
    )
    count: int = Field(default=1, ge=1, le=ACCELERATOR_MAX_COUNT, description="Devices of one replica.")


class Resources(ApiType):
    """Kubernetes' resources of a container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] | None = Field(
        default=None, description="What the scheduler sets aside, by resource name."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] | None = Field(
        default=None, description="What the container may use at most, by resource name."
    )


class Batching(ApiType):
    """How requests are put together into batches."""

    max_batch_size: int = Field(default=8, ge=1, le=1024, description="Requests in one batch at most.")
    max_queue_delay: str = Field(
        default="5ms",
        pattern=DURATION_PATTERN,
        max_length=32,
        description="How long a request may wait for others to share its batch, for example 5ms.",
    )
    max_queue_size: int = Field(
        default=DEFAULT_QUEUE_SIZE,
        ge=1,
        le=65536,
        description="Requests that may wait for their turn; those that come on top get 503 at once.",
    )
    queue_timeout: Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)] | None = Field(
        default=None,
        description="How long a request may wait for its turn before it gets 503, as 10s; left out, without end.",
        json_schema_extra={
            "x-kubernetes-validations": [{"rule": "duration(self) > duration('0s')", "message": NO_QUEUE_TIME}]
        },
    )


class ResponseCache(ApiType):
    """Answers that Triton gives again without asking the model."""

    size: Size = Field(description="Memory for the answers; the least recently used ones go first.")


def _leaves_out_accelerator(half: str) -> str:
    name = f"(has(self.accelerator) ? self.accelerator.resourceName : '{DEFAULT_ACCELERATOR}')"
    return f"(!has(self.resources) || !has(self.resources.{half}) || !({name} in self.resources.{half}))"


_IS_VLLM = "(has(self.engine) && self.engine == 'VLLM')"
_DEVICES = "(has(self.accelerator) ? self.accelerator.count : 1)"
_RULES: JsonDict = {
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.device) || self.device != 'CPU' || !has(self.accelerator)",
            "message": CPU_WITH_ACCELERATOR,
        },
        {
            "rule": f"{_leaves_out_accelerator('requests')} && {_leaves_out_accelerator('limits')}",
            "message": COUNTED_TWICE,
        },
        {
            "rule": f"!{_IS_VLLM} || has(self.accelerator) || (has(self.device) && self.device == 'GPU')",
            "message": VLLM_NEEDS_GPU,
        },
        {"rule": f"{_IS_VLLM} || (!has(self.parallelism) && !has(self.vllm))", "message": ONLY_VLLM},
        {
            "rule": f"!has(self.parallelism) || self.parallelism.tensor * self.parallelism.pipeline <= {_DEVICES}",
            "message": TOO_FEW_DEVICES,
        },
        {
            "rule": f"!{_IS_VLLM} || (!has(self.responseCache) && "
            "(!has(self.batching) || !has(self.batching.queueTimeout)))",
            "message": NOT_OF_VLLM,
        },
    ]
}


class Runtime(ApiType):
    """How a replica runs."""

    model_config = ConfigDict(json_schema_extra=_RULES)

    engine: Engine = Field(
        default=Engine.AUTO,
        description="What computes; Auto is Torch. VLLM needs a GPU, and the platform's image of Triton with vLLM.",
    )
    dtype: DType = Field(
        default=DType.AUTO,
        description="Type of numbers in which the model is held and computed; Auto is Float32 on the CPU, and the type "
        "that is stored on a GPU.",
    )
    device: Device = Field(
        default=Device.AUTO,
        description="Where the model runs; Auto is the GPU when an accelerator is named, else the CPU.",
    )
    accelerator: Accelerator | None = Field(
        default=None, description=f"Devices of each replica; 1 {DEFAULT_ACCELERATOR} when only device: GPU is said."
    )
    resources: Resources | None = Field(
        default=None,
        description="Resources of the container that runs the model; estimated from the model's size when left out.",
    )
    batching: Batching = Field(default_factory=Batching, description="How requests are put together into batches.")
    response_cache: ResponseCache | None = Field(
        default=None,
        description="Answers that are kept for requests that come again; for Embedding, Classification and Tensor.",
    )
    parallelism: Parallelism | None = Field(
        default=None, description="Over how many of its devices a replica is spread; only for VLLM."
    )
    vllm: VllmOptions | None = Field(default=None, description="What only VLLM has.")
