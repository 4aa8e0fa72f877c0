"""Prompts against the reference library's template code, and templates that refuse or take too much."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_runtime.engines.errors import InvalidModelError
from model_runtime.frontend.chat_template import ChatTemplate, read_template
from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.middleware import MAX_BODY_BYTES
from model_runtime.frontend.prompts import Prompts, load_prompts
from model_runtime.frontend.schema.fields import Message
from model_runtime.verify import has_chat_template
from tests.runtime.reference import ReferenceChat


@pytest.fixture(scope="module")
def reference(smollm2: Path) -> ReferenceChat:
    return ReferenceChat(smollm2)


@pytest.fixture(scope="module")
def prompts(smollm2: Path) -> Iterator[Prompts]:
    loaded = load_prompts(smollm2)
    yield loaded
    loaded.close()


@pytest.fixture
def made() -> Iterator[Callable[[str], ChatTemplate]]:
    """Make templates whose processes end with the test."""
    templates: list[ChatTemplate] = []

    def make(text: str) -> ChatTemplate:
        templates.append(ChatTemplate(text, bos_token="<s>", eos_token=None, now=lambda: 0.0))
        return templates[-1]

    yield make
    for template in templates:
        template.close()


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
async def test_the_prompt_is_that_of_the_reference(
    prompts: Prompts, reference: ReferenceChat, turns: list[tuple[str, str]]
) -> None:
    expected = reference.prompt([{"role": role, "content": content} for role, content in turns])
    assert await prompts.from_messages([Message(role=role, content=content) for role, content in turns]) == expected


async def test_blocks_leave_no_blank_lines_as_in_the_reference(made: Callable[[str], ChatTemplate]) -> None:
    template = (
        "{% for m in messages %}\n    {% if true %}\n{{ bos_token }}{{ m.content }}\n    {% endif %}\n{% endfor %}"
    )
    assert await made(template).render([{"content": "a"}]) == "<s>a\n"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        pytest.param("{{ raise_exception('roles must alternate') }}", "roles must alternate", id="by its own words"),
        pytest.param("{{ messages.append(1) }}", "'append' of list", id="by changing what it was given"),
        pytest.param("{{ ''['__cla' ~ 'ss__'] }}", "__class__", id="by reaching into Python"),
        pytest.param("{{ messages[0].content + 1 }}", "TypeError", id="by a mistake of its own"),
    ],
)
async def test_a_template_that_fails_is_the_clients_error(
    template: str, says: str, made: Callable[[str], ChatTemplate]
) -> None:
    with pytest.raises(InvalidRequest, match=says) as failure:
        await made(template).render([{"role": "user", "content": "x"}])
    assert failure.value.param == "messages"


# Each waits for a word of its own, so that it does no harm before the conversation in which it stands.
HARM = "{% if messages and messages[0].content == 'harm' %}"
HARMFUL = [
    ("loops within loops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "2 s of"),
    ("a number that takes for ever", "{{ 10 ** (messages|length * 10 ** 9) }}", "2 s of processor time"),
    ("a text of a gigabyte", "{{ messages[0].content * 10 ** 9 }}", "160 MiB of memory"),
    ("a width of a gigabyte", "{{ '%1000000000d' % messages|length }}", "160 MiB of memory"),
    ("a prompt that is too long", "{% for a in range(90) %}{{ 'abcdefgh' * 12500 }}{% endfor %}", "8388608 characters"),
    ("a macro that calls itself", "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "call themselves"),
]


@pytest.mark.parametrize(("sentence", "harm", "says"), HARMFUL, ids=[row[0] for row in HARMFUL])
async def test_harm_ends_one_request_and_not_the_server(
    sentence: str, harm: str, says: str, made: Callable[[str], ChatTemplate]
) -> None:
    template = made(f"{HARM}{harm}{{% endif %}}{{{{ messages|length }}}}")
    with pytest.raises(InvalidRequest, match=says) as failure:
        await template.render([{"role": "user", "content": "harm"}])
    assert failure.value.param == "messages"
    assert await template.render([{"role": "user", "content": "x"}]) == "1"


async def test_others_are_served_while_a_template_loops(made: Callable[[str], ChatTemplate]) -> None:
    template = made(f"{HARM}{HARMFUL[0][1]}{{% endif %}}{{{{ messages|length }}}}")
    looping = asyncio.create_task(template.render([{"role": "user", "content": "harm"}]))
    assert await template.render([{"role": "user", "content": "x"}]) == "1"
    assert not looping.done()
    with pytest.raises(InvalidRequest):
        await looping


async def test_whoever_stops_waiting_leaves_nothing_behind(made: Callable[[str], ChatTemplate]) -> None:
    template = made("{{ messages[0].content }}")
    waiting = asyncio.create_task(template.render([{"role": "user", "content": "first"}]))
    await asyncio.sleep(0)  # it has asked
    waiting.cancel()
    assert await template.render([{"role": "user", "content": "second"}]) == "second"


async def test_a_body_of_the_largest_size_in_the_widest_characters_fits(made: Callable[[str], ChatTemplate]) -> None:
    content = "\U0001f642" * (MAX_BODY_BYTES // 4)
    template = made("{% for m in messages %}{{ '<|user|>' + m.content|trim + '<|end|>' }}{% endfor %}")
    assert await template.render([{"role": "user", "content": content}]) == f"<|user|>{content}<|end|>"


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        pytest.param("{% for m in messages %}{{ m.content }}{% break %}{% endfor %}", "<é>", id="loop controls"),
        pytest.param("{% if tools is none and documents is none %}no tools{% endif %}", "no tools", id="no tools"),
        pytest.param("{{ strftime_now('%d %b %Y') }}", "01 Jan 1970", id="today's date"),
        pytest.param("{{ messages[0].content | tojson }}", '"<é>"', id="JSON as text"),
        pytest.param("{{ messages[0] | tojson(indent=1) }}", '{\n "content": "<é>"\n}', id="JSON with an indent"),
        pytest.param("{% generation %}{{ messages[1].content }}{% endgeneration %}", "b", id="marks for training"),
        pytest.param("{{ '\\ud800' }}", "?", id="half of a character"),
    ],
)
async def test_templates_have_what_the_reference_gives_them(
    template: str, prompt: str, made: Callable[[str], ChatTemplate]
) -> None:
    messages = [{"content": "<é>"}, {"content": "b"}]
    assert await made(template).render(messages) == prompt


@pytest.mark.parametrize("template", ["{% for %}", "{% generation %}", "{{ '(' * 2 }", "{% break %}", "{{" * 9999])
def test_what_is_no_template_is_the_models_error(template: str, made: Callable[[str], ChatTemplate]) -> None:
    with pytest.raises(InvalidModelError, match="the chat template cannot be read"):
        made(template)


def test_a_template_that_never_compiles_is_the_models_error(made: Callable[[str], ChatTemplate]) -> None:
    with pytest.raises(InvalidModelError, match="the chat template cannot be applied: more than 2 s"):
        made("{{ 10 ** (10 ** 9) }}")


ONE = {"chat_template": "one"}
FOLDERS = [
    ("a file of its own", {"chat_template.jinja": "é", "tokenizer_config.json": json.dumps(ONE)}, "é"),
    ("a JSON file of its own", {"chat_template.json": json.dumps(ONE)}, "one"),
    ("beside the tokenizer", {"tokenizer_config.json": json.dumps(ONE)}, "one"),
    (
        "the default of several",
        {"tokenizer_config.json": json.dumps({"chat_template": [{}, {"name": "default", "template": "two"}]})},
        "two",
    ),
    ("several without a default", {"tokenizer_config.json": json.dumps({"chat_template": [{"name": "rag"}]})}, None),
    ("none", {}, None),
]


@pytest.mark.parametrize(("sentence", "files", "template"), FOLDERS, ids=[row[0] for row in FOLDERS])
def test_where_the_template_is(sentence: str, files: dict[str, str], template: str | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_template(tmp_path) == template
    documents = {name: json.loads(text) for name, text in files.items() if name.endswith("config.json")}
    assert has_chat_template(files, documents.get("tokenizer_config.json")) is (template is not None)
