"""The model repository that Triton reads: for each task a config.pbtxt and a model.py that names our Python backend.

Pure: the result maps relative paths to texts, and `prepare` writes them. Tensors are those of docs/architecture.md,
"What Triton serves"; a generation model looks like one of Triton's vLLM backend.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from model_runtime.engines.device import Device
from model_runtime.errors import InvalidArgument
from model_runtime.verify import Task

# A folder's name for Triton, a path segment for its clients.
_SERVED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

_BACKENDS: Mapping[Task, str] = {
    Task.CHAT: "model_runtime.triton.generation",
    Task.COMPLETION: "model_runtime.triton.generation",
    Task.EMBEDDING: "model_runtime.triton.embedding",
}


@dataclass(frozen=True, slots=True)
class Serving:
    """What Triton is told: the name clients use, the task, the weights' folder, batching, and the device."""

    served_name: str
    task: Task
    weights: PurePosixPath
    max_batch_size: int
    max_queue_delay_microseconds: int
    device: Device = Device.CPU

    def __post_init__(self) -> None:
        """Check each field.

        Raises:
            InvalidArgument: names the flag, the value and what would be right.

        """
        if not _SERVED_NAME.fullmatch(self.served_name):
            raise InvalidArgument(
                f"--served-name {self.served_name!r}: expected at most 128 letters, digits, '.', '_' and '-', "
                "beginning with a letter or digit"
            )
        if self.task not in _BACKENDS:
            raise InvalidArgument(f"--task {self.task}: expected one of {', '.join(sorted(_BACKENDS))}")
        if self.max_batch_size < 1:
            raise InvalidArgument(f"--max-batch-size {self.max_batch_size}: expected 1 or more")
        if self.max_queue_delay_microseconds < 0:
            raise InvalidArgument(
                f"--max-queue-delay-microseconds {self.max_queue_delay_microseconds}: expected 0 or more"
            )


def model_repository(serving: Serving) -> dict[str, str]:
    """Return the files of the repository: relative path → text."""
    config = embedding_config(serving) if serving.task is Task.EMBEDDING else generation_config(serving)
    return {
        f"{serving.served_name}/config.pbtxt": config,
        f"{serving.served_name}/1/model.py": model_py(serving.task),
    }


def model_py(task: Task) -> str:
    """Return the file in which Triton looks for the class `TritonPythonModel`."""
    return (
        '"""Triton\'s Python backend imports this file; the model itself is in the package."""\n\n'
        f"from {_BACKENDS[task]} import TritonPythonModel\n\n"
        '__all__ = ["TritonPythonModel"]\n'
    )


def generation_config(serving: Serving) -> str:
    """Return config.pbtxt of a generation model: decoupled, so that one request has many answers."""
    return "".join(
        (
            _head(serving, max_batch_size=0),
            "model_transaction_policy {\n  decoupled: true\n}\n",
            _tensors(
                "input",
                [
                    _tensor("text_input", "TYPE_STRING", 1),
                    _tensor("stream", "TYPE_BOOL", 1, "optional: true"),
                    _tensor("sampling_parameters", "TYPE_STRING", 1, "optional: true"),
                    _tensor("exclude_input_in_output", "TYPE_BOOL", 1, "optional: true"),
                    _tensor("return_finish_reason", "TYPE_BOOL", 1, "optional: true"),
                    _tensor("return_num_input_tokens", "TYPE_BOOL", 1, "optional: true"),
                    _tensor("return_num_output_tokens", "TYPE_BOOL", 1, "optional: true"),
                ],
            ),
            _tensors(
                "output",
                [
                    _tensor("text_output", "TYPE_STRING", -1),
                    _tensor("finish_reason", "TYPE_STRING", -1),
                    _tensor("num_input_tokens", "TYPE_UINT32", 1),
                    _tensor("num_output_tokens", "TYPE_UINT32", -1),
                ],
            ),
            _tail(serving),
        )
    )


def embedding_config(serving: Serving) -> str:
    """Return config.pbtxt of an embedding model: single texts, which Triton batches."""
    return "".join(
        (
            _head(serving, max_batch_size=serving.max_batch_size),
            f"dynamic_batching {{\n  max_queue_delay_microseconds: {serving.max_queue_delay_microseconds}\n}}\n",
            _tensors("input", [_tensor("text_input", "TYPE_STRING", 1)]),
            _tensors(
                "output",
                [_tensor("embedding", "TYPE_FP32", -1), _tensor("num_input_tokens", "TYPE_INT32", 1)],
            ),
            _tail(serving),
        )
    )


def _head(serving: Serving, max_batch_size: int) -> str:
    return f'name: {_quoted(serving.served_name)}\nbackend: "python"\nmax_batch_size: {max_batch_size}\n'


def _tail(serving: Serving) -> str:
    # One instance: the engine batches by itself, and a second one would load the weights again.
    instances = "instance_group [\n  {\n    count: 1\n    kind: KIND_CPU\n  }\n]\n"
    device = _parameter("device", serving.device) if serving.device is not Device.CPU else ""
    return instances + _parameter("weights", str(serving.weights)) + _parameter("task", serving.task) + device


def _tensors(direction: str, tensors: Sequence[str]) -> str:
    listed = ",\n".join(tensors)
    return f"{direction} [\n{listed}\n]\n"


def _tensor(name: str, data_type: str, dimension: int, *more: str) -> str:
    fields = (f"name: {_quoted(name)}", f"data_type: {data_type}", f"dims: [{dimension}]", *more)
    return "  {\n" + "".join(f"    {field}\n" for field in fields) + "  }"


def _parameter(key: str, value: str) -> str:
    return f"parameters {{\n  key: {_quoted(key)}\n  value {{\n    string_value: {_quoted(value)}\n  }}\n}}\n"


def _quoted(text: str) -> str:
    """Quote for protobuf's text format, which takes JSON's escapes of quotes, backslashes and newlines."""
    return json.dumps(text, ensure_ascii=False)
