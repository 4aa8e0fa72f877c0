"""Prompts against the reference library's template code, and templates that refuse."""

from pathlib import Path

import pytest

from model_runtime.frontend.chat_template import make_render
from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.prompts import Prompts, load_prompts
from model_runtime.frontend.schema import Message
from tests.runtime.reference import ReferenceChat


@pytest.fixture(scope="module")
def reference(smollm2: Path) -> ReferenceChat:
    return ReferenceChat(smollm2)


@pytest.fixture(scope="module")
def prompts(smollm2: Path) -> Prompts:
    return load_prompts(smollm2)


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param([("user", "Hello")], id="one question"),
        pytest.param([("system", "Be brief."), ("user", "Hello")], id="with a system prompt"),
        pytest.param([("user", "Hi"), ("assistant", "Hello!"), ("user", "And now?")], id="several turns"),
        pytest.param([("user", "  spaces \n\n{{ not_code }} <|im_end|> é 🙂 ")], id="text that looks like markup"),
        pytest.param([("assistant", ""), ("user", "")], id="empty turns"),
    ],
)
def test_the_prompt_is_that_of_the_reference(
    prompts: Prompts, reference: ReferenceChat, turns: list[tuple[str, str]]
) -> None:
    expected = reference.prompt([{"role": role, "content": content} for role, content in turns])
    assert prompts.from_messages([Message(role=role, content=content) for role, content in turns]) == expected


def test_blocks_leave_no_blank_lines_as_in_the_reference() -> None:
    template = (
        "{% for m in messages %}\n    {% if true %}\n{{ bos_token }}{{ m.content }}\n    {% endif %}\n{% endfor %}"
    )
    assert make_render(template, bos_token="<s>", eos_token=None)([{"content": "a"}]) == "<s>a\n"


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{{ raise_exception('roles must alternate') }}", id="by its own words"),
        pytest.param("{{ messages.append(1) }}", id="by changing what it was given"),
        pytest.param("{{ ''.__class__.__mro__ }}", id="by reaching into Python"),
    ],
)
def test_a_template_that_fails_is_the_clients_error(template: str) -> None:
    with pytest.raises(InvalidRequest) as failure:
        make_render(template, bos_token=None, eos_token=None)([{"role": "user", "content": "x"}])
    assert failure.value.param == "messages"
