"""The encoder against the reference library."""

import random
from pathlib import Path

import pytest
import torch

from model_runtime.engines import bert
from model_runtime.engines.placement import Placement
from model_runtime.engines.tokenizer import Tokenizer, load_tokenizer
from tests.runtime.reference import ReferenceEmbedding

TOPICS = (
    "cats",
    "the stock market",
    "quantum physics",
    "a recipe for bread",
    "Kubernetes",
    "la mer",
    "Зима",
    "東京",
    "🎉",
)
FORMS = (
    "I know nothing about {}.",
    "{}",
    "Why do people write so much about {}?",
    "{} " * 20,
    "{}, and then?\n\tNothing!",
)
TEXTS = [form.format(*[topic] * 20) for topic in TOPICS for form in FORMS]
TEXTS += ["", " ", ".", "word " * 240, "ﬁancé naïve Ωmega ½"]


@pytest.fixture(scope="module")
def model(minilm: Path) -> bert.Bert:
    return bert.load(minilm, Placement(torch.device("cpu"), torch.float32))


@pytest.fixture(scope="module")
def tokenizer(minilm: Path) -> Tokenizer:
    return load_tokenizer(minilm)


@pytest.fixture(scope="module")
def expected(minilm: Path) -> list[torch.Tensor]:
    reference = ReferenceEmbedding(minilm)
    return [reference.embed(text) for text in TEXTS]


def test_fifty_texts_alone_have_the_vectors_of_the_reference(
    model: bert.Bert, tokenizer: Tokenizer, expected: list[torch.Tensor]
) -> None:
    assert len(TEXTS) == 50
    for text, vector in zip(TEXTS, expected, strict=True):
        cosine = float(bert.embed(model, [tokenizer.encode(text)])[0] @ vector)
        assert cosine >= 1 - 1e-5, text


def test_texts_in_random_mixed_batches_have_the_vectors_of_the_reference(
    model: bert.Bert, tokenizer: Tokenizer, expected: list[torch.Tensor]
) -> None:
    draw = random.Random(7)  # noqa: S311 - repeatable on purpose
    order = list(range(len(TEXTS)))
    draw.shuffle(order)
    while order:
        batch, order = order[: (size := draw.randint(1, 12))], order[size:]
        vectors = bert.embed(model, [tokenizer.encode(TEXTS[index]) for index in batch])
        for index, vector in zip(batch, vectors, strict=True):
            assert float(vector @ expected[index]) >= 1 - 1e-4, TEXTS[index]


def test_the_context_is_the_shorter_of_config_and_sentence_transformers(model: bert.Bert) -> None:
    assert model.config.positions == 512
    assert model.context == 256


@pytest.mark.parametrize("batch", [1, 50], ids=["alone", "all together"])
def test_bfloat16_keeps_the_vectors_of_the_reference(
    batch: int, minilm: Path, tokenizer: Tokenizer, expected: list[torch.Tensor]
) -> None:
    model = bert.load(minilm, Placement(torch.device("cpu"), torch.bfloat16))
    tokens = [tokenizer.encode(text) for text in TEXTS]
    vectors = torch.cat([bert.embed(model, tokens[start : start + batch]) for start in range(0, 50, batch)])
    assert vectors.dtype is torch.float32
    assert float((vectors * torch.stack(expected)).sum(dim=1).min()) >= 0.9999
