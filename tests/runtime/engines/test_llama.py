"""The decoder against the reference library, alone and in batches that others join and leave, and in both of its ways:
the compiled step and torch.
"""

import dataclasses
import random

import pytest
import torch

from model_runtime.engines import llama
from model_runtime.engines.batcher import Batcher
from model_runtime.engines.generator import Generator
from model_runtime.engines.kv_cache import BLOCK_TOKENS, allocate_cache, blocks_for
from tests.runtime.engines.generating import MOST_STEPS, Recorder, generate, request, tokens_of
from tests.runtime.reference import CHAT_PROMPTS, ReferenceChat

NEW_TOKENS = 16
# Of 16 bits 8 are left for the number itself: by so much the logits of a token may differ from float32's.
BFLOAT16_MARGIN = 1.5
GREEDY = {"temperature": 0, "ignore_eos": True, "logprobs": 0}


@pytest.fixture(scope="module")
def prompts(exact: Generator, reference: ReferenceChat) -> list[list[int]]:
    texts = [reference.prompt([{"role": "user", "content": question}]) for question in CHAT_PROMPTS]
    for text in texts:
        assert exact.tokenizer.encode(text) == reference.tokenizer(text, add_special_tokens=False)["input_ids"]
    return [exact.tokenizer.encode(text) for text in texts]


def assert_greedy(reference: ReferenceChat, prompt: list[int], found: list[int]) -> None:
    """Each token is what the reference library finds likeliest after the prompt and the tokens before."""
    likeliest = reference.logits(prompt + found[:-1])[len(prompt) - 1 :].argmax(dim=-1)
    assert found == likeliest.tolist()


def test_greedy_is_what_the_library_generates(
    exact: Generator, reference: ReferenceChat, prompts: list[list[int]]
) -> None:
    for question, prompt in list(zip(CHAT_PROMPTS, prompts, strict=True))[:8]:
        text = reference.prompt([{"role": "user", "content": question}])
        found = tokens_of(generate(exact, prompt, max_tokens=NEW_TOKENS, **GREEDY))
        assert found == reference.greedy(text, NEW_TOKENS), question


@pytest.fixture(scope="module")
def alone(exact: Generator, prompts: list[list[int]]) -> list[list[int]]:
    """What each prompt gives by itself."""
    return [tokens_of(generate(exact, prompt, max_tokens=NEW_TOKENS, **GREEDY)) for prompt in prompts]


def test_greedy_alone_equals_the_reference(
    alone: list[list[int]], reference: ReferenceChat, prompts: list[list[int]]
) -> None:
    assert len(prompts) == 50
    for prompt, found in zip(prompts, alone, strict=True):
        assert_greedy(reference, prompt, found)


@pytest.mark.parametrize("way", ["compiled", "torch"])
def test_greedy_in_batches_that_others_join_and_leave_is_the_same(
    exact: Generator, prompts: list[list[int]], alone: list[list[int]], way: str
) -> None:
    generator = exact if way == "compiled" else in_torch(exact)
    batcher, chance = generator.batcher(max_active=8), random.Random(1)  # noqa: S311
    sinks = [Recorder() for _ in prompts]
    lengths = [chance.randint(1, NEW_TOKENS) for _ in prompts]
    order = chance.sample(range(len(prompts)), len(prompts))
    for _ in range(MOST_STEPS):
        for index in order[: chance.randint(0, 3)]:
            batcher.add(request(generator, prompts[index], sinks[index], max_tokens=lengths[index], **GREEDY))
            order.remove(index)
        cancel_one(batcher, chance)
        batcher.step(0.0)
        if batcher.idle and not order:
            break
    ended = [index for index, sink in enumerate(sinks) if not sink.cancelled]
    assert len(ended) >= 40
    for index in ended:
        assert len(sinks[index].pieces) == lengths[index]
    for sink, expected in zip(sinks, alone, strict=True):
        assert tokens_of(sink) == expected[: len(sink.pieces)]
    assert batcher.pool.available == batcher.pool.size


def cancel_one(batcher: Batcher, chance: random.Random) -> None:
    """Now and then a client goes."""
    if batcher.running and chance.random() < 0.05:
        sink = chance.choice(batcher.running).request.sink
        assert isinstance(sink, Recorder)
        sink.cancelled = True


def in_torch(generator: Generator) -> Generator:
    return dataclasses.replace(generator, model=dataclasses.replace(generator.model, native=None))


@pytest.mark.parametrize("length", [1, 15, 16, 17, 63, 64, 65, 200])
def test_the_compiled_step_gives_what_torch_gives(exact: Generator, length: int) -> None:
    """A prompt in parts and then tokens one by one, beside a whole prompt; blocks in any order."""
    assert exact.model.native is not None
    chance = random.Random(length)  # noqa: S311
    tokens = [chance.randrange(exact.model.config.vocabulary) for _ in range(length + 3)]
    found = {way: logits_of(model, tokens, chance) for way, model in both_ways(exact).items()}
    torch.testing.assert_close(found["compiled"], found["torch"], rtol=0, atol=2e-3)


def both_ways(generator: Generator) -> dict[str, llama.Llama]:
    return {"compiled": generator.model, "torch": in_torch(generator).model}


def logits_of(model: llama.Llama, tokens: list[int], chance: random.Random) -> torch.Tensor:
    """Return the logits after each part: a third, the rest but three tokens, and those one by one, [5, V]."""
    cache = allocate_cache(model.config, model.placement, 40)
    # What was there before must not matter, even what is no number.
    cache.keys.fill_(torch.nan)
    cache.values.fill_(torch.nan)
    blocks = chance.sample(range(40), blocks_for(len(tokens)))
    other = [block for block in range(40) if block not in blocks][:2]
    ends = sorted({max(1, (len(tokens) - 3) // 3), len(tokens) - 3, *range(len(tokens) - 2, len(tokens) + 1)})
    rows, start = [], 0
    for end in ends:
        own = llama.Span(tokens[start:end], start, blocks[: blocks_for(end)])
        beside = llama.Span(list(range(100, 120)), 0, other)
        rows.append(llama.forward(model, [own, beside] if start % 2 else [own], cache)[0])
        start = end
    return torch.stack(rows)


def test_logits_equal_those_of_the_reference(exact: Generator, reference: ReferenceChat) -> None:
    ids = exact.tokenizer.encode("The quick brown fox jumps over the lazy dog, and then it sleeps for a long time.")
    expected = reference.logits(ids)
    for model in both_ways(exact).values():
        cache, blocks = allocate_cache(model.config, model.placement, 4), list(range(4))
        stepwise = [
            llama.forward(model, [llama.Span([token], position, blocks[: position // BLOCK_TOKENS + 1])], cache)[0]
            for position, token in enumerate(ids)
        ]
        torch.testing.assert_close(torch.stack(stepwise), expected, rtol=0, atol=2e-3)


def test_bfloat16_finds_the_same_token_wherever_another_is_not_nearly_as_likely(
    halved: Generator, reference: ReferenceChat, prompts: list[list[int]], alone: list[list[int]]
) -> None:
    """Each position of the library's own float32 text, token by token in the compiled step and in torch."""
    decided = 0
    for prompt, answer in list(zip(prompts, alone, strict=True))[:3]:
        text = prompt + answer
        expected = reference.logits(text)
        best = expected.topk(2)
        clear = best.values[:, 0] - best.values[:, 1] > BFLOAT16_MARGIN
        decided += int(clear.sum())
        for model in both_ways(halved).values():
            found = token_by_token(model, text)
            assert (found.argmax(dim=-1) == best.indices[:, 0])[clear].all()
    assert decided > 60


def token_by_token(model: llama.Llama, tokens: list[int]) -> torch.Tensor:
    cache, blocks = allocate_cache(model.config, model.placement, 20), list(range(20))
    spans = ([llama.Span([token], index, blocks[: index // BLOCK_TOKENS + 1])] for index, token in enumerate(tokens))
    return torch.cat([llama.forward(model, span, cache) for span in spans])
