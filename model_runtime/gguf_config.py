"""The config.json that the metadata of a GGUF file stands for. Pure; called by `gguf_documents`.

Keys are those of https://github.com/ggml-org/ggml (docs/gguf.md, "Standardized key-value pairs"). A key of the
architecture that is not known here is refused: it may change what the model computes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from model_runtime.errors import InvalidConfig, UnsupportedArchitecture
from model_runtime.gguf_header import GgufHeader, Value, shown

ARCHITECTURES: Mapping[str, str] = {"llama": "LlamaForCausalLM"}

# Below the architecture's name → the field of config.json, which the engine's own reader checks.
_FIELDS: Mapping[str, str] = {
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "rope.freq_base": "rope_theta",
    "vocab_size": "vocab_size",
}
# What changes the computation in a way the engine has no code for, with the values that leave it as it is.
_ALLOWED: Mapping[str, tuple[Value, ...]] = {
    "attention.causal": (True,),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "rope.scale_linear": (1.0,),
    "rope.scaling.factor": (0.0, 1.0),
    "rope.scaling.type": ("none", "linear"),
    "tensor_data_layout": ("reference", "Meta AI original pth"),
}
# The head's size once more; and what says something about a scaling that `_ALLOWED` excludes.
_HEAD_SIZES = ("attention.value_length", "rope.dimension_count")
_WITHOUT_EFFECT = ("rope.scaling.finetuned", "rope.scaling.original_context_length")
# The end of a text, of a turn, of a message to a tool.
_END_KEYS = ("eos_token_id", "eot_token_id", "eom_token_id")


def config_of(path: str, header: GgufHeader) -> dict[str, Any]:
    """Return config.json as an object.

    Raises:
        UnsupportedArchitecture: an architecture or a setting that no engine here has, or a file that is no whole model.
        InvalidConfig: a value of the wrong type.

    """
    metadata = header.metadata
    architecture = _architecture(path, metadata)
    below = {
        key.removeprefix(f"{architecture}."): value
        for key, value in metadata.items()
        if key.startswith(f"{architecture}.")
    }
    _check_known(path, architecture, below)
    tokens = metadata.get("tokenizer.ggml.tokens")
    config: dict[str, Any] = {
        "architectures": [ARCHITECTURES[architecture]],
        "model_type": architecture,
        "hidden_act": "silu",
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in header.tensors),
        "vocab_size": len(tokens) if isinstance(tokens, list) else None,
        "bos_token_id": next(iter(_token_ids(path, metadata, ("bos_token_id",))), None),
        "eos_token_id": _token_ids(path, metadata, _END_KEYS),
    }
    config |= {
        field: _number(path, f"{architecture}.{key}", below[key]) for key, field in _FIELDS.items() if key in below
    }
    _set_head_size(path, architecture, below, config)
    return config


def _architecture(path: str, metadata: Mapping[str, Value]) -> str:
    kind, architecture = metadata.get("general.type", "model"), metadata.get("general.architecture")
    if kind != "model":
        raise UnsupportedArchitecture(f"{path}: general.type is {shown(kind)}: expected 'model', a whole one")
    if metadata.get("split.count", 1) not in (0, 1):  # a list is no member of a set
        raise UnsupportedArchitecture(
            f"{path}: split.count is {shown(metadata['split.count'])}: expected a model in one file"
        )
    if not isinstance(architecture, str):
        raise InvalidConfig(f"{path}: general.architecture is {shown(architecture)}: expected its name")
    if architecture not in ARCHITECTURES:
        supported = " or ".join(ARCHITECTURES)
        raise UnsupportedArchitecture(
            f"{path}: general.architecture is {architecture[:80]!r}: supported is {supported}"
        )
    return architecture


def _check_known(path: str, architecture: str, below: Mapping[str, Value]) -> None:
    for key, value in below.items():
        name = f"{path}: {architecture}.{key[:80]}"
        if key in _ALLOWED and value not in _ALLOWED[key]:
            allowed = " or ".join(map(repr, _ALLOWED[key]))
            raise UnsupportedArchitecture(f"{name} is {shown(value)}: supported is {allowed}")
        if key not in {*_FIELDS, *_ALLOWED, *_HEAD_SIZES, *_WITHOUT_EFFECT}:
            raise UnsupportedArchitecture(f"{name} is {shown(value)}: the engine has no such setting")


def _number(path: str, key: str, value: Value) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidConfig(f"{path}: {key} is {shown(value)}: expected one number")
    return value


def _set_head_size(path: str, architecture: str, below: Mapping[str, Value], config: dict[str, Any]) -> None:
    """Files name the size of a head up to three times: all of them rotate whole heads here."""
    for key in _HEAD_SIZES:
        if key in below:
            size = _number(path, f"{architecture}.{key}", below[key])
            if config.setdefault("head_dim", size) != size:
                raise UnsupportedArchitecture(
                    f"{path}: {architecture}.{key} is {size}: supported is {config['head_dim']}, the size of a head"
                )


def _token_ids(path: str, metadata: Mapping[str, Value], names: Sequence[str]) -> list[int]:
    keys = [f"tokenizer.ggml.{name}" for name in names]
    return sorted({_token_id(path, key, metadata[key]) for key in keys if key in metadata})


def _token_id(path: str, key: str, value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidConfig(f"{path}: {key} is {shown(value)}: expected the number of a token")
    return value
