"""Sampling by tables and statistics, and the messages of wrong parameters."""

import json
from collections import Counter

import pytest
import torch

from model_runtime.engines.errors import InvalidRequestError
from model_runtime.engines.sampling import (
    SamplingParameters,
    make_generator,
    parse_sampling_parameters,
    probabilities,
    sample,
)

LOGITS = torch.tensor([0.5, 0.25, 0.15, 0.07, 0.03]).log()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, [0.5, 0.25, 0.15, 0.07, 0.03], id="by default the model's own distribution"),
        pytest.param({"top_k": 2}, [2 / 3, 1 / 3, 0, 0, 0], id="top_k keeps the k likeliest"),
        pytest.param({"top_k": -1}, [0.5, 0.25, 0.15, 0.07, 0.03], id="top_k -1 keeps all"),
        pytest.param({"top_k": 99}, [0.5, 0.25, 0.15, 0.07, 0.03], id="top_k beyond the vocabulary keeps all"),
        pytest.param({"top_p": 0.7}, [2 / 3, 1 / 3, 0, 0, 0], id="top_p keeps the token that crosses it"),
        pytest.param({"top_p": 0.01}, [1, 0, 0, 0, 0], id="top_p always keeps one token"),
        pytest.param({"top_k": 2, "top_p": 0.6}, [1, 0, 0, 0, 0], id="top_p counts what top_k left"),
    ],
)
def test_distribution(parameters: dict[str, float], expected: list[float]) -> None:
    torch.testing.assert_close(
        probabilities(LOGITS, SamplingParameters(**parameters)), torch.tensor(expected, dtype=torch.float32)
    )


def test_temperature_sharpens_and_flattens() -> None:
    cold, hot = (probabilities(LOGITS, SamplingParameters(temperature=value))[0] for value in (0.5, 2.0))
    assert cold > 0.5 > hot


def test_draws_follow_the_distribution() -> None:
    generator, parameters, count = make_generator(1), SamplingParameters(top_k=3), 4000
    drawn = Counter(sample(LOGITS, parameters, generator) for _ in range(count))
    for token, probability in enumerate(probabilities(LOGITS, parameters).tolist()):
        # Five standard deviations of a binomial.
        assert abs(drawn[token] - count * probability) <= 5 * (count * probability * (1 - probability)) ** 0.5


@pytest.mark.parametrize("temperature", [0, 1e-40, 1e-320])
def test_temperature_zero_and_nearly_so_take_the_likeliest(temperature: float) -> None:
    assert sample(LOGITS, SamplingParameters(temperature=temperature), make_generator(None)) == 0


@pytest.mark.parametrize(
    ("text", "field"),
    [
        pytest.param('{"temperature": -1}', "temperature", id="a negative temperature"),
        pytest.param('{"temperature": NaN}', "temperature", id="a temperature that is no number"),
        pytest.param('{"top_p": 0}', "top_p", id="a top_p that keeps nothing"),
        pytest.param('{"max_tokens": 0}', "max_tokens", id="no tokens at all"),
        pytest.param('{"max_tokens": "5"}', "max_tokens", id="a number as text"),
        pytest.param('{"stop": [""]}', "stop", id="an empty stop string"),
        pytest.param(f'{{"stop": {json.dumps(["a"] * 17)}}}', "stop", id="too many stop strings"),
        pytest.param('{"seed": 99999999999999999999}', "seed", id="a seed beyond 64 bits"),
        pytest.param('{"temprature": 1}', "temprature", id="a misspelt parameter"),
        pytest.param("[1]", "sampling_parameters", id="a list"),
        pytest.param("{", "sampling_parameters", id="broken JSON"),
    ],
)
def test_a_wrong_parameter_is_named(text: str, field: str) -> None:
    with pytest.raises(InvalidRequestError) as failure:
        parse_sampling_parameters(text)
    assert failure.value.field == field


def test_one_stop_string_may_come_without_a_list() -> None:
    assert parse_sampling_parameters('{"stop": "END"}').stop == ["END"]
