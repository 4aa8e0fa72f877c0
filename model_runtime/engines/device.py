"""The devices that a model may be told to run on. Without torch: `prepare` writes it down, the engine reads it."""

from enum import StrEnum


class Device(StrEnum):
    """The value is that of the flag `--device` and of the parameter `device` in config.pbtxt."""

    CPU = "cpu"
    GPU = "gpu"
