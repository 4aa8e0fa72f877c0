"""What config.json says of a tensor model: named inputs and outputs, and the layers between them. Pure, without torch.

`read_config` reads the document alone; `check` runs the layers' shapes through it, with those of the weights' tensors.
Both are called by `tensor_model.load` and by `model_runtime.loadable`, so a model that resolves can be loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model_runtime.engines.errors import InvalidConfigError, InvalidModelError
from model_runtime.engines.tensor_fields import Part, Shape
from model_runtime.engines.tensor_layers import KINDS, Layer
from model_runtime.engines.tensors import Shapes, check_names

_MOST_LAYERS = 10_000
_MOST_PORTS = 64
# Besides what is read here, config.json may say what other tools want to know.
_ABOUT = frozenset({"architectures", "description", "dtype", "model_type", "torch_dtype", "transformers_version"})


class PortDtype(StrEnum):
    """What the elements of an input or output are."""

    FLOAT32 = "Float32"
    UINT8 = "UInt8"  # taken as the numbers 0 to 255
    INT32 = "Int32"  # of an Embedding
    INT64 = "Int64"  # of an Embedding


_INDICES = frozenset({PortDtype.INT32, PortDtype.INT64})


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output; the shape is that of one row, without the batch."""

    name: str
    dtype: PortDtype
    shape: Shape


@dataclass(frozen=True, slots=True)
class Interface:
    """What clients give and get."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class TensorConfig:
    """The interface, the layers in their order, and the layer each output comes from."""

    interface: Interface
    layers: tuple[Layer, ...]
    sources: Mapping[str, str]


def read_config(config: Mapping[str, Any]) -> TensorConfig:
    """Return what config.json says; InvalidConfigError names the part and the field."""
    inputs = tuple(_input(index, entry) for index, entry in enumerate(_listed(config, "inputs", _MOST_PORTS)))
    layers: list[Layer] = []
    for index, entry in enumerate(_listed(config, "layers", _MOST_LAYERS)):
        layers.append(_layer(index, entry, layers[-1].name if layers else inputs[0].name))
    found = [_output(index, entry, layers) for index, entry in enumerate(_listed(config, "outputs", _MOST_PORTS))]
    if unknown := sorted(set(config) - _ABOUT - {"inputs", "layers", "outputs"}):
        raise InvalidConfigError(f"config.json: {unknown[0]!r:.80} is not a field of a TensorModel")
    outputs, sources = tuple(port for port, _ in found), {port.name: source for port, source in found}
    _check_unique("layers", [*(port.name for port in inputs), *(layer.name for layer in layers)])
    _check_unique("outputs", [port.name for port in outputs])
    result = TensorConfig(Interface(inputs, outputs), tuple(layers), sources)
    _check_flow(result)
    return result


def _listed(config: Mapping[str, Any], field: str, most: int) -> list[Any]:
    value = config.get(field)
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise InvalidConfigError(f"config.json: {field} is {value!r:.80}; expected a list of 1 to {most} objects")
    return value


def _input(index: int, entry: object) -> Port:
    part = Part(f"inputs[{index}]", entry)
    port = Port(part.name("name"), PortDtype(part.choice("dtype", dict.fromkeys(PortDtype))), part.rows("shape"))
    part.end()
    return port


def _output(index: int, entry: object, layers: list[Layer]) -> tuple[Port, str]:
    part = Part(f"outputs[{index}]", entry)
    dtype = PortDtype(part.choice("dtype", {PortDtype.FLOAT32: None}))
    port = Port(part.name("name"), dtype, part.rows("shape"))
    source = part.name("layer", layers[-1].name)
    if source not in {layer.name for layer in layers}:
        raise part.wrong("layer", source, "the name of a layer")
    part.end()
    return port, source


def _layer(index: int, entry: object, before: str) -> Layer:
    """Read a layer; `before` is the value it takes where it does not say."""
    part = Part(f"layers[{index}]", entry)
    name = part.name("name", f"layer{index}")
    part.rename(where := f"layers[{index}] {name!r}")
    word = part.choice("type", KINDS)
    kind = KINDS[word]
    tensors = {role: part.tensor(role) for role in (*kind.required, *kind.optional)}
    for role in kind.required:
        if tensors[role] is None:
            raise part.wrong(role, None, "the name of a tensor in the weights")
    layer = Layer(
        where=where,
        name=name,
        kind=word,
        inputs=part.names("inputs") if kind.many else (part.name("input", before),),
        tensors={role: tensor for role, tensor in tensors.items() if tensor is not None},
        options=kind.options(part),
    )
    part.end()
    return layer


def _check_unique(field: str, names: list[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidConfigError(f"config.json: {field}: the name {name!r} is there twice; expected it once")


def _check_flow(config: TensorConfig) -> None:
    """Check that each layer takes what is there before it and of its sort, and that everything is used."""
    indices = {port.name: port.dtype in _INDICES for port in config.interface.inputs}
    used = set(config.sources.values())
    for layer in config.layers:
        for name in layer.inputs:
            if name not in indices:
                raise InvalidConfigError(
                    f"config.json: {layer.where}: its input is {name!r}; expected an input or a layer before it"
                )
            if indices[name] is not KINDS[layer.kind].indices:
                wanted = "whole numbers (Int32 or Int64)" if KINDS[layer.kind].indices else "numbers, no indices"
                raise InvalidConfigError(f"config.json: {layer.where}: its input is {name!r}; expected {wanted}")
        used |= set(layer.inputs)
        indices[layer.name] = False
    if unused := sorted(indices.keys() - used):
        raise InvalidConfigError(f"config.json: {unused[0]!r} is not used by any layer or output")


def check(config: TensorConfig, tensors: Shapes) -> None:
    """Check that layers and tensors fit each other and the interface; `tensors` are all of the weights.

    Raises InvalidModelError, which names the tensor, or the layer and its field.
    """
    check_names(tensors.keys(), {name for layer in config.layers for name in layer.tensors.values()}, frozenset())
    shapes = {port.name: port.shape for port in config.interface.inputs}
    for layer in config.layers:
        roles = {role: tensors[name] for role, name in layer.tensors.items()}
        shape = KINDS[layer.kind].shape(layer, [shapes[name] for name in layer.inputs], roles)
        shapes[layer.name] = Part(layer.where, {}).bounded("its result", shape)
    for port in config.interface.outputs:
        found = shapes[config.sources[port.name]]
        if found != port.shape:
            raise InvalidModelError(
                f"config.json: outputs {port.name!r}: shape is {[-1, *port.shape]}; "
                f"the layer {config.sources[port.name]!r} gives {[-1, *found]}"
            )


def table_sizes(config: TensorConfig, tensors: Shapes) -> dict[str, int]:
    """Return how many rows the tables have that each input of indices points into: the fewest, where it has several."""
    sizes: dict[str, int] = {}
    for layer in config.layers:
        if KINDS[layer.kind].indices:
            (name,), rows = layer.inputs, tensors[layer.tensors["weight"]][0]
            sizes[name] = min(rows, sizes.get(name, rows))
    return sizes
