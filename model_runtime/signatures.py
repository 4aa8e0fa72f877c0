"""The inputs and outputs that Triton's clients see, for each task; docs/architecture.md has them for people. Pure.

`model_configs` writes them into config.pbtxt, of a model and of its alias alike. Those of generation are of Triton's
vLLM backend, so that either engine can serve them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model_runtime.engines.tensor_config import Interface, Port, PortDtype
from model_runtime.verify import Task

_PORT_TYPES: Mapping[PortDtype, str] = {
    PortDtype.FLOAT32: "TYPE_FP32",
    PortDtype.UINT8: "TYPE_UINT8",
    PortDtype.INT32: "TYPE_INT32",
    PortDtype.INT64: "TYPE_INT64",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One tensor; `dims` are without the batch where there is one, -1 for a size that varies."""

    name: str
    data_type: str
    dims: tuple[int, ...] = (1,)
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives."""

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]


_TEXT = Field("text_input", "TYPE_STRING")
_FLAGS = (
    "exclude_input_in_output",
    "return_finish_reason",
    "return_num_input_tokens",
    "return_num_output_tokens",
    "return_cumulative_logprob",
    "return_logprobs",
)
GENERATION = Signature(
    inputs=(
        _TEXT,
        Field("stream", "TYPE_BOOL", optional=True),
        Field("sampling_parameters", "TYPE_STRING", optional=True),
        *(Field(name, "TYPE_BOOL", optional=True) for name in _FLAGS),
    ),
    outputs=(
        Field("text_output", "TYPE_STRING", (-1,)),
        Field("finish_reason", "TYPE_STRING", (-1,)),
        Field("num_input_tokens", "TYPE_UINT32"),
        Field("num_output_tokens", "TYPE_UINT32", (-1,)),
        Field("cumulative_logprob", "TYPE_FP32", (-1,)),
        Field("logprobs", "TYPE_STRING", (-1,)),
    ),
)
_COUNT = Field("num_input_tokens", "TYPE_INT32")
EMBEDDING = Signature(inputs=(_TEXT,), outputs=(Field("embedding", "TYPE_FP32", (-1,)), _COUNT))
CLASSIFICATION = Signature(
    inputs=(_TEXT,),
    outputs=(Field("probabilities", "TYPE_FP32", (-1,)), Field("label", "TYPE_STRING"), _COUNT),
)


def signature_of(task: Task, interface: Interface | None) -> Signature:
    """Return what a model of the task takes and gives; `interface` is that of a tensor model, None for the others."""
    if interface is not None:
        return Signature(*(tuple(map(_field, ports)) for ports in (interface.inputs, interface.outputs)))
    return {Task.EMBEDDING: EMBEDDING, Task.CLASSIFICATION: CLASSIFICATION}.get(task, GENERATION)


def _field(port: Port) -> Field:
    return Field(port.name, _PORT_TYPES[port.dtype], port.shape)
