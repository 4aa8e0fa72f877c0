"""`nereid chat`: a conversation with a model by the OpenAI API, streamed to the terminal.

Comes in: a way to open a connection to a replica, and lines of a person. Goes out: the answer, piece by piece.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, TextIO

from nereid_operator.api.model_deployment import Task
from nereid_operator.api.model_status import recorded_model
from nereid_operator.cli.errors import ChatError
from nereid_operator.cli.evidence import Evidence
from nereid_operator.cli.http_stream import Open, sent
from nereid_operator.cli.sse import pieces
from nereid_operator.observe import pod_facts
from nereid_operator.status import ready_condition

ANSWER_SECONDS = 120  # the longest silence: a first token behind a full queue on a slow CPU


@dataclass(frozen=True, slots=True)
class Partner:
    """Who answers: a pod that is ready, and the name the model has in requests."""

    pod: str
    served_name: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Style:
    """How the model is asked to answer; None leaves it to the model."""

    system: str | None
    max_tokens: int | None


def partner(evidence: Evidence) -> Partner:
    """Return who can be talked to; ChatError says why nobody can."""
    model, status = evidence.model, evidence.model.get("status", {})
    name, resolved = model["metadata"]["name"], recorded_model(status)
    if resolved is not None and resolved.task != Task.CHAT:
        raise ChatError(f"{name} is a model for {resolved.task}, and chat needs one for {Task.CHAT}")
    serving = status.get("revisions", {}).get("stable")
    pods = [pod for pod in map(pod_facts, evidence.pods) if pod.ready and not pod.terminating]
    answering = sorted(pod.name for pod in pods if serving and pod.revision == serving)
    if not answering:
        reason = ready_condition(status).get("reason", "the operator has not looked at it yet")
        raise ChatError(f"{name} does not answer now ({reason}); nereid why {name} says more")
    return Partner(answering[0], model["spec"]["model"].get("servedName") or name)


def converse(open_connection: Open, served_name: str, lines: Iterable[str], out: TextIO, *, style: Style) -> None:
    """Answer each line of a person, remembering what was said."""
    said = [Message("system", style.system)] if style.system else []
    for line in lines:
        if not line.strip():
            continue
        said.append(Message("user", line.strip()))
        answer = _written(ask(open_connection, served_name, said, max_tokens=style.max_tokens), out)
        said.append(Message("assistant", answer))


def ask(open_connection: Open, served_name: str, said: Iterable[Message], *, max_tokens: int | None) -> Iterator[str]:
    """Yield the answer piece by piece; ChatError when the model refuses or fails."""
    limit = {"max_tokens": max_tokens} if max_tokens is not None else {}
    messages = [{"role": message.role, "content": message.content} for message in said]
    body = {"model": served_name, "messages": messages, "stream": True, **limit}
    with open_connection() as connected:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        response = sent(
            connected,
            "POST",
            "/v1/chat/completions",
            silence_seconds=ANSWER_SECONDS,
            body=json.dumps(body),
            headers=headers,
        )
        if response.status != 200:
            raise ChatError(f"the model answered {response.status}: {_refusal(response)}")
        yield from pieces(response)


def _written(answer: Iterable[str], out: TextIO) -> str:
    parts = []
    for piece in answer:
        out.write(piece)
        out.flush()
        parts.append(piece)
    out.write("\n")
    return "".join(parts)


def _refusal(response: HTTPResponse) -> str:
    text = response.read().decode(errors="replace")
    try:
        parsed: Any = json.loads(text)
        return str(parsed["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:200] or response.reason
