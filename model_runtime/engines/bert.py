"""A BERT-like encoder that gives one vector per text: what lies in a folder of sentence-transformers' layout.

`load` makes a `Bert` of the folder; `embed` maps token lists to vectors. Called by `model_runtime.triton.embedding`.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model_runtime.engines.bert_config import IGNORED, BertConfig, expected_shapes, read_config
from model_runtime.engines.bert_encoder import Encoder, encode, take_encoder
from model_runtime.engines.config import read_json
from model_runtime.engines.placement import Placement
from model_runtime.engines.pooling import pool
from model_runtime.engines.pooling_config import Pooling, read_pooling
from model_runtime.engines.text_batch import lay_out
from model_runtime.engines.weights import load_weights


@dataclass(frozen=True, slots=True)
class Bert:
    """A model ready to run; `context` is the longest text in tokens, special tokens included."""

    encoder: Encoder
    pooling: Pooling
    context: int

    @property
    def config(self) -> BertConfig:
        """The encoder's sizes."""
        return self.encoder.config


def load(folder: Path, placement: Placement) -> Bert:
    """Return the model in a folder of Hugging Face's layout (config.json, safetensors, modules.json)."""
    config = read_config(read_json(folder / "config.json"))
    pooling = read_pooling(folder)
    weights = load_weights(folder, expected_shapes(config), placement, ignored=IGNORED)
    encoder = take_encoder(config, placement, weights)
    return Bert(encoder=encoder, pooling=pooling, context=min(config.context, pooling.max_tokens or config.context))


@torch.inference_mode()
def embed(model: Bert, texts: list[list[int]]) -> Tensor:
    """Return one vector per token list, [B, H] in float32 on the CPU; every list holds 1 to `model.context` tokens."""
    batch = lay_out(texts, model.encoder.placement.device)
    vectors = pool(model.pooling, batch, encode(model.encoder, batch).float())
    return batch.in_callers_order(vectors).cpu()
