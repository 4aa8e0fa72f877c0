"""Generation by a real Triton: logprobs, forms, deadlines, clients that go, one request too many, and the figures."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tritonclient.grpc import aio

from model_runtime.verify import Task
from tests.runtime.conftest import Triton, serving_of, triton_with
from tests.runtime.reference import ReferenceChat
from tests.runtime.triton.generating import generate, inputs, metric, text_of
from tests.stack.wait import wait_for

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."


@pytest.fixture(scope="module")
def small(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server with room for two generations, and two that wait."""
    serving = serving_of("smollm2", Task.CHAT, smollm2, max_batch_size=2, max_queue_size=2)
    with triton_with([serving], tmp_path_factory.mktemp("small")) as started:
        yield started


@pytest.fixture(scope="module")
def prompt(smollm2: Path) -> str:
    return ReferenceChat(smollm2).prompt(QUESTION)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_logprobs_come_with_each_token(triton: Triton, prompt: str, stream: bool) -> None:
    responses = await generate(triton.grpc, prompt, stream=stream, temperature=0, logprobs=2)
    entries = [entry for response in responses for entry in json.loads(response.as_numpy("logprobs")[0])]
    assert text_of(responses) == ANSWER
    assert len(entries) == sum(int(response.as_numpy("num_output_tokens")[0]) for response in responses) == 8
    chosen = [next(iter(entry.values())) for entry in entries]
    assert "".join(one["decoded_token"] for one in chosen) == f"{ANSWER}<|im_end|>"
    assert all(one["rank"] == 1 and one["logprob"] <= 0 for one in chosen)
    assert all(len(entry) == 2 for entry in entries)
    total = sum(one["logprob"] for one in chosen)
    assert responses[-1].as_numpy("cumulative_logprob")[0] == pytest.approx(total, rel=1e-4)


async def test_an_answer_keeps_to_its_schema(triton: Triton, prompt: str) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
    schema["additionalProperties"] = False
    wanted = {"structured_outputs": {"json": schema}, "temperature": 0, "max_tokens": 40}
    responses = await generate(triton.grpc, prompt, stream=False, **wanted)
    assert json.loads(text_of(responses)) in [{"city": "Paris"}, {"city": "Rome"}]


async def test_a_request_that_is_late_ends_with_a_word(triton: Triton, prompt: str) -> None:
    """Triton's own parameter, in microseconds: 1,000 tokens take longer than a fifth of a second on any machine."""
    more = {"timeout": 200_000}
    responses = await generate(triton.grpc, prompt, stream=True, more=more, max_tokens=1000, ignore_eos=True)
    assert isinstance(responses[-1], str)
    assert "the request's deadline is over" in responses[-1]


async def test_a_client_that_goes_frees_its_place(small: Triton, prompt: str) -> None:
    """Two that would run for minutes leave, with a word; the third, which waits behind them, is answered."""
    before = metric(small, "nereid_engine_cancelled_total")
    endless = {"max_tokens": 4000, "ignore_eos": True}

    async def leave_after_the_first_piece(request_id: str) -> None:
        begun = asyncio.Event()

        async def requests() -> AsyncIterator[dict[str, Any]]:
            tensors = inputs(prompt, stream=True, sampling=endless)
            yield {"model_name": "smollm2", "request_id": request_id, "inputs": tensors}
            await begun.wait()
            farewell = {"parameters": {"nereid_cancel": request_id}}
            yield {"model_name": "smollm2", "inputs": inputs("", stream=True, sampling={}), **farewell}

        async with aio.InferenceServerClient(small.grpc) as client:
            answers = []
            async for _, error in client.stream_infer(requests()):
                answers.append(error)
                begun.set()
        assert answers[0] is None
        assert "the client has gone" in answers[-1].message()

    leaving = [asyncio.create_task(leave_after_the_first_piece(name)) for name in ("first", "second")]
    answered = asyncio.create_task(generate(small.grpc, prompt, stream=False, temperature=0))
    await asyncio.gather(*leaving)
    assert text_of(await answered) == ANSWER
    wait_for("both counted", lambda: metric(small, "nereid_engine_cancelled_total") >= before + 2, seconds=30)
    wait_for("nothing running", lambda: metric(small, "nereid_engine_requests_running") == 0, seconds=30)


async def test_more_than_may_wait_are_refused_at_once_and_the_others_answered(small: Triton, prompt: str) -> None:
    answers = await asyncio.gather(
        *(generate(small.grpc, prompt, stream=False, max_tokens=30, ignore_eos=True) for _ in range(12))
    )
    refused = [answer for answer in answers if isinstance(answer[0], str)]
    assert len(refused) == 8
    assert all("2 requests are already waiting; try again later" in answer[0] for answer in refused)
    assert all(int(answer[0].as_numpy("num_output_tokens")[0]) == 30 for answer in answers if answer not in refused)


async def test_a_prompt_that_was_there_is_found_in_the_cache(triton: Triton, prompt: str) -> None:
    long = prompt.replace("What is", "Once more and slowly, so that this prompt has some blocks of its own: what is")
    await generate(triton.grpc, long, stream=False, temperature=0, max_tokens=1)
    before = metric(triton, "nereid_engine_prefix_cache_hit_tokens_total")
    await generate(triton.grpc, long, stream=False, temperature=0, max_tokens=1)
    hits = "nereid_engine_prefix_cache_hit_tokens_total"
    wait_for("the hit", lambda: metric(triton, hits) >= before + 32, seconds=30)
    assert metric(triton, "nereid_engine_generated_tokens_total") > 0
    assert metric(triton, "nereid_engine_steps_total") > 0
