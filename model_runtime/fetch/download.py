"""Brings the files of a listing to the disk: each hashed while it is written, and there under its name only when right.

Called by `prepare` for the whole model and by `resolve` for the small documents (`read_small`). A file that was begun
is in `<path>.part` and goes on from there, also after the container was killed.
"""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from model_runtime.errors import DigestMismatch, InsufficientDisk, SourceUnreachable
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience, retry
from model_runtime.fetch.source import CHUNK_BYTES, Listing, OpenFile
from model_runtime.manifest import FileEntry, Manifest

_PARALLEL_FILES = 4
# For what else is written to the same volume, such as the model repository.
_SPARE_BYTES = 16 << 20
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class Cancelled(Exception):  # noqa: N818 - no error of its own: another file of the same download failed
    """Another file failed, so this one was left where it was."""


@dataclass(frozen=True, slots=True)
class Download:
    """What the files of one download share."""

    folder: Path
    open: OpenFile
    patience: Patience
    progress: Progress
    cancelled: threading.Event


def download(listing: Listing, folder: Path, patience: Patience, progress: Progress) -> None:
    """Fetch every file of the listing into the folder, a few at a time. What is already there is hashed, not trusted.

    Raises:
        DigestMismatch: the source gives other bytes than the manifest says; nothing of that file is left.
        InsufficientDisk: checked before the first byte, and again when the disk fills up.
        SourceUnreachable, SourceNotFound, SourceUnauthorized: from the source, when patience is at its end.

    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [entry for entry in listing.manifest.files if not _is_complete(folder, entry)]
    count, total = len(listing.manifest.files), listing.manifest.size
    progress.report(f"{count - len(missing)} of {count} files are there already")
    check_disk(folder, missing, shutil.disk_usage(folder).free)
    progress.begin(total)
    progress.find(total - _size(missing))
    job = Download(
        folder=folder,
        open=listing.open,
        patience=patience,
        progress=progress,
        cancelled=threading.Event(),
    )
    with ThreadPoolExecutor(_PARALLEL_FILES) as pool:
        futures = [pool.submit(fetch_file, job, entry) for entry in missing]
        wait(futures, return_when=FIRST_EXCEPTION)
        job.cancelled.set()
    errors = [error for future in futures if (error := future.exception())]
    raise_first(errors)
    progress.finish()


def raise_first(errors: Iterable[BaseException]) -> None:
    """Raise the error that stopped the download, rather than the cancellations that followed from it."""
    for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
        raise error


def check_disk(folder: Path, missing: Iterable[FileEntry], free: int) -> None:
    """Check that the files fit, counting what was already fetched of them.

    Raises:
        InsufficientDisk: names both figures.

    """
    needed = sum(entry.size - min(entry.size, _part_size(folder, entry)) for entry in missing)
    if needed and needed + _SPARE_BYTES > free:
        raise InsufficientDisk(f"{folder}: {free} bytes free: expected {needed} for the model and {_SPARE_BYTES} spare")


def fetch_file(job: Download, entry: FileEntry) -> None:
    """Fetch one file: to `.part`, through the hash, to the disk, and only then under its name."""
    part = _part(job.folder, entry)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fetch_verified(job, entry, part)
    except DigestMismatch:
        part.unlink(missing_ok=True)
        raise
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise InsufficientDisk(f"{entry.path}: the disk is full") from error
        raise
    part.rename(job.folder / entry.path)
    _sync_folder(part.parent)


def _fetch_verified(job: Download, entry: FileEntry, part: Path) -> None:
    """Fetch the file to `.part`. If its pieces do not add up to the digest, once more from the first byte decides."""
    fetched = _fetch_part(job, entry, part)
    if not fetched.in_one_piece and fetched.digest != entry.digest:
        part.unlink()
        job.progress.find(-entry.size)
        fetched = _fetch_part(job, entry, part)
    if fetched.digest != entry.digest:
        raise DigestMismatch(f"{entry.path}: its bytes hash to {fetched.digest}: expected {entry.digest}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is in a `.part` that has all its bytes, and whether they came from one answer of the source."""

    digest: str
    in_one_piece: bool


def _fetch_part(job: Download, entry: FileEntry, part: Path) -> Fetched:
    """Write the file's remaining bytes to `.part`, in as many attempts as patience allows."""
    begin = _part_size(job.folder, entry)
    if begin > entry.size:
        part.unlink()
        begin = 0
    with part.open("ab") as file:
        hasher = Hasher.of(entry)
        _hash_file(hasher, part)
        job.progress.find(begin)
        failures, received = 0, begin
        while received < entry.size:
            try:
                _append(job, entry, file, hasher, received)
            except SourceUnreachable as error:
                failures = 1 if file.tell() > received else failures + 1
                job.patience.wait(failures, error)
            received = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return Fetched(digest=hasher.digest(), in_one_piece=begin == 0 and failures == 0)


def _append(job: Download, entry: FileEntry, file: BinaryIO, hasher: "Hasher", offset: int) -> None:
    """Append what one answer of the source gives.

    Raises:
        SourceUnreachable: the answer was cut, or ended before the file's size.
        DigestMismatch: it holds more than the file's size.

    """
    with job.open(entry, offset) as answer:
        for chunk in answer.chunks:
            if job.cancelled.is_set():
                raise Cancelled(entry.path)
            job.patience.check(entry.path)
            if file.tell() + len(chunk) > entry.size:
                raise DigestMismatch(f"{entry.path}: the source gives more than the {entry.size} bytes it listed")
            file.write(chunk)
            hasher.update(chunk)
            job.progress.add(len(chunk))
    if file.tell() < entry.size:
        raise SourceUnreachable(f"{entry.path}: the answer ended at byte {file.tell()} of {entry.size}")


@dataclass(frozen=True, slots=True)
class Hasher:
    """The hash that a file's digest asks for; git's is over a header with the size, then the content."""

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


def read_small(listing: Listing, entry: FileEntry, patience: Patience) -> bytes:
    """Return the whole content of a small file, checked by its digest.

    Raises:
        DigestMismatch: as `download`.
        SourceUnreachable, SourceNotFound, SourceUnauthorized: from the source.

    """

    def read() -> bytes:
        content = bytearray()
        with listing.open(entry, 0) as answer:
            for chunk in answer.chunks:
                content.extend(chunk)
                if len(content) > entry.size:
                    raise DigestMismatch(f"{entry.path}: the source gives more than the {entry.size} bytes it listed")
        if len(content) < entry.size:
            raise SourceUnreachable(f"{entry.path}: the answer ended at byte {len(content)} of {entry.size}")
        return bytes(content)

    content = retry(patience, read)
    hasher = Hasher.of(entry)
    hasher.update(content)
    if hasher.digest() != entry.digest:
        raise DigestMismatch(f"{entry.path}: its bytes hash to {hasher.digest()}: expected {entry.digest}")
    return content


def _is_complete(folder: Path, entry: FileEntry) -> bool:
    path = folder / entry.path
    if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.size:
        return False
    hasher = Hasher.of(entry)
    _hash_file(hasher, path)
    return hasher.digest() == entry.digest


def _hash_file(hasher: Hasher, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)


def _part(folder: Path, entry: FileEntry) -> Path:
    return folder / f"{entry.path}.part"


def _part_size(folder: Path, entry: FileEntry) -> int:
    part = _part(folder, entry)
    return part.stat().st_size if part.is_file() else 0


def _size(entries: Iterable[FileEntry]) -> int:
    return Manifest(tuple(entries)).size


def _sync_folder(folder: Path) -> None:
    """Make the rename last beyond a crash of the node."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
