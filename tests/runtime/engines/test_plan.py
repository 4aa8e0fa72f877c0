"""How long a generation may be: what was asked for, or what there is room for."""

import pytest

from model_runtime.engines.errors import ContextLengthError
from model_runtime.engines.generate import plan
from model_runtime.engines.sampling import parse_sampling_parameters


@pytest.mark.parametrize(
    ("text", "prompt", "length"),
    [
        pytest.param("{}", 10, 16, id="by default 16 tokens"),
        pytest.param("{}", 60, 4, id="by default no more than there is room for"),
        pytest.param('{"max_tokens": null}', 10, 54, id="null goes on until the context is full"),
        pytest.param('{"max_tokens": 54}', 10, 54, id="as many as fit"),
    ],
)
def test_the_length(text: str, prompt: int, length: int) -> None:
    assert plan([1] * prompt, parse_sampling_parameters(text), 64).max_tokens == length


@pytest.mark.parametrize(("text", "prompt"), [('{"max_tokens": 16}', 60), ("{}", 64), ("{}", 65)])
def test_more_than_the_context_is_refused(text: str, prompt: int) -> None:
    with pytest.raises(ContextLengthError):
        plan([1] * prompt, parse_sampling_parameters(text), 64)
