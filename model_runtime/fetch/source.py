"""What a source gives: the listing of a model, pinned to one revision, with a function that opens its files.

`https`, `s3` and `huggingface` each make one; `open_source` picks by the URI's scheme. `resolve` and `prepare` see
nothing else of a source.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from model_runtime.errors import DigestMismatch, InvalidArgument, SourceUnreachable
from model_runtime.manifest import FileEntry, Manifest, is_manifest_digest

# Large enough that hashing and writing dominate, small enough that four downloads stay below a few MiB.
CHUNK_BYTES = 1 << 20

Chunks = Iterator[bytes]
OpenFile = Callable[[FileEntry, int], AbstractContextManager[Chunks]]


@dataclass(frozen=True, slots=True)
class Listing:
    """What the source has: the revision it stands for (a commit, or the manifest's digest) and the files.

    `open(entry, offset)` gives a file's bytes from the offset on, until the `with` ends; opening and reading raise
    SourceNotFound, SourceUnauthorized and SourceUnreachable.
    """

    revision: str
    manifest: Manifest
    open: OpenFile


def listing_by_digest(revision: str | None, manifest: Manifest, open_file: OpenFile) -> Listing:
    """Return the listing of a source without revisions of its own: the manifest's digest is the revision.

    Raises:
        DigestMismatch: the source no longer holds the revision that was resolved.
        InvalidArgument: a revision of another form, such as a branch.

    """
    digest = manifest.digest()
    if revision is not None and not is_manifest_digest(revision):
        raise InvalidArgument(f"--revision {revision!r}: this source has no revisions, only the digest {digest}")
    if revision not in {None, digest}:
        raise DigestMismatch(f"the source's files changed: their manifest has the digest {digest}: expected {revision}")
    return Listing(revision=digest, manifest=manifest, open=open_file)


def read_exactly(chunks: Chunks, path: str) -> Callable[[int], bytes]:
    """Return a function that reads `count` bytes from the chunks, each call from where the last one ended.

    Raises:
        SourceUnreachable: by that function, when the chunks end early.

    """
    buffer = bytearray()

    def read(count: int) -> bytes:
        while len(buffer) < count:
            chunk = next(chunks, b"")
            if not chunk:
                raise SourceUnreachable(f"{path}: the answer ended {count - len(buffer)} bytes early")
            buffer.extend(chunk)
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken

    return read
