"""The request bodies of the OpenAI API as far as they are served, and their checks; pure.

Fields that change an answer and are not served yet are absent, or here with the values that leave it as it is, so that
all else is refused by name; fields that only describe the client are accepted and ignored.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from model_runtime.frontend.errors import InvalidRequest

MAX_CHOICES = 8
MAX_MESSAGES = 2048
MAX_INPUTS = 2048
MAX_PROMPTS = 32

TokenList = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


def _neutral(*values: object) -> BeforeValidator:
    """Accept null and these values alone: those that leave an answer as it is without the field."""
    accepted = [orjson.dumps(value) for value in values]

    def check(value: object) -> object:
        if value is None or orjson.dumps(value) in accepted:
            return value
        wanted = " or ".join(text.decode() for text in accepted) or "null"
        raise PydanticCustomError("unsupported_value", "only {wanted} is supported", {"wanted": wanted})

    return BeforeValidator(check)


def _join_parts(content: object, info: ValidationInfo) -> object:
    """Join the text parts of a message's content; other kinds of parts are left for the type check to refuse."""
    if content is None and info.data.get("role") == "assistant":
        return ""  # a turn without words, as OpenAI's API allows
    if not isinstance(content, list):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    texts = [text for text in parts if isinstance(text, str)]
    if len(texts) != len(content):
        raise ValueError('only parts of the form {"type": "text", "text": …} are served')
    return "".join(texts)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


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


class Body(BaseModel):
    """What all bodies share: strict types, no unknown fields, and the name of the model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: str
    user: str | None = None  # describes the client; has no effect here


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_join_parts), Field(validate_default=True)] = None  # type: ignore[assignment]
    name: str | None = None  # templates have no place for it
    # What an answer's message carries, so that it can be sent back as a turn.
    refusal: Annotated[Any, _neutral()] = None
    audio: Annotated[Any, _neutral()] = None
    function_call: Annotated[Any, _neutral()] = None
    tool_calls: Annotated[Any, _neutral([])] = None
    annotations: Annotated[Any, _neutral([])] = None


class StreamOptions(BaseModel):
    """What a stream carries besides text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    include_usage: bool = False
    include_obfuscation: bool = False  # has no effect here


class GenerationBody(Body):
    """What chat and text completions share; a null means the default, as in OpenAI's API."""

    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None  # not OpenAI's, but vLLM's and many clients'
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63 - MAX_CHOICES * MAX_PROMPTS)] | None = None
    stop: Annotated[
        Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=4)] | None,
        BeforeValidator(_as_list),
    ] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    frequency_penalty: Annotated[Any, _neutral(0, 0.0)] = None
    presence_penalty: Annotated[Any, _neutral(0, 0.0)] = None
    logit_bias: Annotated[Any, _neutral({})] = None


class ChatBody(GenerationBody):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    audio: Annotated[Any, _neutral()] = None
    function_call: Annotated[Any, _neutral("none", "auto")] = None
    functions: Annotated[Any, _neutral([])] = None
    logprobs: Annotated[Any, _neutral(False)] = None  # noqa: FBT003 - the value in a request
    modalities: Annotated[Any, _neutral(["text"])] = None
    reasoning_effort: Annotated[Any, _neutral("none")] = None
    response_format: Annotated[Any, _neutral({"type": "text"})] = None
    tool_choice: Annotated[Any, _neutral("none", "auto")] = None
    tools: Annotated[Any, _neutral([])] = None
    top_logprobs: Annotated[Any, _neutral(0)] = None
    verbosity: Annotated[Any, _neutral("medium")] = None
    web_search_options: Annotated[Any, _neutral()] = None
    # These have no effect on what is answered here.
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    prediction: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None


class CompletionBody(GenerationBody):
    """POST /v1/completions."""

    prompt: Annotated[
        Annotated[Text, Tag("a text")]
        | Annotated[TokenList, Tag("some tokens")]
        | Annotated[list[Text], Field(min_length=1, max_length=MAX_PROMPTS), Tag("a list of texts")]
        | Annotated[list[TokenList], Field(min_length=1, max_length=MAX_PROMPTS), Tag("a list of tokens")],
        _BY_KIND,
    ]
    best_of: Annotated[Any, _neutral(1)] = None
    echo: Annotated[Any, _neutral(False)] = None  # noqa: FBT003 - the value in a request
    logprobs: Annotated[Any, _neutral()] = None
    suffix: Annotated[Any, _neutral("")] = None


class EmbeddingBody(Body):
    """POST /v1/embeddings."""

    input: Annotated[
        Annotated[Text, Tag("a text")]
        | Annotated[TokenList, Tag("some tokens")]
        | Annotated[list[Text], Field(min_length=1, max_length=MAX_INPUTS), Tag("a list of texts")]
        | Annotated[list[TokenList], Field(min_length=1, max_length=MAX_INPUTS), Tag("a list of tokens")],
        _BY_KIND,
    ]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None


AnyBody = TypeVar("AnyBody", bound=Body)


def parse_body(kind: type[AnyBody], text: bytes) -> AnyBody:
    """Read a request body; InvalidRequest names the first field that is wrong."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _explain(error.errors(include_url=False)[0]) from error


_FIELD = re.compile(r"\w+")


def _explain(first: Any) -> InvalidRequest:  # noqa: ANN401 - pydantic's error details
    # Where a field has several forms, pydantic names the form too, in words that are no field's name.
    path = [str(part) for part in first["loc"] if isinstance(part, int) or _FIELD.fullmatch(part)]
    param = ".".join(path) or None
    if first["type"] == "json_invalid":
        return InvalidRequest(f"The body is not JSON: {first['ctx']['error']}", code="invalid_json")
    if first["type"] == "extra_forbidden":
        return InvalidRequest(f"{param}: this field is not supported", param=param, code="unsupported_parameter")
    if first["type"] == "missing":
        return InvalidRequest(f"{param}: this field is required", param=param, code="missing_required_parameter")
    code = "unsupported_value" if first["type"] == "unsupported_value" else "invalid_value"
    return InvalidRequest(f"{param}: {first['msg']}, not {first['input']!r:.80}", param=param, code=code)
