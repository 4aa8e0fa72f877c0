"""Tokens to text one at a time, never cutting a character: a token that ends inside one is held until it is whole.

Pure: `push` takes a state and a token and returns the next state and the text to send. Called by `generate`.
The text of a token depends on its neighbours (spaces between words, bytes of one character), so it is the difference
between two decodings of a short window, never the decoding of the token alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

Decode = Callable[[list[int]], str]

_CUT = "\ufffd"
# A character has at most four tokens, so that one of these windows begins between two characters.
_PROMPT_WINDOWS = range(5, 9)


@dataclass(frozen=True, slots=True)
class Detokenizer:
    """`window` are the tokens still needed; the first `sent` of them gave text that has been sent."""

    window: tuple[int, ...] = ()
    sent: int = 0


def follow(prompt: Sequence[int], decode: Decode) -> Detokenizer:
    """Return the state before the first new token: with the end of the prompt, whose text has been sent.

    A decoder may take the space off the first word of a text, and the first new token is not the first of the text.
    """
    for size in _PROMPT_WINDOWS:
        window = tuple(prompt[-size:])
        if _CUT not in decode(list(window)):
            return Detokenizer(window=window, sent=len(window))
    return Detokenizer()


def push(state: Detokenizer, token: int, decode: Decode) -> tuple[Detokenizer, str]:
    """Return the state after a token, and the text that became whole, which may be empty."""
    grown = replace(state, window=(*state.window, token))
    text = _unsent(grown, decode)
    if text == "" or text.endswith(_CUT):
        return grown, ""
    return Detokenizer(window=grown.window[state.sent :], sent=len(grown.window) - state.sent), text


def flush(state: Detokenizer, decode: Decode) -> str:
    """Return what is still held at the end of the tokens, a cut character as U+FFFD."""
    return _unsent(state, decode)


def _unsent(state: Detokenizer, decode: Decode) -> str:
    return decode(list(state.window))[len(decode(list(state.window[: state.sent]))) :]
