"""The real promtool, which checks metrics, alerts and their tests: from PATH, or out of Debian's package `prometheus`.

The package is unpacked into the user's cache directory and not installed: its server is not wanted.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.binaries import cache_folder

_PACKAGE = "prometheus"


def promtool() -> Path:
    """Return the path of promtool, fetching it the first time; elsewhere than on Debian it must be on PATH."""
    if found := shutil.which("promtool"):
        return Path(found)
    target = cache_folder() / "binaries" / _PACKAGE / "promtool"
    if not target.exists():
        _fetch(target)
    return target


def _fetch(target: Path) -> None:
    if shutil.which("apt-get") is None:
        raise FileNotFoundError("promtool is not on PATH, and there is no apt-get to fetch it with")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if subprocess.run(["apt-get", "download", "-qq", _PACKAGE], cwd=folder, check=False).returncode:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            subprocess.run(["apt-get", "download", "-qq", _PACKAGE], cwd=folder, check=True)
        package = next(folder.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, folder / "unpacked"], check=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place, so that a cut run leaves nothing half-written.
        beside = Path(tempfile.mkdtemp(dir=target.parent)) / "promtool"
        shutil.copy2(folder / "unpacked" / "usr" / "bin" / "promtool", beside)
        beside.rename(target)
        beside.parent.rmdir()


def run_promtool(*arguments: str, stdin: str | None = None) -> str:
    """Run promtool and return what it printed; CalledProcessError's output says what it found."""
    done = subprocess.run(
        [promtool(), *arguments],
        input=stdin,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"promtool {' '.join(arguments)}:\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(f"{promtool()}\n")
