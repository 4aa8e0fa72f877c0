"""The file server of the benchmark, built from `fileserver/` and run until a block ends."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from tests.binaries import cache_folder

_SOURCE = Path(__file__).parent / "fileserver"


def build() -> Path:
    """Return the program; Go builds it anew only where its source changed.

    Raises:
        BenchError: there is no Go, or it cannot build it.

    """
    go = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if go is None:
        raise BenchError("go is not installed; `make venv` brings one")
    program = cache_folder() / "bench" / "fileserver"
    program.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run([go, "build", "-o", program, "."], cwd=_SOURCE, capture_output=True, text=True, check=False)
    if built.returncode:
        raise BenchError(f"go cannot build {_SOURCE}: {built.stderr.strip()}")
    return program


@contextmanager
def serving(program: Path, folder: Path, bytes_per_second: int | None = None) -> Iterator[str]:
    """Give the URL at which the folder's files are."""
    limit = [] if bytes_per_second is None else [str(bytes_per_second)]
    with subprocess.Popen([program, folder, *limit], stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or not (port := process.stdout.readline().strip()):
                raise BenchError("the file server did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
