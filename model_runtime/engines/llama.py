"""A Llama-like decoder, to be read from top to bottom: weights, forward; its sizes are in `llama_config`.

`load` makes a `Llama` from a folder; `forward` runs the next tokens of several sequences at once, whole prompts, parts
of them or one token each, against the blocks of a `KVCache`, and returns the logits after each sequence's last token.
A step of few rows on a CPU goes to the compiled step (`model_runtime.native`), everything else through torch.
Called by `model_runtime.engines.scheduler`.
Letters in shapes: L layers, H hidden, Q query heads, K key/value heads, G = Q / K, D head size, F feed-forward,
V vocabulary, R sequences of this call, T their tokens, P tokens of one sequence so far, S tokens in a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from model_runtime.engines.config import read_json
from model_runtime.engines.kv_cache import BLOCK_TOKENS, KVCache
from model_runtime.engines.llama_config import LlamaConfig, expected_shapes, ignored_tensors, read_config
from model_runtime.engines.placement import Placement
from model_runtime.engines.rope import inverse_frequencies
from model_runtime.engines.weights import load_weights
from model_runtime.native.library import LayerWeights, NativeDecoder, Rows, Sizes, native_decoder

# Beyond so many rows torch's products are faster than the compiled step's (docs/decisions/0014).
NATIVE_ROWS = 64


@dataclass(frozen=True, slots=True)
class Llama:
    """A model ready to run; query, key and value are one matrix of a layer, gate and up another."""

    config: LlamaConfig
    placement: Placement
    embedding: Tensor  # [V, H]
    layers: tuple[LayerWeights, ...]
    norm: Tensor  # [H]
    head: Tensor  # [V, H]
    inverse_frequencies: Tensor  # [D / 2]
    native: NativeDecoder | None


@dataclass(frozen=True, slots=True)
class Span:
    """The next tokens of one sequence: they come after `start` tokens that the blocks already hold."""

    tokens: Sequence[int]
    start: int
    blocks: Sequence[int]  # those of all tokens up to the last of these


def load(folder: Path, placement: Placement) -> Llama:
    """Return the model in a folder of Hugging Face's layout (config.json, safetensors)."""
    config = read_config(read_json(folder / "config.json"))
    weights = load_weights(folder, expected_shapes(config), placement, ignored=ignored_tensors(config))
    embedding, norm = weights["model.embed_tokens.weight"], weights["model.norm.weight"]
    head = embedding if config.tied else weights["lm_head.weight"]
    layers = tuple(_take_layer(config, weights, f"model.layers.{index}") for index in range(config.layers))
    frequencies = torch.tensor(inverse_frequencies(config.rope, config.head_size), dtype=torch.float32)
    return Llama(
        config=config,
        placement=placement,
        embedding=embedding,
        layers=layers,
        norm=norm,
        head=head,
        inverse_frequencies=frequencies.to(placement.device),
        native=native_decoder(_sizes(config), layers, (embedding, norm, head)),
    )


def _take_layer(config: LlamaConfig, weights: dict[str, Tensor], prefix: str) -> LayerWeights:
    """Build a block, taking its tensors out of the dictionary: the separate copies are freed layer by layer."""

    def take(*names: str) -> Tensor:
        return torch.cat([weights.pop(f"{prefix}.{name}") for name in names])

    projections = [f"self_attn.{name}_proj" for name in "qkv"]
    return LayerWeights(
        attention_norm=take("input_layernorm.weight"),
        qkv=take(*(f"{name}.weight" for name in projections)),
        qkv_bias=take(*(f"{name}.bias" for name in projections)) if config.qkv_bias else None,
        q_norm=take("self_attn.q_norm.weight") if config.head_norms else None,
        k_norm=take("self_attn.k_norm.weight") if config.head_norms else None,
        output=take("self_attn.o_proj.weight"),
        feed_forward_norm=take("post_attention_layernorm.weight"),
        gate_up=take("mlp.gate_proj.weight", "mlp.up_proj.weight"),
        down=take("mlp.down_proj.weight"),
    )


def _sizes(config: LlamaConfig) -> Sizes:
    return Sizes(
        hidden=config.hidden,
        query_heads=config.query_heads,
        kv_heads=config.kv_heads,
        head_size=config.head_size,
        feed_forward=config.feed_forward,
        vocabulary=config.vocabulary,
        norm_eps=config.norm_eps,
        max_rows=NATIVE_ROWS,
    )


@torch.inference_mode()
def forward(model: Llama, spans: Sequence[Span], cache: KVCache) -> Tensor:
    """Run the spans' tokens, writing their keys and values; return the logits after each span, [R, V] in float32."""
    batch = _lay_out(model, spans)
    if model.native is not None and len(batch.tokens) <= model.native.max_rows:
        return _run_native(model.native, batch, cache)
    x = F.embedding(batch.tokens, model.embedding)  # [T, H]
    for index, layer in enumerate(model.layers):
        x = x + _attention(model, layer, x, batch, KVCache(cache.keys[index], cache.values[index]))
        x = x + _feed_forward(model.config, layer, x)
    return F.linear(_norm(model.config, x[batch.ends], model.norm), model.head).float()


@dataclass(frozen=True, slots=True)
class _Batch:
    """The spans of one call, laid out one after the other."""

    spans: Sequence[Span]
    tokens: Tensor  # [T]
    positions: Tensor  # [T]
    ends: Tensor  # [R]: the last token of each span
    tables: Tensor  # [R, blocks]: the blocks of each span, padded with 0
    rows: Tensor  # [T]: the span of each token
    cos: Tensor  # [T, D / 2]
    sin: Tensor  # [T, D / 2]


def _lay_out(model: Llama, spans: Sequence[Span]) -> _Batch:
    device, width = model.placement.device, max(len(span.blocks) for span in spans)
    lengths = [len(span.tokens) for span in spans]

    def integers(values: list[int] | list[list[int]]) -> Tensor:
        return torch.tensor(values, dtype=torch.int32, device=device)

    positions = integers([position for span in spans for position in range(span.start, span.start + len(span.tokens))])
    angles = torch.outer(positions.float(), model.inverse_frequencies)
    return _Batch(
        spans=spans,
        tokens=integers([token for span in spans for token in span.tokens]),
        positions=positions,
        ends=integers([end - 1 for end in accumulate(lengths)]),
        tables=integers([[*span.blocks, *(0,) * (width - len(span.blocks))] for span in spans]),
        rows=integers([row for row, length in enumerate(lengths) for _ in range(length)]),
        cos=angles.cos(),
        sin=angles.sin(),
    )


def _run_native(native: NativeDecoder, batch: _Batch, cache: KVCache) -> Tensor:
    rows = Rows(batch.tokens, batch.positions, batch.tables[batch.rows], batch.ends)
    return native.step(rows, (batch.cos, batch.sin), (cache.keys, cache.values))


def _norm(config: LlamaConfig, x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, (weight.shape[0],), weight, config.norm_eps)


def _rotate(x: Tensor, batch: _Batch) -> Tensor:
    """Turn heads [T, heads, D] by their positions, in the halves' order of Hugging Face's checkpoints."""
    cos, sin = (part.repeat(1, 2)[:, None, :].to(x.dtype) for part in (batch.cos, batch.sin))  # [T, 1, D]
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


def _attention(model: Llama, layer: LayerWeights, x: Tensor, batch: _Batch, cache: KVCache) -> Tensor:
    """Write the tokens' keys and values into a layer's cache, [N, K, S, D] each, and attend: x [T, H] -> [T, H]."""
    config = model.config
    qkv = F.linear(_norm(config, x, layer.attention_norm), layer.qkv, layer.qkv_bias)
    heads = [config.query_heads, config.kv_heads, config.kv_heads]
    q, k, v = torch.split(qkv.view(len(x), -1, config.head_size), heads, 1)
    if layer.q_norm is not None and layer.k_norm is not None:
        q, k = _norm(config, q, layer.q_norm), _norm(config, k, layer.k_norm)
    q, k = _rotate(q, batch), _rotate(k, batch)  # [T, Q, D], [T, K, D]
    positions = batch.positions.long()
    blocks, places = batch.tables[batch.rows, positions // BLOCK_TOKENS].long(), positions % BLOCK_TOKENS
    cache.keys[blocks, :, places] = k
    cache.values[blocks, :, places] = v
    attend = _attend_rows if len(batch.spans) == len(x) else _attend_spans
    return F.linear(attend(q, batch, cache).reshape(len(x), -1), layer.output)


def _attend_spans(q: Tensor, batch: _Batch, cache: KVCache) -> Tensor:
    """Attend causally, one span after the other: q [T, Q, D] -> [T, Q, D]."""
    lengths = [len(span.tokens) for span in batch.spans]
    mixed = [_attend_span(part, span, cache) for part, span in zip(torch.split(q, lengths), batch.spans, strict=True)]
    return torch.cat(mixed)


def _attend_span(q: Tensor, span: Span, cache: KVCache) -> Tensor:
    end = span.start + len(span.tokens)
    blocks = torch.tensor(span.blocks, device=q.device)
    keys, values = (_gather(part, blocks)[:, :end] for part in (cache.keys, cache.values))  # [K, P, D]
    # Every token sees what came before the span, and of the span what is not after itself.
    mask = None if span.start == 0 else torch.ones(len(q), end, dtype=torch.bool, device=q.device).tril(span.start)
    mixed = F.scaled_dot_product_attention(
        q.transpose(0, 1)[None],
        keys[None],
        values[None],
        attn_mask=mask,
        is_causal=mask is None,
        enable_gqa=True,
    )
    return mixed[0].transpose(0, 1)


def _gather(pool: Tensor, blocks: Tensor) -> Tensor:
    """Return what some blocks [n] hold, or those of several sequences [R, n]: [..., K, n S, D]."""
    found = pool[blocks].transpose(-4, -3)  # [..., K, n, S, D]
    return found.reshape(*found.shape[:-3], -1, found.shape[-1])


def _attend_rows(q: Tensor, batch: _Batch, cache: KVCache) -> Tensor:
    """Attend from one token of each sequence to all of its tokens: q [R, Q, D] -> [R, Q, D]."""
    keys, values = (_gather(part, batch.tables.long()) for part in (cache.keys, cache.values))  # [R, K, P, D]
    groups = q.view(len(q), keys.shape[1], -1, q.shape[-1])  # [R, K, G, D]
    scores = (groups @ keys.transpose(2, 3)).float() * float(q.shape[-1] ** -0.5)  # [R, K, G, P]
    beyond = torch.arange(keys.shape[2], device=q.device) > batch.positions[:, None]  # [R, P]
    weights = scores.masked_fill(beyond[:, None, None], -torch.inf).softmax(dim=-1).to(q.dtype)
    # What a block never held may be no number, and zero times that is none either.
    values = values.masked_fill(beyond[:, None, :, None], 0)
    return (weights @ values).view(q.shape)


def _feed_forward(config: LlamaConfig, layer: LayerWeights, x: Tensor) -> Tensor:
    normed = _norm(config, x, layer.feed_forward_norm)
    gate, up = F.linear(normed, layer.gate_up).chunk(2, dim=-1)  # [T, F] each
    return F.linear(F.silu(gate) * up, layer.down)
