"""A conversation to a prompt, by the template that the model carries; the sandbox keeps the template from doing harm.

Variables and functions are those that transformers gives: `messages`, `add_generation_prompt`, `bos_token`,
`eos_token`, `raise_exception`. Called by `prompts`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from model_runtime.engines.config import read_json_if_present
from model_runtime.frontend.errors import InvalidRequest

Messages = Sequence[Mapping[str, str]]
Render = Callable[[Messages], str]


def read_template(folder: Path) -> str | None:
    """Return the chat template of a model's folder, or None if it has none."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text()
    template = (read_json_if_present(folder / "tokenizer_config.json") or {}).get("chat_template")
    if isinstance(template, list):
        return next((named["template"] for named in template if named["name"] == "default"), None)
    return template if isinstance(template, str) else None


def make_render(template: str, *, bos_token: str | None, eos_token: str | None) -> Render:
    """Compile a template; `render` raises InvalidRequest where the template refuses a conversation."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"raise_exception": _refuse}
    compiled = environment.from_string(template)
    tokens: dict[str, Any] = {"bos_token": bos_token or "", "eos_token": eos_token or ""}

    def render(messages: Messages) -> str:
        try:
            return compiled.render(messages=messages, add_generation_prompt=True, **tokens)
        except TemplateError as error:
            raise InvalidRequest(f"messages: the model's template refuses them: {error}", param="messages") from error

    return render


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
