"""One generation while it runs: its tokens, the blocks that hold them, and what its next token's logits become.

`batcher` runs the model for many of these at once and hands each the logits after its last token; `Sequence.push`
chooses the token and returns the piece to send. Nothing here knows of other sequences, threads or Triton.
"""

from collections.abc import Sequence as Row
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from model_runtime.engines.generate import FinishReason, Generation, Piece, TextStream, TokenLogprob
from model_runtime.engines.grammar import GrammarState
from model_runtime.engines.kv_blocks import NOTHING, name_after
from model_runtime.engines.kv_cache import BLOCK_TOKENS, blocks_for
from model_runtime.engines.sampling import penalize, sample
from model_runtime.engines.tokenizer import Tokenizer


class Sink(Protocol):
    """Where the pieces of one request go."""

    def is_cancelled(self) -> bool:
        """Say whether the client has gone."""

    def send(self, piece: Piece) -> None:
        """Deliver a piece; the one with a finish reason is the last call."""

    def fail(self, error: Exception) -> None:
        """Report that the request ended without an answer; the last call."""


@dataclass(frozen=True, slots=True)
class Request:
    """A generation with all that it needs besides the model; times in seconds of the clock of who asks."""

    generation: Generation
    sink: Sink
    generator: torch.Generator
    biases: dict[int, float] = field(default_factory=dict)
    grammar: GrammarState | None = None
    deadline: float | None = None  # the answer must be whole
    start_deadline: float | None = None  # it must have begun


class Sequence:
    """A request with its tokens so far; `computed` of them are in the cache, in `blocks`."""

    def __init__(self, request: Request, tokenizer: Tokenizer) -> None:
        self.request = request
        self.tokens = list(request.generation.prompt)
        self.computed = 0
        self.blocks: list[int] = []
        sampling = request.generation.sampling
        self._ends = frozenset(sampling.stop_token_ids) | (frozenset() if sampling.ignore_eos else tokenizer.end_ids)
        self._text = TextStream(tokenizer, request.generation)
        self._names: list[bytes] = []

    @property
    def pending(self) -> int:
        """How many tokens the model has to run before it can say the next: one while decoding."""
        return len(self.tokens) - self.computed

    @property
    def generated(self) -> int:
        """How many tokens were generated."""
        return len(self.tokens) - len(self.request.generation.prompt)

    def begin(self, shared: list[int]) -> None:
        """Start with full blocks that the cache has already, maybe none; what was computed before is forgotten."""
        self.computed, self.blocks, self._names = len(shared) * BLOCK_TOKENS, shared, []
        self.filled()

    def held(self, count: int) -> list[int]:
        """Return the blocks of the tokens in the cache and the next `count`."""
        return self.blocks[: blocks_for(self.computed + count)]

    def filled(self) -> list[tuple[int, bytes]]:
        """Return the blocks that became full since the last call, with their names."""
        fresh = []
        for index in range(len(self._names), self.computed // BLOCK_TOKENS):
            before = self._names[-1] if self._names else NOTHING
            start = index * BLOCK_TOKENS
            self._names.append(name_after(before, self.tokens[start : start + BLOCK_TOKENS]))
            fresh.append((self.blocks[index], self._names[index]))
        return fresh

    def push(self, logits: Tensor) -> Piece:
        """Choose the next token from logits [V] in float32 on the CPU; return the piece to send."""
        generation = self.request.generation
        token = sample(self._adjust(logits), generation.sampling, self.request.generator)
        if self.request.grammar is not None:
            self.request.grammar.take(token)
        self.tokens.append(token)
        text, reason = self._take(token)
        return Piece(text, 1, reason, self._logprobs(logits, token))

    def _take(self, token: int) -> tuple[str, FinishReason | None]:
        """Return the text that a token lets go, and why the generation ends with it; an end token has no text."""
        if token in self._ends:
            return self._text.close(), FinishReason.STOP
        text = self._text.push(token)
        if self._text.stopped:
            return text, FinishReason.STOP
        if self.generated < self.request.generation.max_tokens:
            return text, None
        text += self._text.close()
        return text, FinishReason.STOP if self._text.stopped else FinishReason.LENGTH

    def _adjust(self, logits: Tensor) -> Tensor:
        """Return the logits that the token is chosen from; theirs are not touched."""
        generation = self.request.generation
        logits = penalize(logits, generation.sampling, self.tokens, self.generated)
        if self.request.biases:
            tokens, biases = (list(part) for part in zip(*self.request.biases.items(), strict=True))
            logits = logits.index_add(0, torch.tensor(tokens), torch.tensor(biases))
        if self.generated < generation.sampling.min_tokens and self._ends:
            logits = logits.index_fill(0, torch.tensor(sorted(self._ends)), -torch.inf)
        if self.request.grammar is not None:
            logits = logits.masked_fill(~self.request.grammar.allowed(), -torch.inf)
        return logits

    def _logprobs(self, logits: Tensor, token: int) -> tuple[TokenLogprob, ...]:
        """Return the chosen token and the likeliest, by the model's own logits, before any penalty (as vLLM does)."""
        count = self.request.generation.sampling.logprobs
        if count is None:
            return ()
        logprobs = logits.log_softmax(dim=-1)
        chosen = TokenLogprob(token, float(logprobs[token]), int((logits > logits[token]).sum()) + 1)
        values, tokens = logprobs.topk(min(count, len(logits)))
        likeliest = _ranked(tokens.tolist(), values.tolist())
        return (chosen, *(one for one in likeliest if one.token != token))


def _ranked(tokens: Row[int], logprobs: Row[float]) -> list[TokenLogprob]:
    found = zip(tokens, logprobs, strict=True)
    return [TokenLogprob(token, logprob, rank) for rank, (token, logprob) in enumerate(found, start=1)]
