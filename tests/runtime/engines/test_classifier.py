"""Sequence classifiers, and encoders of the other families, against the reference library."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from model_runtime.engines import bert, classifier
from model_runtime.engines.classifier_config import Kind, read_config
from model_runtime.engines.errors import ModelError
from model_runtime.engines.placement import Placement
from tests.runtime.small_models import CLASSIFIERS, ENCODERS, make_by_reference
from tests.runtime.test_verify import BERT

CPU = Placement(torch.device("cpu"), torch.float32)
DRAW = random.Random(11)  # noqa: S311 - repeatable on purpose
TEXTS = [[DRAW.randrange(2, 40) for _ in range(length)] for length in (5, 1, 60, 12, 33, 2, 48, 9)]


def alone(reference: Any, tokens: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = reference(torch.tensor([tokens])).logits[0]
    return logits


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_scores_in_a_mixed_batch_are_those_of_the_reference(family: str, tmp_path: Path) -> None:
    reference = make_by_reference(tmp_path, CLASSIFIERS[family], num_labels=5)
    scores = classifier.scores(classifier.load(tmp_path, CPU), TEXTS)
    expected = torch.stack([alone(reference, tokens) for tokens in TEXTS])
    assert expected.std() > 0.1
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoder_of_each_family_has_the_vectors_of_the_reference(family: str, tmp_path: Path) -> None:
    reference = make_by_reference(tmp_path, ENCODERS[family])
    vectors = bert.embed(bert.load(tmp_path, CPU), TEXTS)
    for tokens, vector in zip(TEXTS, vectors, strict=True):
        with torch.inference_mode():
            mean = reference(torch.tensor([tokens])).last_hidden_state[0].mean(dim=0)
        assert float(vector @ torch.nn.functional.normalize(mean, dim=0)) >= 1 - 1e-5


@pytest.mark.parametrize(
    ("problem", "kind"), [("multi_label_classification", Kind.MULTI), ("single_label_classification", Kind.SINGLE)]
)
def test_labels_exclude_each_other_or_do_not(problem: str, kind: Kind, tmp_path: Path) -> None:
    names = {0: "calm", 1: "glad", 2: "très triste"}
    reference = make_by_reference(tmp_path, CLASSIFIERS["bert"], id2label=names, problem_type=problem)
    model = classifier.load(tmp_path, CPU)
    assert (model.config.labels, model.config.kind) == (("calm", "glad", "très triste"), kind)
    logits = alone(reference, TEXTS[0])
    expected = logits.sigmoid() if kind is Kind.MULTI else logits.softmax(dim=0)
    torch.testing.assert_close(classifier.classify(model, TEXTS[:1])[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["roberta", "bert"])
def test_the_longest_text_is_as_the_reference_has_it(family: str, tmp_path: Path) -> None:
    reference = make_by_reference(tmp_path, CLASSIFIERS[family])
    model = classifier.load(tmp_path, CPU)
    tokens = [5] * model.context
    torch.testing.assert_close(classifier.scores(model, [tokens])[0], alone(reference, tokens), atol=1e-4, rtol=0)
    with pytest.raises((IndexError, RuntimeError)):
        alone(reference, [*tokens, 5])


CLASSIFIER = BERT | {"architectures": ["BertForSequenceClassification"]}
KINDS = {
    "nothing said": ({}, ("LABEL_0", "LABEL_1"), Kind.SINGLE),
    "a number of labels": ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2"), Kind.SINGLE),
    "names in any order": ({"id2label": {"1": "b", "0": "a"}}, ("a", "b"), Kind.SINGLE),
    "one score": ({"id2label": {"0": "relevant"}}, ("relevant",), Kind.MULTI),
}


@pytest.mark.parametrize(("fields", "labels", "kind"), KINDS.values(), ids=KINDS.keys())
def test_what_config_json_says_of_labels(fields: dict[str, object], labels: tuple[str, ...], kind: Kind) -> None:
    config = read_config(CLASSIFIER | fields)
    assert (config.labels, config.kind) == (labels, kind)


WRONG = {
    "a gap in the numbers": ({"id2label": {"0": "a", "2": "b"}}, "id2label has None for '1'"),
    "a name that is no text": ({"id2label": {"0": 1}}, "id2label has 1 for '0'"),
    "an endless name": ({"id2label": {"0": "x" * 1001}}, "at most 1000 characters"),
    "no labels": ({"id2label": {}}, "id2label is {}; expected an object of 1 to"),
    "labels that are a list": ({"id2label": ["a"]}, "id2label is ['a']"),
    "less than one label": ({"num_labels": 0}, "num_labels is 0"),
    "a regression": ({"problem_type": "regression"}, "problem_type is 'regression'; supported: 'single_label"),
    "padding beyond the table": (
        {"architectures": ["RobertaForSequenceClassification"], "pad_token_id": 63},
        "pad_token_id is 63; expected 0 or more, below max_position_embeddings - 1",
    ),
}


@pytest.mark.parametrize(("fields", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_no_classifier_can_say_is_named(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ModelError) as failure:
        read_config(json.loads(json.dumps(CLASSIFIER | fields)))
    assert says in str(failure.value)
