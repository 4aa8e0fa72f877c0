"""Brings the files of a listing to the disk: each hashed while it is written, and there under its name only when right.

Called by `prepare` for the whole model and by `resolve` for the small documents (`read_small`). A file that was begun
goes on from where it was, also after the container was killed.

    download ── files, a few at a time ──► file_fetch ── pieces over the shared connections ──► part
"""

import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from model_runtime.errors import DigestMismatch, SourceTruncated
from model_runtime.fetch.disk import check_room
from model_runtime.fetch.file_fetch import Cancelled, Download, fetch_file
from model_runtime.fetch.hasher import Hasher, is_complete
from model_runtime.fetch.part import allocated_bytes
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience, retry
from model_runtime.fetch.source import Listing, beginning
from model_runtime.manifest import FileEntry

_PARALLEL_FILES = 4
# Of the whole model, whatever the number of files.
_CONNECTIONS = 4


def download(listing: Listing, folder: Path, patience: Patience, progress: Progress) -> None:
    """Fetch every file of the listing into the folder, a few at a time. What is already there is hashed, not trusted.

    Raises:
        DigestMismatch: the source gives other bytes than the manifest says; nothing of that file is left.
        InsufficientDisk: checked before the first byte, and again when the disk fills up.
        SourceUnreachable, SourceNotFound, SourceUnauthorized: from the source, when patience is at its end.

    """
    folder.mkdir(parents=True, exist_ok=True)
    files = listing.manifest.files
    missing = [entry for entry in files if not is_complete(folder, entry)]
    progress.report(f"{len(files) - len(missing)} of {len(files)} files are there already")
    check_room(folder, needed_bytes(folder, missing), shutil.disk_usage(folder).free)
    progress.begin(listing.manifest.size)
    progress.find(listing.manifest.size - sum(entry.size for entry in missing))
    with (
        ThreadPoolExecutor(_CONNECTIONS) as connections,
        ThreadPoolExecutor(1) as syncs,
        ThreadPoolExecutor(_PARALLEL_FILES) as pool,
    ):
        job = Download(folder, listing.open, patience, progress, threading.Event(), connections, syncs)
        futures = [pool.submit(fetch_file, job, entry) for entry in missing]
        wait(futures, return_when=FIRST_EXCEPTION)
        job.cancelled.set()
    raise_first(error for future in futures if (error := future.exception()))
    progress.finish()


def raise_first(errors: Iterable[BaseException]) -> None:
    """Raise the error that stopped the download, rather than the cancellations that followed from it."""
    for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
        raise error


def needed_bytes(folder: Path, missing: Iterable[FileEntry]) -> int:
    """Return how many bytes the files still take, without what their parts take already."""
    return sum(max(0, entry.size - allocated_bytes(folder, entry)) for entry in missing)


def read_small(listing: Listing, entry: FileEntry, patience: Patience) -> bytes:
    """Return the whole content of a small file, checked by its digest.

    Raises:
        DigestMismatch: as `download`.
        SourceUnreachable, SourceNotFound, SourceUnauthorized: from the source.

    """

    def read() -> bytes:
        with listing.open(entry, 0) as answer:
            content = beginning(answer.chunks, entry.size + 1)
        if len(content) > entry.size:
            raise DigestMismatch(f"{entry.path}: the source gives more than the {entry.size} bytes it listed")
        if len(content) < entry.size:
            raise SourceTruncated(f"{entry.path}: the answer ended at byte {len(content)} of {entry.size}")
        return content

    content = retry(patience, read)
    hasher = Hasher.of(entry)
    hasher.update(content)
    if hasher.digest() != entry.digest:
        raise DigestMismatch(f"{entry.path}: its bytes hash to {hasher.digest()}: expected {entry.digest}")
    return content
