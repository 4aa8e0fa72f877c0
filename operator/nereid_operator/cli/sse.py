"""Server-sent events of the OpenAI API: lines → pieces of an answer. Pure; called by chat.

Each event is one `data:` line with a JSON object; `data: [DONE]` ends the stream (WHATWG HTML, "Server-sent events").
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from nereid_operator.cli.errors import ChatError

_DONE = "[DONE]"


def pieces(lines: Iterable[bytes]) -> Iterator[str]:
    """Yield the text of each event; ChatError when the model fails under way, or the stream ends without its end."""
    for data in _payloads(lines):
        if data == _DONE:
            return
        yield _content(_parsed(data))
    raise ChatError("the answer was cut off before its end")


def _payloads(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        name, _, value = line.decode(errors="replace").rstrip("\r\n").partition(":")
        if name == "data":
            yield value.removeprefix(" ")


def _parsed(data: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise ChatError(f"the model sent what is no event: {data[:80]!r}")
    return event


def _content(event: dict[str, Any]) -> str:
    if error := event.get("error"):
        message = error.get("message") if isinstance(error, dict) else error
        raise ChatError(f"the model failed under way: {message}")
    choices = event.get("choices") or [{}]
    return (choices[0].get("delta") or {}).get("content") or ""
