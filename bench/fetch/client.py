"""`python -m bench.fetch.client URL SIZE DIGEST FOLDER`: fetches one file as `prepare` fetches a model's.

The last line is a JSON object with the most memory that the process ever held, in KiB.
"""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from model_runtime.arguments import SourceArguments
from model_runtime.fetch.download import download
from model_runtime.fetch.http import make_client, open_range
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.fetch.source import Answer, Listing
from model_runtime.manifest import FileEntry, Manifest

_DEADLINE_SECONDS = 3600.0


def main(arguments: Sequence[str]) -> int:
    """Fetch the file and report the memory."""
    url, size, digest, folder = arguments
    folder_url, _, name = url.rpartition("/")
    wanted = FileEntry(name, int(size), f"sha256:{digest}")
    patience = Patience(deadline=time.monotonic() + _DEADLINE_SECONDS)
    with make_client(SourceArguments(uri=url)) as client:

        def open_file(entry: FileEntry, offset: int, length: int | None = None) -> AbstractContextManager[Answer]:
            return open_range(client, f"{folder_url}/{entry.path}", {}, offset, length)

        listing = Listing("benchmark", Manifest.of([wanted]), open_file)
        download(listing, Path(folder), patience, Progress(report=_say, now=patience.clock.now))
    print(json.dumps({"peakKib": peak_kib()}))
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def peak_kib() -> int:
    """Return VmHWM: the largest resident set so far, without the kernel's page cache."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
