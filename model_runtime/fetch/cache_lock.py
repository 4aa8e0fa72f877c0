"""The locks of the cache, which pods share over a volume, and how far their holders are. Called by `cache`.

flock: the kernel frees it when its holder dies, however it dies. NFS takes it since version 4 and shares it between
nodes; a file system without locks makes the cache unusable, which harms nothing. A holder writes its progress into the
file that it locks, every so many seconds: whoever waits reads it, and a holder that is frozen is no longer waited for.
"""

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from model_runtime.fetch.cache_folder import cache_errors
from model_runtime.fetch.progress import Progress

BEAT_SECONDS = 1.0
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
_HELD = frozenset({errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN})
_MAX_BEAT_BYTES = 128


class Mode(IntEnum):
    """Who else may hold the lock."""

    SHARED = fcntl.LOCK_SH
    EXCLUSIVE = fcntl.LOCK_EX


@dataclass(frozen=True, slots=True)
class Beat:
    """What a holder wrote last: how often it did, and how many bytes of how many it had."""

    count: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is held, until it is released or the `with` ends."""

    descriptor: int
    mode: Mode

    def release(self) -> None:
        """Let go."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def try_lock(folder: int, name: str, mode: Mode) -> Held | None:
    """Return the lock of a name; None while somebody else holds it.

    Raises:
        CacheError: the volume has no locks, or does not let us write.

    """
    with cache_errors():
        descriptor = os.open(name, _OPEN, 0o660, dir_fd=folder)
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            if _is_current(folder, name, descriptor):
                return Held(descriptor, mode)
        except OSError as error:
            if error.errno not in _HELD:
                os.close(descriptor)
                raise
        os.close(descriptor)
    return None


def _is_current(folder: int, name: str, descriptor: int) -> bool:
    """Tell whether the file is still the one of that name: its last holder may have removed it."""
    try:
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(now, os.fstat(descriptor))


def read_beat(folder: int, name: str) -> Beat | None:
    """Return what the holder of a lock wrote last; None where that is nothing yet."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    try:
        count, done, total = map(int, os.read(descriptor, _MAX_BEAT_BYTES).split())
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return Beat(count, done, total)


@contextmanager
def beating(descriptor: int, progress: Progress) -> Iterator[None]:
    """Write the progress into the locked file, at once and then every second, until the block ends."""
    ended = threading.Event()

    def beat() -> None:
        count = 0
        while True:
            count += 1
            _write(descriptor, count, progress)
            if ended.wait(BEAT_SECONDS):
                return

    thread = threading.Thread(target=beat, name="cache-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _write(descriptor: int, count: int, progress: Progress) -> None:
    reading = progress.reading()
    done, total = (reading.bytes_done, reading.bytes_total) if reading else (0, 0)
    # Of one length, so that whoever reads sees no rest of a longer one; a full disk takes it too, after the first.
    text = f"{count:20d} {done:20d} {total:20d}\n".encode()
    try:
        os.pwrite(descriptor, text, 0)
    except OSError:
        # Nobody is told how far it is; the fetch goes on.
        return
