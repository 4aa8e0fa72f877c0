"""The API's own document: well-formed, about every route, and true for what the bodies take."""

import json
import urllib.request
from typing import Any

import jsonschema_rs
import pytest

from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.middleware import FIELD_NAMES
from model_runtime.frontend.openapi import document
from model_runtime.frontend.schema.body import parse_body
from model_runtime.frontend.schema.chat import ChatBody
from tests.runtime.conftest import Frontend

DOCUMENT = document("m")
USER = {"role": "user", "content": "Hi"}
BODIES: list[tuple[str, dict[str, Any], bool]] = [
    ("the least", {}, True),
    ("parts", {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, True),
    ("one stop word", {"stop": "a"}, True),
    ("several stop words", {"stop": ["a", "b"]}, True),
    ("a JSON object", {"response_format": {"type": "json_object"}}, True),
    ("a schema", {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}}, True),
    ("a bias", {"logit_bias": {"5": 1}}, True),
    ("no tools", {"tools": []}, True),
    ("a tool", {"tools": [{}]}, False),
    ("another model", {"model": 5}, False),
    ("no conversation", {"messages": []}, False),
    ("a bias for a word", {"logit_bias": {"Paris": 1}}, False),
    ("an unknown field", {"beams": 4}, False),
    ("an unknown format", {"response_format": {"type": "xml"}}, False),
    ("too many choices", {"n": 9}, False),
    ("a text as a number", {"temperature": "hot"}, False),
    ("an empty stop word", {"stop": ""}, False),
]


def test_it_tells_of_every_route_of_inference() -> None:
    assert {path for path, item in DOCUMENT["paths"].items() if "post" in item} == set(FIELD_NAMES)


def test_it_has_every_name_of_the_model() -> None:
    names = document("m", "a.m")["components"]["schemas"]["ChatBody"]["properties"]["model"]
    assert names == {"type": "string", "enum": ["m", "a.m"]}


def test_it_is_served(chat_before_stand_in: Frontend) -> None:
    with urllib.request.urlopen(f"{chat_before_stand_in.url}/openapi.json", timeout=10) as answer:
        assert json.load(answer) == DOCUMENT


@pytest.mark.parametrize(("sentence", "change", "right"), BODIES, ids=[row[0] for row in BODIES])
def test_it_says_what_the_server_says(sentence: str, change: dict[str, Any], right: bool) -> None:
    body = {"model": "m", "messages": [USER]} | change
    schema = {"$ref": "#/components/schemas/ChatBody"} | DOCUMENT
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(body) == right
    assert _is_taken(body) == right


def _is_taken(body: dict[str, Any]) -> bool:
    try:
        parse_body(ChatBody, json.dumps(body).encode())
    except InvalidRequest:
        return False
    return True
