"""A chat or text completion as it is carried out: which generations it takes, and what its answer shows; pure.

Made by `completions` from a body; written whole by `whole`, in chunks by `streaming`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from model_runtime.frontend.choices import Choice, count_usage
from model_runtime.frontend.formats import Format, Json
from model_runtime.frontend.triton_client import Delta


@dataclass(frozen=True, slots=True)
class Answer:
    """What to ask Triton for, and how to write what it says."""

    head: Json  # what the whole answer and each chunk begin with: id, time, model
    form: Format
    choices: Sequence[Choice]
    per_prompt: int  # choices for each prompt
    likely: int | None  # how many likely tokens to name at each place; None: no logprobs
    echo: bool  # the prompt comes before the text
    with_usage: bool  # a stream ends with the token counts

    def logprobs(self, delta: Delta, offset: int) -> Json | None:
        """Return the logprobs of a piece whose text begins at `offset` of its choice's text, None if not asked for."""
        return None if self.likely is None else self.form.logprobs(delta.logprobs, self.likely, offset)


def whole(answer: Answer, deltas: Sequence[Delta]) -> Json:
    """Return the JSON of an answer whose choices have all ended, in the order of its choices."""
    shown = [_with_prompt(choice, delta) if answer.echo else delta for choice, delta in _pairs(answer, deltas)]
    choices = [
        answer.form.whole(choice.index, delta, answer.logprobs(delta, 0)) for choice, delta in _pairs(answer, shown)
    ]
    usage = count_usage(deltas, answer.per_prompt).as_json()
    return answer.head | {"object": answer.form.whole_object, "choices": choices, "usage": usage}


def _pairs(answer: Answer, deltas: Sequence[Delta]) -> list[tuple[Choice, Delta]]:
    return list(zip(answer.choices, deltas, strict=True))


def _with_prompt(choice: Choice, delta: Delta) -> Delta:
    return dataclasses.replace(delta, text=choice.generation.prompt + delta.text)
