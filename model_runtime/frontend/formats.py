"""The JSON of chat and text completions, whole and in chunks; pure. Called by `completions` and `streaming`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from model_runtime.frontend.logprobs import Position, chat_logprobs, text_logprobs
from model_runtime.frontend.triton_client import Delta

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How one endpoint writes its answer; `opening` is the first chunk of each choice, where there is one.

    `whole` and `chunk` take a choice's index, its text and its logprobs as JSON; `logprobs` takes the places, how many
    likely tokens were asked for, and how many characters of the choice's text came before.
    """

    id_prefix: str
    whole_object: str
    chunk_object: str
    whole: Callable[[int, Delta, Json | None], Json]
    chunk: Callable[[int, Delta, Json | None], Json]
    opening: Callable[[int], Json] | None
    logprobs: Callable[[Sequence[Position], int, int], Json]


def _chat_choice(index: int, delta: Delta, logprobs: Json | None) -> Json:
    message = {"role": "assistant", "content": delta.text, "refusal": None}
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": delta.finish_reason}


def _chat_chunk(index: int, delta: Delta, logprobs: Json | None) -> Json:
    content = {"content": delta.text} if delta.text else {}
    return {"index": index, "delta": content, "logprobs": logprobs, "finish_reason": delta.finish_reason}


def _chat_opening(index: int) -> Json:
    return {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}


def _text_choice(index: int, delta: Delta, logprobs: Json | None) -> Json:
    return {"index": index, "text": delta.text, "logprobs": logprobs, "finish_reason": delta.finish_reason}


CHAT = Format(
    "chatcmpl-",
    "chat.completion",
    "chat.completion.chunk",
    _chat_choice,
    _chat_chunk,
    _chat_opening,
    lambda positions, likely, _: chat_logprobs(positions, likely),
)
TEXT = Format(
    "cmpl-",
    "text_completion",
    "text_completion",
    _text_choice,
    _text_choice,
    None,
    lambda positions, _, offset: text_logprobs(positions, offset),
)
