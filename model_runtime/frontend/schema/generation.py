"""What the bodies of chat and text completions share: how a text is continued, and how the answer comes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from model_runtime.frontend.schema.body import Body
from model_runtime.frontend.schema.fields import MAX_PROMPTS, TokenId, as_list

MAX_CHOICES = 8
MAX_STOPS = 16
MAX_STOP_LENGTH = 256
MAX_STOP_TOKENS = 64
MAX_BIASED_TOKENS = 1024
MAX_LOGPROBS = 20
MAX_SCHEMA_BYTES = 64 * 1024

Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Bias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
# In the API's document: no other names than those of the pattern.
_NO_OTHERS: dict[str, Any] = {"additionalProperties": False}
TokenText = Annotated[str, Field(pattern=r"^[0-9]{1,10}$")]
Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_LENGTH)]
_STOP = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": MAX_STOP_LENGTH},
            {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_STOP_LENGTH},
                "maxItems": MAX_STOPS,
            },
            {"type": "null"},
        ]
    }
)


def _bounded(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        size = len(orjson.dumps(schema))
    except TypeError as error:
        raise ValueError(f"expected a schema that JSON can hold: {error}") from error
    if size > MAX_SCHEMA_BYTES:
        raise ValueError(f"a schema of {size} bytes: expected at most {MAX_SCHEMA_BYTES}")
    return schema


class JsonSchema(BaseModel):
    """The schema an answer must have; `name`, `description` and `strict` change nothing: it is always enforced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: Annotated[str, Field(max_length=4096)] | None = None
    # OpenAI's name for it, which a pydantic model has already.
    json_schema: Annotated[dict[str, Any], AfterValidator(_bounded), Field(alias="schema")]
    strict: bool | None = None


class PlainText(BaseModel):
    """Any text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: Literal["text"]


class AnyJson(BaseModel):
    """A JSON object."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: Literal["json_object"]


class JsonOfSchema(BaseModel):
    """JSON that a schema describes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: Literal["json_schema"]
    json_schema: JsonSchema


def _kind_of_format(value: object) -> str | None:
    return _FORMATS.get(str(value.get("type"))) if isinstance(value, dict) else None


# The tags have spaces: they are no fields, and errors name fields.
_FORMATS = {"text": "plain text", "json_object": "any JSON", "json_schema": "JSON of a schema"}
ResponseFormat = Annotated[
    Annotated[PlainText, Tag("plain text")]
    | Annotated[AnyJson, Tag("any JSON")]
    | Annotated[JsonOfSchema, Tag("JSON of a schema")],
    Discriminator(
        _kind_of_format,
        custom_error_type="format_kind",
        custom_error_message="expected an object whose type is text, json_object or json_schema",
    ),
]


class StreamOptions(BaseModel):
    """What a stream carries besides text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    include_usage: bool = False
    include_obfuscation: bool = False  # has no effect here


class GenerationBody(Body):
    """What chat and text completions share; a null means the default, as in OpenAI's API."""

    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: (
        Annotated[dict[TokenText, Bias], Field(max_length=MAX_BIASED_TOKENS, json_schema_extra=_NO_OTHERS)] | None
    ) = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63 - MAX_CHOICES * MAX_PROMPTS)] | None = None
    stop: Annotated[Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None, BeforeValidator(as_list), _STOP] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    # Not OpenAI's, but vLLM's and many clients'.
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=2)] | None = None
    min_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=MAX_STOP_TOKENS)] | None = None
    ignore_eos: bool | None = None
