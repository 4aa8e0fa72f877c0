"""Tokens to text: pieces that add up, whole characters, stop strings across pieces."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_runtime.engines.detokenize import Detokenizer, flush, push
from model_runtime.engines.stopping import scan
from model_runtime.engines.tokenizer import Tokenizer, load_tokenizer


@pytest.fixture(scope="module")
def tokenizer(smollm2: Path) -> Tokenizer:
    return load_tokenizer(smollm2)


def pieces_of(tokenizer: Tokenizer, tokens: list[int]) -> list[str]:
    state, pieces = Detokenizer(), []
    for token in tokens:
        state, piece = push(state, token, tokenizer.decode)
        pieces.append(piece)
    return [*pieces, flush(state, tokenizer.decode)]


@given(text=st.text(max_size=60))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_pieces_of_any_text_add_up_to_it(tokenizer: Tokenizer, text: str) -> None:
    tokens = tokenizer.encode(text)
    assert "".join(pieces_of(tokenizer, tokens)) == tokenizer.decode(tokens)


@given(text=st.text(alphabet="aé漢🙂👩‍👩‍👧 ", max_size=30))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_piece_cuts_a_character(tokenizer: Tokenizer, text: str) -> None:
    assert not any("\ufffd" in piece for piece in pieces_of(tokenizer, tokenizer.encode(text)))


def test_a_text_that_ends_inside_a_character_shows_it_once_at_the_end(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("a🙂")[:-1]
    pieces = pieces_of(tokenizer, tokens)
    assert "".join(pieces) == tokenizer.decode(tokens)
    assert not any("\ufffd" in piece for piece in pieces[:-1])


@pytest.mark.parametrize(
    ("pieces", "stops", "expected", "stopped"),
    [
        pytest.param(["one", " two"], [], "one two", False, id="without stop strings all is sent"),
        pytest.param(["one", " two"], ["two"], "one ", True, id="a stop string inside a piece"),
        pytest.param(["a E", "N", "D b"], ["END"], "a ", True, id="a stop string over three pieces"),
        pytest.param(["a E", "NX"], ["END"], "a ENX", False, id="a beginning that came to nothing"),
        pytest.param(["a E"], ["END"], "a E", False, id="a beginning at the end of the text"),
        pytest.param(["xbcab"], ["ab", "bc"], "x", True, id="the earliest of several"),
        pytest.param(["aa", "ab"], ["aab"], "a", True, id="a beginning that repeats itself"),
    ],
)
def test_stop_strings(pieces: list[str], stops: list[str], expected: str, stopped: bool) -> None:
    sent, held, ended = "", "", False
    for piece in pieces:
        found = scan(held, piece, tuple(stops))
        sent, held, ended = sent + found.text, found.held, found.stopped
    assert (sent + held, ended) == (expected, stopped)
