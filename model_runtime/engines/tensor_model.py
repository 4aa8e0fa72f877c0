"""A tensor model: layers from a closed set between named inputs and outputs, as config.json says; no code of its own.

`load` makes a `TensorModel` of a folder; `run` maps a batch of inputs to outputs. What each kind of layer computes is a
row of `_MAKERS`; `tensor_layers` says what it may have. Called by `model_runtime.triton.tensor`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from model_runtime.engines.config import read_json
from model_runtime.engines.linear import make_linear
from model_runtime.engines.placement import Placement
from model_runtime.engines.tensor_config import TensorConfig, check, read_config, table_sizes
from model_runtime.engines.tensor_layers import Layer
from model_runtime.engines.weights import load_weights, stored_shapes

Compute = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Step:
    """One layer ready to run, and the values that nobody needs after it."""

    layer: Layer
    compute: Compute
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TensorModel:
    """A model ready to run; `table_sizes` bounds the indices of each input that has some."""

    config: TensorConfig
    placement: Placement
    steps: tuple[Step, ...]
    table_sizes: Mapping[str, int]


def load(folder: Path, placement: Placement) -> TensorModel:
    """Return the model in a folder (config.json, safetensors)."""
    config, shapes = read_config(read_json(folder / "config.json")), stored_shapes(folder)
    check(config, shapes)
    weights = load_weights(folder, shapes, placement)
    steps = zip(config.layers, _computes(config, weights), _done(config), strict=True)
    return TensorModel(config, placement, tuple(Step(*step) for step in steps), table_sizes(config, shapes))


def _computes(config: TensorConfig, weights: dict[str, Tensor]) -> Iterator[Compute]:
    """Yield what each layer computes, and let go of each tensor after the last layer that names it.

    A layer that lays its weight out anew would else have it twice until all are made.
    """
    uses = Counter(name for layer in config.layers for name in layer.tensors.values())
    for layer in config.layers:
        yield _MAKERS[layer.kind](layer, weights)
        uses.subtract(layer.tensors.values())
        for name in set(layer.tensors.values()):
            if uses[name] == 0:
                del weights[name]


def _done(config: TensorConfig) -> list[tuple[str, ...]]:
    """Return which values are used for the last time by each layer, so that they are not held any longer."""
    needed, result = set(config.sources.values()), []
    for layer in reversed(config.layers):
        result.append(tuple(set(layer.inputs) - needed))
        needed |= set(layer.inputs)
    return result[::-1]


@torch.inference_mode()
def run(model: TensorModel, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the outputs by name, float32 on the CPU, for inputs of one batch, each of its port's dtype and shape."""
    placement = model.placement
    values = {name: _placed(value, placement) for name, value in inputs.items()}
    for step in model.steps:
        values[step.layer.name] = step.compute(*(values[name] for name in step.layer.inputs))
        for name in step.done:
            del values[name]
    return {name: values[source].float().cpu() for name, source in model.config.sources.items()}


def _placed(value: Tensor, placement: Placement) -> Tensor:
    indices = value.dtype in {torch.int32, torch.int64}
    return value.to(placement.device) if indices else value.to(placement.device, placement.dtype)


Weights = Mapping[str, Tensor]


def _tensor(layer: Layer, weights: Weights, role: str) -> Tensor | None:
    return weights[layer.tensors[role]] if role in layer.tensors else None


def _weight(layer: Layer, weights: Weights) -> Tensor:
    return weights[layer.tensors["weight"]]


def _linear(layer: Layer, weights: Weights) -> Compute:
    return make_linear(_weight(layer, weights), _tensor(layer, weights, "bias"))


def _embedding(layer: Layer, weights: Weights) -> Compute:
    table = _weight(layer, weights)
    return lambda x: F.embedding(x, table)


def _conv(convolve: Callable[..., Tensor]) -> Callable[[Layer, Weights], Compute]:
    def make(layer: Layer, weights: Weights) -> Compute:
        weight, bias, options = _weight(layer, weights), _tensor(layer, weights, "bias"), layer.options
        return lambda x: convolve(
            x, weight, bias, options["stride"], options["padding"], options["dilation"], options["groups"]
        )

    return make


def _layer_norm(layer: Layer, weights: Weights) -> Compute:
    weight, bias, eps = _weight(layer, weights), _tensor(layer, weights, "bias"), layer.options["eps"]
    return lambda x: F.layer_norm(x, weight.shape, weight, bias, eps)


def _rms_norm(layer: Layer, weights: Weights) -> Compute:
    weight, eps = _weight(layer, weights), layer.options["eps"]
    return lambda x: F.rms_norm(x, weight.shape, weight, eps)


def _batch_norm(layer: Layer, weights: Weights) -> Compute:
    weight, bias, mean, variance = (_tensor(layer, weights, role) for role in ("weight", "bias", "mean", "variance"))
    eps = layer.options["eps"]
    return lambda x: F.batch_norm(x, mean, variance, weight, bias, eps=eps)


def _pool(pool: Callable[..., Tensor]) -> Callable[[Layer, Weights], Compute]:
    def make(layer: Layer, _: Weights) -> Compute:
        options = layer.options
        return lambda x: pool(x, options["kernel"], options["stride"], options["padding"])

    return make


def _plain(function: Compute) -> Callable[[Layer, Weights], Compute]:
    return lambda _, __: function


def _gelu(layer: Layer, _: Weights) -> Compute:
    approximate = layer.options["approximate"]
    return lambda x: F.gelu(x, approximate=approximate)


def _softmax(layer: Layer, _: Weights) -> Compute:
    axis = -layer.options["axis"]
    return lambda x: torch.softmax(x, dim=axis)


def _global_average(x: Tensor) -> Tensor:
    return x.flatten(2).mean(dim=2)


def _add(*values: Tensor) -> Tensor:
    return reduce(torch.add, values)


def _multiply(*values: Tensor) -> Tensor:
    return reduce(torch.mul, values)


def _concat(layer: Layer, _: Weights) -> Compute:
    axis = -layer.options["axis"]

    def concat(*values: Tensor) -> Tensor:
        return torch.cat(values, dim=axis)

    return concat


_MAKERS: Mapping[str, Callable[[Layer, Weights], Compute]] = {
    "Linear": _linear,
    "Embedding": _embedding,
    "Conv1d": _conv(F.conv1d),
    "Conv2d": _conv(F.conv2d),
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
    "BatchNorm": _batch_norm,
    "ReLU": _plain(F.relu),
    "GELU": _gelu,
    "SiLU": _plain(F.silu),
    "Tanh": _plain(torch.tanh),
    "Sigmoid": _plain(torch.sigmoid),
    "Softmax": _softmax,
    "MaxPool1d": _pool(F.max_pool1d),
    "MaxPool2d": _pool(F.max_pool2d),
    "AvgPool1d": _pool(F.avg_pool1d),
    "AvgPool2d": _pool(F.avg_pool2d),
    "GlobalAvgPool": _plain(_global_average),
    "Flatten": _plain(lambda x: x.flatten(1)),
    "Add": _plain(_add),
    "Multiply": _plain(_multiply),
    "Concat": _concat,
}
