"""The request bodies of the OpenAI API as far as they are served, and their checks; pure.

Fields that change an answer and are not served yet are absent, so that they are refused by name; fields that only
describe the client are accepted and ignored.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from model_runtime.frontend.errors import InvalidRequest

MAX_CHOICES = 8
MAX_MESSAGES = 2048
MAX_INPUTS = 2048
MAX_PROMPTS = 32

TokenList = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


def _join_parts(content: object) -> object:
    """Join the text parts of a message's content; other kinds of parts are left for the type check to refuse."""
    if not isinstance(content, list):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    texts = [text for text in parts if isinstance(text, str)]
    if len(texts) != len(content):
        raise ValueError('only parts of the form {"type": "text", "text": …} are served')
    return "".join(texts)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Body(BaseModel):
    """What all bodies share: strict types, no unknown fields, and the name of the model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: str
    user: str | None = None  # describes the client; has no effect here


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_join_parts)]
    name: str | None = None  # templates have no place for it


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


class ChatBody(GenerationBody):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None


class CompletionBody(GenerationBody):
    """POST /v1/completions."""

    prompt: (
        Text
        | TokenList
        | Annotated[list[Text], Field(min_length=1, max_length=MAX_PROMPTS)]
        | Annotated[list[TokenList], Field(min_length=1, max_length=MAX_PROMPTS)]
    )


class EmbeddingBody(Body):
    """POST /v1/embeddings."""

    input: (
        Text
        | TokenList
        | Annotated[list[Text], Field(min_length=1, max_length=MAX_INPUTS)]
        | Annotated[list[TokenList], Field(min_length=1, max_length=MAX_INPUTS)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None


AnyBody = TypeVar("AnyBody", bound=Body)


def parse_body(kind: type[AnyBody], text: bytes) -> AnyBody:
    """Read a request body; InvalidRequest names the first field that is wrong."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _explain(error.errors(include_url=False)[0]) from error


def _explain(first: Any) -> InvalidRequest:  # noqa: ANN401 - pydantic's error details
    param = ".".join(str(part) for part in first["loc"] if part != "function-before") or None
    if first["type"] == "json_invalid":
        return InvalidRequest(f"The body is not JSON: {first['ctx']['error']}", code="invalid_json")
    if first["type"] == "extra_forbidden":
        return InvalidRequest(f"{param}: this field is not supported", param=param, code="unsupported_parameter")
    if first["type"] == "missing":
        return InvalidRequest(f"{param}: this field is required", param=param, code="missing_required_parameter")
    return InvalidRequest(f"{param}: {first['msg']}, not {first['input']!r:.80}", param=param, code="invalid_value")
