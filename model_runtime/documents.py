"""The small JSON files that say what a model is: their names, how large each may be, and their strict parsing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_runtime.beginnings import BEGINNING_BYTES, foreign_binary
from model_runtime.engines.pooling_config import POOLING_NAME
from model_runtime.errors import InvalidConfig, InvalidModel
from model_runtime.selection import INDEX_NAME
from model_runtime.strict_json import AbsurdJsonError, JsonError, parse_json

# The largest published index, of some 100,000 tensors, has 10 MB and 200,000 commas and colons.
_MAX_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents, parsed; None where the model has no such file."""

    config: Any  # JSON
    tokenizer_config: object = None
    modules: object = None
    index: object = None
    pooling: object = None
    sentence: object = None
    generation: object = None


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """The field of `Documents` that a file becomes, and the most bytes it may have."""

    field: str
    limit_bytes: int


# Some ten times the largest published ones.
DOCUMENTS: Mapping[str, DocumentFile] = {
    "config.json": DocumentFile("config", 4 << 20),
    "tokenizer_config.json": DocumentFile("tokenizer_config", 16 << 20),
    "modules.json": DocumentFile("modules", 64 << 10),
    INDEX_NAME: DocumentFile("index", 32 << 20),
    POOLING_NAME: DocumentFile("pooling", 64 << 10),
    "sentence_bert_config.json": DocumentFile("sentence", 64 << 10),
    "generation_config.json": DocumentFile("generation", 256 << 10),
}


def parse_document(path: str, content: bytes) -> object:
    """Parse one of the documents.

    Raises:
        PickledWeights, PackedFile: the file is of another format, whatever its name.
        InvalidModel: the content is no JSON.
        InvalidConfig: JSON with numbers that are none, or a name that is there twice.

    """
    try:
        return parse_json(content, max_values=_MAX_VALUES)
    except AbsurdJsonError as error:
        raise InvalidConfig(f"{path}: {error}") from error
    except JsonError as error:
        foreign = foreign_binary(path, content[:BEGINNING_BYTES])
        raise foreign or InvalidModel(f"{path}: {error}") from error
