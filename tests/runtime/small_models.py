"""Small models with random weights, made where a test asks: classifiers of each family, and models of tensors.

Each folder is what a user would publish. The classifiers are written by the reference library; the tensor models have
their twins in `torch.nn`, which `twin` returns.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

from tests.runtime.corpus.building import tokenizer

_SIZES: dict[str, Any] = {"vocab_size": 40, "max_position_embeddings": 64}
_BERT = _SIZES | {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_DISTILBERT = _SIZES | {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}
CLASSIFIERS = {
    "bert": (BertForSequenceClassification, BertConfig, _BERT),
    "roberta": (RobertaForSequenceClassification, RobertaConfig, _BERT | {"pad_token_id": 1}),
    "xlm-roberta": (XLMRobertaForSequenceClassification, XLMRobertaConfig, _BERT | {"pad_token_id": 1}),
    "distilbert": (DistilBertForSequenceClassification, DistilBertConfig, _DISTILBERT),
}
ENCODERS = {
    "bert": (BertModel, BertConfig, _BERT),
    "roberta": (RobertaModel, RobertaConfig, _BERT | {"pad_token_id": 1}),
    "xlm-roberta": (XLMRobertaModel, XLMRobertaConfig, _BERT | {"pad_token_id": 1}),
    "distilbert": (DistilBertModel, DistilBertConfig, _DISTILBERT),
}


def make_by_reference(folder: Path, row: tuple[Any, Any, dict[str, Any]], **settings: object) -> PreTrainedModel:
    """Write a model of one of the tables above, and return the reference library's own."""
    kind, config, sizes = row
    torch.manual_seed(7)
    model = kind(config(**sizes, **settings)).eval()
    for parameter in model.parameters():
        # As initialized, biases are zero and norms do nothing: nobody would see them missing.
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(tokenizer())
    return model  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """A normalised perceptron with three layers of numbers in, three probabilities out."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.first, self.last = nn.LayerNorm(6), nn.Linear(6, 10), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.last(torch.nn.functional.gelu(self.first(self.norm(x)))), dim=-1)


class Cnn(nn.Module):
    """A small network for images, with a residual block and normalised batches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.block, self.head = nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.Linear(8 * 4 * 4, 5)
        self.norm.running_mean, self.norm.running_var = torch.randn(8), torch.rand(8) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(x + self.block(x))
        return self.head(torch.max_pool2d(x, 2).flatten(1))  # type: ignore[no-any-return]


class Words(nn.Module):
    """Indices of words and a row of numbers in, a score and a vector out: two inputs, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.mix = nn.Embedding(20, 4), nn.Conv1d(5, 4, 2)
        self.norm, self.out = nn.RMSNorm(3, eps=1e-6), nn.Linear(4, 1, bias=False)

    def forward(self, words: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        mixed = self.norm(torch.tanh(self.mix(self.table(words))))
        vector = mixed.mean(dim=2) * torch.sigmoid(numbers)
        return self.out(vector), vector


MLP = {
    "inputs": [{"name": "features", "dtype": "Float32", "shape": [-1, 6]}],
    "outputs": [{"name": "probabilities", "dtype": "Float32", "shape": [-1, 3]}],
    "layers": [
        {"type": "LayerNorm", "weight": "norm.weight", "bias": "norm.bias"},
        {"type": "Linear", "weight": "first.weight", "bias": "first.bias"},
        {"type": "GELU"},
        {"type": "Linear", "weight": "last.weight", "bias": "last.bias"},
        {"type": "Softmax"},
    ],
}
CNN = {
    "inputs": [{"name": "image", "dtype": "UInt8", "shape": [-1, 1, 8, 8]}],
    "outputs": [{"name": "scores", "dtype": "Float32", "shape": [-1, 5]}],
    "layers": [
        {"type": "Conv2d", "weight": "stem.weight", "bias": "stem.bias", "padding": 1},
        {
            "type": "BatchNorm",
            "weight": "norm.weight",
            "bias": "norm.bias",
            "mean": "norm.running_mean",
            "variance": "norm.running_var",
        },
        {"type": "ReLU", "name": "before"},
        {"type": "Conv2d", "name": "block", "weight": "block.weight", "bias": "block.bias", "padding": 1, "groups": 2},
        {"type": "Add", "inputs": ["before", "block"]},
        {"type": "ReLU"},
        {"type": "MaxPool2d", "kernel": 2},
        {"type": "Flatten"},
        {"type": "Linear", "weight": "head.weight", "bias": "head.bias"},
    ],
}
WORDS = {
    "inputs": [
        {"name": "words", "dtype": "Int64", "shape": [-1, 5]},
        {"name": "numbers", "dtype": "Float32", "shape": [-1, 4]},
    ],
    "outputs": [
        {"name": "score", "dtype": "Float32", "shape": [-1, 1]},
        {"name": "vector", "dtype": "Float32", "shape": [-1, 4], "layer": "vector"},
    ],
    "layers": [
        {"type": "Embedding", "input": "words", "weight": "table.weight"},
        {"type": "Conv1d", "weight": "mix.weight", "bias": "mix.bias"},
        {"type": "Tanh"},
        {"type": "RMSNorm", "weight": "norm.weight"},
        {"type": "GlobalAvgPool", "name": "mean"},
        {"type": "Sigmoid", "name": "gate", "input": "numbers"},
        {"type": "Multiply", "name": "vector", "inputs": ["mean", "gate"]},
        {"type": "Linear", "weight": "out.weight"},
    ],
}
TENSOR_MODELS = {"mlp": (Mlp, MLP), "cnn": (Cnn, CNN), "words": (Words, WORDS)}


def make_tensor_model(folder: Path, name: str, **changes: object) -> nn.Module:
    """Write the folder of a tensor model, and return its twin."""
    kind, config = TENSOR_MODELS[name]
    torch.manual_seed(3)
    twin = kind().eval()
    tensors = {key: value.contiguous() for key, value in twin.state_dict().items() if "num_batches" not in key}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architectures": ["TensorModel"], **config, **changes}))
    return twin
