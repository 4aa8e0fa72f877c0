"""PID 1 of the node: mounts what the node keeps for itself, then keeps the components running.

Started by `cluster` inside the network, mount, process and other namespaces of the cluster; its death takes everything
with it. Components come from a JSON file, read again on SIGHUP. A component that ends is started again after a pause
that doubles from 0.2 s to 10 s and starts over once it has run for 30 s. Orphans of containers are reaped here.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30.0
_TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Node:
    """What the supervisor is told."""

    state: Path
    components: Path
    certificate_authority: Path


@dataclass(slots=True)
class Run:
    """One component: what it is, the process there is now, and when the next may start."""

    name: str
    command: list[str]
    gate: str
    pid: int = 0
    started: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS
    next_start: float = 0.0


def next_pause(pause: float, ran_seconds: float) -> float:
    """Return how long to wait after the next death (pure)."""
    return _FIRST_PAUSE_SECONDS if ran_seconds >= _STEADY_SECONDS else min(pause * 2, _LONGEST_PAUSE_SECONDS)


def main(node: Node) -> None:
    """Run until killed."""
    signals = {signal.SIGCHLD, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    _mount(node.state)
    runs = _read(node, {})
    while True:
        for run in runs.values():
            _start_when_due(run, node)
        arrived = signal.sigtimedwait(signals, _TICK_SECONDS)
        if arrived is not None and arrived.si_signo == signal.SIGHUP:
            runs = _read(node, runs)
        _reap(runs)


def _mount(state: Path) -> None:
    """Give the node its own /run, logs and folders, and answers to the kubelet about settings of the whole machine."""
    _command("mount", "--make-rshared", "/")
    _command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name, target in (("log", "/var/log"), ("cni", "/var/lib/cni"), ("kubelet", "/var/lib/kubelet")):
        (state / name).mkdir(parents=True, exist_ok=True)
        _command("mount", "--bind", str(state / name), target)
    for name, value in _KUBELET_WANTS.items():
        answer = Path("/run/sysctl") / name
        answer.parent.mkdir(parents=True, exist_ok=True)
        answer.write_text(f"{value}\n")
        _command("mount", "--bind", str(answer), f"/proc/sys/{name}")


# The kubelet sets these on the whole machine where they differ. It finds them set, and the machine stays as it was.
_KUBELET_WANTS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}


def _read(node: Node, runs: dict[str, Run]) -> dict[str, Run]:
    """Read the list of components; those that run already are kept."""
    wanted = json.loads(node.components.read_text())
    return {item["name"]: runs.get(item["name"]) or Run(item["name"], item["command"], item["gate"]) for item in wanted}


def _start_when_due(run: Run, node: Node) -> None:
    now = time.monotonic()
    if run.pid or now < run.next_start:
        return
    if run.gate and not _answers(run.gate, node.certificate_authority):
        run.next_start = now + _FIRST_PAUSE_SECONDS
        return
    log = node.state / "logs" / f"{run.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            run.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/",
            restore_signals=True, preexec_fn=_unblock,  # noqa: PLW1509
        )  # fmt: skip
    run.pid, run.started = process.pid, now
    process.returncode = 0  # reaped by _reap, not by the Popen object
    _say(f"{run.name} started as {run.pid}")


def _unblock() -> None:
    """Give the component an empty signal mask; runs between fork and exec in this single-threaded process."""
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _reap(runs: dict[str, Run]) -> None:
    """Collect every process that ended, also those that others left to us."""
    by_pid = {run.pid: run for run in runs.values() if run.pid}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if (run := by_pid.get(pid)) is not None:
            _note_end(run, status)


def _note_end(run: Run, status: int) -> None:
    now = time.monotonic()
    _say(f"{run.name} ended with {os.waitstatus_to_exitcode(status)}, starts again in {run.pause:.1f} s")
    run.pid, run.next_start = 0, now + run.pause
    run.pause = next_pause(run.pause, now - run.started)


def _answers(url: str, certificate_authority: Path) -> bool:
    """Tell whether the URL answers 200 within a second."""
    context = ssl.create_default_context(cafile=str(certificate_authority)) if url.startswith("https") else None
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
    )
    try:
        with direct.open(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _command(*words: str) -> None:
    subprocess.run(words, check=True)


def _say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Node(*map(Path, sys.argv[1:4])))
