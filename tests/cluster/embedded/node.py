"""The node's process tree: starting its PID 1 in namespaces of its own, finding it, ending it.

Processes are found by what they are, in /proc, and never by a number that a file remembers: after a crash or a reboot
such a number may belong to anybody.
"""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.commands import environment
from tests.cluster.embedded.cgroups import cgroups
from tests.cluster.embedded.layout import Layout
from tests.cluster.errors import LeftoverError
from tests.stack.wait import wait_for

_REPOSITORY = Path(__file__).parents[3]
_MODULE = "tests.cluster.embedded.supervisor"
# Mount points on the host under which the node sees folders of its own; empty on the host itself.
MOUNT_POINTS = (Path("/var/lib/cni"), Path("/var/lib/kubelet"))


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the host."""

    pid: int
    command: tuple[str, ...]
    namespace: str


def processes() -> list[Process]:
    """Return every process there is; those that end meanwhile are left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = tuple((folder / "cmdline").read_text(errors="replace").split("\0"))
            found.append(Process(int(folder.name), command, str((folder / "ns" / "pid").readlink())))
        except OSError:
            continue
    return found


def supervisor(layout: Layout) -> Process | None:
    """Return the cluster's PID 1 as the host sees it, or None."""
    ours = str(Path("/proc/self/ns/pid").readlink())
    return next((process for process in processes() if process.namespace != ours and _is_ours(process, layout)), None)


def members(layout: Layout) -> list[Process]:
    """Return every process of the cluster: its tree, and what stands outside to hold it."""
    first = supervisor(layout)
    inside = {first.namespace} if first else set()
    return [process for process in processes() if process.namespace in inside or _is_ours(process, layout)]


def start_supervisor(layout: Layout) -> None:
    """Start the cluster's PID 1; it outlives us."""
    for folder in MOUNT_POINTS:
        folder.mkdir(parents=True, exist_ok=True)
    layout.logs.mkdir(parents=True, exist_ok=True)
    # Entering the network namespace by nsenter, since `ip netns exec` mounts a /sys that lacks the cgroups.
    namespaces = (
        "--mount",
        "--uts",
        "--ipc",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation=private",
    )
    arguments = (layout.state, layout.components, layout.certificates / "ca.crt")
    with (layout.logs / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [
                *("nsenter", f"--net=/run/netns/{layout.name}", "unshare", *namespaces),
                *(sys.executable, "-m", _MODULE, *map(str, arguments)),
            ],
            cwd=_REPOSITORY,
            env=environment({"PYTHONDONTWRITEBYTECODE": "1"}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def stop(layout: Layout) -> None:
    """Kill the cluster's PID 1, and the kernel kills the rest; wait until all have ended."""
    known = {process.pid for process in members(layout)}
    for process in members(layout):
        if _is_ours(process, layout):
            # The first kill may already have ended the next one.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    try:
        wait_for("end of the cluster's processes", lambda: not _alive(known, layout), seconds=30, interval=0.05)
    except TimeoutError:
        raise LeftoverError(f"processes that do not end: {sorted(_alive(known, layout))}") from None
    _remove_mount_points()


def _remove_mount_points() -> None:
    """Remove the mount points, unless another cluster has folders mounted there: removing them would unmount those."""
    if any(_MODULE in process.command for process in processes()):
        return
    for folder in MOUNT_POINTS:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _alive(known: set[int], layout: Layout) -> set[int]:
    """Return the pids that are not gone yet: known ones, and whatever sits in the pods' cgroups."""
    inside = {int(pid) for folder in cgroups(layout) for pid in (folder / "cgroup.procs").read_text().split()}
    return {pid for pid in known if _is_running(pid)} | inside


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except OSError:
        return False
    return state != "Z"


def _is_ours(process: Process, layout: Layout) -> bool:
    return _MODULE in process.command and str(layout.state) in process.command
