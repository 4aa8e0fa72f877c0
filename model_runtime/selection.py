"""Which files of a repository make up the model: an allow-list, so that code and pickle are never fetched.

Sources call `select` on the names they see, before any size or digest is asked for. Pure.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from model_runtime.errors import (
    InvalidModel,
    PackedFile,
    PickledWeights,
    RemoteCode,
    SourceNotFound,
    UnsupportedArchitecture,
)

WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"

_NAMES = frozenset(
    {
        "1_Pooling/config.json",
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "config.json",
        "config_sentence_transformers.json",
        "generation_config.json",
        "merges.txt",
        "modules.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
        INDEX_NAME,
    }
)
# The names that Hugging Face's libraries give; others (consolidated.*, adapters) are copies or no whole models.
_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
# The file holds config.json and tokenizer; what it lacks, or an own tokenizer.json, may lie beside it.
_GGUF = re.compile(r"[^/]+\.gguf")
_GGUF_PART = re.compile(r".+-\d{5}-of-\d{5}\.gguf")
_MAX_LISTED = 8
_BESIDE_GGUF = frozenset(
    {"chat_template.jinja", "chat_template.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
)
_PICKLED = frozenset({".bin", ".ckpt", ".joblib", ".npz", ".pickle", ".pkl", ".pt", ".pth"})
_PACKED = frozenset({".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"})
# transformers' names for the code that auto_map points at, the handler of hosted endpoints, and code for generate().
# Other Python files beside a model (training scripts, examples) are common: they are never fetched.
_CODE = re.compile(
    r"(.*/)?((modeling|configuration|tokenization|processing|image_processing|feature_extraction)_[^/]*\.py|handler\.py)"
    r"|custom_generate/.+"
)


def is_weights(path: str) -> bool:
    """Tell whether the path is one of the model's safetensors files."""
    return _WEIGHTS.fullmatch(path) is not None


def is_gguf(path: str) -> bool:
    """Tell whether the path is a GGUF file of the model."""
    return _GGUF.fullmatch(path) is not None


def select(paths: Iterable[str], file: str | None = None) -> tuple[str, ...]:
    """Return the paths that belong to the model, sorted; `file` names the GGUF file that is asked for.

    Raises:
        SourceNotFound: the file that is asked for is not there.
        RemoteCode: a file whose name says that the model's loaders run it.
        PickledWeights: the only weights are pickled, which would run code when loaded.
        PackedFile: the only weights are in an archive.
        UnsupportedArchitecture: the only weights are a GGUF file in parts.
        InvalidModel: no weights, several GGUF files or no config.json.

    """
    found = frozenset(paths)
    if code := sorted(path for path in found if _CODE.fullmatch(path)):
        raise RemoteCode(f"{code[0][:200]!r}: by its name code that the model runs on, which is never run")
    if file is not None:
        return _select_gguf(found, file)
    selected = tuple(sorted(path for path in found if path in _NAMES or is_weights(path)))
    if not any(is_weights(path) for path in selected):
        return _select_gguf(found, _only_gguf(found))
    if "config.json" not in found:
        raise InvalidModel("config.json is missing: expected it beside the weights")
    return selected


def _select_gguf(paths: frozenset[str], file: str) -> tuple[str, ...]:
    if file not in paths:
        raise SourceNotFound(f"{file}: no such file: there is {_listed(sorted(filter(is_gguf, paths))) or 'no GGUF'}")
    if _GGUF_PART.fullmatch(file):
        raise UnsupportedArchitecture(f"{file}: one of several parts: join them with llama-gguf-split --merge")
    return tuple(sorted((file, *_BESIDE_GGUF & paths)))


def _only_gguf(paths: frozenset[str]) -> str:
    found = sorted(filter(is_gguf, paths))
    whole = [path for path in found if not _GGUF_PART.fullmatch(path)]
    if not found:
        raise _without_weights(paths)
    if len(whole) > 1:
        raise InvalidModel(f"{len(whole)} GGUF files: name one of them in spec.model.file: {_listed(whole)}")
    return (whole or found)[0]


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_MAX_LISTED]) + (
        f" and {len(paths) - _MAX_LISTED} more" if len(paths) > _MAX_LISTED else ""
    )


def _without_weights(paths: frozenset[str]) -> Exception:
    suffixes = {PurePosixPath(path).suffix.lower(): path for path in sorted(paths)}
    if pickled := sorted(_PICKLED & suffixes.keys()):
        name = suffixes[pickled[0]]
        return PickledWeights(f"{name}: the only weights are pickled, which can run code: convert to model.safetensors")
    if packed := sorted(_PACKED & suffixes.keys()):
        return PackedFile(f"{suffixes[packed[0]]}: the only weights are packed: publish model.safetensors itself")
    return InvalidModel(
        "no weights: expected model.safetensors, model-00001-of-0000N.safetensors with their index, or a GGUF file"
    )
