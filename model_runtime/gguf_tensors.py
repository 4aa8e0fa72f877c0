"""The tensors of a GGUF file as those of a folder in Hugging Face's layout: their names, the dtype they are loaded in.

Pure, and without torch; called by `verify` for what it checks, and by `engines.gguf_weights` for what it loads.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from model_runtime.errors import UnsupportedArchitecture
from model_runtime.gguf_header import GgufHeader
from model_runtime.gguf_types import QUANTIZED
from model_runtime.safetensors_header import Tensor

_NAMES: Mapping[str, str] = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_BLOCK = re.compile(r"blk\.(0|[1-9]\d{0,5})\.([a-z_]+)\.weight")
_BLOCK_NAMES: Mapping[str, str] = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# Dequantized values are computed from float16 scales and small integers: bfloat16 holds them within a 256th, far
# finer than the steps they were rounded to, and no activation overflows in it.
_LOADED: Mapping[str, str] = {"F32": "F32", "F16": "F16", "BF16": "BF16"} | dict.fromkeys(sorted(QUANTIZED), "BF16")


def llama_tensors(path: str, header: GgufHeader) -> tuple[Tensor, ...]:
    """Return the tensors of a `llama` by Hugging Face's names, each in the dtype it is loaded in.

    Raises:
        UnsupportedArchitecture: a tensor, or a format, that the engine has no code for.

    """
    return tuple(_renamed(path, tensor) for tensor in header.tensors)


def _renamed(path: str, tensor: Tensor) -> Tensor:
    name = _llama_name(tensor.name)
    if name is None:
        raise UnsupportedArchitecture(f"{path}: tensor {tensor.name!r}: LlamaForCausalLM has no such tensor")
    if tensor.dtype not in _LOADED:
        raise UnsupportedArchitecture(
            f"{path}: tensor {tensor.name!r} is stored as {tensor.dtype}: supported are {', '.join(_LOADED)}"
        )
    return replace(tensor, name=name, dtype=_LOADED[tensor.dtype])


def _llama_name(name: str) -> str | None:
    """Return Hugging Face's name of one of ggml's tensors; None for one that a `llama` does not have."""
    if block := _BLOCK.fullmatch(name):
        inner = _BLOCK_NAMES.get(block[2])
        return inner and f"model.layers.{block[1]}.{inner}.weight"
    return _NAMES.get(name)
