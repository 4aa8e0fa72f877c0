"""What is fuzzed: each target takes any bytes, and fails by any exception but a refusal with its reason."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from safetensors import deserialize

from model_runtime import gguf_header, safetensors_header
from model_runtime.beginnings import foreign_binary
from model_runtime.errors import ModelRuntimeError
from model_runtime.gguf_documents import derived_documents
from model_runtime.gguf_tensors import llama_tensors
from tests.runtime.corpus.building import encoded, llama_shapes, safetensors, written
from tests.runtime.gguf_files import array_of, gguf, info, pair, text
from tests.runtime.tiny_gguf import METADATA, header_only

PATH = "model"
# GGUF's numbers of the kinds string and array.
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes any bytes; `seeds` are right files to begin with, `words` what a mutation may put in."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]


def read_safetensors(content: bytes) -> None:
    """Read a file: what passes covers the file exactly, and the reference library reads the same from it."""
    try:
        tensors = safetensors_header.read_header(PATH, len(content), io.BytesIO(content).read)
    except ModelRuntimeError:
        return
    begin = 8 + int.from_bytes(content[:8], "little")
    assert sum(tensor.size for tensor in tensors) == len(content) - begin
    reference = {name: (found["dtype"], tuple(found["shape"])) for name, found in deserialize(content)}
    assert {tensor.name: (tensor.dtype, tensor.shape) for tensor in tensors} == reference


def parse_safetensors(content: bytes) -> None:
    """Parse a header for as much data as the first two bytes say: no length has to be guessed first."""
    size = int.from_bytes(content[:2], "little")
    try:
        tensors = safetensors_header.parse_header(PATH, content[2:], size)
    except ModelRuntimeError:
        return
    ends = [0, *(tensor.end for tensor in tensors)]
    assert [tensor.begin for tensor in tensors] == ends[:-1]
    assert ends[-1] == size


def read_gguf(content: bytes) -> None:
    """Read a file: what passes lies inside the file, one tensor after the other."""
    try:
        header = gguf_header.read_header(PATH, len(content), io.BytesIO(content).read)
    except ModelRuntimeError:
        return
    position = 0
    for tensor in header.tensors:
        assert position <= tensor.begin <= tensor.end
        position = tensor.end
    assert header.data_begin + position <= len(content)


def translate_gguf(content: bytes) -> None:
    """Read a file and make the documents of it: what passes can be written as JSON and read back."""
    try:
        header = gguf_header.read_header(PATH, len(content), io.BytesIO(content).read)
        documents = derived_documents(PATH, header, ())
        llama_tensors(PATH, header)
    except ModelRuntimeError:
        return
    assert json.loads(json.dumps(documents)) == documents


def name_format(content: bytes) -> None:
    """Tell a foreign format from its beginning."""
    foreign_binary(PATH, content)


_TENSOR = {"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}
_WORDS = (
    b'"dtype":"F32"', b'"shape":[1]', b'"data_offsets":[0,4]', b'"__metadata__":{}', b'"BF16"', b'"U8"', b"[0,0]",
    b"{", b"}", b"[", b"]", b":", b",", b'"', b"1e9", b"-1", b"NaN", b"true", b"null", b"\\u0061", b"\\ud800",
    b"9223372036854775808", b"281474976710656",
)  # fmt: skip
_GGUF = gguf(
    [pair("general.architecture", _STRING, text("llama")), pair("a", _ARRAY, array_of(_STRING, 1, text("b")))],
    [info("token_embd.weight")],
    bytes(32),
)
_SMALL = {**METADATA, "tokenizer.ggml.tokens": ["h", "e", "he"], "tokenizer.ggml.token_type": [1, 1, 3]}
_SMALL |= {"tokenizer.ggml.merges": ["h e"], "tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.eos_token_id": 2}
_MODEL = header_only(_SMALL)

TARGETS: Mapping[str, Target] = {
    "safetensors": Target(read_safetensors, (safetensors(llama_shapes()), written(encoded(_TENSOR), b"ab")), _WORDS),
    "safetensors-header": Target(parse_safetensors, (b"\2\0" + encoded(_TENSOR), b"\0\0{}"), _WORDS),
    "gguf": Target(read_gguf, (_GGUF,), (b"GGUF", b"general.alignment", b"\x08\0\0\0", b"\x09\0\0\0", b"\xff" * 8)),
    "gguf-model": Target(translate_gguf, (_MODEL,), (b"llama.", b"tokenizer.ggml.", b"gpt2", b"smollm", b"llama-bpe")),
    "beginnings": Target(name_format, (b"\x80\x04\x95", b"\x1f\x8b\x08", b"cos\nsystem\n("), (b"PK\x03\x04", b"ustar")),
}
