"""Triton's Python model for tensor models: the inputs and outputs that config.json of the model names.

The rows of a batch of requests run in one pass. `model.py` of the model repository imports `TritonPythonModel` from
here.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import triton_python_backend_utils as pb_utils

from model_runtime.engines import tensor_model
from model_runtime.engines.errors import InvalidRequestError
from model_runtime.engines.tensor_config import Port, PortDtype
from model_runtime.engines.warm_up import warm_up
from model_runtime.triton.batches import answer, split
from model_runtime.triton.lifeline import Lifeline
from model_runtime.triton.placing import place
from model_runtime.triton.settings import read_settings
from model_runtime.triton.tensors import Array

log = logging.getLogger(__name__)

_DTYPES: Mapping[PortDtype, Any] = {
    PortDtype.FLOAT32: np.float32,
    PortDtype.UINT8: np.uint8,
    PortDtype.INT32: np.int32,
    PortDtype.INT64: np.int64,
}
Arrays = dict[str, Array]


class TritonPythonModel:
    """Loaded once per instance; `execute` is called by Triton's thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights and run them until they are steady; Triton reports the model ready after this."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        settings = read_settings(args)
        placement = place(settings)
        self.model = tensor_model.load(settings.weights, placement)
        self.inputs = self.model.config.interface.inputs
        batches = [_zeros(self.inputs, count) for count in (1, settings.max_batch_size)]
        warmth = warm_up(lambda: [self._run([batch]) for batch in batches], time.monotonic)
        self.lifeline = Lifeline()
        log.info("%s is loaded: %s on %s, %s", settings.name, placement.dtype, placement.device, warmth)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer a batch of requests, one response each, in order."""
        return answer(requests, self._read, self._run, _outputs)

    def finalize(self) -> None:
        """Let Triton end in peace."""
        self.lifeline.close()

    def _read(self, request: Any) -> Arrays:  # noqa: ANN401 - Triton's module has no types
        arrays = {port.name: pb_utils.get_input_tensor_by_name(request, port.name).as_numpy() for port in self.inputs}
        for name, rows in self.model.table_sizes.items():
            check_indices(name, arrays[name], rows)
        return arrays

    def _run(self, requests: Sequence[Arrays]) -> list[Arrays]:
        together = {port.name: np.concatenate([arrays[port.name] for arrays in requests]) for port in self.inputs}
        results = tensor_model.run(self.model, {name: torch.from_numpy(array) for name, array in together.items()})
        counts = [len(next(iter(arrays.values()))) for arrays in requests]
        parts = {name: split(result.numpy(), counts) for name, result in results.items()}
        return [{name: part[index] for name, part in parts.items()} for index in range(len(requests))]


def _zeros(ports: Sequence[Port], count: int) -> Arrays:
    return {port.name: np.zeros((count, *port.shape), dtype=_DTYPES[port.dtype]) for port in ports}


def check_indices(name: str, indices: Array, rows: int) -> None:
    """Refuse an index that points out of its table; InvalidRequestError names the input."""
    outside = indices[(indices < 0) | (indices >= rows)]
    if outside.size:
        raise InvalidRequestError(name, f"an index is {outside[0]}; expected 0 to {rows - 1}")


def _outputs(_: Arrays, results: Arrays) -> list[Any]:
    return [pb_utils.Tensor(name, np.ascontiguousarray(result)) for name, result in results.items()]
