"""Tokens to text: pieces that add up, whole characters, stop strings across pieces."""

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_runtime.engines.detokenize import Detokenizer, flush, follow, push
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


# As in the tokenizers of Llama 2: a space belongs to the word after it, and the first of a text is taken off.
SENTENCEPIECE = {
    "model": {
        "type": "BPE",
        "unk_token": "<unk>",
        "byte_fallback": True,
        "merges": [],
        "vocab": {"<unk>": 0, "▁The": 1, "▁sky": 2, "▁is": 3, "▁blue": 4, "ish": 5}
        | {f"<0x{byte:02X}>": 6 + index for index, byte in enumerate("🙂é".encode())},
    },
    "decoder": {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    },
}
SMILE, ACCENT = [6, 7, 8, 9], [10, 11]


@pytest.mark.parametrize(
    ("prompt", "tokens", "text"),
    [
        pytest.param([1, 2, 3], [4, 5, 2], " blueish sky", id="after words"),
        pytest.param([0], [4, 5], "blueish", id="after a token without a text the text begins"),
        pytest.param([1, *SMILE, *SMILE], [*SMILE, 4], "🙂 blue", id="after characters of several tokens"),
        pytest.param([1, *ACCENT * 20], [*ACCENT, *SMILE], "é🙂", id="after many of them"),
    ],
)
def test_the_first_word_after_a_prompt_keeps_its_space(prompt: list[int], tokens: list[int], text: str) -> None:
    library = tokenizers.Tokenizer.from_str(json.dumps(SENTENCEPIECE))
    library.add_special_tokens(["<unk>"])
    state, pieces = follow(prompt, library.decode), []
    for token in tokens:
        state, piece = push(state, token, library.decode)
        pieces.append(piece)
    assert "".join([*pieces, flush(state, library.decode)]) == text


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
