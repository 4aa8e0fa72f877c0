"""What the frontend asks of Triton for each field, and how it writes what it is told; by the openai package."""

import json
from typing import Any

import openai
import pytest

from tests.runtime.frontend.stand_in import Script, StandIn
from tests.stack.wait import wait_for

QUESTION: list[Any] = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}

SENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"stop": "a"}, {"stop": ["a"]}),
    ({"stop": ["a", "b"], "temperature": 0.5, "top_p": 0.9}, {"stop": ["a", "b"], "temperature": 0.5, "top_p": 0.9}),
    ({"presence_penalty": -1, "frequency_penalty": 2}, {"presence_penalty": -1.0, "frequency_penalty": 2.0}),
    ({"logit_bias": {"5": -100}}, {"logit_bias": {"5": -100.0}}),
    ({"seed": 7}, {"seed": 7}),
    ({"max_tokens": 3}, {"max_tokens": 3}),
    ({"extra_body": {"repetition_penalty": 1.2, "min_p": 0.1}}, {"repetition_penalty": 1.2, "min_p": 0.1}),
    ({"extra_body": {"min_tokens": 2, "ignore_eos": True}}, {"min_tokens": 2, "ignore_eos": True}),
    ({"extra_body": {"stop_token_ids": [0, 2], "top_k": 4}}, {"stop_token_ids": [0, 2], "top_k": 4}),
    ({"presence_penalty": 0, "logit_bias": {}, "stop": None}, {}),
    ({"extra_body": {"response_format": {"type": "text"}}}, {}),
    ({"extra_body": {"response_format": {"type": "json_object"}}}, {"structured_outputs": {"json_object": True}}),
    (
        {
            "extra_body": {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "strict": True, "schema": SCHEMA},
                }
            }
        },
        {"structured_outputs": {"json": SCHEMA}},
    ),
]


@pytest.mark.parametrize(("asked", "sent"), SENT, ids=[json.dumps(row[0])[:60] for row in SENT])
def test_each_parameter_is_sent_by_vllms_name(
    client: openai.OpenAI, stand_in: StandIn, asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    client.chat.completions.create(model="m", messages=QUESTION, **asked)
    client.completions.create(model="m", prompt="Hi", **asked)
    of_chat, of_text = stand_in.seen
    assert of_chat.sampling == {"max_tokens": None} | sent
    assert of_text.sampling == sent


def test_the_newer_name_of_the_longest_answer_is_taken(client: openai.OpenAI, stand_in: StandIn) -> None:
    client.chat.completions.create(model="m", messages=QUESTION, max_completion_tokens=9)
    assert stand_in.seen[0].sampling == {"max_tokens": 9}


@pytest.mark.parametrize(("likely", "named"), [(0, []), (2, ["!", "?"]), (3, ["!", "?", "."])])
def test_logprobs_of_a_conversation(client: openai.OpenAI, stand_in: StandIn, likely: int, named: list[str]) -> None:
    answer = client.chat.completions.create(model="m", messages=QUESTION, logprobs=True, top_logprobs=likely)
    assert stand_in.seen[0].sampling["logprobs"] == likely
    assert stand_in.seen[0].inputs["return_logprobs"]
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [(one.token, one.logprob) for one in logprobs.content] == [(" Paris", -0.25), (".", -1.5), ("é", -9999.0)]
    assert logprobs.content[2].bytes == [0xC3, 0xA9]
    assert [one.token for one in logprobs.content[1].top_logprobs] == named


def test_a_stream_carries_the_same_logprobs(client: openai.OpenAI, stand_in: StandIn) -> None:
    stream = client.chat.completions.create(model="m", messages=QUESTION, logprobs=True, top_logprobs=1, stream=True)
    choices = [chunk.choices[0] for chunk in stream]
    tokens = [one.token for choice in choices if choice.logprobs for one in choice.logprobs.content or []]
    assert tokens == [" Paris", ".", "é"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_logprobs_of_a_text_say_where_each_token_stands(client: openai.OpenAI, stand_in: StandIn, stream: bool) -> None:
    answer: Any = client.completions.create(model="m", prompt="Hi", logprobs=2, stream=stream)
    choices = [chunk.choices[0] for chunk in answer] if stream else [answer.choices[0]]
    text = "".join(choice.text for choice in choices)
    tokens = [token for choice in choices for token in choice.logprobs.tokens]
    offsets = [offset for choice in choices for offset in choice.logprobs.text_offset]
    assert [text[offset:].startswith(token) for offset, token in zip(offsets, tokens, strict=True)] == [True] * 3
    assert [one for choice in choices for one in choice.logprobs.token_logprobs] == [-0.25, -1.5, -9999.0]
    assert choices[-1].logprobs.top_logprobs[-2] == {".": -1.5, "!": -0.5, "?": -1.0}


def test_without_logprobs_none_are_asked_for(client: openai.OpenAI, stand_in: StandIn) -> None:
    assert client.completions.create(model="m", prompt="Hi").choices[0].logprobs is None
    assert "return_logprobs" not in stand_in.seen[0].inputs


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_echo_puts_each_prompt_before_its_text(client: openai.OpenAI, stand_in: StandIn, stream: bool) -> None:
    answer: Any = client.completions.create(model="m", prompt=["A", "B"], echo=True, stream=stream)
    pieces = [choice for chunk in answer for choice in chunk.choices] if stream else answer.choices
    texts = ["".join(piece.text for piece in pieces if piece.index == index) for index in (0, 1)]
    assert texts == ["A Paris.é", "B Paris.é"]


def test_all_choices_of_a_stream_run_at_once(client: openai.OpenAI, stand_in: StandIn) -> None:
    stand_in.hold()
    stream = client.chat.completions.create(
        model="m", messages=QUESTION, n=4, seed=1, stream=True, stream_options={"include_usage": True}
    )
    begun: set[int] = set()
    for chunk in stream:
        begun |= {choice.index for choice in chunk.choices if choice.delta.content}
        if len(begun) == 4:  # none has ended: the stand-in holds them
            stand_in.release()
    assert begun == {0, 1, 2, 3}
    assert sorted(one.sampling["seed"] for one in stand_in.seen) == [1, 2, 3, 4]
    assert chunk.usage is not None
    assert (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) == (3, 12)


def test_a_client_that_hangs_up_cancels_all_its_choices(client: openai.OpenAI, stand_in: StandIn) -> None:
    stand_in.hold()
    stream = client.chat.completions.create(model="m", messages=QUESTION, n=3, stream=True)
    next(iter(stream))
    wait_for("three generations", lambda: len(stand_in.seen) == 3, seconds=10)
    stream.close()
    wait_for("three farewells", lambda: stand_in.cancelled == 3, seconds=10)
    wait_for("no stream", lambda: stand_in.running == 0, seconds=10)
    assert stand_in.cut == 0


def test_a_failure_in_a_stream_is_its_last_event(client: openai.OpenAI, stand_in: StandIn) -> None:
    stand_in.script = Script(fails_late="64 requests are already waiting; try again later")
    stream = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
    with pytest.raises(openai.APIError, match="already waiting"):
        list(stream)


Told = tuple[int, str | None, str | None]
REFUSED: list[tuple[str, Told]] = [
    ("max_tokens: 9 is too many [context_length_exceeded]", (400, "max_tokens", "context_length_exceeded")),
    ("text_input: too long [context_length_exceeded]", (400, "messages", "context_length_exceeded")),
    ("structured_outputs: no such type [invalid_value]", (400, "response_format", "invalid_value")),
    ("logprobs: too many [invalid_value]", (400, "top_logprobs", "invalid_value")),
    ("64 requests are already waiting; try again later", (503, None, "overloaded")),
    ("the deadline of the request has passed", (504, None, "timeout")),
    ("the engine failed: out of memory", (500, None, None)),
]


@pytest.mark.parametrize(("says", "told"), REFUSED, ids=[row[0] for row in REFUSED])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_the_engine_refuses_is_told_by_the_clients_names(
    client: openai.OpenAI, stand_in: StandIn, says: str, told: Told, stream: bool
) -> None:
    stand_in.script = Script(fails=says)
    with pytest.raises(openai.APIStatusError) as failure:
        client.chat.completions.create(model="m", messages=QUESTION, stream=stream)
    assert (failure.value.status_code, failure.value.param, failure.value.code) == told
    assert failure.value.response.headers.get("retry-after") == ("1" if told[0] == 503 else None)


def test_a_deadline_reaches_triton_in_microseconds(client: openai.OpenAI, stand_in: StandIn) -> None:
    headers = {"x-request-timeout-ms": "1500"}
    client.chat.completions.create(model="m", messages=QUESTION, extra_headers=headers)
    client.chat.completions.create(model="m", messages=QUESTION)
    assert [one.timeout for one in stand_in.seen] == [1_500_000, None]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_deadline_holds_before_an_engine_that_says_nothing(
    client: openai.OpenAI, stand_in: StandIn, stream: bool
) -> None:
    stand_in.script = Script(silent=True)
    with pytest.raises(openai.APIStatusError) as failure:
        client.completions.create(model="m", prompt="Hi", stream=stream, extra_headers={"x-request-timeout-ms": "1"})
    assert (failure.value.status_code, failure.value.code) == (504, "timeout")
    wait_for("the farewell", lambda: stand_in.cancelled == 1, seconds=10)
    assert stand_in.cut == 0
