"""A generation as a value, and the text of its tokens. Pure but for the text that a `TextStream` holds back.

`plan` checks a prompt against the model's context; `sequence` runs what it returns, a token at a time.
"""

from dataclasses import dataclass
from enum import StrEnum

from model_runtime.engines import detokenize, stopping
from model_runtime.engines.errors import ContextLengthError, InvalidRequestError
from model_runtime.engines.sampling import SamplingParameters
from model_runtime.engines.tokenizer import Tokenizer


class FinishReason(StrEnum):
    """Why a generation ended, in OpenAI's words."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Generation:
    """A checked request: `max_tokens` new tokens at most, and prompt and new tokens fit the context."""

    prompt: tuple[int, ...]
    max_tokens: int
    sampling: SamplingParameters


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One candidate for a token: its natural logarithm of probability, and its place among all, from 1."""

    token: int
    logprob: float
    rank: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What one token gave: text that may be empty, and at the last one the reason.

    `logprobs`, where they were asked for, has the chosen token first, then the likeliest others.
    """

    text: str
    tokens: int
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


def plan(prompt: list[int], sampling: SamplingParameters, context: int) -> Generation:
    """Return the generation to run; ContextLengthError if prompt and asked tokens exceed `context` tokens.

    Tokens nobody asked for, the default, are as many as there is room for.
    """
    if not prompt:
        raise InvalidRequestError("text_input", "the text is empty; expected at least one token")
    room = context - len(prompt)
    if room < 1:
        raise ContextLengthError("text_input", f"the prompt has {len(prompt)} tokens; the model's context is {context}")
    asked = sampling.max_tokens if "max_tokens" in sampling.model_fields_set else None
    if asked is not None and asked > room:
        raise ContextLengthError(
            "max_tokens",
            f"{asked} tokens after a prompt of {len(prompt)} exceed the model's context of {context}; "
            f"at most {room} are left",
        )
    length = min(sampling.max_tokens or room, room)
    if sampling.min_tokens > length:
        raise InvalidRequestError("min_tokens", f"{sampling.min_tokens}; expected at most max_tokens, {length}")
    return Generation(prompt=tuple(prompt), max_tokens=length, sampling=sampling)


class TextStream:
    """The text of a growing token list: whole characters only, ended at the first stop string."""

    def __init__(self, tokenizer: Tokenizer, generation: Generation) -> None:
        self._decode = tokenizer.decode
        self._stops = tuple(generation.sampling.stop)
        self._state = detokenize.follow(generation.prompt, tokenizer.decode)
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Take a token, return the text that may be sent."""
        self._state, piece = detokenize.push(self._state, token, self._decode)
        return self._scan(piece)

    def close(self) -> str:
        """Return what was held back, now that no token follows."""
        text = self._scan(detokenize.flush(self._state, self._decode))
        held, self._held = self._held, ""
        return text + held

    def _scan(self, piece: str) -> str:
        found = stopping.scan(self._held, piece, self._stops)
        self._held, self.stopped = found.held, found.stopped
        return found.text
