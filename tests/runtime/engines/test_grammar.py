"""Answers as JSON, by the real model: whatever it would rather say, what comes is of the form that was asked for."""

import json
from typing import Any

import pytest

from model_runtime.engines.errors import InvalidRequestError
from model_runtime.engines.generate import FinishReason
from model_runtime.engines.generator import Generator
from tests.runtime.engines.generating import Recorder, generate, request, run
from tests.runtime.reference import ReferenceChat

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def prompt(halved: Generator, reference: ReferenceChat) -> list[int]:
    return halved.tokenizer.encode(reference.prompt([{"role": "user", "content": "Tell me about a person."}]))


@pytest.mark.parametrize("seed", range(4))
def test_a_schema_is_kept(halved: Generator, prompt: list[int], seed: int) -> None:
    sink = generate(halved, prompt, max_tokens=60, seed=seed, temperature=1.5, structured_outputs={"json": PERSON})
    assert sink.pieces[-1].finish_reason is FinishReason.STOP
    person = json.loads(sink.text)
    assert set(person) == {"name", "age"}
    assert 0 <= person["age"] <= 120
    assert len(person["name"]) <= 12


def test_any_object(halved: Generator, prompt: list[int]) -> None:
    sink = generate(halved, prompt, max_tokens=200, temperature=0, structured_outputs={"json_object": True})
    assert sink.text.startswith("{")
    if sink.pieces[-1].finish_reason is FinishReason.STOP:
        assert isinstance(json.loads(sink.text), dict)


def test_others_beside_it_are_free(halved: Generator, prompt: list[int]) -> None:
    batcher, formed, free = halved.batcher(max_active=2), Recorder(), Recorder()
    batcher.add(request(halved, prompt, formed, max_tokens=60, seed=1, structured_outputs={"json": PERSON}))
    batcher.add(request(halved, prompt, free, max_tokens=8, temperature=0))
    run(batcher)
    assert set(json.loads(formed.text)) == {"name", "age"}
    assert not free.text.startswith("{")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        pytest.param({"json": {"type": "strin"}}, "the schema cannot be followed", id="an unknown type"),
        pytest.param(
            {"json": {"$ref": "http://example.com/a"}}, "the schema cannot be followed", id="a reference outside"
        ),
        pytest.param({"json": {"enum": ["x" * 70_000]}}, "expected at most 65536", id="a schema too long"),
        pytest.param({"regex": "a+"}, "expected", id="another form"),
        pytest.param({"json": {}, "json_object": True}, "expected", id="two forms at once"),
        pytest.param({}, "expected", id="none"),
    ],
)
def test_a_form_that_cannot_be_kept_is_refused(halved: Generator, prompt: list[int], wanted: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as refused:
        generate(halved, prompt, structured_outputs=wanted)
    assert refused.value.field == "structured_outputs"
