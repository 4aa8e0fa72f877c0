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
    penalize,
    probabilities,
    read_biases,
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
        pytest.param({"top_p": 5e-324}, [1, 0, 0, 0, 0], id="even where it is nothing in float32"),
        pytest.param({"top_k": 2, "top_p": 0.6}, [1, 0, 0, 0, 0], id="top_p counts what top_k left"),
        pytest.param(
            {"min_p": 0.4}, [2 / 3, 1 / 3, 0, 0, 0], id="min_p keeps what is nearly as likely as the likeliest"
        ),
        pytest.param({"min_p": 0.2, "top_p": 0.7}, [2 / 3, 1 / 3, 0, 0, 0], id="top_p counts what min_p left"),
    ],
)
def test_distribution(parameters: dict[str, float], expected: list[float]) -> None:
    torch.testing.assert_close(
        probabilities(LOGITS, SamplingParameters(**parameters)), torch.tensor(expected, dtype=torch.float32)
    )


def test_top_p_is_the_same_where_many_tokens_are_nearly_as_likely() -> None:
    """More than are looked at first: the distribution is sorted whole then."""
    logits = torch.linspace(0, 1, 5000)
    weights = probabilities(logits, SamplingParameters(top_p=0.9))
    ordered = logits.softmax(dim=-1).flip(0)
    kept = int((ordered.cumsum(dim=0) - ordered < 0.9).sum())
    assert int((weights > 0).sum()) == kept > 1024
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))


@pytest.mark.parametrize(
    ("given", "tokens", "generated", "expected"),
    [
        pytest.param({}, [0, 1], 1, [1, 2, -1], id="nothing asked, nothing changed"),
        pytest.param({"presence_penalty": 0.5}, [0, 1, 1], 2, [1, 1.5, -1], id="presence counts once, output alone"),
        pytest.param({"frequency_penalty": 0.5}, [0, 1, 1], 2, [1, 1, -1], id="frequency counts each time"),
        pytest.param({"frequency_penalty": -1.0}, [2], 1, [1, 2, 0], id="a negative penalty is a reward"),
        pytest.param({"presence_penalty": 1.0}, [0, 1], 0, [1, 2, -1], id="a prompt alone is no output"),
        pytest.param({"repetition_penalty": 2.0}, [0, 2], 1, [0.5, 2, -2], id="repetition takes the prompt too"),
        pytest.param(
            {"repetition_penalty": 2.0, "presence_penalty": 1.0}, [0, 1], 1, [0.5, 0, -1], id="both, repetition first"
        ),
    ],
)
def test_penalties(given: dict[str, float], tokens: list[int], generated: int, expected: list[float]) -> None:
    logits = torch.tensor([1.0, 2.0, -1.0])
    found = penalize(logits, SamplingParameters(**given), tokens, generated)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))
    assert logits.tolist() == [1, 2, -1]


def test_biases_are_read_by_token() -> None:
    assert read_biases(SamplingParameters(logit_bias={"3": -100, "0": 1.5}), 4) == {3: -100, 0: 1.5}


@pytest.mark.parametrize("key", ["4", "-1", "x", "٣", "1.0", ""])
def test_a_bias_for_what_is_no_token_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequestError, match="is no token; expected 0 to 3"):
        read_biases(SamplingParameters(logit_bias={key: 1.0}), 4)


def test_temperature_sharpens_and_flattens() -> None:
    cold, hot = (probabilities(LOGITS, SamplingParameters(temperature=value))[0] for value in (0.5, 2.0))
    assert cold > 0.5 > hot


@pytest.mark.parametrize(
    "given",
    [{"top_k": 3}, {"temperature": 0.7}, {"temperature": 1.8, "top_p": 0.9}, {"min_p": 0.1}],
    ids=["top_k", "cold", "hot with top_p", "min_p"],
)
def test_draws_follow_the_distribution(given: dict[str, float]) -> None:
    generator, parameters, count = make_generator(1), SamplingParameters(**given), 4000
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
        pytest.param('{"presence_penalty": 3}', "presence_penalty", id="a penalty beyond OpenAI's"),
        pytest.param('{"repetition_penalty": 0}', "repetition_penalty", id="a repetition penalty of zero"),
        pytest.param('{"min_p": 1.5}', "min_p", id="a min_p above one"),
        pytest.param('{"logprobs": 21}', "logprobs", id="more logprobs than OpenAI gives"),
        pytest.param('{"logit_bias": {"1": 101}}', "logit_bias", id="a bias beyond OpenAI's"),
        pytest.param('{"stop_token_ids": [-1]}', "stop_token_ids", id="a token below zero"),
        pytest.param('{"structured_outputs": "json"}', "structured_outputs", id="a form that is no object"),
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
