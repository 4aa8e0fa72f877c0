"""The types of fields that several bodies share: texts or tokens, turns, values that change nothing."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_INPUTS = 2048
MAX_PROMPTS = 32

Text = Annotated[str, Field(min_length=1)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TokenList = Annotated[list[TokenId], Field(min_length=1)]


class Neutral:
    """A field that takes null and these values alone: those that leave an answer as it is without the field."""

    def __init__(self, *values: object) -> None:
        self._values = values

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check before anything else: the type is Any."""
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """List the values in the API's document."""
        return {"enum": [None, *self._values]}

    def _check(self, value: object) -> object:
        if value is None or any(type(value) is type(one) and value == one for one in self._values):
            return value
        wanted = " or ".join(json.dumps(one) for one in self._values) or "null"
        raise PydanticCustomError("unsupported_value", "only {wanted} is supported", {"wanted": wanted})


def _kind_of_input(value: object) -> str | None:
    """Return which of the forms of `prompt` and `input` is meant, by the first element of a list."""
    match value:
        case str():
            return "a text"
        case [str(), *_]:
            return "a list of texts"
        case [int(), *_]:
            return "some tokens"
        case [[*_], *_]:
            return "a list of tokens"
        case _:
            return None


_BY_KIND = Discriminator(
    _kind_of_input,
    custom_error_type="input_kind",
    custom_error_message="expected a text, tokens, or a list of texts or of tokens that is not empty",
)

Prompt = Annotated[
    Annotated[Text, Tag("a text")]
    | Annotated[TokenList, Tag("some tokens")]
    | Annotated[list[Text], Field(min_length=1, max_length=MAX_PROMPTS), Tag("a list of texts")]
    | Annotated[list[TokenList], Field(min_length=1, max_length=MAX_PROMPTS), Tag("a list of tokens")],
    _BY_KIND,
]
Input = Annotated[
    Annotated[Text, Tag("a text")]
    | Annotated[TokenList, Tag("some tokens")]
    | Annotated[list[Text], Field(min_length=1, max_length=MAX_INPUTS), Tag("a list of texts")]
    | Annotated[list[TokenList], Field(min_length=1, max_length=MAX_INPUTS), Tag("a list of tokens")],
    _BY_KIND,
]


def as_list(value: object) -> object:
    """Let one text stand for a list of it."""
    return [value] if isinstance(value, str) else value


def _join_parts(content: object, info: ValidationInfo) -> object:
    """Join the text parts of a message's content; other kinds of parts are left for the type check to refuse."""
    if content is None and info.data.get("role") == "assistant":
        return ""  # a turn without words, as OpenAI's API allows
    if not isinstance(content, list):
        return content
    texts = _texts_of(content)
    if len(texts) != len(content):
        raise ValueError('only parts of the form {"type": "text", "text": …} are served')
    return "".join(texts)


def _texts_of(parts: Sequence[object]) -> list[str]:
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return [text for text in texts if isinstance(text, str)]


_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    "required": ["type", "text"],
}
_CONTENT = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": _PART}, {"type": "null"}]})


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_join_parts), Field(validate_default=True), _CONTENT] = None  # type: ignore[assignment]
    name: str | None = None  # templates have no place for it
    # What an answer's message carries, so that it can be sent back as a turn.
    refusal: Annotated[Any, Neutral()] = None
    audio: Annotated[Any, Neutral()] = None
    function_call: Annotated[Any, Neutral()] = None
    tool_calls: Annotated[Any, Neutral([])] = None
    annotations: Annotated[Any, Neutral([])] = None
