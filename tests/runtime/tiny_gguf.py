"""A GGUF model of 0.6 MB, right in every respect, and the means to spoil it: metadata and tensors by name."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, quantize
from gguf.constants import GGML_QUANT_SIZES
from tokenizers import pre_tokenizers

from tests.runtime.fetch.tiny import TEMPLATE
from tests.runtime.gguf_files import write

F32, F16, BF16, Q8_0 = (GGMLQuantizationType[name] for name in ("F32", "F16", "BF16", "Q8_0"))
WIDTH, QUERY_HEADS, KV_HEADS, HEAD = 256, 4, 2, 64
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
TOKENS = [*BYTES, "he", "Ġhe", "<s>", "</s>", "<extra>"]
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
METADATA: Mapping[str, Any] = {
    "general.quantization_version": 2,
    "llama.attention.head_count": QUERY_HEADS,
    "llama.attention.head_count_kv": KV_HEADS,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.block_count": 1,
    "llama.context_length": 64,
    "llama.embedding_length": WIDTH,
    "llama.feed_forward_length": WIDTH,
    "llama.rope.dimension_count": HEAD,
    "llama.rope.freq_base": 10000.0,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [NORMAL] * 258 + [CONTROL, CONTROL, USER_DEFINED],
    "tokenizer.ggml.merges": ["h e", "Ġ he"],
    "tokenizer.ggml.bos_token_id": 258,
    "tokenizer.ggml.eos_token_id": 259,
    "tokenizer.chat_template": TEMPLATE,
}
SHAPES: Mapping[str, tuple[int, ...]] = {
    "token_embd.weight": (len(TOKENS), WIDTH),
    "blk.0.attn_norm.weight": (WIDTH,),
    "blk.0.attn_q.weight": (QUERY_HEADS * HEAD, WIDTH),
    "blk.0.attn_k.weight": (KV_HEADS * HEAD, WIDTH),
    "blk.0.attn_v.weight": (KV_HEADS * HEAD, WIDTH),
    "blk.0.attn_output.weight": (WIDTH, QUERY_HEADS * HEAD),
    "blk.0.ffn_norm.weight": (WIDTH,),
    "blk.0.ffn_gate.weight": (WIDTH, WIDTH),
    "blk.0.ffn_up.weight": (WIDTH, WIDTH),
    "blk.0.ffn_down.weight": (WIDTH, WIDTH),
    "output_norm.weight": (WIDTH,),
}
Tensors = Mapping[str, tuple[Any, GGMLQuantizationType]]


def tensors(kind: GGMLQuantizationType = Q8_0) -> dict[str, tuple[Any, GGMLQuantizationType]]:
    """Tensors by name: matrices in a format, vectors as float32."""
    random = np.random.default_rng(1)
    return {name: tensor(random, shape, kind if len(shape) > 1 else F32) for name, shape in SHAPES.items()}


def tensor(random: np.random.Generator, shape: tuple[int, ...], kind: GGMLQuantizationType) -> tuple[Any, Any]:
    if kind in {F32, F16, BF16, Q8_0}:
        return quantize(random.standard_normal(shape).astype(np.float32), kind), kind
    # The library does not quantize to every format. Any bytes are blocks of one; without this bit no scale is infinite.
    elements, size = GGML_QUANT_SIZES[kind]
    return random.integers(0, 256, (*shape[:-1], shape[-1] // elements * size), np.uint8) & 0xBF, kind


def header_only(metadata: Mapping[str, Any]) -> bytes:
    """A file with this metadata and one tensor of one row, to be read but not to be served."""
    with tempfile.TemporaryDirectory() as folder:
        norm = {"output_norm.weight": (np.zeros(8, np.float32), F32)}
        return write(Path(folder) / "m.gguf", metadata, norm).read_bytes()


def tiny_gguf(metadata: Mapping[str, Any] | None = None, changed: Mapping[str, Any] | None = None) -> bytes:
    """The file; None as a value takes a key or a tensor away."""
    wanted = {key: value for key, value in {**METADATA, **(metadata or {})}.items() if value is not None}
    content = {name: value for name, value in {**tensors(), **(changed or {})}.items() if value is not None}
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "m.gguf", wanted, content).read_bytes()
