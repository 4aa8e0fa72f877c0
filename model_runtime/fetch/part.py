"""A file on its way to the disk: `<path>.part`, which several connections write to, and the journal of what is there.

The journal, `<path>.part.json`, lets the next process go on after this one was killed. What it says is never more than
a claim: the digest over the whole file decides, and a `.part` without a journal counts for nothing.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_runtime.errors import DigestMismatch
from model_runtime.fetch.disk import publish
from model_runtime.fetch.source import CHUNK_BYTES, Version
from model_runtime.fetch.spans import Span, merged
from model_runtime.manifest import FileEntry

# What a killed process has to fetch again, at most, per file.
_JOURNAL_BYTES = 16 << 20
# A page of memory, so that no kill leaves half of it; room for some 100 spans, of which there are rarely ten.
_JOURNAL_SIZE = 4096


@contextmanager
def open_part(folder: Path, entry: FileEntry) -> Iterator["Part"]:
    """Open the file's part, with what an earlier process left of it; what is there at the end is written down."""
    path = folder / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(_part_path(path)) as descriptor, _opened(_journal_path(path)) as journal:
        part = Part(entry, path, descriptor, journal)
        part.recall()
        try:
            yield part
        finally:
            # Of a part that was published or discarded the journal has no name any more.
            part.save()


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    if path.is_symlink():
        path.unlink()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def allocated_bytes(folder: Path, entry: FileEntry) -> int:
    """Return what the file's part takes of the disk already; it has holes where bytes are missing."""
    path = _part_path(folder / entry.path)
    return path.stat().st_blocks * 512 if path.is_file() else 0


class Part:
    """The bytes of one file so far. Connections write spans of it, in any order; one reader follows from the start."""

    def __init__(self, entry: FileEntry, path: Path, descriptor: int, journal: int) -> None:
        self.entry = entry
        self.path = path
        self.descriptor = descriptor
        # One answer of the source, from the first byte to the last, is the best that can be had of it.
        self.answers = 0
        self.recalled = False
        self.stopped = False
        self._journal = journal
        self._version = Version()
        # Where each span that begins at the key ends so far; a span that is complete ends where the next one begins.
        self._ends: dict[int, int] = {}
        self._unsaved = 0
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    def recall(self) -> None:
        """Take up what the journal says; without one that fits, start from nothing.

        The journal gets its place on the disk now, so that it can be written when the disk is full.
        """
        text = os.pread(self._journal, _JOURNAL_SIZE, 0)
        spans, version = _read_journal(text, self.entry, os.fstat(self.descriptor).st_size)
        self._ends = {span.begin: span.end for span in spans}
        self._version = version
        self.recalled = bool(spans)
        if not spans:
            os.ftruncate(self.descriptor, 0)
        self.save()

    def answer(self, version: Version) -> None:
        """Count an answer of the source.

        Raises:
            DigestMismatch: it is certainly of another content than those before.

        """
        with self._changed:
            self.answers += 1
            if self._version.differs(version):
                raise DigestMismatch(f"{self.entry.path}: it changed at the source while it was fetched")
            if self._version == Version():
                self._version = version

    def write(self, begin: int, offset: int, chunk: bytes) -> None:
        """Write the next bytes of the span that begins at `begin`."""
        written = offset
        while written < offset + len(chunk):
            written += os.pwrite(self.descriptor, memoryview(chunk)[written - offset :], written)
        with self._changed:
            self._ends[begin] = written
            self._unsaved += len(chunk)
            if self._unsaved >= _JOURNAL_BYTES:
                self._save()
            # The reader need not wake up for every few kilobytes.
            if written // CHUNK_BYTES > offset // CHUNK_BYTES or written == self.entry.size:
                self._changed.notify_all()

    def spans(self) -> tuple[Span, ...]:
        """Return what is there."""
        with self._changed:
            return self._spans()

    def count(self) -> int:
        """Return how many bytes are there."""
        return sum(span.size for span in self.spans())

    def end_of(self, begin: int) -> int:
        """Return the end so far of the span that begins there."""
        with self._changed:
            return self._ends.get(begin, begin)

    def wait_beyond(self, offset: int) -> int:
        """Wait until the file is there without a gap to beyond the offset; return up to where.

        Raises:
            BaseException: what was given to `fail`.

        """
        with self._changed:
            while self._failure is None and (end := self._whole_to()) <= offset:
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            return end

    def fail(self, error: BaseException) -> None:
        """Let the reader raise the error, and the connections stop."""
        with self._changed:
            self._failure = self._failure or error
            self.stopped = True
            self._changed.notify_all()

    def begin_again(self, keep_to: int) -> int:
        """Forget what came from that offset on, and failures; return how many bytes of it there were."""
        with self._changed:
            before = sum(span.size for span in self._spans())
            os.ftruncate(self.descriptor, keep_to)
            self._ends = {0: keep_to} if keep_to else {}
            self._failure, self.stopped = None, False
            if not keep_to:
                self._version, self.answers, self.recalled = Version(), 0, False
            self._save()
            return before - keep_to

    def whole_to(self) -> int:
        """Return up to where there is no gap."""
        with self._changed:
            return self._whole_to()

    def save(self) -> None:
        """Write down what is there."""
        with self._changed:
            self._save()

    def discard(self) -> None:
        """Leave nothing of it."""
        _journal_path(self.path).unlink()
        _part_path(self.path).unlink()

    def publish(self) -> None:
        """Give the whole, verified file its name; a crash right before leaves a part that counts for nothing."""
        _journal_path(self.path).unlink()
        publish(_part_path(self.path), self.path)

    def _spans(self) -> tuple[Span, ...]:
        return merged(Span(begin, end) for begin, end in self._ends.items())

    def _whole_to(self) -> int:
        at = 0
        while (end := self._ends.get(at, at)) > at:
            at = end
        return at

    def _save(self) -> None:
        claim = {
            "digest": self.entry.digest,
            "etag": self._version.etag,
            "modified": self._version.modified,
            "spans": [[span.begin, span.end] for span in self._spans()],
        }
        text = json.dumps(claim).encode().ljust(_JOURNAL_SIZE)
        # One that grew too long stays as it was, which claims less.
        if len(text) == _JOURNAL_SIZE:
            os.pwrite(self._journal, text, 0)
        self._unsaved = 0


def _part_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _journal_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")


def _read_journal(text: bytes, entry: FileEntry, size_on_disk: int) -> tuple[tuple[Span, ...], Version]:
    """Return the spans and the version that the journal claims; nothing where it cannot be about this file."""
    try:
        claim = json.loads(text)
        spans = merged(Span(begin, end) for begin, end in claim["spans"])
        limit = min(entry.size, size_on_disk)
        if claim["digest"] == entry.digest and all(0 <= span.begin < span.end <= limit for span in spans):
            return spans, Version(claim["etag"], claim["modified"])
    except (ValueError, KeyError, TypeError):
        # Empty, cut short or not ours.
        pass
    return (), Version()
