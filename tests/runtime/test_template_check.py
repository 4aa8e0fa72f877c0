"""Chat templates: those that are published render as in the reference library and pass, harmful ones are refused."""

import time

import pytest
from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

from model_runtime.chat_template import Question, Verdict, render
from model_runtime.errors import InvalidModel, ModelRuntimeError, UnsafeTemplate
from model_runtime.template_check import MAX_TEMPLATE_BYTES, PROBES, check_template
from tests.runtime.chat_templates import PUBLISHED

BAD: list[tuple[str, str, type[ModelRuntimeError], str]] = [
    ("no template", "{% for %}", InvalidModel, "cannot be read: Expected an expression"),
    ("refuses everything", "{{ raise_exception('no') }}", InvalidModel, "refuses every conversation: no"),
    ("fails with everything", "{{ 1 / 0 }}", InvalidModel, "refuses every conversation: ZeroDivisionError"),
    (
        "loops within loops",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        UnsafeTemplate,
        "loops: more than 2 s of processor time on one question",
    ),
    ("never compiles", "{{ 10 ** (10 ** 9) }}", UnsafeTemplate, "loops: more than 2 s of processor time"),
    ("a text of a gigabyte", "{{ 'a' * 10 ** 9 }}", UnsafeTemplate, "160 MiB of memory"),
    ("a width of a gigabyte", "{{ '%1000000000d' % 1 }}", UnsafeTemplate, "160 MiB of memory"),
    ("writes without end", "{% for a in range(999) %}{{ 'a' * 99999 }}{% endfor %}", UnsafeTemplate, "8388608 char"),
    (
        "repeats every turn twenty times",
        "{% for m in messages %}{{ m.content * 20 }}{% endfor %}",
        UnsafeTemplate,
        "grows without end: 266240 characters become",
    ),
    ("a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", UnsafeTemplate, "call themselves"),
    (
        "doubles a text in a loop",
        "{% set n = namespace(t='a') %}{% for i in range(99) %}{% set n.t = n.t ~ n.t %}{% endfor %}{{ n.t }}",
        UnsafeTemplate,
        "160 MiB of memory",
    ),
    ("includes a file", "{% include '/etc/passwd' %}", UnsafeTemplate, "another file, by include in line 1"),
    ("imports a file", "\n{% import 'a' as b %}", UnsafeTemplate, "another file, by import in line 2"),
    ("extends a file", "{% extends 'a' %}", UnsafeTemplate, "another file, by extends"),
    ("the class of a text", "{{ ''.__class__ }}", UnsafeTemplate, "reaches out: attribute '__class__'"),
    ("the class by a filter", "{{ ''|attr('__class__') }}", UnsafeTemplate, "attribute '__class__'"),
    ("the class by a filter of lists", "{{ messages|map('attr', '__class__')|list }}", UnsafeTemplate, "__class__"),
    ("the class by pieces", "{{ ''['__cla' ~ 'ss__'] }}", UnsafeTemplate, "attribute '__class__' of str"),
    ("the class by a format", "{{ '{0.__class__}'.format(1) }}", UnsafeTemplate, "attribute '__class__' of int"),
    ("the globals of a function", "{{ lipsum['__glo' ~ 'bals__'].os }}", UnsafeTemplate, "'__globals__' of function"),
    ("where it is never reached", "{% if false %}{{ x.__class__ }}{% endif %}", UnsafeTemplate, "__class__"),
    ("the inside of the library", "{{ self._TemplateReference__context }}", UnsafeTemplate, "reaches out"),
    ("changes what it is given", "{{ messages.append(1) }}", UnsafeTemplate, "attribute 'append' of list"),
    ("of absurd size", "a" * (MAX_TEMPLATE_BYTES + 1), UnsafeTemplate, "262145 bytes"),
    ("brackets without end", "{{ " + "(" * 9999, InvalidModel, "cannot be read: RecursionError"),
]


@pytest.mark.parametrize(("sentence", "template", "error", "says"), BAD, ids=[row[0] for row in BAD])
def test_what_is_refused(sentence: str, template: str, error: type[ModelRuntimeError], says: str) -> None:
    with pytest.raises(error) as refused:
        check_template(template)
    assert type(refused.value) is error
    assert says in str(refused.value)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_template_passes(name: str) -> None:
    check_template(PUBLISHED[name], "<s>", "</s>")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_template_renders_as_in_the_reference(name: str) -> None:
    template, compared = PUBLISHED[name], 0
    for probe in PROBES:
        ours = render(Question(template, probe.messages, "<s>", "</s>", time.time()))
        tokens = {"bos_token": "<s>", "eos_token": "</s>"}
        try:
            (theirs,), _ = render_jinja_template(
                [probe.messages], chat_template=template, add_generation_prompt=True, **tokens
            )
        except TemplateError:
            assert ours.verdict is Verdict.REFUSED
            continue
        assert (ours.verdict, ours.text) == (Verdict.RENDERED, theirs)
        compared += 1
    assert compared >= 3
