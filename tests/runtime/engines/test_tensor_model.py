"""Tensor models against `torch.nn`: whole networks, and each kind of layer by itself."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from model_runtime.engines import tensor_model
from model_runtime.engines.placement import Placement
from model_runtime.engines.tensor_config import read_config
from model_runtime.engines.tensor_layers import KINDS
from model_runtime.engines.tensor_model import TensorModel
from tests.runtime.small_models import WORDS, make_tensor_model

CPU = Placement(torch.device("cpu"), torch.float32)


def make(
    folder: Path, layers: list[dict[str, Any]], tensors: dict[str, Tensor], shapes: list[list[int]]
) -> TensorModel:
    """Load a model of these layers with the inputs a, b, … and one output; the first and last shapes are theirs."""
    inputs = [
        {"name": name, "dtype": "Int64" if layers[0]["type"] == "Embedding" else "Float32", "shape": [-1, *shape]}
        for name, shape in zip("abc", shapes[:-1], strict=False)
    ]
    outputs = [{"name": "y", "dtype": "Float32", "shape": [-1, *shapes[-1]]}]
    save_file(tensors, folder / "model.safetensors")
    document = {"architectures": ["TensorModel"], "inputs": inputs, "outputs": outputs, "layers": layers}
    (folder / "config.json").write_text(json.dumps(document))
    return tensor_model.load(folder, CPU)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)], ids=str)
def test_a_network_is_its_twin(name: str, dtype: torch.dtype, close: float, tmp_path: Path) -> None:
    twin = make_tensor_model(tmp_path, name)
    model = tensor_model.load(tmp_path, Placement(torch.device("cpu"), dtype))
    x = torch.randn(7, 6) if name == "mlp" else torch.randint(0, 4, (7, 1, 8, 8), dtype=torch.uint8)
    (port,) = model.config.interface.inputs
    (found,) = tensor_model.run(model, {port.name: x}).values()
    with torch.inference_mode():
        expected = twin(x.float())
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, expected, atol=close * float(expected.abs().max()), rtol=0)


def test_two_inputs_and_two_outputs(tmp_path: Path) -> None:
    twin = make_tensor_model(tmp_path, "words")
    model = tensor_model.load(tmp_path, CPU)
    words, numbers = torch.randint(0, 20, (3, 5)), torch.randn(3, 4)
    found = tensor_model.run(model, {"words": words, "numbers": numbers})
    with torch.inference_mode():
        score, vector = twin(words, numbers)
    torch.testing.assert_close(found, {"score": score, "vector": vector}, atol=1e-5, rtol=0)
    assert model.table_sizes == {"words": 20}


def test_values_are_let_go_when_nobody_needs_them(tmp_path: Path) -> None:
    make_tensor_model(tmp_path, "words")
    done = {step.layer.name: set(step.done) for step in tensor_model.load(tmp_path, CPU).steps}
    assert done["layer0"] == {"words"}
    assert done["vector"] == {"mean", "gate"}
    assert done["layer7"] == set()


def weights(module: nn.Module, **names: str) -> dict[str, Tensor]:
    state = module.state_dict()
    return {ours: state[theirs].clone() for ours, theirs in names.items()}


WB = {"weight": "weight", "bias": "bias"}
BATCH_NORM = WB | {"mean": "running_mean", "variance": "running_var"}
normed = nn.BatchNorm1d(4)
normed.running_mean, normed.running_var = torch.randn(4), torch.rand(4) + 0.5
# Kind, settings, module of torch.nn or function, names of its tensors, shapes of the inputs and of the output.
ALONE: dict[str, tuple[str, dict[str, Any], Any, dict[str, str], list[list[int]]]] = {
    "a plain product": ("Linear", {}, nn.Linear(4, 3, bias=False), {"weight": "weight"}, [[4], [3]]),
    "a product in each place": ("Linear", {}, nn.Linear(4, 3), WB, [[2, 5, 4], [2, 5, 3]]),
    "a table": ("Embedding", {}, nn.Embedding(9, 4), {"weight": "weight"}, [[5], [5, 4]]),
    "a window that jumps": ("Conv1d", {"stride": 2, "padding": 1}, nn.Conv1d(4, 6, 3, 2, 1), WB, [[4, 9], [6, 5]]),
    "a window with holes": (
        "Conv2d",
        {"stride": [1, 2], "padding": [2, 0], "dilation": [2, 1], "groups": 2},
        nn.Conv2d(4, 6, (2, 3), (1, 2), (2, 0), (2, 1), 2),
        WB,
        [[4, 5, 9], [6, 7, 4]],
    ),
    "the last sizes normed": ("LayerNorm", {"eps": 0.1}, nn.LayerNorm([2, 4], eps=0.1), WB, [[3, 2, 4], [3, 2, 4]]),
    "the root of squares": ("RMSNorm", {"eps": 0.1}, nn.RMSNorm(4, eps=0.1), {"weight": "weight"}, [[3, 4], [3, 4]]),
    "channels normed": ("BatchNorm", {}, normed.eval(), BATCH_NORM, [[4, 3], [4, 3]]),
    "relu": ("ReLU", {}, torch.relu, {}, [[4], [4]]),
    "gelu": ("GELU", {}, nn.GELU(), {}, [[4], [4]]),
    "gelu, roughly": ("GELU", {"approximate": "tanh"}, nn.GELU("tanh"), {}, [[4], [4]]),
    "silu": ("SiLU", {}, nn.SiLU(), {}, [[4], [4]]),
    "tanh": ("Tanh", {}, torch.tanh, {}, [[4], [4]]),
    "sigmoid": ("Sigmoid", {}, torch.sigmoid, {}, [[4], [4]]),
    "softmax": ("Softmax", {}, nn.Softmax(-1), {}, [[3, 4], [3, 4]]),
    "softmax the other way": ("Softmax", {"axis": -2}, nn.Softmax(-2), {}, [[3, 4], [3, 4]]),
    "the largest of a line": ("MaxPool1d", {"kernel": 2}, nn.MaxPool1d(2), {}, [[4, 7], [4, 3]]),
    "the largest of a square": (
        "MaxPool2d",
        {"kernel": [3, 2], "stride": 1, "padding": 1},
        nn.MaxPool2d((3, 2), 1, 1),
        {},
        [[2, 5, 5], [2, 5, 6]],
    ),
    "the mean of a line": ("AvgPool1d", {"kernel": 3, "stride": 2}, nn.AvgPool1d(3, 2), {}, [[4, 7], [4, 3]]),
    "a square's mean": (
        "AvgPool2d",
        {"kernel": 2, "padding": 1},
        nn.AvgPool2d(2, 2, 1),
        {},
        [[2, 4, 4], [2, 3, 3]],
    ),
    "the mean of all": ("GlobalAvgPool", {}, lambda x: x.mean(dim=(2, 3)), {}, [[2, 4, 4], [2]]),
    "flat": ("Flatten", {}, nn.Flatten(), {}, [[2, 4, 4], [32]]),
    "a sum of three": ("Add", {"inputs": ["a", "b", "c"]}, lambda a, b, c: a + b + c, {}, [[4], [4], [4], [4]]),
    "a product of values": ("Multiply", {"inputs": ["a", "b"]}, lambda a, b: a * b, {}, [[4], [4], [4]]),
    "values side by side": (
        "Concat",
        {"inputs": ["a", "b"], "axis": -2},
        lambda a, b: torch.cat([a, b], dim=1),
        {},
        [[2, 3], [1, 3], [3, 3]],
    ),
}


@pytest.mark.parametrize("row", ALONE.values(), ids=ALONE.keys())
def test_each_kind_is_that_of_torch(row: Any, tmp_path: Path) -> None:
    kind, settings, reference, names, shapes = row
    tensors = weights(reference, **names) if names else {}
    layers = [{"type": kind, **settings, **{name: name for name in tensors}}]
    if not tensors:
        # Weights without tensors are no model: one more layer, which changes nothing.
        tensors = {"one": torch.eye(shapes[-1][-1])}
        layers.append({"type": "Linear", "weight": "one"})
    model = make(tmp_path, layers, tensors, shapes)
    rows = [torch.randint(0, 9, (3, *s)) if kind == "Embedding" else torch.randn(3, *s) for s in shapes[:-1]]
    (found,) = tensor_model.run(model, dict(zip("abc", rows, strict=False))).values()
    with torch.inference_mode():
        torch.testing.assert_close(found, reference(*rows), atol=1e-5, rtol=1e-5)


def test_every_kind_is_tried() -> None:
    assert {kind for kind, *_ in ALONE.values()} == KINDS.keys()


def test_two_layers_may_share_a_tensor(tmp_path: Path) -> None:
    matrix, bias = torch.randn(3, 3), torch.randn(3)
    layers = [{"type": "Linear", "weight": "w", "bias": "b"}, {"type": "Linear", "weight": "w"}]
    model = make(tmp_path, layers, {"w": matrix, "b": bias}, [[3], [3]])
    x = torch.randn(2, 3)
    expected = (x @ matrix.T + bias) @ matrix.T
    torch.testing.assert_close(tensor_model.run(model, {"a": x})["y"], expected, atol=1e-5, rtol=1e-5)


def test_layers_may_be_named_or_numbered() -> None:
    config = read_config(WORDS)
    assert [layer.name for layer in config.layers][3:5] == ["layer3", "mean"]
    assert config.sources == {"score": "layer7", "vector": "vector"}
