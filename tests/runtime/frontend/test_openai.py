"""The unmodified `openai` package against the frontend, in front of a real Triton."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.runtime.conftest import Frontend, Triton, frontend
from tests.runtime.reference import ReferenceEmbedding
from tests.stack.wait import wait_for

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."
Refusal = tuple[int, str | None, str | None]  # status, param, code


def client_of(served: Frontend) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="unused", max_retries=0, timeout=120)


@pytest.fixture
def chat(chat_frontend: Frontend) -> Iterator[openai.OpenAI]:
    with client_of(chat_frontend) as client:
        yield client


@pytest.fixture
def embedding(embedding_frontend: Frontend) -> Iterator[openai.OpenAI]:
    with client_of(embedding_frontend) as client:
        yield client


def test_models_lists_the_served_name(chat: openai.OpenAI) -> None:
    assert [model.id for model in chat.models.list()] == ["smollm2"]
    assert chat.models.retrieve("smollm2").id == "smollm2"


def test_chat_answers_with_usage(chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.create(model="smollm2", messages=QUESTION, temperature=0)
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (37, 8, 45)


def test_an_answer_can_be_sent_back_as_a_turn(chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.create(model="smollm2", messages=QUESTION, temperature=0)
    turns: list[Any] = [*QUESTION, answer.choices[0].message, {"role": "user", "content": "And of Italy?"}]
    again = chat.chat.completions.create(model="smollm2", messages=turns, temperature=0, max_tokens=2)
    assert again.usage is not None
    assert again.usage.prompt_tokens > 45


def test_a_stream_gives_the_same_answer_and_its_usage_last(chat: openai.OpenAI) -> None:
    stream = chat.chat.completions.create(
        model="smollm2", messages=QUESTION, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 45


def test_completions_continue_each_prompt(chat: openai.OpenAI) -> None:
    tokens = [788, 2988, 314]
    answer = chat.completions.create(model="smollm2", prompt=["Once upon", "The sky is"], max_tokens=3, temperature=0)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.finish_reason == "length" for choice in answer.choices)
    assert chat.completions.create(model="smollm2", prompt=tokens, max_tokens=1).usage.prompt_tokens == len(tokens)


def test_choices_with_a_seed_repeat(chat: openai.OpenAI) -> None:
    def texts() -> list[str]:
        answer = chat.completions.create(model="smollm2", prompt="Once", max_tokens=6, n=2, seed=5, temperature=1.5)
        return [choice.text for choice in answer.choices]

    assert texts() == texts()
    assert len(set(texts())) == 2


def test_embeddings_are_those_of_the_reference_in_both_encodings(embedding: openai.OpenAI, minilm: Path) -> None:
    texts = ["a cat", "ein Hund", "東京 " * 30, *(f"sentence {number}" for number in range(20))]
    reference = ReferenceEmbedding(minilm)
    by_default = embedding.embeddings.create(model="minilm", input=texts)  # the client asks for base64
    as_float = embedding.embeddings.create(model="minilm", input=texts, encoding_format="float")
    for text, packed, plain in zip(texts, by_default.data, as_float.data, strict=True):
        expected = reference.embed(text)
        for vector in (packed.embedding, plain.embedding):
            assert float(expected @ expected.new_tensor(vector)) >= 1 - 1e-4
    ids = reference.tokenizer("a cat", add_special_tokens=False)["input_ids"]
    assert embedding.embeddings.create(model="minilm", input=ids).usage.total_tokens == len(ids) + 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"model": "other"}, (404, "model", "model_not_found"), id="an unknown model"),
        pytest.param({"messages": []}, (400, "messages", "invalid_value"), id="no messages"),
        pytest.param({"messages": "Hi"}, (400, "messages", "invalid_value"), id="messages as text"),
        pytest.param({"temperature": "hot"}, (400, "temperature", "invalid_value"), id="a temperature as text"),
        pytest.param({"n": 9}, (400, "n", "invalid_value"), id="more choices than the limit"),
        pytest.param({"max_tokens": 9000}, (400, "max_tokens", "context_length_exceeded"), id="too many tokens asked"),
        pytest.param({"extra_body": {"beams": 4}}, (400, "beams", "unsupported_parameter"), id="an unknown field"),
        pytest.param({"tools": [{}]}, (400, "tools", "unsupported_value"), id="a value that is not served"),
        pytest.param(
            {"messages": [{"role": "user", "content": "hi " * 9000}]},
            (400, "messages", "context_length_exceeded"),
            id="a prompt longer than the context",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": "x" * 5_000_000}]},
            (413, None, "request_entity_too_large"),
            id="a body beyond the limit",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_wrong_request_is_refused_in_openais_form(
    chat: openai.OpenAI, change: dict[str, Any], stream: bool, expected: Refusal
) -> None:
    with pytest.raises(openai.APIStatusError) as failure:
        chat.chat.completions.create(**({"model": "smollm2", "messages": QUESTION, "stream": stream} | change))
    assert (failure.value.status_code, failure.value.param, failure.value.code) == expected
    assert failure.value.type == "invalid_request_error"


def cancelled(triton: Triton) -> float:
    """Return how many generations the engine gave up because nobody reads them."""
    with urllib.request.urlopen(f"http://{triton.metrics}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == "nereid_engine_cancelled_total")


def test_a_client_that_hangs_up_frees_the_engine(chat: openai.OpenAI, triton: Triton) -> None:
    before = cancelled(triton)
    stream = chat.completions.create(model="smollm2", prompt="Once", max_tokens=8000, temperature=0, stream=True)
    next(iter(stream))
    stream.close()
    wait_for("the cancellation in the engine", lambda: cancelled(triton) > before, seconds=30)


def test_no_stream_is_cancelled_while_triton_ends_it(chat: openai.OpenAI, triton: Triton) -> None:
    """Triton says so in its log before it crashes, sooner or later."""
    before = triton.log.read_text().count("HandleCancellation called even when")
    for _ in range(5):
        chat.completions.create(model="smollm2", prompt="Once", max_tokens=1)
        list(chat.completions.create(model="smollm2", prompt="Once", max_tokens=1, stream=True))
        with pytest.raises(openai.BadRequestError):
            chat.completions.create(model="smollm2", prompt="Once", max_tokens=9000)
    assert triton.log.read_text().count("HandleCancellation called even when") == before


def test_metrics_count_requests_and_tokens(chat: openai.OpenAI, chat_frontend: Frontend) -> None:
    chat.chat.completions.create(model="smollm2", messages=QUESTION, max_tokens=1)
    with urllib.request.urlopen(f"{chat_frontend.url}/metrics", timeout=10) as response:
        text = response.read().decode()
    assert 'nereid_requests_total{route="/v1/chat/completions",status="200"}' in text
    assert "nereid_prompt_tokens_total" in text


def test_sigterm_finishes_the_stream_and_ends_well(triton: Triton, smollm2: Path, tmp_path: Path) -> None:
    with frontend(triton.grpc, "Chat", "smollm2", smollm2, tmp_path) as served, client_of(served) as client:
        stream = client.completions.create(
            model="smollm2", prompt="Once upon a time", max_tokens=40, temperature=0, stream=True
        )
        chunks = [next(iter(stream))]
        os.kill(served.pid, signal.SIGTERM)
        chunks += list(stream)
        assert chunks[-1].choices[0].finish_reason in {"length", "stop"}
        stream.close()
        deadline = time.monotonic() + 30
        wait_for("the termination log", served.has_told_its_end, seconds=deadline - time.monotonic())
        assert served.termination_log.read_text() == "{}"
