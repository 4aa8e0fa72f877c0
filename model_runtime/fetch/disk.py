"""What a volume does for a download: room, errors that mean it is full, and names that appear in one step."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_runtime.errors import InsufficientDisk

# For what else is written to the same volume, such as the model repository.
_SPARE_BYTES = 16 << 20
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def check_room(folder: Path, needed: int, free: int) -> None:
    """Check that so many bytes more fit into what is free.

    Raises:
        InsufficientDisk: names both figures.

    """
    if needed and needed + _SPARE_BYTES > free:
        raise InsufficientDisk(f"{folder}: {free} bytes free: expected {needed} for the model and {_SPARE_BYTES} spare")


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn the errors of a volume that fills up while it is written to.

    Raises:
        InsufficientDisk: the disk or the quota is full.

    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise InsufficientDisk(f"{what}: the disk is full") from error
        raise


def publish(written: Path, path: Path) -> None:
    """Give a whole, synced file its name, which lasts beyond a crash of the node."""
    written.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
