"""A conversation to a prompt, by the template that the model carries. Pure; runs in a worker of `sandbox` alone.

Variables, functions and loop controls are those that transformers gives: `messages`, `tools` and `documents` (none
here), `add_generation_prompt`, `bos_token`, `eos_token`, `raise_exception`, `strftime_now`. The template language's own
sandbox keeps a template from reaching out; that it ends, and how much it takes, is for the worker's limits: merely to
compile `{{ 10 ** (10 ** 9) }}` takes hours. `answer` is the worker's program; `ask` and `read` are for the other end.
"""

import encodings.unicode_escape
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from io import StringIO
from typing import Any, NoReturn

import jinja2.constants
import jinja2.debug
import orjson
from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

# What Python and the library import at their first use: the worker can then no longer open a file.
_LATE_IMPORTS = (encodings.unicode_escape, jinja2.constants, jinja2.debug)
_INSIDE = re.compile(r"__\w+__")

PROGRAM = "model_runtime.chat_template"
# The most that a prompt may have; the longest contexts, of ten million tokens, are not asked for through this API.
MAX_PROMPT_CHARACTERS = 8 << 20

Ask = Callable[[bytes], bytes]
Messages = Sequence[Mapping[str, str]]


class Verdict(StrEnum):
    """What came of a template and a conversation."""

    RENDERED = "Rendered"  # the text is the prompt
    REFUSED = "Refused"  # the template says so itself, or this conversation makes it fail; the text is why
    INVALID = "Invalid"  # no template; the text is the mistake
    REACHES_OUT = "ReachesOut"  # it wants other files, or the inside of Python; the text is what
    GROWS = "Grows"  # the prompt is longer than it may be; the text says how long


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and its text."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A template, what it is given, and the time for `strftime_now`, in seconds since 1970."""

    template: str
    messages: Messages
    bos_token: str
    eos_token: str
    now: float


def ask(worker: Ask, question: Question) -> Outcome:
    """Put the question to a worker; raises what the worker raises."""
    return read(worker(write(question)))


def write(question: Question) -> bytes:
    """Return the question as the worker reads it."""
    return orjson.dumps(question)


def read(content: bytes) -> Outcome:
    """Return the outcome that a worker wrote."""
    verdict, _, text = content.decode().partition("\n")
    return Outcome(Verdict(verdict), text)


def answer(content: bytes) -> bytes:
    """Return the outcome of a question; the worker's program."""
    outcome = render(Question(**orjson.loads(content)))
    return f"{outcome.verdict}\n{outcome.text}".encode(errors="replace")


def render(question: Question) -> Outcome:
    """Apply a template to a conversation."""
    try:
        compiled = _compile(question.template)
    except SecurityError as error:
        return Outcome(Verdict.REACHES_OUT, str(error))
    except TemplateSyntaxError as error:
        return Outcome(Verdict.INVALID, f"{error.message} in line {error.lineno}")
    except (RecursionError, SyntaxError, TemplateError, ValueError) as error:
        return Outcome(Verdict.INVALID, _words(error))
    return _render(compiled, question)


def _render(compiled: Template, question: Question) -> Outcome:
    try:
        return _joined(compiled.generate(**_given(question)))
    except SecurityError as error:
        return Outcome(Verdict.REACHES_OUT, str(error))
    except TemplateError as error:
        return Outcome(Verdict.REFUSED, str(error))
    except RecursionError:
        return Outcome(Verdict.GROWS, "macros that call themselves")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - templates compute: whatever Python raises is the template's failure
        return Outcome(Verdict.REFUSED, _words(error))


def _given(question: Question) -> dict[str, Any]:
    return {
        "messages": question.messages,
        "bos_token": question.bos_token,
        "eos_token": question.eos_token,
        "tools": None,
        "documents": None,
        "add_generation_prompt": True,
        "strftime_now": datetime.fromtimestamp(question.now, UTC).strftime,
    }


def _joined(pieces: Iterator[str]) -> Outcome:
    """Join the pieces of a prompt; a template that writes without end is stopped on its way."""
    prompt = StringIO()
    for piece in pieces:
        prompt.write(piece)
        if prompt.tell() > MAX_PROMPT_CHARACTERS:
            return Outcome(Verdict.GROWS, f"more than {MAX_PROMPT_CHARACTERS} characters")
    return Outcome(Verdict.RENDERED, prompt.getvalue())


@lru_cache(maxsize=8)
def _compile(template: str) -> Template:
    """Compile a template whose every part stays inside.

    Raises:
        SecurityError: it asks for what lies outside, even if only in a branch that is never taken.
        TemplateSyntaxError: it is no template.

    """
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation])
    environment.globals["raise_exception"] = _refuse
    environment.filters["tojson"] = _tojson
    tree = environment.parse(template)
    for node in tree.find_all((nodes.Stmt, nodes.Getattr, nodes.Getitem, nodes.Filter)):
        _check(node)
    return environment.from_string(tree)


class _Sandbox(ImmutableSandboxedEnvironment):
    """The library's sandbox, which lets a template look at what it must not see as if it were empty; here it ends."""

    def unsafe_undefined(self, obj: object, attribute: str) -> NoReturn:
        """Refuse what the sandbox hides."""
        raise SecurityError(f"attribute {attribute[:40]!r} of {type(obj).__name__}")


class _Generation(Extension):
    """`{% generation %}` marks the assistant's words for those who train a model; here it marks nothing."""

    tags = {"generation"}  # noqa: RUF012 - the type of the library's own

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return what is between the marks."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _check(node: nodes.Node) -> None:
    match node:
        case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
            raise SecurityError(f"another file, by {type(node).__name__.lower()} in line {node.lineno}")
        case nodes.Getattr(attr=str(name)) if name.startswith("_"):
            raise SecurityError(f"attribute {name[:40]!r} in line {node.lineno}")
        case nodes.Getitem() | nodes.Filter():
            # A name in brackets, or an argument of `attr`, `map` and their like.
            for constant in node.find_all(nodes.Const):
                if isinstance(constant.value, str) and _INSIDE.fullmatch(constant.value):
                    raise SecurityError(f"attribute {constant.value[:40]!r} in line {node.lineno}")


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _tojson(value: object, indent: int | None = None) -> str:
    """Write JSON as text; the template language's own filter is for pages and escapes `<` and quotes."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
