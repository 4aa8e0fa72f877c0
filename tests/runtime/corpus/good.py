"""Repositories that must pass: the two real models, and small ones with what is unusual but right."""

import mmap
from functools import partial
from pathlib import Path

from model_runtime.verify import Task
from tests.runtime.corpus.building import (
    INDEX,
    WEIGHTS,
    Header,
    decoder,
    encoded,
    encoder,
    header_of,
    llama_shapes,
    padded,
    sharded,
    with_config,
    with_files,
    with_header,
    with_weights,
    written,
)
from tests.runtime.corpus.rows import Files, Good
from tests.runtime.fetch.tiny import TEMPLATE
from tests.runtime.models import minilm_folder, smollm2_folder

BUFFER = "model.layers.0.self_attn.rotary_emb.inv_freq"


def of_folder(folder: Path) -> Files:
    """Map the files of a folder, which may be large, without reading them."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "SHA256SUMS":
            with path.open("rb") as file:
                files[path.relative_to(folder).as_posix()] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return files  # type: ignore[return-value]


def with_buffer(shape: list[int], size: int) -> bytes:
    """Weights with a buffer of older libraries, of this shape."""
    header, data = header_of(llama_shapes())
    end = len(data)
    header[BUFFER] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
    return written(encoded(header), data + bytes(size))


def metadata(value: dict[str, str]) -> object:
    return with_header(lambda header: header.update(__metadata__=value))


def turn(header: Header) -> None:
    """List the tensors in another order than their bytes."""
    items = list(header.items())
    header.clear()
    header.update(reversed(items))


SCRIPTS = {"train_script.py": b"import torch", "examples/run.py": b"", "README.md": b"# A model", ".gitattributes": b""}
COPIES = {"pytorch_model.bin": b"\x80\x02", "tf_model.h5": b"", "onnx/model.onnx": b"", "consolidated.00.pth": b""}
SETTINGS = {"model_max_length": 1000000000000000019884624838656, "chat_template": TEMPLATE, "auto_map": None}
TEMPLATES = [{"name": "default", "template": TEMPLATE}, {"name": "rag", "template": TEMPLATE}]

GOOD = [
    Good("all-MiniLM-L6-v2", lambda: of_folder(minilm_folder()), Task.EMBEDDING),
    Good("SmolLM2-135M-Instruct", lambda: of_folder(smollm2_folder())),
    Good("a decoder in bfloat16", decoder),
    Good("a decoder in float16", partial(decoder, dtype="F16")),
    Good("a decoder in float32", partial(decoder, dtype="F32")),
    Good("a decoder with a head of its own", partial(decoder, tie_word_embeddings=False)),
    Good("a decoder in two shards", sharded),
    Good(
        "one file that has an index too",
        with_files({INDEX: encoded({"weight_map": dict.fromkeys(llama_shapes(), WEIGHTS)})}),
    ),
    Good("an encoder in the layout of sentence-transformers", encoder, Task.EMBEDDING),
    Good("an encoder without a pipeline", with_files({"modules.json": None}, encoder), Task.EMBEDDING),
    Good("scripts of its authors beside it", with_files(SCRIPTS)),
    Good("pickled copies beside it", with_files(COPIES)),
    Good("metadata in every script", metadata({"título": "日本語 🦜", "": ""})),
    Good("empty metadata", metadata({})),
    Good("no metadata", with_header(lambda header: header.pop("__metadata__"))),
    Good("a header padded with blanks", with_weights(padded(4096))),
    Good("a header whose length looks like a pickle", with_weights(padded(0x0280))),
    Good("a header whose length looks like gzip", with_weights(padded(0x088B1F))),
    Good("a scalar among the tensors", with_weights(with_buffer([], 2))),
    Good("a tensor of nothing", with_weights(with_buffer([0, 4], 0))),
    Good("tensors in another order than their bytes", with_header(turn)),
    Good(
        "a chat template in its own file",
        with_files({"tokenizer_config.json": None, "chat_template.jinja": TEMPLATE.encode()}),
    ),
    Good("chat templates by name", with_files({"tokenizer_config.json": encoded({"chat_template": TEMPLATES})})),
    Good("a limit of 31 digits, and no auto_map", with_files({"tokenizer_config.json": encoded(SETTINGS)})),
    Good("tokens that were added", with_files({"added_tokens.json": b'{"<x>": 5}', "special_tokens_map.json": b"{}"})),
    Good("several ends of a text", with_files({"generation_config.json": encoded({"eos_token_id": [2, 4]})})),
    Good("settings that nobody knows", with_config(id2label={str(label): "x" for label in range(1000)}, _x=None)),
]
