"""One generation as an iterator of text pieces: prefill, then token by token until a stop.

`plan` checks a prompt against the model's context, `generate` runs it. Each step of the iterator is one token, so that
whoever drives it (`scheduler`) can interleave requests and drop one between two tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import torch

from model_runtime.engines import detokenize, stopping
from model_runtime.engines.errors import ContextLengthError, InvalidRequestError
from model_runtime.engines.llama import Llama, allocate_cache, decode_one_token, prefill
from model_runtime.engines.sampling import SamplingParameters, sample
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
class Piece:
    """What one token gave: text that may be empty, and at the last one the reason."""

    text: str
    tokens: int
    finish_reason: FinishReason | None = None


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
    return Generation(prompt=tuple(prompt), max_tokens=min(sampling.max_tokens or room, room), sampling=sampling)


def generate(model: Llama, tokenizer: Tokenizer, generation: Generation, generator: torch.Generator) -> Iterator[Piece]:
    """Yield one piece per new token; the last one carries the finish reason. The end token counts and has no text."""
    ends: frozenset[int] = frozenset() if generation.sampling.ignore_eos else tokenizer.end_ids
    text = TextStream(tokenizer, generation)
    for count, token in enumerate(_tokens(model, generation, generator), start=1):
        if token in ends:
            yield Piece(text.close(), 1, FinishReason.STOP)
            return
        piece = text.push(token)
        if text.stopped:
            yield Piece(piece, 1, FinishReason.STOP)
            return
        if count == generation.max_tokens:
            piece += text.close()
            yield Piece(piece, 1, FinishReason.STOP if text.stopped else FinishReason.LENGTH)
            return
        yield Piece(piece, 1)


def _tokens(model: Llama, generation: Generation, generator: torch.Generator) -> Iterator[int]:
    """Yield new tokens without end; the model runs only for those that are asked for."""
    size = len(generation.prompt) + generation.max_tokens
    cache = allocate_cache(model, size)
    logits = prefill(model, list(generation.prompt), cache)
    for position in range(len(generation.prompt), size):
        token = sample(logits, generation.sampling, generator)
        yield token
        logits = decode_one_token(model, token, position, cache)


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
