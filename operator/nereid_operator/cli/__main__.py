"""`nereid`, and as a plugin `kubectl nereid`: arguments → one command → exit code.

0 done · 1 not found, not valid, or the cluster or the model says no · 2 the command line cannot be used · 130 Ctrl-C.
An error is one line on standard error.
"""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from nereid_operator.cli import arguments as command_line
from nereid_operator.cli.errors import CliError
from nereid_operator.cli.terminal import Terminal

try:
    from nereid_operator.cli import commands, planning
except ModuleNotFoundError as error:
    sys.exit(f"nereid: the package {error.name} is missing: install nereid with its extra, nereid[cli]")

_INTERRUPTED = 130
_COMMANDS: dict[str, Callable[[argparse.Namespace, Terminal], int]] = {
    "why": commands.why,
    "status": commands.status,
    "plan": planning.plan,
    "gateway": commands.gateway,
    "chat": commands.chat,
}


def run(argv: list[str], *, prog: str, terminal: Terminal, stderr: TextIO) -> int:
    """Run one command and return its exit code."""
    try:
        arguments = command_line.parse(argv, prog=prog)
        return _COMMANDS[arguments.command](arguments, terminal)
    except CliError as error:
        stderr.write(f"{prog}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        stderr.write("\n")
        return _INTERRUPTED


def program(path: str) -> str:
    """Return what a person types: kubectl calls the file kubectl-nereid as `kubectl nereid`."""
    return "kubectl nereid" if Path(path).name.startswith("kubectl-") else "nereid"


def main() -> None:
    """Run the command of this process."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a model's words in a terminal that knows ASCII alone
    terminal = Terminal(sys.stdin, sys.stdout, datetime.now(UTC))
    try:
        code = run(sys.argv[1:], prog=program(sys.argv[0]), terminal=terminal, stderr=sys.stderr)
    except BrokenPipeError:
        # `nereid status | head`: nobody reads on. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
