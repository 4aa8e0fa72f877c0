"""Prompts against the reference library's template code, and templates that refuse."""

import json
from pathlib import Path

import pytest

from model_runtime.engines.errors import InvalidModelError
from model_runtime.frontend.chat_template import make_render, read_template
from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.prompts import Prompts, load_prompts
from model_runtime.frontend.schema import Message
from model_runtime.verify import has_chat_template
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


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        pytest.param("{% for m in messages %}{{ m.content }}{% break %}{% endfor %}", "<é>", id="loop controls"),
        pytest.param("{% if tools is none and documents is none %}no tools{% endif %}", "no tools", id="no tools"),
        pytest.param("{{ strftime_now('%Y')|length }}", "4", id="today's date"),
        pytest.param("{{ messages[0].content | tojson }}", '"<é>"', id="JSON as text"),
        pytest.param("{{ messages[0] | tojson(indent=1) }}", '{\n "content": "<é>"\n}', id="JSON with an indent"),
    ],
)
def test_templates_have_what_the_reference_gives_them(template: str, prompt: str) -> None:
    messages = [{"content": "<é>"}, {"content": "b"}]
    assert make_render(template, bos_token=None, eos_token=None)(messages) == prompt


def test_what_is_no_template_is_the_models_error() -> None:
    with pytest.raises(InvalidModelError, match="the chat template cannot be read"):
        make_render("{% for %}", bos_token=None, eos_token=None)


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
