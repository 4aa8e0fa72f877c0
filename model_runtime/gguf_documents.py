"""The documents that a GGUF file stands for: what engine and frontend read beside the weights of any model.

Pure. `verify` examines them, `prepare` writes them beside the verified file. config.json is always that of the file;
a tokenizer.json or tokenizer_config.json that the repository has itself is taken instead of the file's.
"""

from collections.abc import Collection

from model_runtime.gguf_config import config_of
from model_runtime.gguf_header import GgufHeader
from model_runtime.gguf_tokenizer import Json, tokenizer_config_of, tokenizer_of

DERIVED = frozenset({"config.json", "tokenizer.json", "tokenizer_config.json"})


def derived_documents(path: str, header: GgufHeader, present: Collection[str]) -> dict[str, Json]:
    """Return the documents by name, without those that are `present`.

    Raises:
        UnsupportedArchitecture, InvalidModel: as `config_of`, `tokenizer_of` and `tokenizer_config_of`.

    """
    documents = {"config.json": config_of(path, header)}
    if "tokenizer.json" not in present:
        documents["tokenizer.json"] = tokenizer_of(path, header.metadata)
    if "tokenizer_config.json" not in present:
        documents["tokenizer_config.json"] = tokenizer_config_of(path, header.metadata)
    return documents
