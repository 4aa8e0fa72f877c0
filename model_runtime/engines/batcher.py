"""Continuous batching (Orca, OSDI 2022): sequences join and leave between steps, and each step runs all that are there.

A `Batcher` holds what runs and what waits. `step` drops who has gone or is late, admits who finds room, runs the model
once for a token of everyone who decodes and for a part of the prompts that are new, and sends what came of it. The KV
cache is the bound: when no block is left, the sequence that came last gives its blocks up and is run again later, from
its tokens (as in vLLM, arXiv:2309.06180, section 4.5). One sequence's failure ends that sequence alone.
Not thread-safe: `scheduler` calls it from the engine's thread. The model is a function, so that tests can play one.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch
from torch import Tensor

from model_runtime.engines.errors import CancelledError, DeadlineExceededError, MemoryExceededError
from model_runtime.engines.isolation import is_out_of_memory
from model_runtime.engines.kv_blocks import BlockPool
from model_runtime.engines.kv_cache import blocks_for
from model_runtime.engines.llama import NATIVE_ROWS, Span
from model_runtime.engines.sequence import Request
from model_runtime.engines.sequence import Sequence as Running
from model_runtime.engines.tokenizer import Tokenizer

log = logging.getLogger(__name__)

Forward = Callable[[Sequence[Span]], Tensor]

# Tokens of prompts in one step: while others decode, no more than make the step some two or three times as long as
# without; alone, as many as make a product worth its while.
PROMPT_TOKENS_BESIDE = NATIVE_ROWS
LEAST_PROMPT_TOKENS = 16
_TOO_LARGE = "the memory does not suffice for this generation: send a shorter prompt"
PROMPT_TOKENS_ALONE = 512
WAITING_ASKED = 4


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    prompt_tokens: int = 0
    generated_tokens: int = 0
    prefix_cache_hit_tokens: int = 0
    cancelled: int = 0
    preempted: int = 0
    failed: int = 0
    steps: int = 0
    step_rows: int = 0


@dataclass(slots=True)
class Batcher:
    """`forward` runs spans and returns their logits [R, V] in float32 on the CPU; `pool` has the blocks it writes."""

    forward: Forward
    pool: BlockPool
    tokenizer: Tokenizer
    max_active: int
    waiting: deque[Running] = field(default_factory=deque)
    running: list[Running] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    asked: int = 0  # where in the queue the next look for clients that have gone begins

    def add(self, request: Request) -> None:
        """Let a request wait for its turn."""
        self.waiting.append(Running(request, self.tokenizer))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.running and not self.waiting

    @property
    def usage(self) -> float:
        """The part of the cache that running sequences hold, 0 to 1."""
        return 1 - self.pool.available / self.pool.size

    def step(self, now: float) -> None:
        """Run the model once for everyone who can go on; `now` in seconds of the clock of the requests' deadlines."""
        self._drop(now)
        self._admit()
        decoding = [one for one in list(self.running) if one.pending == 1 and self._reserve(one)]
        # Whoever gave its blocks up for another's sake waits again.
        rows = [(one, 1) for one in decoding if one in self.running]
        prompts = self._part_prompts(len(rows))
        together = sum(count for _, count in prompts) + len(rows) <= NATIVE_ROWS
        # Long parts of prompts go through other products than few rows do: each in a pass of its own.
        for group in [rows + prompts] if together else [rows, prompts]:
            self._run(group)

    def abandon(self, error: Exception) -> None:
        """End every request with an error."""
        for one in [*self.running, *self.waiting]:
            self._fail(one, error)

    def _drop(self, now: float) -> None:
        for one in [*self.running, *self.waiting]:
            if late := _lateness(one, now):
                self._fail(one, DeadlineExceededError(late))
        for one in [*self.running, *self._some_who_wait()]:
            self._drop_cancelled(one)

    def _drop_cancelled(self, one: Running) -> bool:
        if not one.request.sink.is_cancelled():
            return False
        self.counts.cancelled += 1
        self._fail(one, CancelledError("the client has gone"))
        return True

    def _some_who_wait(self) -> list[Running]:
        """Return the next few of those who wait: to ask whether a client is there takes a message to Triton."""
        self.asked = self.asked + WAITING_ASKED if self.asked + WAITING_ASKED < len(self.waiting) else 0
        return list(islice(self.waiting, self.asked, self.asked + WAITING_ASKED))

    def _admit(self) -> None:
        """Take who waits, in order, while there is a place, room for the whole prompt, and a block for each other."""
        while self.waiting and len(self.running) < self.max_active:
            one = self.waiting[0]
            if self._drop_cancelled(one):
                continue
            shared = self.pool.share(one.tokens)
            wanted = blocks_for(len(one.tokens)) - len(shared)
            if wanted + len(self.running) > self.pool.available:
                self.pool.release(shared)
                return
            self.waiting.popleft()
            one.begin(shared)
            self.counts.prefix_cache_hit_tokens += one.computed
            one.blocks += [block for block in (self.pool.take() for _ in range(wanted)) if block is not None]
            self.running.append(one)

    def _reserve(self, one: Running) -> bool:
        """Get the block of the next token; False for who has to give its own up, or has just given them up."""
        while one in self.running and blocks_for(one.computed + 1) > len(one.blocks):
            block = self.pool.take()
            if block is None:
                self._preempt(self.running[-1])
            else:
                one.blocks.append(block)
        return one in self.running

    def _preempt(self, one: Running) -> None:
        """Take a sequence's blocks; it is the first to be admitted again."""
        log.info("a generation of %d tokens gives its cache up to others", len(one.tokens))
        self.counts.preempted += 1
        self.running.remove(one)
        self.pool.release(one.blocks)
        one.begin([])
        self.waiting.appendleft(one)

    def _part_prompts(self, decoding: int) -> list[tuple[Running, int]]:
        """Return the prompts to go on with, each with how many of its tokens."""
        room = max(PROMPT_TOKENS_BESIDE - decoding, LEAST_PROMPT_TOKENS) if decoding else PROMPT_TOKENS_ALONE
        parts = []
        for one in self.running:
            if one.pending > 1 and room:
                count = min(one.pending, room)
                room -= count
                parts.append((one, count))
        return parts

    def _run(self, group: list[tuple[Running, int]]) -> None:
        if not group:
            return
        spans = [
            Span(one.tokens[one.computed : one.computed + count], one.computed, one.held(count)) for one, count in group
        ]
        found = self._try(spans)
        if isinstance(found, Exception):
            self._run_apart(group, found)
            return
        self.counts.steps += 1
        self.counts.step_rows += sum(count for _, count in group)
        for (one, count), row in zip(group, found, strict=True):
            self._advance(one, count, row)

    def _try(self, spans: Sequence[Span]) -> Tensor | Exception:
        """Run the model; what a failed run held is free again when this returns."""
        try:
            return self.forward(spans)
        except (MemoryError, RuntimeError) as error:  # torch says either when there is no memory
            torch.cuda.empty_cache()
            return error

    def _run_apart(self, group: list[tuple[Running, int]], error: Exception) -> None:
        """After a failed run: try each alone, and end the one that fails even so."""
        if len(group) > 1:
            log.warning("a step of %d generations failed, each is tried alone: %s", len(group), error)
            for row in group:
                self._run([row])
            return
        log.error("a generation failed", exc_info=error)
        self.counts.failed += 1
        self._fail(group[0][0], MemoryExceededError(_TOO_LARGE) if is_out_of_memory(error) else error)

    def _advance(self, one: Running, count: int, logits: Tensor) -> None:
        """Take note that so many tokens more are in the cache; when those are all, choose the next and send it."""
        self.counts.prompt_tokens += min(count, max(0, len(one.request.generation.prompt) - one.computed))
        one.computed += count
        for block, name in one.filled():
            self.pool.fill(block, name)
        if one.pending:
            return
        try:
            piece = one.push(logits)
            self.counts.generated_tokens += piece.tokens
            one.request.sink.send(piece)
        except Exception as error:
            # Whatever fails in one request's sampling or sending must not end the engine for the others.
            log.exception("a generation failed")
            self.counts.failed += 1
            self._fail(one, error)
            return
        if piece.finish_reason is not None:
            self._leave(one)

    def _leave(self, one: Running) -> None:
        if one in self.waiting:
            self.waiting.remove(one)
            return
        self.running.remove(one)
        self.pool.release(one.blocks)

    def _fail(self, one: Running, error: Exception) -> None:
        """End a request; one that cannot be told, because what carries the answers is broken, ends nothing else."""
        self._leave(one)
        try:
            one.request.sink.fail(error)
        except Exception:
            log.exception("a failure could not be reported")


def _lateness(one: Running, now: float) -> str | None:
    request = one.request
    if request.deadline is not None and now >= request.deadline:
        return "the request's deadline is over"
    if request.start_deadline is not None and not one.generated and now >= request.start_deadline:
        return "the request's deadline for waiting is over"
    return None
