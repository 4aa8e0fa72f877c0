"""What config.json of a tensor model cannot say: each mistake names the layer or part, the field and what is right."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from model_runtime.engines.errors import InvalidConfigError, InvalidModelError
from model_runtime.engines.tensor_config import check, read_config
from tests.runtime.small_models import CNN, MLP, TENSOR_MODELS, WORDS

Edit = Callable[[dict[str, Any]], object]


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    state = TENSOR_MODELS[name][0]().state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if "num_batches" not in key}


def layer(index: int, **fields: object) -> Edit:
    return lambda config: config["layers"][index].update(fields)


def edited(config: dict[str, Any], edit: Edit) -> dict[str, Any]:
    result = deepcopy(config)
    edit(result)
    return json.loads(json.dumps(result))  # type: ignore[no-any-return]


# The document alone is wrong.
SAID: dict[str, tuple[dict[str, Any], Edit, str]] = {
    "no inputs": (MLP, lambda c: c.pop("inputs"), "inputs is None; expected a list of 1 to 64 objects"),
    "no layers": (MLP, lambda c: c.update(layers=[]), "layers is []; expected a list of 1 to 10000 objects"),
    "a layer that is no object": (MLP, lambda c: c["layers"].append("ReLU"), "layers[5] is 'ReLU'; expected an object"),
    "an input without a name": (MLP, lambda c: c["inputs"][0].pop("name"), "inputs[0]: name is None; expected a name"),
    "a name with blanks": (MLP, lambda c: c["inputs"][0].update(name="a b"), "inputs[0]: name is 'a b'"),
    "texts": (
        MLP,
        lambda c: c["inputs"][0].update(dtype="String"),
        "dtype is 'String'; expected one of Float32, UInt8",
    ),
    "whole numbers out": (
        MLP,
        lambda c: c["outputs"][0].update(dtype="Int64"),
        "dtype is 'Int64'; expected one of",
    ),
    "a batch of a size": (
        MLP,
        lambda c: c["inputs"][0].update(shape=[8, 6]),
        "shape is [8, 6]; expected -1 for the",
    ),
    "a size that varies": (MLP, lambda c: c["inputs"][0].update(shape=[-1, -1]), "shape is [-1, -1]"),
    "a size of true": (MLP, lambda c: c["inputs"][0].update(shape=[-1, True]), "shape is [-1, True]"),
    "rows of nothing": (MLP, lambda c: c["inputs"][0].update(shape=[-1]), "shape is [-1]"),
    "rows without end": (
        MLP,
        lambda c: c["inputs"][0].update(shape=[-1, 1 << 29]),
        "at most 268435456 elements",
    ),
    "a kind that is none": (
        MLP,
        layer(1, type="Dense"),
        "layers[1] 'layer1': type is 'Dense'; expected one of",
    ),
    "a weight that is missing": (MLP, lambda c: c["layers"][1].pop("weight"), "layers[1] 'layer1': weight is None"),
    "a weight that is a number": (MLP, layer(1, weight=3), "weight is 3; expected the name of a tensor"),
    "a setting that is none": (MLP, layer(1, units=3), "layers[1] 'layer1': 'units' is not a field of it"),
    "a setting of another kind": (MLP, layer(2, eps=0.1), "layers[2] 'layer2': 'eps' is not a field of it"),
    "a setting of the whole": (
        MLP,
        lambda c: c.update(optimizer="Adam"),
        "'optimizer' is not a field of a Tensor",
    ),
    "code": (MLP, layer(1, type="Lambda"), "type is 'Lambda'"),
    "an eps that is text": (
        MLP,
        layer(0, eps="small"),
        "layers[0] 'layer0': eps is 'small'; expected a number",
    ),
    "an axis of the batch": (MLP, layer(4, axis=0), "axis is 0; expected a whole number, -6 to -1"),
    "strides of another rank": (CNN, layer(0, stride=[1, 1, 1]), "stride is [1, 1, 1]; expected a whole number, 1 or"),
    "a pool without a kernel": (CNN, lambda c: c["layers"][6].pop("kernel"), "kernel is None; expected a whole number"),
    "a sum of one": (CNN, layer(4, inputs=["block"]), "inputs is ['block']; expected a list of two or more names"),
    "a value that comes later": (CNN, layer(2, input="block"), "layers[2] 'before': its input is 'block'; expected an"),
    "a name twice": (CNN, layer(3, name="before"), "layers: the name 'before' is there twice"),
    "the name of an input": (CNN, layer(3, name="image"), "layers: the name 'image' is there twice"),
    "an output of nothing": (WORDS, lambda c: c["outputs"][1].update(layer="x"), "outputs[1]: layer is 'x'"),
    "numbers as indices": (WORDS, layer(0, input="numbers"), "its input is 'numbers'; expected whole numbers"),
    "indices as numbers": (WORDS, layer(5, input="words"), "its input is 'words'; expected numbers, no indices"),
    "an input that nobody reads": (
        MLP,
        lambda c: c["inputs"].append({"name": "more", "dtype": "Float32", "shape": [-1, 2]}),
        "'more' is not used by any layer or output",
    ),
    "a layer that nobody reads": (CNN, layer(4, inputs=["before", "before"]), "'block' is not used by any layer"),
}


@pytest.mark.parametrize(("config", "edit", "says"), SAID.values(), ids=SAID.keys())
def test_a_mistake_in_the_document_is_named(config: dict[str, Any], edit: Edit, says: str) -> None:
    with pytest.raises(InvalidConfigError) as failure:
        read_config(edited(config, edit))
    assert says in str(failure.value)


# The document is well-formed, and does not fit the tensors or itself.
MISFITS: dict[str, tuple[str, Edit, dict[str, tuple[int, ...] | None], str]] = {
    "a tensor that is missing": ("mlp", layer(1, weight="gone"), {}, "tensor gone is missing"),
    "a tensor that nobody wants": (
        "mlp",
        lambda _: None,
        {"more": (1,)},
        "tensor more is not part of this",
    ),
    "rows of another size": (
        "mlp",
        lambda c: c["inputs"][0].update(shape=[-1, 7]),
        {},
        "layers[0] 'layer0': weight is 'norm.weight' of shape [6]; expected shape [7]",
    ),
    "a product of another size": (
        "mlp",
        lambda _: None,
        {"last.weight": (3, 9)},
        "layers[3] 'layer3': weight is 'last.weight' of shape [3, 9]; expected shape [3, 10]",
    ),
    "a weight that is flat": ("mlp", lambda _: None, {"last.weight": (30,)}, "weight is 'last.weight' of shape [30]"),
    "a bias of another size": ("mlp", lambda _: None, {"last.bias": (4,)}, "layers[3] 'layer3': bias is 'last.bias'"),
    "an output of another shape": (
        "mlp",
        lambda c: c["outputs"][0].update(shape=[-1, 4]),
        {},
        "outputs 'probabilities': shape is [-1, 4]; the layer 'layer4' gives [-1, 3]",
    ),
    "groups that do not divide": ("cnn", layer(3, groups=3), {}, "groups is 3; expected a divisor of 8 and 8 channels"),
    "a window larger than the image": (
        "cnn",
        layer(6, kernel=9),
        {},
        "its input is of sizes [8, 8]; expected",
    ),
    "a padding that pools nothing": ("cnn", layer(6, padding=2), {}, "padding is [2, 2]; expected at most half"),
    "an image that is flat": (
        "cnn",
        lambda c: c["inputs"][0].update(shape=[-1, 64]),
        {},
        "layers[0] 'layer0': its input is of shape [-1, 64]; expected a batch of channels and 2 more sizes",
    ),
    "a sum of unlike values": ("cnn", layer(4, inputs=["image", "block"]), {}, "expected one shape"),
    "a value without end": (
        "cnn",
        layer(0, padding=1 << 20),
        {},
        "its result is [8, 2097158, 2097158]; expected",
    ),
    "an axis that is none": ("mlp", layer(4, axis=-2), {}, "axis is -2; expected -1 to -1: the batch is no axis"),
}


@pytest.mark.parametrize(("name", "edit", "tensors", "says"), MISFITS.values(), ids=MISFITS.keys())
def test_what_does_not_fit_names_the_layer(
    name: str, edit: Edit, tensors: dict[str, tuple[int, ...]], says: str
) -> None:
    config = read_config(edited(TENSOR_MODELS[name][1], edit))
    with pytest.raises(InvalidModelError) as failure:
        check(config, shapes_of(name) | tensors)
    assert says in str(failure.value)


@pytest.mark.parametrize("name", TENSOR_MODELS)
def test_the_right_ones_pass(name: str) -> None:
    check(read_config(TENSOR_MODELS[name][1]), shapes_of(name))
