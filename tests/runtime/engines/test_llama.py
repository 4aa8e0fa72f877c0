"""The decoder against the reference library: greedy, token for token, in float32."""

import itertools
from pathlib import Path

import pytest
import torch

from model_runtime.engines import llama
from model_runtime.engines.generate import FinishReason, generate, plan
from model_runtime.engines.placement import Placement
from model_runtime.engines.sampling import SamplingParameters, make_generator
from model_runtime.engines.tokenizer import Tokenizer, load_tokenizer
from tests.runtime.reference import CHAT_PROMPTS, ReferenceChat

NEW_TOKENS = 32


@pytest.fixture(scope="module")
def model(smollm2: Path) -> llama.Llama:
    return llama.load(smollm2, Placement(torch.device("cpu"), torch.float32))


@pytest.fixture(scope="module")
def tokenizer(smollm2: Path) -> Tokenizer:
    return load_tokenizer(smollm2)


@pytest.fixture(scope="module")
def reference(smollm2: Path) -> ReferenceChat:
    return ReferenceChat(smollm2)


def greedy(model: llama.Llama, prompt: list[int], count: int) -> list[int]:
    cache = llama.allocate_cache(model, len(prompt) + count)
    tokens, logits = [], llama.prefill(model, prompt, cache)
    for position in range(len(prompt), len(prompt) + count):
        tokens.append(int(logits.argmax()))
        logits = llama.decode_one_token(model, tokens[-1], position, cache)
    return tokens


@pytest.mark.parametrize("question", CHAT_PROMPTS)
def test_greedy_equals_the_reference(
    model: llama.Llama, tokenizer: Tokenizer, reference: ReferenceChat, question: str
) -> None:
    prompt = reference.prompt([{"role": "user", "content": question}])
    ids = tokenizer.encode(prompt)
    assert ids == reference.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert greedy(model, ids, NEW_TOKENS) == reference.greedy(prompt, NEW_TOKENS)


def test_logits_of_a_prompt_equal_those_of_its_tokens_one_by_one(
    model: llama.Llama, tokenizer: Tokenizer, reference: ReferenceChat
) -> None:
    ids = tokenizer.encode("The quick brown fox jumps over the lazy dog, and then it sleeps for a long, long time.")
    expected = reference.logits(ids)
    whole = llama.prefill(model, ids, llama.allocate_cache(model, len(ids)))
    cache = llama.allocate_cache(model, len(ids))
    stepwise = [llama.decode_one_token(model, token, position, cache) for position, token in enumerate(ids)]
    torch.testing.assert_close(whole, expected[-1], rtol=0, atol=2e-3)
    torch.testing.assert_close(torch.stack(stepwise), expected, rtol=0, atol=2e-3)


def test_a_generation_ends_at_the_end_token(model: llama.Llama, tokenizer: Tokenizer, reference: ReferenceChat) -> None:
    prompt = tokenizer.encode(reference.prompt([{"role": "user", "content": CHAT_PROMPTS[0]}]))
    pieces = list(run(model, tokenizer, prompt, SamplingParameters(temperature=0, max_tokens=None)))
    assert "".join(piece.text for piece in pieces) == "The capital of France is Paris."
    assert pieces[-1].finish_reason is FinishReason.STOP


def test_a_generation_ends_before_a_stop_string(
    model: llama.Llama, tokenizer: Tokenizer, reference: ReferenceChat
) -> None:
    prompt = tokenizer.encode(reference.prompt([{"role": "user", "content": CHAT_PROMPTS[0]}]))
    pieces = list(run(model, tokenizer, prompt, SamplingParameters(temperature=0, max_tokens=20, stop=["ance is"])))
    assert "".join(piece.text for piece in pieces) == "The capital of Fr"
    assert pieces[-1].finish_reason is FinishReason.STOP


def test_a_generation_ends_at_max_tokens_and_counts_each_token(model: llama.Llama, tokenizer: Tokenizer) -> None:
    pieces = list(run(model, tokenizer, tokenizer.encode("Once upon a time"), SamplingParameters(max_tokens=5, seed=1)))
    assert sum(piece.tokens for piece in pieces) == 5
    assert pieces[-1].finish_reason is FinishReason.LENGTH
    assert all(piece.finish_reason is None for piece in pieces[:-1])


def test_the_same_seed_gives_the_same_text(model: llama.Llama, tokenizer: Tokenizer) -> None:
    prompt = tokenizer.encode("Once upon a time")

    def text(seed: int) -> str:
        sampling = SamplingParameters(max_tokens=12, seed=seed, temperature=1.5)
        return "".join(piece.text for piece in run(model, tokenizer, prompt, sampling))

    assert text(1) == text(1)
    assert text(1) != text(2)


def run(model: llama.Llama, tokenizer: Tokenizer, prompt: list[int], sampling: SamplingParameters):
    generation = plan(prompt, sampling, model.config.context)
    return itertools.islice(generate(model, tokenizer, generation, make_generator(sampling.seed)), 400)
