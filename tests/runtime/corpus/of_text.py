"""Repositories whose tokenizer or chat template hangs, swells or reaches out; the whole tables are in
`tokenizer_check/test_tokenizer_check.py` and `test_template_check.py`."""

import json
import zipfile
from io import BytesIO

from model_runtime.errors import InvalidModel, PackedFile, PickledWeights, UnsafeTemplate, UnsafeTokenizer
from model_runtime.template_check import MAX_TEMPLATE_BYTES
from model_runtime.tokenizer_check.check import MAX_TOKENIZER_BYTES
from model_runtime.verify import Task
from tests.runtime.chat_templates import GEMMA_3, LLAMA_3_1, MISTRAL, QWEN_3
from tests.runtime.corpus.building import Make, encoded, encoder, tokenizer, with_files
from tests.runtime.corpus.rows import Bad, Good

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
SWELLING = "{{ 'a' * 10 ** 9 }}"
OWN_FILE = "chat_template.jinja"


def with_template(text: str) -> Make:
    return with_files({"tokenizer_config.json": encoded({"chat_template": text})})


def with_tokenizer(**parts: object) -> Make:
    return with_files({"tokenizer.json": encoded(json.loads(tokenizer()) | parts)})


def split(pattern: str) -> dict[str, object]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def zipped() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tokenizer.json", tokenizer())
    return buffer.getvalue()


def doubling() -> dict[str, object]:
    return {
        "type": "Sequence",
        "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 30,
    }


LARGE = with_files({"tokenizer.json": tokenizer().ljust(MAX_TOKENIZER_BYTES + 1)})

BAD = [
    Bad("a template that loops", with_template(LOOP), UnsafeTemplate, "the chat template loops: more than 2 s"),
    Bad("a template in its own file that swells", with_files({OWN_FILE: SWELLING.encode()}), UnsafeTemplate, "grows"),
    Bad(
        "a template in a JSON file that swells",
        with_files({"chat_template.json": encoded({"chat_template": SWELLING})}),
        UnsafeTemplate,
        "grows without end",
    ),
    Bad("a template of a gigabyte", with_template(SWELLING), UnsafeTemplate, "grows without end"),
    Bad(
        "a template that reaches into Python",
        with_template("{{ ''.__class__.__mro__ }}"),
        UnsafeTemplate,
        "reaches out: attribute '__",
    ),
    Bad(
        "a template that includes a file", with_template("{% include '/etc/passwd' %}"), UnsafeTemplate, "another file"
    ),
    Bad(
        "a template of absurd size",
        with_files({OWN_FILE: b"a" * (MAX_TEMPLATE_BYTES + 1)}),
        UnsafeTemplate,
        "chat_template.jinja: 262145 bytes: expected at most 262144",
    ),
    Bad("a template that is none", with_template("{% for %}"), InvalidModel, "the chat template cannot be read"),
    Bad("a template that refuses everything", with_template("{{ raise_exception('no') }}"), InvalidModel, "refuses ev"),
    Bad("a template that is no text", with_files({OWN_FILE: b"\xff\xfe"}), InvalidModel, "byte 0 is not UTF-8"),
    Bad("a loop in a loop in a pattern", with_tokenizer(pre_tokenizer=split("(a+)+$")), UnsafeTokenizer, "exponential"),
    Bad("a tokenizer that doubles and doubles", with_tokenizer(normalizer=doubling()), UnsafeTokenizer, "may grow"),
    Bad("a tokenizer of absurd size", LARGE, UnsafeTokenizer, "67108865 bytes: expected at most 67108864"),
    Bad(
        "a tokenizer of an encoder that hangs",
        with_files({"tokenizer.json": encoded(json.loads(tokenizer()) | {"decoder": split("(.*)*x")})}, encoder),
        UnsafeTokenizer,
        "decoder: Split: the pattern '(.*)*x'",
        Task.EMBEDDING,
    ),
    Bad("a tokenizer that is none", with_files({"tokenizer.json": b"{}"}), InvalidModel, "an object with a model"),
    Bad("a tokenizer in an archive", with_files({"tokenizer.json": zipped()}), PackedFile, "bytes are a zip"),
    Bad("a tokenizer that is a pickle", with_files({"tokenizer.json": b"\x80\x04}."}), PickledWeights, "a pickle"),
]

GOOD = [
    Good("the template of Llama 3.1", with_template(LLAMA_3_1)),
    Good("the template of Qwen 3, in its own file", with_files({OWN_FILE: QWEN_3.encode()})),
    Good("a template that refuses system turns", with_template(MISTRAL)),
    Good(
        "a template in a JSON file of its own",
        with_files({"chat_template.json": encoded({"chat_template": GEMMA_3}), "tokenizer_config.json": None}),
    ),
    Good(
        "padding and truncation to absurd lengths, which are switched off",
        with_tokenizer(
            truncation={"direction": "Right", "max_length": 10**9, "strategy": "LongestFirst", "stride": 0},
            padding={
                "strategy": {"Fixed": 10**9},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[UNK]",
            },
        ),
    ),
    Good(
        "words cut as GPT-2 cuts them",
        with_tokenizer(pre_tokenizer=split(r"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")),
    ),
]
