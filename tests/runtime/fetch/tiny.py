"""A model of a few hundred kilobytes, right in every respect, and the means to spoil it."""

import hashlib
import json
import random
from collections.abc import Mapping

WIDTH = 256
CONFIG = {"architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH}
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def safetensors(tensors: Mapping[str, tuple[str, list[int], bytes]]) -> bytes:
    """Write the format by hand: name → dtype, shape, bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor_bytes(seed: int, count: int) -> bytes:
    return random.Random(seed).randbytes(count)  # noqa: S311 - content that is the same in every run


def chat_model() -> dict[str, bytes]:
    """The files of a chat model: path → content, without SHA256SUMS."""
    weights = safetensors(
        {
            "model.embed_tokens.weight": ("BF16", [4 * WIDTH, WIDTH], tensor_bytes(1, 8 * WIDTH * WIDTH)),
            "model.norm.weight": ("F32", [WIDTH], tensor_bytes(2, 4 * WIDTH)),
        }
    )
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": json.dumps({"chat_template": TEMPLATE}).encode(),
        "model.safetensors": weights,
    }


def with_sums(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Add the SHA256SUMS over the files."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in files.items()]
    return {**files, "SHA256SUMS": "".join(lines).encode()}
