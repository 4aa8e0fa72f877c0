"""A model of a few hundred kilobytes, right in every respect, and the means to spoil it."""

import hashlib
import json
import random
from collections.abc import Mapping
from math import prod

WIDTH = 256
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": WIDTH,
    "intermediate_size": 1,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "head_dim": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "vocab_size": 4 * WIDTH,
}
LAYER = {
    "input_layernorm": [WIDTH],
    "mlp.down_proj": [WIDTH, 1],
    "mlp.gate_proj": [1, WIDTH],
    "mlp.up_proj": [1, WIDTH],
    "post_attention_layernorm": [WIDTH],
    "self_attn.k_proj": [2, WIDTH],
    "self_attn.o_proj": [WIDTH, 2],
    "self_attn.q_proj": [2, WIDTH],
    "self_attn.v_proj": [2, WIDTH],
}
TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "WordLevel",
        "vocab": {"[UNK]": 0, "<s>": 1, "</s>": 2, "hello": 3, "world": 4},
        "unk_token": "[UNK]",
    },
}
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def safetensors(tensors: Mapping[str, tuple[str, list[int], bytes]]) -> bytes:
    """Write the format by hand: name → dtype, shape, bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor_bytes(seed: int, count: int) -> bytes:
    return random.Random(seed).randbytes(count)  # noqa: S311 - content that is the same in every run


def chat_model() -> dict[str, bytes]:
    """The files of a chat model: path → content, without SHA256SUMS."""
    layer = {
        f"model.layers.0.{name}.weight": ("BF16", shape, tensor_bytes(3, 2 * prod(shape)))
        for name, shape in LAYER.items()
    }
    weights = safetensors(
        layer
        | {
            "model.embed_tokens.weight": ("BF16", [4 * WIDTH, WIDTH], tensor_bytes(1, 8 * WIDTH * WIDTH)),
            "model.norm.weight": ("F32", [WIDTH], tensor_bytes(2, 4 * WIDTH)),
        }
    )
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": json.dumps(TOKENIZER).encode(),
        "tokenizer_config.json": json.dumps({"chat_template": TEMPLATE}).encode(),
        "model.safetensors": weights,
    }


def with_sums(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Add the SHA256SUMS over the files."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in files.items()]
    return {**files, "SHA256SUMS": "".join(lines).encode()}
