"""Is the chat template one that a server can live with? Asked by `resolve` and `prepare`, before any client.

The template renders a few conversations in a worker, within the limits that the frontend gives it too. It may refuse
some of them (a system turn, turns that do not alternate), not all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model_runtime.chat_template import PROGRAM, Ask, Messages, Outcome, Question, Verdict, ask
from model_runtime.errors import InvalidModel, UnsafeTemplate
from model_runtime.sandbox.client import running
from model_runtime.sandbox.errors import Crashed, OutOfMemory, OutOfTime
from model_runtime.sandbox.limits import MEBIBYTE, Limits

TEMPLATE_NAME = "chat_template.jinja"
DOCUMENT_NAME = "chat_template.json"
# The largest published ones have some 30 KB.
MAX_TEMPLATE_BYTES = 256 << 10
# Room for the longest prompt in the widest characters, four times over; two such workers fit into a frontend.
LIMITS = Limits(memory_bytes=160 * MEBIBYTE, cpu_seconds=2, wall_seconds=20, answer_bytes=33 << 20)
# What a template adds is a few words around each turn, and a page of its own about tools or the date.
_MAX_GROWTH_RATIO = 8
_MAX_OWN_CHARACTERS = 64 << 10
_MONDAY = 1_763_942_400.0  # some time, the same in every check


@dataclass(frozen=True, slots=True)
class Probe:
    """A conversation, with the words for it in a message."""

    name: str
    messages: Messages


def _turns(*contents: str) -> Messages:
    return [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(contents)]


PROBES: Sequence[Probe] = (
    Probe("one question", _turns("Why is the sky blue?")),
    Probe("a system turn", [{"role": "system", "content": "Be brief."}, *_turns("Hello", "Hello!", "And now?")]),
    Probe("no turns", ()),
    Probe("text in many scripts", _turns("Grüße 🙂 你好 שלום {{ x }} {% endfor %} <|im_end|> \x00\u202e")),
    Probe("a text of 256 KiB", _turns("word " * (52 << 10))),
    Probe("two hundred turns", _turns(*["Go on."] * 199)),
)


def template_of(own: str | None, documents: Sequence[object]) -> str | None:
    """Return the template that is served, or None: that of chat_template.jinja, else the first that a document has.

    `own` is the text of chat_template.jinja, `documents` are chat_template.json and tokenizer_config.json, parsed.
    """
    if own is not None:
        return own
    return next((found for document in documents for found in _in_document(document)), None)


def _in_document(document: object) -> Iterator[str]:
    match document:
        case {"chat_template": str(template)} if template:
            yield template
        case {"chat_template": [*templates]}:
            for named in templates:
                match named:
                    case {"name": "default", "template": str(template)} if template:
                        yield template


def check_template(template: str, bos_token: str = "", eos_token: str = "") -> None:
    """Check that a chat template renders, ends and stays inside.

    Raises:
        UnsafeTemplate: it loops, grows, reaches out or is of absurd size; the message says which and on what.
        InvalidModel: it is no template, or refuses every conversation.

    """
    size = len(template.encode(errors="replace"))
    if size > MAX_TEMPLATE_BYTES:
        raise UnsafeTemplate(f"the chat template has {size} bytes: expected at most {MAX_TEMPLATE_BYTES}")
    with running(PROGRAM, LIMITS) as worker:
        outcomes = [
            _outcome(worker.ask, probe, Question(template, probe.messages, bos_token, eos_token, _MONDAY))
            for probe in PROBES
        ]
    if all(outcome.verdict is Verdict.REFUSED for outcome in outcomes):
        raise InvalidModel(f"the chat template refuses every conversation: {outcomes[0].text}")


def _outcome(worker: Ask, probe: Probe, question: Question) -> Outcome:
    try:
        outcome = ask(worker, question)
    except OutOfTime as error:
        raise UnsafeTemplate(f"the chat template loops: {error} on {probe.name}") from error
    except OutOfMemory as error:
        raise UnsafeTemplate(f"the chat template grows without end: {error} on {probe.name}") from error
    except Crashed as error:
        raise UnsafeTemplate(f"the chat template ends the process that renders it: {error}") from error
    match outcome.verdict:
        case Verdict.INVALID:
            raise InvalidModel(f"the chat template cannot be read: {outcome.text}")
        case Verdict.REACHES_OUT:
            raise UnsafeTemplate(f"the chat template reaches out: {outcome.text}")
        case Verdict.GROWS:
            raise UnsafeTemplate(f"the chat template grows without end: {outcome.text} on {probe.name}")
    _check_growth(outcome, probe)
    return outcome


def _check_growth(outcome: Outcome, probe: Probe) -> None:
    given = sum(len(turn["content"]) for turn in probe.messages)
    allowed = _MAX_GROWTH_RATIO * given + _MAX_OWN_CHARACTERS
    if outcome.verdict is Verdict.RENDERED and len(outcome.text) > allowed:
        raise UnsafeTemplate(
            f"the chat template grows without end: {given} characters become {len(outcome.text)} on {probe.name}"
        )
