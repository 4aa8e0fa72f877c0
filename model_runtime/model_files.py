"""What `inspection` sees of a model's files, be they at the source or on the disk; implemented by its callers."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from model_runtime.manifest import FileEntry

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
