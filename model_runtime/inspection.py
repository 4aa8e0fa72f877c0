"""The one way in which a model's files are looked at before anything is done with them: what they are, or why not.

`resolve` inspects them through the source, `prepare` on the disk, and both get the same `Facts` or the same refusal:
documents first, then the headers of the weights, then the first bytes of everything else.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

from model_runtime.beginnings import BEGINNING_BYTES, check_beginning
from model_runtime.documents import DOCUMENTS, Documents, parse_document
from model_runtime.errors import InvalidModel
from model_runtime.manifest import FileEntry
from model_runtime.remote_code import check_documents
from model_runtime.safetensors_header import Tensor, check_total, read_header
from model_runtime.selection import is_weights
from model_runtime.verify import Facts, Task, examine

T = TypeVar("T")
# `read(count)` gives exactly so many bytes, each call from where the last one ended.
Read = Callable[[int], bytes]


class ModelFiles(Protocol):
    """The files of a model, wherever they lie."""

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """All files, sorted by path."""

    def read(self, entry: FileEntry) -> bytes:
        """Return the whole content of a small file."""

    def begin(self, entry: FileEntry, consume: Callable[[Read], T]) -> T:
        """Return what `consume` makes of the file's first bytes; it may be called again where reading failed."""


def inspect_files(task: Task, files: ModelFiles) -> Facts:
    """Say what the model is, or refuse it.

    Raises:
        ModelRuntimeError: as `verify.examine`, and any reason of `files`.

    """
    documents = read_documents(files)
    check_documents(documents)
    headers = _read_headers(files)
    for entry in files.entries:
        if entry.path not in DOCUMENTS and entry.path not in headers:
            check_beginning(entry.path, files.begin(entry, partial(_read_beginning, entry)))
    return examine(task, [entry.path for entry in files.entries], documents, headers)


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
    headers: dict[str, tuple[Tensor, ...]] = {}
    for entry in files.entries:
        if is_weights(entry.path):
            headers[entry.path] = files.begin(entry, partial(read_header, entry.path, entry.size))
            check_total(headers.values())
    return headers


def _read_beginning(entry: FileEntry, read: Read) -> bytes:
    return read(min(entry.size, BEGINNING_BYTES))
