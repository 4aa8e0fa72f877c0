"""llama.cpp in an environment of its own under the user's cache, built from its source once: some fifteen minutes."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.errors import BenchError
from bench.runtime.options import LlamaCpp
from tests.binaries import cache_folder

_LOCK = Path(__file__).parents[2] / "requirements" / "llamacpp.txt"
_PACKAGE = "llama-cpp-python"
_BUILD_SECONDS = 3600.0


def python(wanted: LlamaCpp) -> str:
    """Return the Python that has llama.cpp.

    Raises:
        BenchError: it is not built and is not to be, or could not be built; the message is what the report says.

    """
    home = cache_folder() / "llamacpp" / hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]
    program, whole = home / "bin" / "python", home / "whole"
    if not whole.exists():
        if wanted is LlamaCpp.IF_BUILT:
            raise BenchError("llama.cpp is not built yet: --llamacpp build does it")
        _build(home, program)
        whole.touch()
    return str(program)


def _build(home: Path, program: Path) -> None:
    """Compile for this very processor, and behind everything else that wants to run."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise BenchError("uv is not installed; `make venv` brings one")
    _run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(home)])
    install = [uv, "pip", "install", "-q", "--python", str(program), "--no-deps", "--require-hashes"]
    _run(["nice", "-n", "15", *install, "--no-binary", _PACKAGE, "-r", str(_LOCK)])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        raise BenchError(f"llama.cpp was not built within {_BUILD_SECONDS:.0f} s") from late
    if done.returncode:
        raise BenchError(f"llama.cpp cannot be built: {done.stderr.strip()[-500:]}")
