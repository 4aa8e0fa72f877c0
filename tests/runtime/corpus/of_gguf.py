"""Repositories whose weights are a GGUF file: with headers that lie, tensors that do not add up, and other models."""

import gzip
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any

from model_runtime.errors import (
    InvalidConfig,
    InvalidHeader,
    InvalidModel,
    InvalidTensors,
    PackedFile,
    PickledWeights,
    RemoteCode,
    UnsafeTemplate,
    UnsupportedArchitecture,
)
from tests.runtime.corpus.building import Make, encoded, tokenizer
from tests.runtime.corpus.rows import Bad, Files, Good
from tests.runtime.gguf_files import ARRAY, STRING, U8, array_of, gguf, info, pair, text
from tests.runtime.tiny_gguf import BF16, F16, TOKENS, tensors, tiny_gguf

NAME = "model-Q8_0.gguf"
WHOLE_SIZE = len(tiny_gguf())
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
LENGTHS = struct.pack("<4sIQQ", b"GGUF", 3, 2**40, 1)


def only(content: bytes, **beside: bytes) -> Make:
    """A repository of one file, and what lies beside it; `__` in a name stands for a dot."""
    return lambda: {NAME: content, **{name.replace("__", "."): value for name, value in beside.items()}}


def told(**metadata: Any) -> Make:
    """The tiny model with other metadata; `__` in a key stands for a dot."""
    return lambda: {NAME: tiny_gguf({key.replace("__", "."): value for key, value in metadata.items()})}


def held(changed: Mapping[str, Any]) -> Make:
    """The tiny model with other tensors."""
    return lambda: {NAME: tiny_gguf(changed=changed)}


def edited(edit: Callable[[bytes], bytes]) -> Make:
    return lambda: {NAME: edit(tiny_gguf())}


def several() -> Files:
    return {"model-Q4_0.gguf": tiny_gguf(), "model-Q8_0.gguf": tiny_gguf()}


BAD = [
    Bad("a pickle that is called GGUF", only(pickle.dumps(list(range(99)))), PickledWeights, "bytes are a pickle"),
    Bad("a GGUF file in gzip", only(gzip.compress(tiny_gguf())), PackedFile, "bytes are gzip"),
    Bad("GGUF's older form", only(b"GGJT" + bytes(64)), InvalidHeader, "expected b'GGUF'"),
    Bad(
        "a GGUF file for the other order of bytes",
        edited(lambda c: c[:4] + c[7:3:-1] + c[8:]),
        InvalidHeader,
        "big-end",
    ),
    Bad(
        "a trillion tensors in a GGUF file", only(gguf(head=LENGTHS)), InvalidHeader, "1099511627776 tensors: expected"
    ),
    Bad(
        "a text in GGUF that is longer than the file",
        only(gguf([pair("a", STRING, struct.pack("<Q", 1 << 20))])),
        InvalidHeader,
        "1048576 bytes wanted: the file ends",
    ),
    Bad(
        "a list in GGUF that is longer than memory",
        only(gguf([pair("a", ARRAY, array_of(U8, 2**62))])),
        InvalidHeader,
        "expected at most",
    ),
    Bad(
        "lists in lists in GGUF without end",
        only(gguf([pair("a", ARRAY, array_of(ARRAY, 1) * 1000)])),
        InvalidHeader,
        "more than 4 deep",
    ),
    Bad(
        "a key in GGUF that is there twice", only(gguf([pair("a", U8, b"1")] * 2)), InvalidHeader, "'a' is there twice"
    ),
    Bad("text in GGUF that is not UTF-8", only(gguf([pair("a", STRING, text(b"\xff"))])), InvalidHeader, "not UTF-8"),
    Bad("a GGUF file that is cut short", edited(lambda c: c[: WHOLE_SIZE - 32]), InvalidTensors, "end at byte"),
    Bad("a GGUF file with more at its end", edited(lambda c: c + bytes(64)), InvalidTensors, "end at byte"),
    Bad("a GGUF file of half a header", edited(lambda c: c[:5000]), InvalidHeader, "bytes wanted: the file ends"),
    Bad(
        "tensors in GGUF that overlap",
        only(gguf([], [info("a", (16,)), info("b", offset=32)], bytes(96))),
        InvalidTensors,
        "'b' begins at byte 32: expected 64",
    ),
    Bad(
        "a tensor in GGUF that is there twice",
        only(gguf([], [info("a"), info("a", offset=32)], bytes(64))),
        InvalidTensors,
        "'a' is there twice",
    ),
    Bad(
        "a tensor in GGUF of 2^64 elements",
        only(gguf([], [info("a", (2**32, 2**32))], bytes(32))),
        InvalidTensors,
        "fewer than 2^63 elements",
    ),
    Bad("a format that ggml removed", only(gguf([], [info("a", kind=4)], bytes(32))), InvalidTensors, "ggml type 4"),
    Bad("NaN in GGUF", told(llama__rope__freq_base=float("nan")), InvalidConfig, "llama.rope.freq_base is nan"),
    Bad("heads of zero in GGUF", told(llama__attention__head_count=0), InvalidConfig, "num_attention_heads is 0"),
    Bad("tensors of other sizes than GGUF says", told(llama__embedding_length=512), InvalidModel, "has shape"),
    Bad("a tensor that GGUF lacks", held({"output_norm.weight": None}), InvalidModel, "model.norm.weight is missing"),
    Bad("another architecture in GGUF", told(general__architecture="mamba"), UnsupportedArchitecture, "'mamba'"),
    Bad("an adapter in GGUF", told(general__type="adapter"), UnsupportedArchitecture, "general.type is 'adapter'"),
    Bad(
        "a setting of GGUF that is not known", told(llama__logit_scale=2.0), UnsupportedArchitecture, "logit_scale is 2"
    ),
    Bad(
        "scaled positions in GGUF",
        held({"rope_freqs.weight": tensors()["output_norm.weight"]}),
        UnsupportedArchitecture,
        "'rope_freqs.weight'",
    ),
    Bad(
        "a tokenizer of another kind in GGUF", told(tokenizer__ggml__model="llama"), UnsupportedArchitecture, "'llama'"
    ),
    Bad("a merge of no tokens in GGUF", told(tokenizer__ggml__merges=["q q"]), InvalidModel, "merges: 'q q'"),
    Bad(
        "an end of text beyond GGUF's tokens", told(tokenizer__ggml__eos_token_id=len(TOKENS)), InvalidConfig, "is 261"
    ),
    Bad(
        "remote code beside a GGUF file",
        only(tiny_gguf(), tokenizer_config__json=encoded({"auto_map": {"AutoTokenizer": ["t.T", None]}})),
        RemoteCode,
        "tokenizer_config.json: auto_map",
    ),
    Bad(
        "a template in GGUF that loops", told(tokenizer__chat_template=LOOP), UnsafeTemplate, "the chat template loops"
    ),
    Bad(
        "a template in GGUF that reaches out",
        told(tokenizer__chat_template="{{ ''.__class__.__mro__ }}"),
        UnsafeTemplate,
        "the chat template reaches out",
    ),
    Bad("several GGUF files", several, InvalidModel, "name one of them in spec.model.file"),
    Bad(
        "a GGUF file in parts", lambda: {"m-00001-of-00002.gguf": tiny_gguf()}, UnsupportedArchitecture, "several parts"
    ),
]
GOOD = [
    Good("a GGUF file and nothing else", only(tiny_gguf())),
    Good("GGUF that is not quantized", held(tensors(BF16))),
    Good("GGUF with an output matrix of its own", held({"output.weight": tensors(F16)["token_embd.weight"]})),
    Good(
        "a tokenizer of another kind beside a GGUF file",
        only(
            tiny_gguf({"tokenizer.ggml.model": "llama"}),
            tokenizer__json=tokenizer(),
            README__md=b"# Tiny",
            config__json=b"{}",
        ),
    ),
]
