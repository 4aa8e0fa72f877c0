"""What a request says, as the texts that go to Triton, once the tokenizer and the template are loaded.

Called by the handlers. A text that begins with the token that the tokenizer puts first would get it twice: it is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model_runtime.engines.tokenizer import Tokenizer, load_tokenizer
from model_runtime.frontend.chat_template import ChatTemplate, read_template
from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.schema.fields import Message

Input = str | Sequence[int] | Sequence[str] | Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Prompts:
    """The model's tokenizer and, for a chat model, its template."""

    tokenizer: Tokenizer
    template: ChatTemplate | None
    first_token: str  # what the tokenizer itself puts before a text; empty if nothing

    async def from_messages(self, messages: Sequence[Message]) -> str:
        """Return the prompt of a conversation, ready for the assistant's turn."""
        if self.template is None:
            raise InvalidRequest("messages: this model has no chat template; use /v1/completions", param="messages")
        prompt = await self.template.render([_as_turn(message) for message in messages])
        return prompt.removeprefix(self.first_token)

    def close(self) -> None:
        """End the template's processes."""
        if self.template is not None:
            self.template.close()

    def from_input(self, value: Input, param: str) -> list[str]:
        """Return the texts of an `input` or a `prompt`: one or several, as text or as tokens."""
        if isinstance(value, str):
            return [value]
        if isinstance(value[0], int):
            return [self._from_tokens(list(value), param)]  # type: ignore[arg-type]
        return [one if isinstance(one, str) else self._from_tokens(list(one), param) for one in value]  # type: ignore[arg-type]

    def _from_tokens(self, tokens: list[int], param: str) -> str:
        """Return the text of tokens; Triton takes text, so tokens that text cannot give back are refused."""
        size = self.tokenizer.model.get_vocab_size()
        if max(tokens) >= size:
            raise InvalidRequest(f"{param}: token {max(tokens)} is not one of the model's {size}", param=param)
        text = str(self.tokenizer.model.decode(tokens, skip_special_tokens=False))
        if self.tokenizer.encode(text, special=False) != tokens:
            raise InvalidRequest(f"{param}: these tokens are not those of a text; send the text", param=param)
        return text.removeprefix(self.first_token)


def _as_turn(message: Message) -> dict[str, str]:
    """Templates know OpenAI's `developer` by its older name."""
    return {"role": "system" if message.role == "developer" else message.role, "content": message.content}


def load_prompts(folder: Path) -> Prompts:
    """Load tokenizer and template from a model's folder."""
    tokenizer, text = load_tokenizer(folder), read_template(folder)
    template = ChatTemplate(text, bos_token=tokenizer.bos_token, eos_token=tokenizer.eos_token) if text else None
    bos = tokenizer.bos_token
    starts = bos is not None and tokenizer.encode("")[:1] == [tokenizer.model.token_to_id(bos)]
    return Prompts(tokenizer=tokenizer, template=template, first_token=bos if bos is not None and starts else "")
