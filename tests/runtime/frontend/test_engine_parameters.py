"""Every parameter of the API through the real engine: the openai package, a frontend, Triton and SmolLM2."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from model_runtime.engines.tokenizer import load_tokenizer
from tests.runtime.conftest import Frontend

QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "inhabited": {"type": "boolean"}},
    "required": ["city", "inhabited"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def chat(chat_frontend: Frontend) -> Iterator[openai.OpenAI]:
    url = f"{chat_frontend.url}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120) as made:
        yield made


def ask(chat: openai.OpenAI, **fields: Any) -> Any:
    return chat.chat.completions.create(**({"model": "smollm2", "messages": QUESTION, "temperature": 0} | fields))


def text_of(chat: openai.OpenAI, **fields: Any) -> str:
    return str(ask(chat, **fields).choices[0].message.content)


def token_of(folder: Path, text: str) -> int:
    (token,) = load_tokenizer(folder).encode(text, special=False)
    return token


def test_a_stop_token_ends_the_answer(chat: openai.OpenAI, smollm2: Path) -> None:
    answer = ask(chat, extra_body={"stop_token_ids": [token_of(smollm2, " Paris")]})
    assert answer.choices[0].finish_reason == "stop"
    assert "The capital of France is".startswith(answer.choices[0].message.content.removesuffix(" Paris"))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_stop_string_cuts_the_answer(chat: openai.OpenAI, stream: bool) -> None:
    answer = ask(chat, stop=["ance is"], stream=stream)
    pieces = (
        [chunk.choices[0].delta.content or "" for chunk in answer] if stream else [answer.choices[0].message.content]
    )
    assert "".join(pieces) == "The capital of Fr"


def test_a_bias_forbids_a_token(chat: openai.OpenAI, smollm2: Path) -> None:
    assert "Paris" not in text_of(chat, max_tokens=8, logit_bias={str(token_of(smollm2, " Paris")): -100})


def test_an_unknown_token_of_a_bias_is_named(chat: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as failure:
        ask(chat, logit_bias={"999999": 1})
    assert failure.value.param == "logit_bias"


def test_an_answer_has_its_least_length(chat: openai.OpenAI) -> None:
    answer = ask(chat, max_tokens=20, extra_body={"min_tokens": 20})
    assert answer.usage.completion_tokens == 20


def test_the_end_of_the_text_is_passed_over(chat: openai.OpenAI) -> None:
    answer = ask(chat, max_tokens=12, extra_body={"ignore_eos": True})
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (12, "length")


@pytest.mark.parametrize(
    "penalty",
    [{"frequency_penalty": 2.0}, {"presence_penalty": 2.0}, {"extra_body": {"repetition_penalty": 2.0}}],
    ids=["frequency", "presence", "repetition"],
)
def test_penalties_lessen_repetition(chat: openai.OpenAI, penalty: dict[str, Any]) -> None:
    def repeated(**more: Any) -> int:
        fields: dict[str, Any] = {"model": "smollm2", "prompt": "a b a b a b a b", "max_tokens": 24, "logprobs": 0}
        logprobs = chat.completions.create(**fields, temperature=0, **more).choices[0].logprobs
        return max(Counter(logprobs.tokens).values())

    assert repeated(**penalty) < repeated()


def test_min_p_of_one_is_greedy(chat: openai.OpenAI) -> None:
    assert text_of(chat, temperature=1.5, extra_body={"min_p": 1.0}) == ANSWER


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_logprobs_name_each_token_and_the_likeliest(chat: openai.OpenAI, stream: bool) -> None:
    answer = ask(chat, logprobs=True, top_logprobs=3, stream=stream)
    choices = [chunk.choices[0] for chunk in answer] if stream else [answer.choices[0]]
    entries = [one for choice in choices if choice.logprobs for one in choice.logprobs.content or []]
    assert "".join(one.token for one in entries).startswith(ANSWER)
    assert len(entries) == 8
    for one in entries:
        assert one.logprob <= 0
        assert len(one.top_logprobs) == 3
        assert one.top_logprobs[0].token == one.token  # greedy
        assert one.top_logprobs[0].logprob >= one.top_logprobs[1].logprob >= one.top_logprobs[2].logprob


def test_logprobs_of_a_text_stand_where_its_tokens_do(chat: openai.OpenAI) -> None:
    answer = chat.completions.create(
        model="smollm2", prompt="The capital of France is", max_tokens=5, temperature=0, logprobs=1
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert "".join(logprobs.tokens) == answer.choices[0].text
    for token, offset in zip(logprobs.tokens, logprobs.text_offset or [], strict=True):
        assert answer.choices[0].text[offset:].startswith(token)


def test_choices_of_a_stream_are_those_of_the_whole_answer(chat: openai.OpenAI) -> None:
    fields: dict[str, Any] = {"n": 3, "seed": 11, "temperature": 1.2, "max_tokens": 12}
    whole = {choice.index: choice.message.content for choice in ask(chat, **fields).choices}
    pieces = [choice for chunk in ask(chat, stream=True, **fields) for choice in chunk.choices]
    assert whole == {
        index: "".join(piece.delta.content or "" for piece in pieces if piece.index == index) for index in range(3)
    }
    assert len(set(whole.values())) > 1


def test_json_mode_gives_an_object(chat: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "Name a city as a JSON object with the key city."}]
    answer = ask(chat, messages=messages, response_format={"type": "json_object"}, max_tokens=200)
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)
    else:
        assert answer.choices[0].message.content.lstrip().startswith("{")


def test_a_schema_is_held_to(chat: openai.OpenAI) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": SCHEMA}}
    answer = json.loads(text_of(chat, response_format=wanted, max_tokens=200))
    assert answer.keys() == {"city", "inhabited"}
    assert isinstance(answer["city"], str)
    assert isinstance(answer["inhabited"], bool)


def test_a_schema_that_is_none_is_named(chat: openai.OpenAI) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "nothing"}}}
    with pytest.raises(openai.BadRequestError) as failure:
        ask(chat, response_format=wanted)
    assert failure.value.param == "response_format"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_deadline_ends_a_generation(chat: openai.OpenAI, stream: bool) -> None:
    began = time.monotonic()
    with pytest.raises(openai.APIError) as failure:
        list(
            ask(
                chat,
                stream=stream,
                extra_body={"ignore_eos": True},
                extra_headers={"x-request-timeout-ms": "700"},
            )
        )
    assert failure.value.code == "timeout"
    assert time.monotonic() - began >= 0.7
