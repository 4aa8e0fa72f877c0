"""A BERT-like encoder, to be read from top to bottom: weights, then the way of a batch of texts to a vector per token.

`take_encoder` makes one of loaded weights; `encode` runs a `TextBatch`, where only attention looks at texts one by one,
so a text's vectors do not depend on its neighbours. Used by `bert` (embeddings) and `classifier`.
Letters in shapes: N tokens of all texts, G texts of a group, L its longest, H hidden, A heads, D head size, F
feed-forward.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from model_runtime.engines.bert_config import BertConfig
from model_runtime.engines.linear import Activation, Linear, make_linear
from model_runtime.engines.placement import Placement
from model_runtime.engines.text_batch import TextBatch


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer normalisation with its own scale and shift."""

    weight: Tensor  # [H]
    bias: Tensor  # [H]


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights of one block; query, key and value are one matrix, so that they are one product."""

    qkv: Linear  # H -> 3H
    output: Linear  # H -> H
    output_norm: Norm
    intermediate: Linear  # H -> F, and GELU
    down: Linear  # F -> H
    down_norm: Norm


@dataclass(frozen=True, slots=True)
class Encoder:
    """The weights, on their device."""

    config: BertConfig
    placement: Placement
    words: Tensor  # [vocabulary, H]
    positions: Tensor  # [context, H], with the embedding of token type 0 added
    norm: Norm
    layers: tuple[Layer, ...]


def take_encoder(config: BertConfig, placement: Placement, weights: dict[str, Tensor], prefix: str = "") -> Encoder:
    """Return the encoder of the weights whose names begin with the prefix, and take them out of the dictionary.

    What a layer lays out anew is given back at once, so that loading takes the memory of one layer more.
    """
    embeddings = f"{prefix}embeddings"
    positions = weights.pop(f"{embeddings}.position_embeddings.weight")[config.unused_positions :]
    if config.token_types:
        positions = positions.float() + weights.pop(f"{embeddings}.token_type_embeddings.weight")[0]
    return Encoder(
        config=config,
        placement=placement,
        words=weights.pop(f"{embeddings}.word_embeddings.weight"),
        positions=positions.float(),
        norm=_take_norm(weights, f"{embeddings}.LayerNorm"),
        layers=tuple(
            _take_layer(config, weights, f"{prefix}{config.names.layer}.{index}") for index in range(config.layers)
        ),
    )


def take_linear(weights: dict[str, Tensor], *names: str, activation: Activation = Activation.NONE) -> Linear:
    """Take the weights and biases of these names out of the dictionary, as one layer: outputs one after the other."""
    matrix, bias = (torch.cat([weights.pop(f"{name}.{kind}") for name in names]) for kind in ("weight", "bias"))
    return make_linear(matrix, bias, activation)


def _take_norm(weights: dict[str, Tensor], prefix: str) -> Norm:
    return Norm(*(weights.pop(f"{prefix}.{kind}").float() for kind in ("weight", "bias")))


def _take_layer(config: BertConfig, weights: dict[str, Tensor], prefix: str) -> Layer:
    names = {part: f"{prefix}.{name}" for part, name in config.names.parts.items()}
    return Layer(
        qkv=take_linear(weights, names["query"], names["key"], names["value"]),
        output=take_linear(weights, names["output"]),
        output_norm=_take_norm(weights, names["output_norm"]),
        intermediate=take_linear(weights, names["intermediate"], activation=Activation.GELU),
        down=take_linear(weights, names["down"]),
        down_norm=_take_norm(weights, names["down_norm"]),
    )


def encode(model: Encoder, batch: TextBatch) -> Tensor:
    """Return the vector of each token of the batch, [N, H] in float32.

    Products are in the placement's dtype; sums and norms are in float32, which costs little and holds the cosine to
    the reference above 0.9999 where bfloat16 alone does not.
    """
    config, dtype = model.config, model.placement.dtype
    embedded = F.embedding(batch.ids, model.words).float() + F.embedding(batch.positions, model.positions)
    x = _norm(config, embedded, model.norm)
    for layer in model.layers:
        x = _norm(config, x + layer.output(_attention(config, layer, x.to(dtype), batch)), layer.output_norm)
        x = _norm(config, x + layer.down(layer.intermediate(x.to(dtype))), layer.down_norm)
    return x


def _norm(config: BertConfig, x: Tensor, norm: Norm) -> Tensor:
    return F.layer_norm(x, (config.hidden,), norm.weight, norm.bias, config.norm_eps)


def _attention(config: BertConfig, layer: Layer, x: Tensor, batch: TextBatch) -> Tensor:
    """Attend within each text: x [N, H] -> [N, H]."""
    qkv = layer.qkv(x).view(x.shape[0], 3, config.heads, -1)  # [N, 3, A, D]
    mixed = []
    for group in batch.groups:
        q, k, v = group.pad(qkv).permute(2, 0, 3, 1, 4)  # each [G, A, L, D]
        one = F.scaled_dot_product_attention(q, k, v, attn_mask=group.mask)
        mixed.append(group.unpad(one.transpose(1, 2).flatten(2)))
    return torch.cat(mixed)
