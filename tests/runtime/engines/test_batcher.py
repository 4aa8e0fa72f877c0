"""The batcher with a model that is played: who runs when, with how many tokens, and what one's failure does."""

import string
from collections.abc import Callable, Sequence

import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers

from model_runtime.engines.batcher import PROMPT_TOKENS_ALONE, PROMPT_TOKENS_BESIDE, Batcher
from model_runtime.engines.errors import CancelledError, DeadlineExceededError, MemoryExceededError
from model_runtime.engines.generate import FinishReason, plan
from model_runtime.engines.kv_blocks import BlockPool
from model_runtime.engines.kv_cache import blocks_for
from model_runtime.engines.llama import Span
from model_runtime.engines.sampling import SamplingParameters, make_generator
from model_runtime.engines.sequence import Request
from model_runtime.engines.tokenizer import Tokenizer
from tests.runtime.engines.generating import Recorder, run, tokens_of

VOCABULARY = 32
END = 31


class Model:
    """Says that the token after t is t + 1; keeps what it was asked, and fails where it is told to."""

    def __init__(self) -> None:
        self.steps: list[list[Span]] = []
        self.fails: Callable[[Span], bool] = lambda _: False

    def __call__(self, spans: Sequence[Span]) -> torch.Tensor:
        self.steps.append(list(spans))
        if any(self.fails(span) for span in spans):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        logits = torch.zeros(len(spans), VOCABULARY)
        for row, span in enumerate(spans):
            assert len(span.blocks) == blocks_for(span.start + len(span.tokens))
            logits[row, (span.tokens[-1] + 1) % END] = 10
        return logits


@pytest.fixture
def model() -> Model:
    return Model()


def make(model: Model, *, max_active: int = 4, blocks: int = 64) -> Batcher:
    return Batcher(model, BlockPool(blocks), tokenizer(), max_active)


def tokenizer() -> Tokenizer:
    letters = tokenizers.Tokenizer(
        models.WordLevel({letter: i for i, letter in enumerate(string.ascii_letters[:VOCABULARY])}, unk_token="a")
    )
    letters.pre_tokenizer, letters.decoder = pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    return Tokenizer(letters, None, None, frozenset({END}))


def ask(prompt: list[int], count: int, sink: Recorder | None = None, **more: float) -> tuple[Request, Recorder]:
    sink = sink or Recorder()
    sampling = SamplingParameters(temperature=0, max_tokens=count, logprobs=0)
    return Request(plan(prompt, sampling, 10_000), sink, make_generator(0), **more), sink


def add(batcher: Batcher, prompt: list[int], count: int, **more: float) -> Recorder:
    request, sink = ask(prompt, count, **more)
    batcher.add(request)
    return sink


def test_everyone_who_runs_gets_a_token_in_each_step(model: Model) -> None:
    batcher = make(model)
    first, second = add(batcher, [1, 2], 3), add(batcher, [5], 2)
    batcher.step(0)
    third = add(batcher, [8], 1)
    batcher.step(0)
    assert [len(sink.pieces) for sink in (first, second, third)] == [2, 2, 1]
    run(batcher)
    assert [tokens_of(sink) for sink in (first, second, third)] == [[3, 4, 5], [6, 7], [9]]
    assert [len(step) for step in model.steps] == [2, 3, 1]
    assert first.pieces[-1].finish_reason is FinishReason.LENGTH


def test_who_finds_no_place_waits_for_the_next_that_is_free(model: Model) -> None:
    batcher = make(model, max_active=1)
    first, second = add(batcher, [1], 2), add(batcher, [5], 1)
    batcher.step(0)
    assert (len(first.pieces), len(second.pieces)) == (1, 0)
    run(batcher)
    assert tokens_of(second) == [6]


def test_a_long_prompt_goes_in_parts_beside_those_who_decode(model: Model) -> None:
    batcher = make(model)
    short = add(batcher, [1], 12)
    batcher.step(0)
    long = add(batcher, [2] * 500, 1)
    before = len(short.pieces)
    while not long.pieces:
        batcher.step(0)
        assert sum(len(span.tokens) for span in model.steps[-1]) <= PROMPT_TOKENS_BESIDE
    assert len(short.pieces) - before >= 500 // PROMPT_TOKENS_BESIDE
    run(batcher)


def test_alone_a_prompt_goes_in_large_parts(model: Model) -> None:
    batcher = make(model, blocks=200)
    add(batcher, [2] * (2 * PROMPT_TOKENS_ALONE + 1), 1)
    run(batcher)
    assert [len(span.tokens) for step in model.steps for span in step] == [PROMPT_TOKENS_ALONE, PROMPT_TOKENS_ALONE, 1]


def test_a_shared_beginning_is_run_once(model: Model) -> None:
    batcher, system = make(model), list(range(20)) * 4
    first = add(batcher, [*system, 1], 1)
    run(batcher)
    second = add(batcher, [*system, 2], 1)
    run(batcher)
    assert [len(span.tokens) for step in model.steps for span in step] == [81, 1]
    assert batcher.counts.prefix_cache_hit_tokens == 80
    assert batcher.counts.prompt_tokens == 82
    assert (tokens_of(first), tokens_of(second)) == ([2], [3])


def test_a_client_that_has_gone_leaves_before_the_next_step(model: Model) -> None:
    batcher = make(model, max_active=1)
    gone, waiting = add(batcher, [1] * 40, 50), add(batcher, [5], 1)
    batcher.step(0)
    gone.cancelled = True
    batcher.step(0)
    assert isinstance(gone.error, CancelledError)
    assert tokens_of(waiting) == [6]
    assert batcher.pool.available == batcher.pool.size
    assert batcher.counts.cancelled == 1


def test_a_waiting_client_that_has_gone_is_not_run(model: Model) -> None:
    batcher = make(model, max_active=1)
    add(batcher, [1], 3)
    gone = add(batcher, [5], 1)
    gone.cancelled = True
    run(batcher)
    assert isinstance(gone.error, CancelledError)
    assert gone.pieces == []


def test_everyone_who_waits_is_asked_in_turn_whether_anyone_is_there(model: Model) -> None:
    batcher = make(model, max_active=1, blocks=200)
    busy = add(batcher, [1], 100)
    sinks = [add(batcher, [5], 1) for _ in range(10)]
    for sink in sinks[1::3]:
        sink.cancelled = True
    for _ in range(4):
        batcher.step(0)
    assert [sink.error is not None for sink in sinks] == [sink.cancelled for sink in sinks]
    assert len(busy.pieces) == 4


@pytest.mark.parametrize(
    ("more", "steps", "words"),
    [
        pytest.param({"deadline": 2.5}, [1.0, 2.0, 3.0], "the request's deadline is over", id="while it runs"),
        pytest.param({"start_deadline": 0.5}, [1.0], "for waiting", id="before it began"),
    ],
)
def test_who_is_late_is_told(model: Model, more: dict[str, float], steps: list[float], words: str) -> None:
    batcher = make(model)
    sink = add(batcher, [1], 50, **more)
    for now in steps:
        batcher.step(now)
    assert isinstance(sink.error, DeadlineExceededError)
    assert words in str(sink.error)
    assert len(sink.pieces) == len(steps) - 1
    assert batcher.idle


def test_a_deadline_for_waiting_does_not_end_who_has_begun(model: Model) -> None:
    batcher = make(model)
    sink = add(batcher, [1], 3, start_deadline=0.5)
    for now in (0.0, 1.0, 2.0):
        batcher.step(now)
    assert tokens_of(sink) == [2, 3, 4]


def test_when_the_cache_is_full_who_came_last_waits_and_is_run_again(model: Model) -> None:
    batcher = make(model, blocks=5)
    first, second = add(batcher, [1] * 30, 30), add(batcher, [7] * 30, 30)
    run(batcher)
    assert batcher.counts.preempted > 0
    assert tokens_of(first) == [(token % END) for token in range(2, 32)]
    assert len(second.pieces) == 30
    assert first.pieces[-1].finish_reason is second.pieces[-1].finish_reason is FinishReason.LENGTH
    assert batcher.pool.available == batcher.pool.size


def test_more_than_the_cache_holds_at_once_is_served_in_turn(model: Model) -> None:
    batcher = make(model, max_active=8, blocks=4)
    sinks = [add(batcher, [index] * 40, 20) for index in range(6)]
    run(batcher)
    assert [len(sink.pieces) for sink in sinks] == [20] * 6
    assert batcher.pool.available == batcher.pool.size


@pytest.mark.parametrize(("token", "count"), [(20, 0), (24, 4)], ids=["in its prompt", "later"])
def test_one_that_takes_too_much_memory_fails_alone(model: Model, token: int, count: int) -> None:
    batcher = make(model)
    model.fails = lambda span: token in span.tokens
    others = [add(batcher, [1], 10), add(batcher, [2], 10)]
    heavy = add(batcher, [20], 10)
    run(batcher)
    assert isinstance(heavy.error, MemoryExceededError)
    assert len(heavy.pieces) == count
    assert [tokens_of(sink) for sink in others] == [list(range(2, 12)), list(range(3, 13))]
    assert batcher.counts.failed == 1
    assert batcher.pool.available == batcher.pool.size


def test_an_answer_that_cannot_be_sent_ends_only_itself(model: Model) -> None:
    class Broken(Recorder):
        def send(self, piece: object) -> None:
            raise RuntimeError("no room for the answer")

        def fail(self, error: Exception) -> None:
            raise RuntimeError("no room for the error")

    batcher = make(model)
    batcher.add(ask([1], 5, Broken())[0])
    whole = add(batcher, [3], 4)
    run(batcher)
    assert tokens_of(whole) == [4, 5, 6, 7]
    assert batcher.pool.available == batcher.pool.size


def test_an_end_token_ends_and_has_no_text(model: Model) -> None:
    batcher = make(model)
    sink = add(batcher, [END - 2], 30)
    sampling = SamplingParameters(temperature=0, max_tokens=30, stop_token_ids=[4], logprobs=0)
    stopped = Recorder()
    batcher.add(Request(plan([1], sampling, 100), stopped, make_generator(0)))
    run(batcher)
    assert tokens_of(stopped) == [2, 3, 4]
    assert stopped.text == "cd"
    assert stopped.pieces[-1].finish_reason is FinishReason.STOP
    assert len(sink.pieces) == 30
