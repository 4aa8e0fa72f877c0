"""spec.runtime: how a replica runs, on which device and with how much of the node.

The rules are CEL for the API server; api/runtime_rules.py says the same for what was written past it.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from nereid_operator.api.api_type import ApiType
from nereid_operator.api.quantities import DURATION_PATTERN, QUANTITY_PATTERN

DEFAULT_ACCELERATOR = "nvidia.com/gpu"
ACCELERATOR_MAX_COUNT = 64
ACCELERATOR_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
# Resources of Kubernetes itself; the API server takes none of them for a device.
RESERVED_DOMAINS = ("kubernetes.io/", "requests.")

CPU_WITH_ACCELERATOR = "spec.runtime.accelerator must be left out when spec.runtime.device is CPU"
COUNTED_TWICE = (
    "spec.runtime.resources must not name the accelerator's resource: how many stands in spec.runtime.accelerator"
)

Quantity = Annotated[
    str | int,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN, "maxLength": 32}),
]


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


def _leaves_out_accelerator(half: str) -> str:
    name = f"(has(self.accelerator) ? self.accelerator.resourceName : '{DEFAULT_ACCELERATOR}')"
    return f"(!has(self.resources) || !has(self.resources.{half}) || !({name} in self.resources.{half}))"


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
    ]
}


class Runtime(ApiType):
    """How a replica runs."""

    model_config = ConfigDict(json_schema_extra=_RULES)

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
