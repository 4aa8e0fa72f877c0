"""A conversation to a prompt, by the template that the model carries; the sandbox keeps the template from doing harm.

Variables, functions and loop controls are those that transformers gives: `messages`, `tools` and `documents` (none
here), `add_generation_prompt`, `bos_token`, `eos_token`, `raise_exception`, `strftime_now`. Called by `prompts`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from model_runtime.engines.config import read_json_if_present
from model_runtime.engines.errors import InvalidModelError
from model_runtime.frontend.errors import InvalidRequest

Messages = Sequence[Mapping[str, str]]
Render = Callable[[Messages], str]


def read_template(folder: Path) -> str | None:
    """Return the chat template of a model's folder, or None if it has none."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        template = (read_json_if_present(folder / name) or {}).get("chat_template")
        if isinstance(template, list):
            template = next((named.get("template") for named in template if named.get("name") == "default"), None)
        if isinstance(template, str) and template:
            return template
    return None


def make_render(template: str, *, bos_token: str | None, eos_token: str | None) -> Render:
    """Compile a template; `render` raises InvalidRequest where the template refuses a conversation.

    Raises InvalidModelError for what is no template.
    """
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals |= {"raise_exception": _refuse, "strftime_now": _strftime_now}
    environment.filters["tojson"] = _tojson
    try:
        compiled = environment.from_string(template)
    except TemplateError as error:
        raise InvalidModelError(f"the chat template cannot be read: {error}") from error
    given: dict[str, Any] = {"bos_token": bos_token or "", "eos_token": eos_token or ""}
    given |= {"tools": None, "documents": None, "add_generation_prompt": True}

    def render(messages: Messages) -> str:
        try:
            return compiled.render(messages=messages, **given)
        except TemplateError as error:
            raise InvalidRequest(f"messages: the model's template refuses them: {error}", param="messages") from error

    return render


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now(UTC).strftime(form)


def _tojson(value: object, indent: int | None = None) -> str:
    """Write JSON as text; the template language's own filter is for pages and escapes `<` and quotes."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
