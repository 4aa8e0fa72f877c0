"""The one way in which a model's files are looked at before anything is done with them: what they are, or why not.

`resolve` inspects them through the source, `prepare` on the disk, and both get the same `Facts` or the same refusal:
documents first, then the headers of the weights, then the first bytes of everything else, and last what turns text
into tokens. The documents of a model in
a GGUF file are in its header.
"""

from collections.abc import Mapping
from functools import partial

from model_runtime.beginnings import BEGINNING_BYTES, check_beginning
from model_runtime.documents import DOCUMENTS, Documents, parse_document
from model_runtime.errors import InvalidModel
from model_runtime.gguf_model import GgufModel, open_gguf
from model_runtime.manifest import FileEntry
from model_runtime.model_files import ModelFiles, Read
from model_runtime.remote_code import check_documents
from model_runtime.safetensors_header import Tensor, check_total, read_header
from model_runtime.selection import is_weights
from model_runtime.text_check import TEXT_FILES, check_text
from model_runtime.tokenizer_check.check import TOKENIZER_NAME
from model_runtime.verify import Facts, Task, examine


def inspect_files(task: Task, files: ModelFiles) -> Facts:
    """Say what the model is, or refuse it.

    Raises:
        InvalidModel: no tokenizer where texts are served.
        ModelRuntimeError: as `verify.examine` and `check_text`, and any reason of `files`.

    """
    files = open_gguf(files) or files
    documents = read_documents(files)
    check_documents(documents)
    headers = _read_headers(files)
    for entry in files.entries:
        if entry.path not in {*DOCUMENTS, *TEXT_FILES, *headers}:
            check_beginning(entry.path, files.begin(entry, partial(_read_beginning, entry)))
    facts = examine(task, [entry.path for entry in files.entries], documents, headers)
    if facts.task is not Task.TENSOR and all(entry.path != TOKENIZER_NAME for entry in files.entries):
        raise InvalidModel(f"{TOKENIZER_NAME} is missing: expected it beside the weights")
    check_text(files, documents)
    return facts


def read_documents(files: ModelFiles) -> Documents:
    """Read and parse the documents that are there.

    Raises:
        InvalidModel: one is too large, or no JSON.

    """
    found = {entry.path: entry for entry in files.entries if entry.path in DOCUMENTS}
    if "config.json" not in found:
        raise InvalidModel("config.json is missing: expected it beside the weights")
    return Documents(**{DOCUMENTS[path].field: _read_document(files, entry) for path, entry in found.items()})


def _read_document(files: ModelFiles, entry: FileEntry) -> object:
    limit = DOCUMENTS[entry.path].limit_bytes
    if entry.size > limit:
        raise InvalidModel(f"{entry.path}: {entry.size} bytes: expected at most {limit}")
    return parse_document(entry.path, files.read(entry))


def _read_headers(files: ModelFiles) -> Mapping[str, tuple[Tensor, ...]]:
    if isinstance(files, GgufModel):
        return {files.path: files.tensors}
    headers: dict[str, tuple[Tensor, ...]] = {}
    for entry in files.entries:
        if is_weights(entry.path):
            headers[entry.path] = files.begin(entry, partial(read_header, entry.path, entry.size))
            check_total(headers.values())
    return headers


def _read_beginning(entry: FileEntry, read: Read) -> bytes:
    return read(min(entry.size, BEGINNING_BYTES))
