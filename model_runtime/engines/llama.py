"""A Llama-like decoder, to be read from top to bottom: weights, KV cache, forward; its sizes are in `llama_config`.

`load` makes a `Llama` from a folder; `prefill` runs a prompt into a fresh cache, `decode_one_token` one more token;
both return the logits of the next token. Called by `model_runtime.engines.generate`.
Letters in shapes: L layers, H hidden, Q query heads, K key/value heads, G = Q / K, D head size, T tokens of this call,
P tokens in the cache, S its size, F feed-forward, V vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from model_runtime.engines.config import read_json
from model_runtime.engines.linear import Linear, make_linear
from model_runtime.engines.llama_config import LlamaConfig, expected_shapes, ignored_tensors, read_config
from model_runtime.engines.placement import Placement
from model_runtime.engines.weights import load_weights


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights of one block; query, key and value are one matrix, gate and up another, so that each is one product."""

    attention_norm: Tensor  # [H]
    qkv: Linear  # H -> (Q + 2K) D
    output: Linear  # Q D -> H
    feed_forward_norm: Tensor  # [H]
    gate_up: Linear  # H -> 2F
    down: Linear  # F -> H


@dataclass(frozen=True, slots=True)
class Llama:
    """A model ready to run."""

    config: LlamaConfig
    placement: Placement
    embedding: Tensor  # [V, H]
    layers: tuple[Layer, ...]
    norm: Tensor  # [H]
    head: Linear  # H -> V
    inverse_frequencies: Tensor  # [D / 2]


@dataclass(frozen=True, slots=True)
class KVCache:
    """Keys and values of one sequence; its tensors are written in place."""

    keys: Tensor  # [L, K, S, D]
    values: Tensor  # [L, K, S, D]


def load(folder: Path, placement: Placement) -> Llama:
    """Return the model in a folder of Hugging Face's layout (config.json, safetensors)."""
    config = read_config(read_json(folder / "config.json"))
    weights = load_weights(folder, expected_shapes(config), placement, ignored=ignored_tensors(config))
    embedding = weights["model.embed_tokens.weight"]
    exponents = torch.arange(0, config.head_size, 2, dtype=torch.float32) / config.head_size
    return Llama(
        config=config,
        placement=placement,
        embedding=embedding,
        layers=tuple(_take_layer(weights, f"model.layers.{index}") for index in range(config.layers)),
        norm=weights["model.norm.weight"],
        head=make_linear(embedding if config.tied else weights["lm_head.weight"]),
        inverse_frequencies=(1.0 / config.rope_theta**exponents).to(placement.device),
    )


def _take_layer(weights: dict[str, Tensor], prefix: str) -> Layer:
    """Build a block, taking its tensors out of the dictionary: the separate copies are freed layer by layer."""

    def take(*names: str) -> Tensor:
        return torch.cat([weights.pop(f"{prefix}.{name}.weight") for name in names])

    return Layer(
        attention_norm=take("input_layernorm"),
        qkv=make_linear(take("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
        output=make_linear(take("self_attn.o_proj")),
        feed_forward_norm=take("post_attention_layernorm"),
        gate_up=make_linear(take("mlp.gate_proj", "mlp.up_proj")),
        down=make_linear(take("mlp.down_proj")),
    )


def allocate_cache(model: Llama, size: int) -> KVCache:
    """Return an empty cache for a sequence of up to `size` tokens; the memory is touched only as it fills."""
    shape = (model.config.layers, model.config.kv_heads, size, model.config.head_size)
    keys, values = (torch.empty(shape, dtype=model.placement.dtype, device=model.placement.device) for _ in range(2))
    return KVCache(keys=keys, values=values)


def prefill(model: Llama, tokens: list[int], cache: KVCache) -> Tensor:
    """Run a prompt into an empty cache; return the logits after its last token, [V]."""
    return _forward(model, tokens, 0, cache)


def decode_one_token(model: Llama, token: int, position: int, cache: KVCache) -> Tensor:
    """Run one token at `position` (tokens already in the cache); return the logits after it, [V]."""
    return _forward(model, [token], position, cache)


@dataclass(frozen=True, slots=True)
class _Span:
    """The positions of one call: the first of them, and the cosines and sines of all, [T, 1, D]."""

    start: int
    cos: Tensor
    sin: Tensor


@torch.inference_mode()
def _forward(model: Llama, tokens: list[int], start: int, cache: KVCache) -> Tensor:
    ids = torch.tensor(tokens, device=model.placement.device)  # [T]
    x = F.embedding(ids, model.embedding)  # [T, H]
    span = _rotary_span(model, start, len(tokens))
    for index, layer in enumerate(model.layers):
        x = x + _attention(model.config, layer, x, span, (cache.keys[index], cache.values[index]))
        x = x + _feed_forward(model.config, layer, x)
    logits: Tensor = model.head(_norm(model.config, x[-1:], model.norm))[0]  # [V]
    return logits


def _norm(config: LlamaConfig, x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, (config.hidden,), weight, config.norm_eps)


def _rotary_span(model: Llama, start: int, count: int) -> _Span:
    """Return the rotations of the positions, in the halves' order of Hugging Face's checkpoints."""
    positions = torch.arange(start, start + count, device=model.placement.device, dtype=torch.float32)
    angles = torch.outer(positions, model.inverse_frequencies).repeat(1, 2)[:, None, :]  # [T, 1, D]
    return _Span(start, angles.cos().to(model.placement.dtype), angles.sin().to(model.placement.dtype))


def _rotate(x: Tensor, span: _Span) -> Tensor:
    """Apply rotary positions (arXiv:2104.09864) to heads, [T, heads, D]."""
    left, right = x.chunk(2, dim=-1)
    return x * span.cos + torch.cat((-right, left), dim=-1) * span.sin


def _attention(config: LlamaConfig, layer: Layer, x: Tensor, span: _Span, cache: tuple[Tensor, Tensor]) -> Tensor:
    """Write the tokens' keys and values, [K, S, D] each, and attend to all so far: x [T, H] -> [T, H]."""
    count, end = x.shape[0], span.start + x.shape[0]
    qkv = layer.qkv(_norm(config, x, layer.attention_norm)).view(count, -1, config.head_size)  # [T, Q + 2K, D]
    rotated = _rotate(qkv[:, : config.query_heads + config.kv_heads], span)
    q = rotated[:, : config.query_heads]  # [T, Q, D]
    keys, values = cache
    keys[:, span.start : end] = rotated[:, config.query_heads :].transpose(0, 1)
    values[:, span.start : end] = qkv[:, -config.kv_heads :].transpose(0, 1)
    attend = _attend_one if count == 1 else _attend_prompt
    return layer.output(attend(q, keys[:, :end], values[:, :end]).reshape(count, -1))


def _attend_prompt(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend causally from every token of the prompt: q [T, Q, D], keys and values [K, T, D] -> [T, Q, D]."""
    mixed = F.scaled_dot_product_attention(
        q.transpose(0, 1)[None], keys[None], values[None], is_causal=True, enable_gqa=True
    )
    return mixed[0].transpose(0, 1)


def _attend_one(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend from one token to the cache: q [1, Q, D], keys and values [K, P, D] -> [1, Q, D].

    Two products and a softmax beat the fused kernel at one row on a CPU.
    """
    groups = q.view(keys.shape[0], -1, q.shape[-1])  # [K, G, D]
    scores = (groups @ keys.transpose(1, 2)) * float(q.shape[-1] ** -0.5)  # [K, G, P]
    return (scores.softmax(dim=-1) @ values).view(1, -1, q.shape[-1])


def _feed_forward(config: LlamaConfig, layer: Layer, x: Tensor) -> Tensor:
    gate, up = layer.gate_up(_norm(config, x, layer.feed_forward_norm)).chunk(2, dim=-1)  # [T, F] each
    return layer.down(F.silu(gate) * up)
