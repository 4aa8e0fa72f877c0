"""Folders that cannot be served: the message names the tensor or the field."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model_runtime.engines import llama
from model_runtime.engines.config import Config
from model_runtime.engines.errors import InvalidModelError, ModelError, UnsupportedModelError
from model_runtime.engines.kv_cache import allocate_cache
from model_runtime.engines.placement import Placement

CPU = Placement(torch.device("cpu"), torch.float32)
CONFIG = {
    "vocab_size": 32,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}


def folder(path: Path, config: Config, change: dict[str, torch.Tensor | None]) -> Path:
    """Write a tiny model; `change` replaces tensors, or takes those away whose value is None."""
    shapes = llama.expected_shapes(llama.read_config(CONFIG))
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()} | change
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"model.norm.weight": None}, "model.norm.weight is missing", id="a missing tensor"),
        pytest.param({"lora.weight": torch.zeros(1)}, "lora.weight is not part of", id="an unexpected tensor"),
        pytest.param({"model.norm.weight": torch.zeros(9)}, r"model.norm.weight has shape \[9\]", id="a wrong shape"),
    ],
)
def test_weights_are_strict(tmp_path: Path, change: dict[str, torch.Tensor | None], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        llama.load(folder(tmp_path, CONFIG, change), CPU)


def test_a_tied_folder_may_carry_the_copy(tmp_path: Path) -> None:
    model = llama.load(folder(tmp_path, CONFIG, {"lm_head.weight": torch.zeros(32, 8)}), CPU)
    cache = allocate_cache(model.config, model.placement, 1)
    assert llama.forward(model, [llama.Span([1, 2, 3], 0, [0])], cache).shape == (1, 32)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param({"hidden_act": "relu"}, UnsupportedModelError, "hidden_act is 'relu'", id="another activation"),
        pytest.param({"rope_scaling": {"rope_type": "yarn"}}, UnsupportedModelError, "'yarn'", id="scaled positions"),
        pytest.param({"attention_bias": True}, UnsupportedModelError, "attention_bias is True", id="biases"),
        pytest.param({"hidden_size": "8"}, InvalidModelError, "hidden_size is '8'; expected int", id="a wrong type"),
        pytest.param({"rope_theta": 0}, InvalidModelError, "rope_theta is 0", id="no rotation"),
    ],
)
def test_settings_are_strict(change: dict[str, object], error: type[ModelError], message: str) -> None:
    with pytest.raises(error, match=message):
        llama.read_config(CONFIG | change)
