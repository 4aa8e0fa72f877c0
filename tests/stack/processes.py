"""The processes of a pod as the machine of the node sees them: its signals reach a container's first process."""

from pathlib import Path


def first_process(pod_uid: str, word: str) -> int:
    """Return the pid of the pod's process whose command line holds the word; LookupError where there is none."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _is_of(folder, pod_uid) and word in _text(folder / "cmdline"):
            return int(folder.name)
    raise LookupError(f"pod {pod_uid} has no process {word!r} on this machine")


def is_running(pid: int) -> bool:
    """Tell whether the process is there and has not ended."""
    return Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in _text(Path(f"/proc/{pid}/status"))


def _is_of(folder: Path, pod_uid: str) -> bool:
    # The systemd driver writes the uid with underscores.
    groups = _text(folder / "cgroup")
    return f"pod{pod_uid}" in groups or f"pod{pod_uid.replace('-', '_')}" in groups


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
