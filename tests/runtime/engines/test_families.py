"""Families of decoders against the reference library, on small models with random weights, in both ways."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from model_runtime.engines import llama
from model_runtime.engines.errors import InvalidConfigError, UnsupportedModelError
from model_runtime.engines.kv_cache import allocate_cache
from model_runtime.engines.llama_config import read_config
from model_runtime.engines.placement import Placement

CPU = Placement(torch.device("cpu"), torch.float32)
SIZES: dict[str, Any] = {
    "vocab_size": 160,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES = [
    pytest.param(LlamaConfig(**SIZES), id="Llama 2"),
    pytest.param(LlamaConfig(**SIZES, rope_parameters=LLAMA3), id="Llama 3.1: slow positions turn slower"),
    pytest.param(
        LlamaConfig(**SIZES, rope_parameters={"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}),
        id="linear positions",
    ),
    pytest.param(MistralConfig(**SIZES, head_dim=32, sliding_window=None), id="Mistral, with heads of their own size"),
    pytest.param(Qwen2Config(**SIZES), id="Qwen2: biases"),
    pytest.param(Qwen3Config(**SIZES, head_dim=16), id="Qwen3: normalized heads"),
    pytest.param(LlamaConfig(**SIZES | {"num_key_value_heads": 4, "vocab_size": 151}), id="sizes no vector fits"),
]


def save(config: Any, folder: Path) -> Any:
    """Make a model of the library, with weights large enough to matter, biases too."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("config", FAMILIES)
def test_logits_are_those_of_the_library(config: Any, tmp_path: Path) -> None:
    reference, loaded = save(config, tmp_path), llama.load(tmp_path, CPU)
    assert (loaded.native is None) == (config.vocab_size == 151)
    tokens = torch.randint(0, config.vocab_size, (150,), generator=torch.Generator().manual_seed(1)).tolist()
    with torch.inference_mode():
        expected = reference(torch.tensor([tokens])).logits[0]
    for model in (loaded, dataclasses.replace(loaded, native=None)):
        cache, blocks = allocate_cache(model.config, CPU, 10), list(range(10))
        prompt = llama.forward(model, [llama.Span(tokens[:140], 0, blocks[:9])], cache)
        torch.testing.assert_close(prompt[0], expected[139], rtol=1e-3, atol=1e-3)
        for position in range(140, 150):
            step = llama.forward(model, [llama.Span([tokens[position]], position, blocks)], cache)
            torch.testing.assert_close(step[0], expected[position], rtol=1e-3, atol=1e-3)


def config_of(**changed: Any) -> dict[str, Any]:
    plain = SIZES | {"architectures": ["MistralForCausalLM"], "hidden_act": "silu", "rms_norm_eps": 1e-6}
    return json.loads(json.dumps(plain | changed))


@pytest.mark.parametrize(
    ("changed", "context"),
    [
        pytest.param({}, 256, id="no window"),
        pytest.param({"sliding_window": None}, 256, id="none, said so"),
        pytest.param({"sliding_window": 128}, 128, id="a window ends the context, since within it nothing is left out"),
        pytest.param({"sliding_window": 4096}, 256, id="a window longer than the context"),
        pytest.param({"sliding_window": 128, "use_sliding_window": False}, 256, id="a window that is not used"),
    ],
)
def test_the_context_with_a_sliding_window(changed: dict[str, Any], context: int) -> None:
    assert read_config(config_of(**changed)).context == context


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        pytest.param({"attention_bias": True}, UnsupportedModelError, "attention_bias is True", id="biases elsewhere"),
        pytest.param(
            {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, UnsupportedModelError, "'yarn'", id="other scaling"
        ),
        pytest.param(
            {"rope_scaling": LLAMA3 | {"high_freq_factor": 1.0}}, InvalidConfigError, "high_freq_factor", id="no ramp"
        ),
        pytest.param({"sliding_window": 0}, InvalidConfigError, "sliding_window is 0", id="a window of nothing"),
    ],
)
def test_what_the_engine_does_not_have_is_refused(changed: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        read_config(config_of(**changed))
