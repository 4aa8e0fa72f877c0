"""Makes the repositories of the corpus: a right decoder and a right encoder of a few kilobytes, and their spoilings."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from model_runtime.engines import bert_config, classifier_config, llama_config
from model_runtime.engines.tensors import Shapes
from tests.runtime.corpus.rows import Files
from tests.runtime.fetch.tiny import TEMPLATE, tensor_bytes
from tests.runtime.test_verify import BERT, CLASSIFIER, LLAMA, POOLING, SENTENCE_MODULES, TENSORS

Make = Callable[[], Files]
Header = dict[str, Any]
WEIGHTS = "model.safetensors"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = "model.safetensors.index.json"
_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


@cache
def tokenizer() -> bytes:
    vocabulary = {token: number for number, token in enumerate(("[UNK]", "<s>", "</s>", "hello", "world"))}
    model = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    model.pre_tokenizer = Whitespace()
    return str(model.to_str()).encode()


def llama_shapes(**config: object) -> Shapes:
    return llama_config.expected_shapes(llama_config.read_config(LLAMA | config))


def decoder(shapes: Shapes | None = None, dtype: str = "BF16", **config: object) -> Files:
    """A chat model that is right in every respect."""
    return {
        "config.json": encoded(LLAMA | config),
        "tokenizer.json": tokenizer(),
        "tokenizer_config.json": encoded({"chat_template": TEMPLATE, "eos_token": "</s>"}),
        WEIGHTS: safetensors(shapes or llama_shapes(**config), dtype),
    }


def encoder() -> Files:
    """An embedding model that is right in every respect."""
    return {
        "1_Pooling/config.json": encoded(POOLING),
        "config.json": encoded(BERT),
        "modules.json": encoded(SENTENCE_MODULES),
        "sentence_bert_config.json": encoded({"max_seq_length": 64, "do_lower_case": False}),
        "tokenizer.json": tokenizer(),
        WEIGHTS: safetensors(bert_config.expected_shapes(bert_config.read_config(BERT)), "F32"),
    }


def classifier(**config: object) -> Files:
    """A sequence classifier that is right in every respect; its tensors are those of two labels."""
    shapes = classifier_config.expected_shapes(classifier_config.read_config(CLASSIFIER))
    return {
        "config.json": encoded(CLASSIFIER | config),
        "tokenizer.json": tokenizer(),
        WEIGHTS: safetensors(shapes, "F32"),
    }


def tensor_model(**config: object) -> Files:
    """A model of tensors that is right in every respect: one product, and no tokenizer."""
    return {"config.json": encoded(TENSORS | config), WEIGHTS: safetensors({"w": (2, 4)}, "F32")}


def sharded() -> Files:
    """The decoder in two shards with their index."""
    shapes = list(llama_shapes().items())
    parts = dict(zip(SHARDS, (dict(shapes[:5]), dict(shapes[5:])), strict=True))
    weight_map = {name: path for path, part in parts.items() for name in part}
    whole = {path: content for path, content in decoder().items() if path != WEIGHTS}
    index = {"metadata": {"total_size": 2}, "weight_map": weight_map}
    return whole | {path: safetensors(part) for path, part in parts.items()} | {INDEX: encoded(index)}


def header_of(shapes: Shapes, dtype: str = "BF16") -> tuple[Header, bytes]:
    """Return the header as a document, and the bytes after it."""
    header: Header = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + _BYTES[dtype] * prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    # Small numbers in every dtype, so that the engine can compute with them.
    return header, bytes(byte & 0x3F for byte in tensor_bytes(1, end))


def written(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def safetensors(shapes: Shapes, dtype: str = "BF16") -> bytes:
    header, data = header_of(shapes, dtype)
    return written(encoded(header), data)


def padded(size: int) -> bytes:
    """Return right weights whose header is padded to so many bytes."""
    header, data = header_of(llama_shapes())
    return written(encoded(header).ljust(size), data)


def with_files(changes: Mapping[str, bytes | None], whole: Make = decoder) -> Make:
    """Return the making of a repository with other files; None leaves one out."""

    def make() -> Files:
        return {path: content for path, content in {**whole(), **changes}.items() if content is not None}

    return make


def with_weights(content: bytes) -> Make:
    return with_files({WEIGHTS: content})


def with_config(**fields: object) -> Make:
    """Other values in the decoder's config.json, whose tensors stay."""
    return with_files({"config.json": encoded(LLAMA | fields)})


def with_json(path: str, text: str, whole: Make = decoder) -> Make:
    return with_files({path: text.encode()}, whole)


def with_header(edit: Callable[[Header], object]) -> Make:
    """The decoder with its header changed in place; the bytes after it stay."""

    def make() -> Files:
        header, data = header_of(llama_shapes())
        edit(header)
        return decoder() | {WEIGHTS: written(encoded(header), data)}

    return make


def with_tensor(name: str, **fields: object) -> Make:
    """One tensor's entry in the header changed."""
    return with_header(lambda header: header[name].update(fields))


def nested(depth: int, inside: Sequence[object] = ()) -> object:
    document: object = list(inside)
    for _ in range(depth):
        document = [document]
    return document
