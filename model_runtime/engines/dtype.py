"""The number formats a model may be told to compute in. Without torch: `prepare` writes one, the engine reads it."""

from enum import StrEnum


class Dtype(StrEnum):
    """The value is that of the flag `--dtype` and of the parameter `dtype` in config.pbtxt."""

    FLOAT32 = "Float32"
    BFLOAT16 = "BFloat16"
    FLOAT16 = "Float16"
