"""A BERT-like encoder that gives one vector per text, to be read from top to bottom: weights, forward, pooling.

`load` makes a `Bert` from a folder in the layout of sentence-transformers; `embed` maps token lists to vectors. A batch
runs unpadded: all tokens lie one after the other, and only attention and pooling look at one text at a time, so a
text's vector does not depend on its neighbours. Called by `model_runtime.triton.embedding`.
Letters in shapes: B texts, N tokens of all texts, T tokens of one, H hidden, A heads, D head size, F feed-forward.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from model_runtime.engines.bert_config import IGNORED, BertConfig, expected_shapes, read_config
from model_runtime.engines.config import read_json
from model_runtime.engines.linear import Linear, make_linear
from model_runtime.engines.placement import Placement
from model_runtime.engines.pooling import pool
from model_runtime.engines.pooling_config import Pooling, read_pooling
from model_runtime.engines.weights import load_weights


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
    intermediate: Linear  # H -> F
    down: Linear  # F -> H
    down_norm: Norm


@dataclass(frozen=True, slots=True)
class Bert:
    """A model ready to run; `context` is the longest text in tokens, special tokens included."""

    config: BertConfig
    placement: Placement
    words: Tensor  # [vocabulary, H]
    positions: Tensor  # [positions, H], with the embedding of token type 0 added
    norm: Norm
    layers: tuple[Layer, ...]
    pooling: Pooling
    context: int


def load(folder: Path, placement: Placement) -> Bert:
    """Return the model in a folder of Hugging Face's layout (config.json, safetensors, modules.json)."""
    config = read_config(read_json(folder / "config.json"))
    pooling = read_pooling(folder)
    weights = load_weights(folder, expected_shapes(config), placement, ignored=IGNORED)
    positions = weights["embeddings.position_embeddings.weight"]
    return Bert(
        config=config,
        placement=placement,
        words=weights["embeddings.word_embeddings.weight"],
        positions=positions + weights["embeddings.token_type_embeddings.weight"][0],
        norm=_take_norm(weights, "embeddings.LayerNorm"),
        layers=tuple(_take_layer(weights, f"encoder.layer.{index}") for index in range(config.layers)),
        pooling=pooling,
        context=min(config.positions, pooling.max_tokens or config.positions),
    )


def _take_norm(weights: dict[str, Tensor], prefix: str) -> Norm:
    return Norm(weight=weights[f"{prefix}.weight"], bias=weights[f"{prefix}.bias"])


def _take_layer(weights: dict[str, Tensor], prefix: str) -> Layer:
    def take(*names: str) -> Linear:
        matrix, bias = (
            torch.cat([weights[f"{prefix}.{name}.{kind}"] for name in names]) for kind in ("weight", "bias")
        )
        return make_linear(matrix, bias)

    return Layer(
        qkv=take("attention.self.query", "attention.self.key", "attention.self.value"),
        output=take("attention.output.dense"),
        output_norm=_take_norm(weights, f"{prefix}.attention.output.LayerNorm"),
        intermediate=take("intermediate.dense"),
        down=take("output.dense"),
        down_norm=_take_norm(weights, f"{prefix}.output.LayerNorm"),
    )


@torch.inference_mode()
def embed(model: Bert, texts: list[list[int]]) -> Tensor:
    """Return one vector per token list, [B, H] in float32 on the CPU; every list holds 1 to `model.context` tokens."""
    lengths = [len(tokens) for tokens in texts]
    ids = torch.tensor([token for tokens in texts for token in tokens], device=model.placement.device)  # [N]
    positions = torch.cat([torch.arange(length, device=ids.device) for length in lengths])  # [N]
    x = F.embedding(ids, model.words) + F.embedding(positions, model.positions)  # [N, H]
    x = _norm(model.config, x, model.norm)
    for layer in model.layers:
        x = _norm(model.config, x + layer.output(_attention(model.config, layer, x, lengths)), layer.output_norm)
        x = _norm(model.config, x + layer.down(F.gelu(layer.intermediate(x))), layer.down_norm)
    return torch.stack([pool(model.pooling, hidden.float()) for hidden in torch.split(x, lengths)]).cpu()


def _norm(config: BertConfig, x: Tensor, norm: Norm) -> Tensor:
    return F.layer_norm(x, (config.hidden,), norm.weight, norm.bias, config.norm_eps)


def _attention(config: BertConfig, layer: Layer, x: Tensor, lengths: list[int]) -> Tensor:
    """Attend within each text: x [N, H] -> [N, H]."""
    qkv = layer.qkv(x).view(x.shape[0], 3, config.heads, -1).permute(1, 2, 0, 3)  # [3, A, N, D]
    mixed = [
        F.scaled_dot_product_attention(q, k, v) for q, k, v in (part[:, None] for part in torch.split(qkv, lengths, 2))
    ]
    return torch.cat(mixed, dim=2)[0].transpose(0, 1).reshape(x.shape)
