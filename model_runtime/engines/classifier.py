"""A sequence classifier: an encoder, and a head of two layers over the vector of each text's first token.

`load` makes a `Classifier` of a folder; `classify` maps token lists to probabilities. Called by
`model_runtime.triton.classification`. Letters in shapes: B texts, H hidden, C labels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model_runtime.engines.bert_encoder import Encoder, encode, take_encoder, take_linear
from model_runtime.engines.classifier_config import (
    ClassifierConfig,
    Kind,
    expected_shapes,
    ignored_tensors,
    read_config,
)
from model_runtime.engines.config import read_json
from model_runtime.engines.linear import Linear
from model_runtime.engines.placement import Placement
from model_runtime.engines.text_batch import lay_out
from model_runtime.engines.weights import load_weights

_BETWEEN: Mapping[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model ready to run; `context` is the longest text in tokens, special tokens included."""

    config: ClassifierConfig
    encoder: Encoder
    first: Linear  # H -> H
    between: Callable[[Tensor], Tensor]
    last: Linear  # H -> C

    @property
    def context(self) -> int:
        """The longest text in tokens."""
        return self.config.encoder.context


def load(folder: Path, placement: Placement) -> Classifier:
    """Return the model in a folder of Hugging Face's layout (config.json, safetensors)."""
    config = read_config(read_json(folder / "config.json"))
    weights = load_weights(folder, expected_shapes(config), placement, ignored=ignored_tensors(config))
    names = config.encoder.names
    return Classifier(
        config=config,
        encoder=take_encoder(config.encoder, placement, weights, names.prefix),
        first=take_linear(weights, names.head.first),
        between=_BETWEEN[names.head.between],
        last=take_linear(weights, names.head.last),
    )


@torch.inference_mode()
def scores(model: Classifier, texts: list[list[int]]) -> Tensor:
    """Return the logits [B, C] in float32 on the CPU; every list holds 1 to `model.context` tokens."""
    placement = model.encoder.placement
    batch = lay_out(texts, placement.device)
    first = encode(model.encoder, batch)[batch.starts].to(placement.dtype)
    logits = model.last(model.between(model.first(first)))
    return batch.in_callers_order(logits.float()).cpu()


def classify(model: Classifier, texts: list[list[int]]) -> Tensor:
    """Return the probability of each label, [B, C]; they sum to one where one label excludes the others."""
    logits = scores(model, texts)
    return logits.softmax(dim=1) if model.config.kind is Kind.SINGLE else logits.sigmoid()
