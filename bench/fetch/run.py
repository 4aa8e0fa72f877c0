"""The steps of the benchmark: files of random bytes, downloads in turn, verification, memory."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.fetch.options import Options
from bench.fetch.results import Race, Results
from bench.fetch.server import build, serving
from model_runtime.fetch.hasher import is_complete
from model_runtime.manifest import FileEntry

_MIB = 1 << 20
_VERIFICATIONS = 3


@dataclass(frozen=True, slots=True)
class Stand:
    """A file behind a URL, and the folder that downloads go to."""

    url: str
    entry: FileEntry
    target: Path


def measure(options: Options) -> Results:
    """Run the benchmark.

    Raises:
        BenchError: a program is missing, or a download failed.

    """
    if shutil.which("curl") is None:
        raise BenchError("curl is not installed: it is what the download is compared with")
    program = build()
    with tempfile.TemporaryDirectory(prefix="nereid-bench-", dir=options.folder) as temporary:
        folder = Path(temporary)
        with _stand(program, folder, options.size) as stand:
            race = _race(stand, options.size, options.rounds)
            verifications = _verify(stand)
        with _stand(program, folder, options.limited_size, options.limit * _MIB) as stand:
            limited = _race(stand, options.limited_size, options.rounds)
        peaks = {mib: _peak(program, folder, mib) for mib in options.memory_sizes}
    return Results(race, limited, verifications, peaks)


@contextmanager
def _stand(program: Path, folder: Path, mib: int, rate: int | None = None) -> Iterator[Stand]:
    origin, target = folder / "origin", folder / "target"
    entry = _make_file(origin, mib)
    try:
        with serving(program, origin, rate) as url:
            yield Stand(f"{url}/{entry.path}", entry, target)
    finally:
        shutil.rmtree(origin)
        shutil.rmtree(target, ignore_errors=True)


def _make_file(folder: Path, mib: int) -> FileEntry:
    """Write a file of random bytes; it stays in the page cache, so that the server reads no disk."""
    folder.mkdir()
    hasher = hashlib.sha256()
    with (folder / "file").open("wb") as file:
        for _ in range(mib):
            chunk = os.urandom(_MIB)
            hasher.update(chunk)
            file.write(chunk)
    return FileEntry("file", mib * _MIB, f"sha256:{hasher.hexdigest()}")


def _race(stand: Stand, mib: int, rounds: int) -> Race:
    curl, ours = [], []
    for _ in range(rounds):
        curl.append(_timed(stand, _curl))
        ours.append(_timed(stand, _ours))
    return Race(mib, ours, curl)


def _timed(stand: Stand, fetch: Callable[[Stand], object]) -> float:
    """Return the seconds of a download into an empty folder, with nothing left to be written from before."""
    shutil.rmtree(stand.target, ignore_errors=True)
    stand.target.mkdir()
    os.sync()
    begin = time.perf_counter()
    fetch(stand)
    return time.perf_counter() - begin


def _curl(stand: Stand) -> None:
    """Download as a user would, and have it safe on the disk as ours is; nothing is hashed."""
    path = stand.target / stand.entry.path
    done = subprocess.run(["curl", "-sS", "--fail", "-o", path, stand.url], check=False)
    if done.returncode:
        raise BenchError(f"curl ended with {done.returncode}")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _ours(stand: Stand) -> int:
    """Download in a process of its own, from its start to its end; return its peak of memory in KiB."""
    digest = stand.entry.digest.removeprefix("sha256:")
    command = [sys.executable, "-m", "bench.fetch.client", stand.url, str(stand.entry.size), digest]
    done = subprocess.run([*command, stand.target], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"the fetch failed: {done.stderr.strip()}")
    return int(json.loads(done.stdout.splitlines()[-1])["peakKib"])


def _verify(stand: Stand) -> list[float]:
    """Return the seconds of verifications of what is there."""
    seconds = []
    for _ in range(_VERIFICATIONS):
        begin = time.perf_counter()
        if not is_complete(stand.target, stand.entry):
            raise BenchError("what was fetched is not right")
        seconds.append(time.perf_counter() - begin)
    return seconds


def _peak(program: Path, folder: Path, mib: int) -> int:
    with _stand(program, folder, mib) as stand:
        stand.target.mkdir()
        return _ours(stand)
