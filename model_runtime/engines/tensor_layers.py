"""The closed set of layers of a tensor model: which tensors and settings each has, and what shape it gives. Pure.

A kind is a row of `KINDS`; `tensor_model` has the computation of each. Shapes are those of one row, without the batch.
Without torch, so that a model is refused before a replica starts. docs/formats.md lists the kinds for users.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from model_runtime.engines.errors import InvalidModelError
from model_runtime.engines.tensor_fields import Part, Shape

Options = Mapping[str, Any]
GELU_KINDS: Mapping[str, None] = {"none": None, "tanh": None}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the values it takes, the tensors it has by what they are for ("weight"), and its settings."""

    where: str  # for messages
    name: str  # of the layer, and of the value it gives
    kind: str
    inputs: tuple[str, ...]
    tensors: Mapping[str, str]
    options: Options


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of layer has. `shape` gives the result's, of the inputs' and of the tensors' by what they are for."""

    shape: Callable[[Layer, Sequence[Shape], Mapping[str, Shape]], Shape]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    options: Callable[[Part], Options] = lambda _: {}
    many: bool = False  # takes several values
    indices: bool = False  # takes whole numbers, which point into a table


def wrong(layer: Layer, field: str, value: object, wanted: str) -> InvalidModelError:
    """Return the error of a layer that does not fit what it gets or has."""
    return InvalidModelError(f"config.json: {layer.where}: {field} is {value}; expected {wanted}")


def _is(layer: Layer, shapes: Mapping[str, Shape], role: str, expected: Shape) -> None:
    if role in shapes and shapes[role] != expected:
        raise wrong(layer, role, f"{layer.tensors[role]!r} of shape {list(shapes[role])}", f"shape {list(expected)}")


def _rank(layer: Layer, shapes: Mapping[str, Shape], role: str, rank: int) -> Shape:
    shape = shapes[role]
    if len(shape) != rank or 0 in shape:
        raise wrong(layer, role, f"{layer.tensors[role]!r} of shape {list(shape)}", f"{rank} sizes above 0")
    return shape


def _linear(layer: Layer, inputs: Sequence[Shape], shapes: Mapping[str, Shape]) -> Shape:
    (x,) = inputs
    outputs, _ = weight = _rank(layer, shapes, "weight", 2)
    _is(layer, {"weight": weight}, "weight", (outputs, x[-1]))
    _is(layer, shapes, "bias", (outputs,))
    return (*x[:-1], outputs)


def _embedding(layer: Layer, inputs: Sequence[Shape], shapes: Mapping[str, Shape]) -> Shape:
    return (*inputs[0], _rank(layer, shapes, "weight", 2)[1])


def _conv(rank: int) -> Kind:
    def options(part: Part) -> Options:
        return {
            "stride": part.sizes("stride", rank, 1),
            "padding": part.sizes("padding", rank, 0, least=0),
            "dilation": part.sizes("dilation", rank, 1),
            "groups": part.count("groups", 1),
        }

    def shape(layer: Layer, inputs: Sequence[Shape], shapes: Mapping[str, Shape]) -> Shape:
        channels, *space = _image(layer, inputs[0], rank)
        outputs, _, *kernel = weight = _rank(layer, shapes, "weight", rank + 2)
        groups = layer.options["groups"]
        if channels % groups or outputs % groups:
            raise wrong(layer, "groups", groups, f"a divisor of {channels} and {outputs} channels")
        _is(layer, {"weight": weight}, "weight", (outputs, channels // groups, *kernel))
        _is(layer, shapes, "bias", (outputs,))
        return (outputs, *_slid(layer, space, kernel))

    return Kind(shape, required=("weight",), optional=("bias",), options=options)


def _pool(rank: int) -> Kind:
    def options(part: Part) -> Options:
        kernel = part.sizes("kernel", rank, None)
        return {
            "kernel": kernel,
            "stride": part.sizes("stride", rank, list(kernel)),
            "padding": part.sizes("padding", rank, 0, least=0),
            "dilation": (1,) * rank,
        }

    def shape(layer: Layer, inputs: Sequence[Shape], _: Mapping[str, Shape]) -> Shape:
        channels, *space = _image(layer, inputs[0], rank)
        kernel, padding = layer.options["kernel"], layer.options["padding"]
        if any(pad > size // 2 for pad, size in zip(padding, kernel, strict=True)):
            raise wrong(layer, "padding", list(padding), f"at most half of the kernel, {list(kernel)}")
        return (channels, *_slid(layer, space, kernel))

    return Kind(shape, options=options)


def _image(layer: Layer, x: Shape, rank: int) -> Shape:
    if len(x) != rank + 1:
        raise wrong(layer, "its input", f"of shape {[-1, *x]}", f"a batch of channels and {rank} more sizes")
    return x


def _slid(layer: Layer, space: Sequence[int], kernel: Sequence[int]) -> Shape:
    """Return where a window comes to a stand in each direction."""
    options = layer.options
    steps = zip(space, kernel, options["stride"], options["padding"], options["dilation"], strict=True)
    result = tuple(
        (size + 2 * padding - dilation * (width - 1) - 1) // stride + 1
        for size, width, stride, padding, dilation in steps
    )
    if any(size < 1 for size in result):
        raise wrong(layer, "its input", f"of sizes {list(space)}", f"at least those of the window, {list(kernel)}")
    return result


def _norm(layer: Layer, inputs: Sequence[Shape], shapes: Mapping[str, Shape]) -> Shape:
    (x,) = inputs
    rank = len(shapes["weight"])
    _is(layer, shapes, "weight", x[-rank:] if rank else x[-1:])
    _is(layer, shapes, "bias", shapes["weight"])
    return x


def _batch_norm(layer: Layer, inputs: Sequence[Shape], shapes: Mapping[str, Shape]) -> Shape:
    (x,) = inputs
    for role in shapes:
        _is(layer, shapes, role, x[:1])
    return x


def _same(_: Layer, inputs: Sequence[Shape], __: Mapping[str, Shape]) -> Shape:
    return inputs[0]


def _along_axis(layer: Layer, inputs: Sequence[Shape], _: Mapping[str, Shape]) -> Shape:
    _axis(layer, inputs[0])
    return inputs[0]


def _axis(layer: Layer, x: Shape) -> int:
    axis = int(layer.options["axis"])
    if axis > len(x):
        raise wrong(layer, "axis", -axis, f"-{len(x)} to -1: the batch is no axis")
    return axis


def _global_average(layer: Layer, inputs: Sequence[Shape], _: Mapping[str, Shape]) -> Shape:
    (x,) = inputs
    if len(x) < 2:
        raise wrong(layer, "its input", f"of shape {[-1, *x]}", "a batch of channels and one or more sizes")
    return x[:1]


def _flatten(_: Layer, inputs: Sequence[Shape], __: Mapping[str, Shape]) -> Shape:
    return (prod(inputs[0]),)


def _alike(layer: Layer, inputs: Sequence[Shape], _: Mapping[str, Shape]) -> Shape:
    if len(set(inputs)) > 1:
        raise wrong(layer, "inputs", f"of shapes {[[-1, *x] for x in inputs]}", "one shape")
    return inputs[0]


def _concat(layer: Layer, inputs: Sequence[Shape], _: Mapping[str, Shape]) -> Shape:
    place = len(inputs[0]) - _axis(layer, inputs[0])
    if len({(*x[:place], *x[place + 1 :]) for x in inputs}) > 1 or len({len(x) for x in inputs}) > 1:
        raise wrong(layer, "inputs", f"of shapes {[[-1, *x] for x in inputs]}", "one shape but for the axis")
    return (*inputs[0][:place], sum(x[place] for x in inputs), *inputs[0][place + 1 :])


def _eps(default: float) -> Callable[[Part], Options]:
    return lambda part: {"eps": part.fraction("eps", default)}


def _from_the_end(part: Part) -> Options:
    """Take an axis as how far it is from the end: 1 is the last."""
    return {"axis": part.count_from_end("axis")}


KINDS: Mapping[str, Kind] = {
    "Linear": Kind(_linear, required=("weight",), optional=("bias",)),
    "Embedding": Kind(_embedding, required=("weight",), indices=True),
    "Conv1d": _conv(1),
    "Conv2d": _conv(2),
    "LayerNorm": Kind(_norm, required=("weight",), optional=("bias",), options=_eps(1e-5)),
    "RMSNorm": Kind(_norm, required=("weight",), options=_eps(1e-6)),
    "BatchNorm": Kind(_batch_norm, required=("weight", "bias", "mean", "variance"), options=_eps(1e-5)),
    "ReLU": Kind(_same),
    "GELU": Kind(_same, options=lambda part: {"approximate": part.choice("approximate", GELU_KINDS, "none")}),
    "SiLU": Kind(_same),
    "Tanh": Kind(_same),
    "Sigmoid": Kind(_same),
    "Softmax": Kind(_along_axis, options=_from_the_end),
    "MaxPool1d": _pool(1),
    "MaxPool2d": _pool(2),
    "AvgPool1d": _pool(1),
    "AvgPool2d": _pool(2),
    "GlobalAvgPool": Kind(_global_average),
    "Flatten": Kind(_flatten),
    "Add": Kind(_alike, many=True),
    "Multiply": Kind(_alike, many=True),
    "Concat": Kind(_concat, options=_from_the_end, many=True),
}
