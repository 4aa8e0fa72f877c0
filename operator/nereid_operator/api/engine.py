"""The part of spec.runtime that says which engine computes, in which type of numbers, over how many devices.

Used by api/runtime.py, which holds the rules between these fields and the others.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from nereid_operator.api.api_type import ApiType
from nereid_operator.api.quantities import PERCENTAGE_PATTERN


class Engine(StrEnum):
    """What computes inside Triton."""

    AUTO = "Auto"
    TORCH = "Torch"
    VLLM = "VLLM"


class DType(StrEnum):
    """The type of numbers in which a model is held and computed."""

    AUTO = "Auto"
    FLOAT32 = "Float32"
    BFLOAT16 = "BFloat16"
    FLOAT16 = "Float16"


class Quantization(StrEnum):
    """How vLLM quantizes weights when it loads them, in its own words; what is stored quantized is not served."""

    FP8 = "fp8"
    BITSANDBYTES = "bitsandbytes"


class Parallelism(ApiType):
    """Over how many devices one replica is spread."""

    tensor: int = Field(default=1, ge=1, le=64, description="Devices that share each layer.")
    pipeline: int = Field(default=1, ge=1, le=64, description="Groups of devices that share the layers out.")

    @property
    def devices(self) -> int:
        """Return how many devices that takes together."""
        return self.tensor * self.pipeline


class VllmOptions(ApiType):
    """What only vLLM has."""

    max_model_length: Annotated[int, Field(ge=1, le=2**24)] | None = Field(
        default=None, description="Longest context in tokens; default that of the model."
    )
    quantization: Quantization | None = Field(
        default=None, description="How vLLM quantizes the weights when it loads them; left out, not at all."
    )
    gpu_memory_utilization: Annotated[str, Field(pattern=PERCENTAGE_PATTERN, max_length=4)] | None = Field(
        default=None, description="Part of each device's memory that vLLM takes, for example 85%; default 90%."
    )
