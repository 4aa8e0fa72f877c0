"""What a source gives: the listing of a model, pinned to one revision, with a function that opens its files.

`https`, `s3`, `huggingface`, `oci` and `folder` each make one; `open_source` picks by the URI's scheme. `resolve` and
`prepare` see nothing else of a source.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from model_runtime.errors import DigestMismatch, InvalidArgument, SourceTruncated, SourceUnreachable
from model_runtime.manifest import FileEntry, Manifest, is_manifest_digest

# Large enough that hashing and writing dominate, small enough that four downloads stay below a few MiB.
CHUNK_BYTES = 1 << 20

Chunks = Iterator[bytes]


class RangesIgnored(Exception):  # noqa: N818 - no failure: the file can be had in one stream
    """The source gives whole files only."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a source says by which two answers can be told to be of different contents: HTTP's validators.

    Both None where it says nothing. A weak ETag says nothing about bytes and is left out.
    """

    etag: str | None = None
    modified: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Version":
        """Return the version that an answer's headers state, by their names in lower case."""
        etag = headers.get("etag")
        return cls(None if etag is None or etag.startswith("W/") else etag, headers.get("last-modified"))

    def differs(self, other: "Version") -> bool:
        """Tell whether the content is certainly another one: mirrors of one file may differ in one validator."""
        tags = self.etag is not None and other.etag is not None and self.etag != other.etag
        return tags and (self.modified is None or self.modified != other.modified)


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes of a file as they come, and the version that they are of."""

    chunks: Chunks
    version: Version = Version()


class OpenFile(Protocol):
    """How a source gives a file's bytes."""

    def __call__(self, entry: FileEntry, offset: int, length: int | None = None) -> AbstractContextManager[Answer]:
        """Give `length` bytes from the offset on (None: all that follow) until the `with` ends, or fewer when cut.

        Raises:
            RangesIgnored: only with a length, from a source that gives whole files only.
            ModelRuntimeError: on opening and while the chunks are read: SourceNotFound, SourceUnauthorized and
                SourceUnreachable with its subclasses.

        """


@dataclass(frozen=True, slots=True)
class Listing:
    """What the source has: the revision it stands for (a commit, or the manifest's digest), the files, their bytes."""

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


def ranged(what: str, chunks: Chunks, content_range: str | None, offset: int, length: int | None) -> Chunks:
    """Return the bytes that were asked for, out of a body; without `content_range` it is the whole file.

    Raises:
        RangesIgnored: a length was asked for, and the whole file came.
        SourceUnreachable: another range than was asked for.

    """
    if content_range is None:
        if length is not None:
            raise RangesIgnored(what)
        return _after(chunks, offset)
    if not content_range.startswith(f"bytes {offset}-"):
        raise SourceUnreachable(f"{what}: Content-Range {content_range!r}: asked for the bytes from {offset} on")
    return chunks


def range_header(offset: int, length: int | None) -> dict[str, str]:
    """Return the header that asks for these bytes; none is needed for a whole file."""
    if length is not None:
        return {"Range": f"bytes={offset}-{offset + length - 1}"}
    return {"Range": f"bytes={offset}-"} if offset else {}


def _after(chunks: Chunks, offset: int) -> Chunks:
    """Drop the first bytes of a file from a source that gives it whole."""
    for chunk in chunks:
        if offset < len(chunk):
            yield chunk[offset:]
        offset = max(0, offset - len(chunk))


def beginning(chunks: Chunks, count: int) -> bytes:
    """Return the first bytes, `count` at the most, and read no further: whoever sends may never end."""
    content = bytearray()
    for chunk in chunks:
        content += chunk[: count - len(content)]
        if len(content) == count:
            break
    return bytes(content)


def read_exactly(chunks: Chunks, path: str) -> Callable[[int], bytes]:
    """Return a function that reads `count` bytes from the chunks, each call from where the last one ended.

    Raises:
        SourceTruncated: by that function, when the chunks end early.

    """
    buffer = bytearray()

    def read(count: int) -> bytes:
        while len(buffer) < count:
            chunk = next(chunks, b"")
            if not chunk:
                raise SourceTruncated(f"{path}: the answer ended {count - len(buffer)} bytes early")
            buffer.extend(chunk)
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken

    return read
