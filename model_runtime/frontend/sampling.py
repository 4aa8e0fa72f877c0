"""From a body's fields to the `sampling_parameters` of Triton's model, which have vLLM's names; pure.

Called by `choices`. A field that is left out, or that has the value which changes nothing, is not sent: so an engine
that lacks a parameter serves every request that does not need it.
"""

from collections.abc import Mapping
from typing import Any

from model_runtime.frontend.schema.generation import AnyJson, GenerationBody, JsonOfSchema

_SAME_NAMES: Mapping[str, object] = {
    "temperature": None,
    "top_p": None,
    "top_k": None,
    "stop": [],
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "repetition_penalty": 1.0,
    "logit_bias": {},
    "min_p": 0.0,
    "min_tokens": 0,
    "stop_token_ids": [],
    "ignore_eos": False,
}

# What the engine calls a field that it refuses, and what the client called it.
CHAT_NAMES = {"text_input": "messages", "structured_outputs": "response_format", "logprobs": "top_logprobs"}
TEXT_NAMES = {"text_input": "prompt", "structured_outputs": "response_format"}


def sampling_parameters(body: GenerationBody, length: Mapping[str, int | None], logprobs: int | None) -> dict[str, Any]:
    """Return the parameters that all choices of a request share.

    `length` has `max_tokens`, where None goes on until the context is full, or nothing, for the engine's default.
    `logprobs` is how many likely tokens to name at each place, None for no logprobs at all.
    """
    given = {name: getattr(body, name) for name in _SAME_NAMES}
    parameters = {name: value for name, value in given.items() if value is not None and value != _SAME_NAMES[name]}
    return {**length} | parameters | _structure(body) | ({} if logprobs is None else {"logprobs": logprobs})


def _structure(body: GenerationBody) -> dict[str, Any]:
    match body.response_format:
        case AnyJson():
            return {"structured_outputs": {"json_object": True}}
        case JsonOfSchema(json_schema=wanted):
            return {"structured_outputs": {"json": wanted.json_schema}}
        case _:
            return {}
