"""Programs of the system: started here, their failure turned into one line.

Called by every module of the tool that runs a program; nothing else calls `subprocess`, except the supervisor.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.errors import CommandError, MissingToolError

# Debian keeps iptables, ip and the like outside an ordinary user's PATH.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a program: ours, with the system's folders at the end of PATH."""
    path = [folder for folder in os.environ.get("PATH", "").split(":") if folder]
    path += [folder for folder in SYSTEM_FOLDERS if folder not in path]
    return {**os.environ, "PATH": ":".join(path), **(extra or {})}


def find(program: str) -> str | None:
    """Return the path of a program, or None."""
    return shutil.which(program, path=environment()["PATH"])


def require(program: str, advice: str) -> str:
    """Return the path of a program; MissingToolError with the advice where there is none."""
    if (path := find(program)) is None:
        raise MissingToolError(f"{program} is not installed: {advice}")
    return path


def run(*command: str | Path, cwd: Path | None = None, extra: Mapping[str, str] | None = None, stdin: str = "") -> str:
    """Run a program and return its standard output; CommandError carries the end of what it printed."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, env=environment(extra), input=stdin, text=True, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise MissingToolError(f"{words[0]} is not installed") from None
    if done.returncode:
        raise CommandError(failure_line(words, done.returncode, done.stderr or done.stdout))
    return done.stdout


def run_logged(
    log: Path, *command: str | Path, cwd: Path | None = None, extra: Mapping[str, str] | None = None
) -> None:
    """Run a program whose output goes to a file; CommandError names the file and carries its last lines."""
    words = [str(word) for word in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        code = subprocess.run(
            words, cwd=cwd, env=environment(extra), stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        ).returncode
    if code:
        raise CommandError(f"{failure_line(words, code, log.read_text(errors='replace'))} (all of it: {log})")


def succeeds(*command: str | Path) -> bool:
    """Tell whether a program is there and ends with 0."""
    try:
        run(*command)
    except (CommandError, MissingToolError):
        return False
    return True


def failure_line(words: Sequence[str], code: int, output: str) -> str:
    """Return one line: the program, its code, and the last three lines it printed (pure)."""
    last = " | ".join(line.strip() for line in output.strip().splitlines()[-3:])
    return f"{' '.join(words[:4])} ended with {code}: {last or 'it said nothing'}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file: of two runs at once, the second waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
