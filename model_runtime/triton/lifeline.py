"""Ends Triton when the process of its Python backend dies, so that the container starts anew.

Triton goes on saying that it is ready after its backend's process was killed (by the kernel for lack of memory, say),
answers nothing that was in flight and fails everything after. Called by both models in `initialize` and `finalize`.
"""

import os
import subprocess

# Waits for the end of its input, which only the backend's process holds open, and kills Triton unless told to leave it.
_WATCH = 'read -r word; [ "$word" = leave ] || kill -KILL "$0"'


class Lifeline:
    """A small process that outlives its parent, the backend's process, for a moment. Use: `close` on an orderly end."""

    def __init__(self, server: int | None = None) -> None:
        """Watch over this process; `server` is the one to kill, by default its parent, Triton."""
        command = ["/bin/sh", "-c", _WATCH, str(server if server is not None else os.getppid())]
        self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def close(self) -> None:
        """Leave Triton alone from now on."""
        self._watcher.communicate(b"leave\n")
