"""Which fields and values of OpenAI's API are taken, and how the others are refused."""

import json
from typing import Any

import pytest

from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.schema.body import parse_body
from model_runtime.frontend.schema.chat import ChatBody
from model_runtime.frontend.schema.completions import CompletionBody
from model_runtime.frontend.schema.embeddings import EmbeddingBody
from model_runtime.frontend.schema.generation import GenerationBody

USER = {"role": "user", "content": "Hi"}
MINIMAL: dict[type[Any], dict[str, Any]] = {
    ChatBody: {"model": "m", "messages": [USER]},
    CompletionBody: {"model": "m", "prompt": "Once"},
    EmbeddingBody: {"model": "m", "input": "a cat"},
}


def parse(kind: type[Any], change: dict[str, Any]) -> Any:
    return parse_body(kind, json.dumps(MINIMAL[kind] | change).encode())


NEUTRAL = [
    (ChatBody, {"audio": None}),
    (ChatBody, {"frequency_penalty": 0.0}),
    (ChatBody, {"function_call": "none", "functions": []}),
    (ChatBody, {"logit_bias": {}}),
    (ChatBody, {"logprobs": False, "top_logprobs": 0}),
    (ChatBody, {"metadata": {"team": "a"}, "store": True, "service_tier": "auto", "user": "u"}),
    (ChatBody, {"modalities": ["text"]}),
    (ChatBody, {"n": 1, "seed": 7, "stop": None, "stream": False}),
    (ChatBody, {"parallel_tool_calls": True}),
    (ChatBody, {"prediction": {"type": "content", "content": "x"}}),
    (ChatBody, {"presence_penalty": 0}),
    (ChatBody, {"prompt_cache_key": "k", "safety_identifier": "s"}),
    (ChatBody, {"reasoning_effort": "none", "verbosity": "medium"}),
    (ChatBody, {"response_format": {"type": "text"}}),
    (ChatBody, {"stream_options": None, "max_completion_tokens": 5}),
    (ChatBody, {"tools": [], "tool_choice": "none"}),
    (CompletionBody, {"best_of": 1, "echo": False, "logprobs": None, "suffix": ""}),
    (CompletionBody, {"presence_penalty": 0, "frequency_penalty": 0, "logit_bias": None}),
    (EmbeddingBody, {"user": "u", "encoding_format": "base64", "dimensions": None}),
    (EmbeddingBody, {"input": ["a"] * 2048}),
]


@pytest.mark.parametrize(("kind", "change"), NEUTRAL, ids=[",".join(change) for _, change in NEUTRAL])
def test_what_changes_no_answer_is_taken(kind: type[Any], change: dict[str, Any]) -> None:
    parse(kind, change)


def test_everything_may_be_null_but_the_model_and_the_text() -> None:
    names = ChatBody.model_fields.keys() | GenerationBody.model_fields.keys()
    parse(ChatBody, dict.fromkeys(names - {"model", "messages"}))


TURNS = [
    ("a text", USER, "Hi"),
    ("an empty text", {"role": "user", "content": ""}, ""),
    ("text parts", {"role": "user", "content": [{"type": "text", "text": text} for text in ("a", "b")]}, "ab"),
    ("an assistant without words", {"role": "assistant", "content": None}, ""),
    ("an assistant without content", {"role": "assistant"}, ""),
    ("an answer sent back", {"role": "assistant", "content": "x", "refusal": None, "tool_calls": None}, "x"),
    ("the newer name of system", {"role": "developer", "content": "Be brief."}, "Be brief."),
]


@pytest.mark.parametrize(("sentence", "message", "content"), TURNS, ids=[turn[0] for turn in TURNS])
def test_the_content_of_a_turn(sentence: str, message: dict[str, Any], content: str) -> None:
    assert parse(ChatBody, {"messages": [message]}).messages[0].content == content


MISSING = "missing_required_parameter"


def schema_of(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}


IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
REFUSED = [
    (ChatBody, {"audio": {"voice": "a"}}, "audio", "unsupported_value"),
    (ChatBody, {"beams": 4}, "beams", "unsupported_parameter"),
    (ChatBody, {"frequency_penalty": -2.5}, "frequency_penalty", "invalid_value"),
    (ChatBody, {"logit_bias": {"5": 101}}, "logit_bias.5", "invalid_value"),
    (ChatBody, {"logit_bias": {"Paris": 1}}, "logit_bias.Paris", "invalid_value"),
    (ChatBody, {"logit_bias": {str(token): 1 for token in range(1025)}}, "logit_bias", "invalid_value"),
    (ChatBody, {"logprobs": 1}, "logprobs", "invalid_value"),
    (ChatBody, {"top_logprobs": 21}, "top_logprobs", "invalid_value"),
    (ChatBody, {"repetition_penalty": 0}, "repetition_penalty", "invalid_value"),
    (ChatBody, {"min_p": 1.5}, "min_p", "invalid_value"),
    (ChatBody, {"min_tokens": -1}, "min_tokens", "invalid_value"),
    (ChatBody, {"stop": ["word"] * 10_000}, "stop", "invalid_value"),
    (ChatBody, {"stop": ["a", ""]}, "stop.1", "invalid_value"),
    (ChatBody, {"stop_token_ids": [-1]}, "stop_token_ids.0", "invalid_value"),
    (ChatBody, {"messages": [IMAGE]}, "messages.0.content", "invalid_value"),
    (ChatBody, {"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "invalid_value"),
    (ChatBody, {"messages": [{"role": "user", "content": None}]}, "messages.0.content", "invalid_value"),
    (ChatBody, {"messages": [{"role": "user"}]}, "messages.0.content", "invalid_value"),
    (ChatBody, {"presence_penalty": "high"}, "presence_penalty", "invalid_value"),
    (ChatBody, {"response_format": {"type": "xml"}}, "response_format", "invalid_value"),
    (ChatBody, {"response_format": {"type": "json_schema"}}, "response_format.json_schema", MISSING),
    (
        ChatBody,
        {"response_format": schema_of({"a": "x" * 70_000})},
        "response_format.json_schema.schema",
        "invalid_value",
    ),
    (ChatBody, {"response_format": schema_of({"a": 10**30})}, "response_format.json_schema.schema", "invalid_value"),
    (ChatBody, {"tool_choice": "required"}, "tool_choice", "unsupported_value"),
    (ChatBody, {"tools": [{"type": "function"}]}, "tools", "unsupported_value"),
    (CompletionBody, {"best_of": 3}, "best_of", "unsupported_value"),
    (CompletionBody, {"echo": "yes"}, "echo", "invalid_value"),
    (CompletionBody, {"logprobs": 21}, "logprobs", "invalid_value"),
    (CompletionBody, {"prompt": 5}, "prompt", "invalid_value"),
    (CompletionBody, {"prompt": ["a", ""]}, "prompt.1", "invalid_value"),
    (CompletionBody, {"prompt": [-1]}, "prompt.0", "invalid_value"),
    (EmbeddingBody, {"input": ""}, "input", "invalid_value"),
    (EmbeddingBody, {"input": []}, "input", "invalid_value"),
    (EmbeddingBody, {"input": ["a"] * 2049}, "input", "invalid_value"),
    (EmbeddingBody, {"input": [[1, 2], [-1]]}, "input.1.0", "invalid_value"),
]


@pytest.mark.parametrize(
    ("kind", "change", "param", "code"), REFUSED, ids=[f"{row[2]} {number}" for number, row in enumerate(REFUSED)]
)
def test_what_would_change_the_answer_is_refused_by_name(
    kind: type[Any], change: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(InvalidRequest) as failure:
        parse(kind, change)
    assert (failure.value.param, failure.value.code) == (param, code)
    assert failure.value.message.startswith(f"{param}: ")
