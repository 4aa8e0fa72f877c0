"""One file: its missing bytes over one or more connections to `.part`, through the hash, and only then to its name.

Called by download.py. Connections write where their piece belongs; the file's own thread hashes behind them, from the
first byte on, out of what the kernel still holds in memory. Memory is a few chunks, whatever the file's size.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path

from model_runtime.errors import DigestMismatch, SourceTruncated, SourceUnreachable
from model_runtime.fetch.disk import disk_errors
from model_runtime.fetch.hasher import Hasher
from model_runtime.fetch.part import Part, open_part
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.fetch.source import CHUNK_BYTES, OpenFile, RangesIgnored
from model_runtime.fetch.spans import Span, gaps, pieces
from model_runtime.manifest import FileEntry

# Below this a second connection gains less than it costs.
_PIECES_FROM_BYTES = 64 << 20
_PIECE_BYTES = 32 << 20
# How much is left to the kernel before it is told to write, so that little is left to do at the end.
_SYNC_BYTES = 128 << 20


class Cancelled(Exception):  # noqa: N818 - no error of its own: another file or piece of the same download failed
    """Something else failed, so this was left where it was."""


@dataclass(frozen=True, slots=True)
class Download:
    """What the files of one download share: `connections` is as many threads as may ask the source at a time."""

    folder: Path
    open: OpenFile
    patience: Patience
    progress: Progress
    cancelled: threading.Event
    connections: Executor
    syncs: Executor


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to ask for in one request; `length` is None where the request says no end."""

    span: Span
    length: int | None


def fetch_file(job: Download, entry: FileEntry) -> None:
    """Fetch what is missing of one file.

    Raises:
        DigestMismatch: nothing of the file is left.
        ModelRuntimeError: InsufficientDisk, or from the source; what came stays for the next attempt.

    """
    with disk_errors(entry.path), open_part(job.folder, entry) as part:
        job.progress.find(part.count())
        try:
            _fetch_verified(job, part)
        except DigestMismatch:
            part.discard()
            raise
        part.publish()


def _fetch_verified(job: Download, part: Part) -> None:
    """Fetch the file. If what came in pieces is not right, one stream from the first byte decides."""
    try:
        _fetch_once(job, part, plan(part.entry.size, part.spans()))
    except DigestMismatch:
        if part.answers <= 1 and not part.recalled:
            raise
        job.progress.find(-part.begin_again(0))
        _fetch_once(job, part, one_stream(0, part.entry.size))


def plan(size: int, there: Sequence[Span]) -> tuple[Piece, ...]:
    """Return the requests that bring what is missing of a file: a small one in one stream, a large one in pieces."""
    missing = gaps(there, size)
    if size < _PIECES_FROM_BYTES:
        return tuple(Piece(gap, None if gap.end == size else gap.size) for gap in missing)
    return tuple(Piece(piece, piece.size) for gap in missing for piece in pieces(gap, _PIECE_BYTES))


def one_stream(begin: int, size: int) -> tuple[Piece, ...]:
    """Return the one request that brings all from an offset on."""
    return (Piece(Span(begin, size), None),) if begin < size else ()


def _fetch_once(job: Download, part: Part, wanted: Sequence[Piece]) -> None:
    try:
        digest = _fetch_pieces(job, part, wanted)
    except RangesIgnored:
        job.progress.find(-part.begin_again(part.whole_to()))
        digest = _fetch_pieces(job, part, one_stream(part.whole_to(), part.entry.size))
    if digest != part.entry.digest:
        raise DigestMismatch(f"{part.entry.path}: its bytes hash to {digest}: expected {part.entry.digest}")


def _fetch_pieces(job: Download, part: Part, wanted: Sequence[Piece]) -> str:
    """Fetch the pieces and return the digest of the whole file, which is then safe on the disk."""
    connections = [job.connections.submit(_fetch_piece, job, part, piece) for piece in wanted]
    syncs: list[Future[None]] = []
    try:
        digest = _hash_behind(job, part, syncs)
    except BaseException as error:
        part.fail(error)
        raise
    finally:
        for future in connections:
            future.cancel()
        wait(connections)
        wait(syncs)
    for sync in syncs:
        sync.result()
    os.fsync(part.descriptor)
    return digest


def _hash_behind(job: Download, part: Part, syncs: list[Future[None]]) -> str:
    """Hash the file from the first byte to the last as it arrives, and have it written to the disk meanwhile."""
    hasher, hashed, synced = Hasher.of(part.entry), 0, 0
    while hashed < part.entry.size:
        end = part.wait_beyond(hashed)
        while hashed < end:
            chunk = os.pread(part.descriptor, min(CHUNK_BYTES, end - hashed), hashed)
            if not chunk:
                raise DigestMismatch(f"{part.entry.path}: somebody else cut it short on the disk")
            hasher.update(chunk)
            hashed += len(chunk)
        if hashed - synced >= _SYNC_BYTES:
            syncs.append(job.syncs.submit(os.fdatasync, part.descriptor))
            synced = hashed
    return hasher.digest()


def _fetch_piece(job: Download, part: Part, piece: Piece) -> None:
    """Write the piece's bytes in as many attempts as patience allows; what it fails with, the file fails with."""
    try:
        _receive_all(job, part, piece)
    except BaseException as error:  # noqa: BLE001 - handed to the file's own thread, which raises it
        part.fail(error)


def _receive_all(job: Download, part: Part, piece: Piece) -> None:
    failures, at = 0, piece.span.begin
    while at < piece.span.end:
        try:
            _receive(job, part, piece, at)
        except SourceUnreachable as error:
            came = part.end_of(piece.span.begin) > at
            failures = 1 if came else failures + 1
            job.patience.wait(failures, error)
        at = part.end_of(piece.span.begin)


def _receive(job: Download, part: Part, piece: Piece, offset: int) -> None:
    """Write what one answer of the source gives.

    Raises:
        SourceUnreachable: the answer was cut, or ended before the piece did.
        DigestMismatch: it holds more than was asked for, or is of another version of the file.

    """
    path, end = part.entry.path, piece.span.end
    _check_wanted(job, part)
    with job.open(part.entry, offset, None if piece.length is None else end - offset) as answer:
        part.answer(answer.version)
        for chunk in answer.chunks:
            _check_wanted(job, part)
            job.patience.check(path)
            if offset + len(chunk) > end:
                raise DigestMismatch(f"{path}: the source gives more than was asked for, which ends at byte {end}")
            part.write(piece.span.begin, offset, chunk)
            offset += len(chunk)
            job.progress.add(len(chunk))
    if offset < end:
        raise SourceTruncated(f"{path}: the answer ended at byte {offset} of {part.entry.size}")


def _check_wanted(job: Download, part: Part) -> None:
    if job.cancelled.is_set() or part.stopped:
        raise Cancelled(part.entry.path)
