"""One generation: where it stops, what may not be chosen, and how likely it was, with the logits made by hand."""

from typing import Any

import pytest
import torch

from model_runtime.engines.errors import InvalidRequestError
from model_runtime.engines.generate import FinishReason, Piece, plan
from model_runtime.engines.sampling import SamplingParameters, make_generator
from model_runtime.engines.sequence import Request, Sequence
from tests.runtime.engines.generating import Recorder
from tests.runtime.engines.test_batcher import END, VOCABULARY, tokenizer


def start(biases: dict[int, float] | None = None, **sampling: Any) -> Sequence:
    given = SamplingParameters(**({"temperature": 0, "max_tokens": 20} | sampling))
    request = Request(plan([0], given, 100), Recorder(), make_generator(0), biases or {})
    return Sequence(request, tokenizer())


def push(sequence: Sequence, *tokens: int) -> list[Piece]:
    """Push logits in which one token after the other is the likeliest, the next ones less and less so."""
    return [sequence.push(logits_for(token)) for token in tokens]


def logits_for(token: int) -> torch.Tensor:
    return -((torch.arange(VOCABULARY) - token) % VOCABULARY).float()


@pytest.mark.parametrize(
    ("sampling", "tokens", "text", "reason"),
    [
        pytest.param({}, [1, 2, END], "bc", FinishReason.STOP, id="the end token"),
        pytest.param({"max_tokens": 2}, [1, 2], "bc", FinishReason.LENGTH, id="the length"),
        pytest.param({"max_tokens": 2}, [1, END], "b", FinishReason.STOP, id="the end token as the last one"),
        pytest.param({"stop": "cd"}, [1, 2, 3], "b", FinishReason.STOP, id="a stop string over two tokens"),
        pytest.param({"stop": "cd", "max_tokens": 2}, [1, 2], "bc", FinishReason.LENGTH, id="half of a stop string"),
        pytest.param({"stop_token_ids": [3]}, [1, 3], "b", FinishReason.STOP, id="a stop token"),
        pytest.param(
            {"stop_token_ids": [3], "ignore_eos": True}, [END, 3], "F", FinishReason.STOP, id="also beyond the end"
        ),
        pytest.param(
            {"ignore_eos": True, "max_tokens": 2}, [END, 1], "Fb", FinishReason.LENGTH, id="an end that is ignored"
        ),
    ],
)
def test_where_it_stops(sampling: dict[str, Any], tokens: list[int], text: str, reason: FinishReason) -> None:
    pieces = push(start(**sampling), *tokens)
    assert [piece.finish_reason for piece in pieces[:-1]] == [None] * (len(tokens) - 1)
    assert pieces[-1].finish_reason is reason
    assert "".join(piece.text for piece in pieces) == text


def test_before_the_least_length_no_end_is_chosen() -> None:
    sequence = start(min_tokens=2, stop_token_ids=[5])
    chosen = push(sequence, END, 5, END)
    assert sequence.tokens[1:] == [0, 6, END]
    assert chosen[-1].finish_reason is FinishReason.STOP


def test_more_least_tokens_than_most_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="min_tokens: 3; expected at most max_tokens, 2"):
        start(min_tokens=3, max_tokens=2)


def test_biases_move_the_choice() -> None:
    sequence = start({4: 100.0, 1: -100.0})
    push(sequence, 1)
    assert sequence.tokens[1:] == [4]


def test_penalties_move_the_choice() -> None:
    sequence = start(presence_penalty=1.5)
    push(sequence, 3, 3, 3)
    assert sequence.tokens[1:] == [3, 4, 3]


def test_logprobs_are_the_models_own_with_the_chosen_token_first() -> None:
    (piece,) = push(start({9: 100.0}, logprobs=2), 3)
    expected = logits_for(3).log_softmax(dim=-1)
    assert [(one.token, one.rank) for one in piece.logprobs] == [(9, 7), (3, 1), (4, 2)]
    assert [one.logprob for one in piece.logprobs] == pytest.approx([float(expected[t]) for t in (9, 3, 4)])


def test_a_chosen_token_that_is_among_the_likeliest_stands_once() -> None:
    (piece,) = push(start(logprobs=2), 3)
    assert [one.token for one in piece.logprobs] == [3, 4]


def test_without_a_word_there_are_no_logprobs() -> None:
    assert push(start(), 3)[0].logprobs == ()
