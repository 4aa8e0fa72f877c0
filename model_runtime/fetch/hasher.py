"""The hash that a file's digest asks for, fed piece by piece. Called by whoever writes or trusts a file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_runtime.fetch.source import CHUNK_BYTES
from model_runtime.manifest import FileEntry


@dataclass(frozen=True, slots=True)
class Hasher:
    """SHA-256 over the content, or git's SHA-1, which is over a header with the size and then the content."""

    algorithm: str
    state: Any

    @classmethod
    def of(cls, entry: FileEntry) -> "Hasher":
        """Return a hasher that has seen nothing of the file yet."""
        algorithm = entry.digest.partition(":")[0]
        if algorithm == "sha256":
            return cls(algorithm, hashlib.sha256())
        return cls(algorithm, hashlib.sha1(b"blob %d\0" % entry.size, usedforsecurity=False))

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.state.update(chunk)

    def digest(self) -> str:
        """Return the digest of what was taken, in the manifest's form."""
        return f"{self.algorithm}:{self.state.hexdigest()}"


def is_complete(folder: Path, entry: FileEntry) -> bool:
    """Tell whether the file is in the folder, by its bytes; a link is not a file."""
    path = folder / entry.path
    if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.size:
        return False
    hasher = Hasher.of(entry)
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.digest() == entry.digest
