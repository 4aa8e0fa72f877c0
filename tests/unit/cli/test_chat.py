"""A conversation with a model on loopback: what it is asked, what is shown, and how it fails."""

import asyncio
import io
import json
import socket
from collections.abc import Iterable
from typing import Any

import pytest
from aiohttp import web

from nereid_operator.cli.chat import Partner, Style, converse, partner
from nereid_operator.cli.errors import ChatError
from nereid_operator.cli.evidence import Evidence
from nereid_operator.cli.sse import pieces
from tests.unit.cli.objects import model, pod, ready_pod, resolved, unready
from tests.unit.cli.servers import Model, serving

PLAIN = Style(system=None, max_tokens=None)


async def _converse(answering: Model, lines: Iterable[str], *, style: Style = PLAIN) -> str:
    out = io.StringIO()
    async with serving(web.post("/v1/chat/completions", answering.complete)) as port:
        address = ("127.0.0.1", port)
        await asyncio.to_thread(
            converse, lambda: socket.create_connection(address), "smollm2", list(lines), out, style=style
        )
    return out.getvalue()


async def test_an_answer_is_streamed_to_the_terminal():
    answering = Model(answers=[["Par", "is", "."]])
    assert await _converse(answering, ["What is the capital of France?\n"]) == "Paris.\n"
    assert answering.asked == [
        {
            "model": "smollm2",
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
            "stream": True,
        }
    ]


async def test_what_was_said_is_remembered_and_empty_lines_are_not_sent():
    answering = Model(answers=[["One."], ["Two."]])
    style = Style(system="Be short.", max_tokens=16)
    assert await _converse(answering, ["first\n", "\n", "second\n"], style=style) == "One.\nTwo.\n"
    last = answering.asked[-1]
    assert [message["content"] for message in last["messages"]] == ["Be short.", "first", "One.", "second"]
    assert [message["role"] for message in last["messages"]] == ["system", "user", "assistant", "user"]
    assert last["max_tokens"] == 16


async def test_letters_of_other_scripts_arrive_whole():
    assert await _converse(Model(answers=[["Größe: ", "漢字 🙂"]]), ["?"]) == "Größe: 漢字 🙂\n"


FAILURES = {
    "a refusal in OpenAI's form": (
        Model(refusal=(400, json.dumps({"error": {"message": "max_tokens must be at least 1"}}))),
        "the model answered 400: max_tokens must be at least 1",
    ),
    "a refusal in another form": (Model(refusal=(503, "no healthy upstream")), "503: no healthy upstream"),
    "a refusal without words": (Model(refusal=(502, "")), "502: Bad Gateway"),
    "an error under way": (
        Model(answers=[["a"]], ending='data: {"error": {"message": "out of memory"}}\n\n'),
        "failed under way: out of memory",
    ),
    "an end without its end": (Model(answers=[["a"]], ending=""), "cut off"),
    "what is no event": (Model(answers=[["a"]], ending="data: <html>\n\n"), "no event: '<html>'"),
}


@pytest.mark.parametrize(("answering", "words"), FAILURES.values(), ids=FAILURES.keys())
async def test_failures_are_one_sentence(answering: Model, words: str):
    with pytest.raises(ChatError, match=words):
        await _converse(answering, ["hello"])


def test_lines_that_are_no_data_are_passed_over():
    lines = [b": keep-alive\n", b"event: x\n", b"\n", b'data:{"choices": []}\r\n', b"data: [DONE]\n", b"data: more\n"]
    assert list(pieces(lines)) == [""]


def _chat_model(*conditions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return model(*conditions, model=resolved(task="Chat"), **more)


def test_a_pod_that_is_ready_and_serves_is_the_partner():
    evidence = Evidence(_chat_model(), pods=(pod("aaaaa"), ready_pod("ccccc"), ready_pod("bbbbb")))
    assert partner(evidence) == Partner("minilm-0a1b2c3d-bbbbb", "minilm")


def test_the_served_name_is_the_one_in_requests():
    spec = {"model": {"uri": "hf://org/minilm", "servedName": "mini"}}
    assert partner(Evidence(_chat_model(spec=spec), pods=(ready_pod(),))).served_name == "mini"


REFUSED: dict[str, tuple[Evidence, str]] = {
    "no replica is ready": (
        Evidence(_chat_model(*unready("Loading", "…")), pods=(pod(),)),
        r"minilm does not answer now \(Loading\); nereid why minilm says more",
    ),
    "only a pod of a revision that does not serve is ready": (
        Evidence(_chat_model(revisions={"current": "0a1b2c3d", "stable": "99999999"}), pods=(ready_pod(),)),
        "does not answer now",
    ),
    "the operator has not seen it": (Evidence({**model(), "status": {}}), "has not looked at it yet"),
    "a model that embeds": (
        Evidence(model(), pods=(ready_pod(),)),
        "is a model for Embedding, and chat needs one for Chat",
    ),
}


@pytest.mark.parametrize(("evidence", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_who_cannot_be_talked_to(evidence: Evidence, words: str):
    with pytest.raises(ChatError, match=words):
        partner(evidence)
