"""A conversation to a prompt, in a worker process: a template cannot hold up the server, whatever it does.

Called by `prompts`. `model_runtime.chat_template` says what a template is given.
"""

import time
from collections.abc import Callable
from pathlib import Path

from model_runtime.chat_template import PROGRAM, Messages, Outcome, Question, Verdict, read, write
from model_runtime.engines.config import read_json_if_present
from model_runtime.engines.errors import InvalidModelError
from model_runtime.frontend.errors import EngineFailed, InvalidRequest
from model_runtime.sandbox.errors import Crashed, SandboxError
from model_runtime.sandbox.pool import Pool
from model_runtime.template_check import DOCUMENT_NAME, LIMITS, TEMPLATE_NAME, template_of

# Besides the one that all requests share, one more for while that is busy with a large conversation.
_WORKERS = 2


class ChatTemplate:
    """A model's template, with the processes that apply it."""

    def __init__(
        self, template: str, *, bos_token: str | None, eos_token: str | None, now: Callable[[], float] = time.time
    ) -> None:
        """Compile the template, which also warms the first process up; InvalidModelError for what is no template."""
        self._template, self._now = template, now
        self._tokens = (bos_token or "", eos_token or "")
        self._pool = Pool(PROGRAM, LIMITS, _WORKERS)
        try:
            outcome = read(self._pool.ask_blocking(self._question([])))
        except SandboxError as error:
            self.close()
            raise InvalidModelError(f"the chat template cannot be applied: {error}") from error
        if outcome.verdict is Verdict.INVALID:
            self.close()
            raise InvalidModelError(f"the chat template cannot be read: {outcome.text}")

    async def render(self, messages: Messages) -> str:
        """Return the prompt.

        Raises:
            InvalidRequest: the template refuses the conversation, or takes too much with it.
            EngineFailed: the process died.

        """
        try:
            outcome = read(await self._pool.ask(self._question(messages)))
        except Crashed as error:
            raise EngineFailed(f"the model's chat template could not be applied: {error}") from error
        except SandboxError as error:
            raise _refused(f"takes too much with them: {error}") from error
        return _prompt(outcome)

    def close(self) -> None:
        """End the processes."""
        self._pool.close()

    def _question(self, messages: Messages) -> bytes:
        return write(Question(self._template, messages, *self._tokens, now=self._now()))


def _prompt(outcome: Outcome) -> str:
    match outcome.verdict:
        case Verdict.RENDERED:
            return outcome.text
        case Verdict.GROWS:
            raise _refused(f"makes too long a prompt of them: {outcome.text}")
        case _:
            raise _refused(f"refuses them: {outcome.text}")


def _refused(what: str) -> InvalidRequest:
    return InvalidRequest(f"messages: the model's template {what}", param="messages")


def read_template(folder: Path) -> str | None:
    """Return the chat template of a model's folder, or None if it has none."""
    file = folder / TEMPLATE_NAME
    own = file.read_text(encoding="utf-8") if file.exists() else None
    return template_of(own, [read_json_if_present(folder / name) for name in (DOCUMENT_NAME, "tokenizer_config.json")])
