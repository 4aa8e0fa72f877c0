"""A model in a GGUF file as a folder in Hugging Face's layout: with its documents, its tensors by their names there.

`inspection` looks at it through this and so refuses it with the words of any model; `prepare` writes the documents.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from model_runtime.gguf_documents import derived_documents
from model_runtime.gguf_header import read_header
from model_runtime.gguf_tensors import llama_tensors
from model_runtime.manifest import FileEntry
from model_runtime.model_files import ModelFiles, Read, T
from model_runtime.safetensors_header import Tensor
from model_runtime.selection import is_gguf


@dataclass(frozen=True, slots=True)
class GgufModel:
    """The files of a model with the documents that its GGUF file, at `path`, stands for; and the file's tensors."""

    path: str
    files: ModelFiles
    derived: Mapping[FileEntry, bytes]
    tensors: tuple[Tensor, ...]

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """All files and documents, sorted by path."""
        return tuple(sorted((*self.files.entries, *self.derived), key=lambda entry: entry.path))

    def read(self, entry: FileEntry) -> bytes:
        """Return the whole content of a document."""
        return self.derived[entry] if entry in self.derived else self.files.read(entry)

    def begin(self, entry: FileEntry, consume: Callable[[Read], T]) -> T:
        """Return what `consume` makes of the first bytes of a file or a document."""
        if entry in self.derived:
            return consume(io.BytesIO(self.derived[entry]).read)
        return self.files.begin(entry, consume)


def open_gguf(files: ModelFiles) -> GgufModel | None:
    """Read the header of the GGUF file among the files; None for a model without one.

    Raises:
        ModelRuntimeError: as `gguf_header.read_header`, `derived_documents` and `llama_tensors`.

    """
    entry = next((entry for entry in files.entries if is_gguf(entry.path)), None)
    if entry is None:
        return None
    header = files.begin(entry, partial(read_header, entry.path, entry.size))
    documents = derived_documents(entry.path, header, [entry.path for entry in files.entries])
    contents = {name: json.dumps(document, ensure_ascii=False).encode() for name, document in documents.items()}
    derived = {_entry(name, content): content for name, content in contents.items()}
    return GgufModel(entry.path, files, derived, llama_tensors(entry.path, header))


def _entry(name: str, content: bytes) -> FileEntry:
    return FileEntry(name, len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
